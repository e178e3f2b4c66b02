"""Makes a new runnable dir, from a template or of an existing Python project: whole or not at all."""

from __future__ import annotations

import datetime
import os
import re
import shlex
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from helpers import config, discover, pyproject, repo
from helpers.console import cut, excerpt, printable, say
from helpers.dirs import adopt, adoption, check, names, soundness
from helpers.dirs.adoption import Adoption
from helpers.errors import OK, SIGTERM_EXIT, HelpersError, UsageError, worst
from helpers.images import bases
from helpers.images import lock as locks
from helpers.model import python_specifier, settings_file
from helpers.model.archive import PYTHON_OF_SUITE
from helpers.model.image import Base, BaseKind
from helpers.model.manifest import Stated
from helpers.model.number import whole
from helpers.model.settings import DEFAULT_BASE

_TEMPLATE = Path(__file__).parent.parent / "templates" / "runnable_dir"
_DEFAULT_PYTHON = "3.11"
_MOST_MINOR = 1000
_FIRST_VERSION = "0.1.0"

# The directory, and its name in messages.
Lock = Callable[[Path, Path], bool]


@dataclass(frozen=True)
class Doors:
    """What a creation calls that is slow or needs the network.

    Arguments:
        lock: writes `poetry.lock` of a directory.
        requirements: exports it, for the check at the end.
        record: records the digest of a base that is pulled by a tag.
    """

    lock: Lock = locks.lock
    requirements: check.Requirements = locks.requirements
    record: Callable[[Path], str] = bases.record_at


@dataclass(frozen=True)
class NewDir:
    """A runnable dir that can be made: nothing is in its way.

    Arguments:
        root: absolute path of the repo's root.
        here: where the command was given.
        target: absolute path of the directory.
        image: name of its image.
        base: what the image is built on.
        requires: PEP 440 specifier of its Python.
        project: the existing project that it is made of; None fills in the template.
        decisions: about the project, a line each.
    """

    root: Path
    here: Path
    target: Path
    image: str
    base: str
    requires: str
    project: Adoption | None
    decisions: tuple[str, ...] = ()


def main(
    name: str,
    *,
    base: str = "",
    python: str = "",
    source: str = "",
    dry_run: bool = False,
    cwd: Path | None = None,
    doors: Doors | None = None,
) -> int:
    """Make the runnable dir `name`, say what was made, check it, and return the exit code.

    Arguments:
        name, base, python, source, cwd: as for `examine`.
        dry_run: print the decisions and the new files, and write nothing.
        doors: the lock's functions.

    Raises:
        UsageError: the name, base or Python is no good, or the directory exists.
        ConfigError: poetry finds no solution for the dependencies.
    """
    new = examine(name, base=base, python=python, source=source, cwd=cwd)
    if dry_run:
        return show(new)
    code = carry_out(new, doors or Doors())
    if code == OK:
        print(
            f"next: ./main_pytest.py --dir {new.target.relative_to(new.root).as_posix()}  (from the root of the repo)"
        )
    return code


def examine(name: str, *, base: str = "", python: str = "", source: str = "", cwd: Path | None = None) -> NewDir:
    """Return the runnable dir that is asked for; nothing is changed yet.

    Arguments:
        name: a path relative to `cwd`.
        base: what its image is built on; empty for the default, or for one with a Python that fits.
        python: its Python, as in `3.11`; empty for the one of the base.
        source: an existing Python project to make it of, relative to `cwd`; empty for a new one.
        cwd: where the command was given.

    Raises:
        UsageError: the name, base or Python is no good, or the directory exists.
    """
    here = (cwd or Path.cwd()).resolve()
    root = repo.find_root(here)
    target = names.place(root, here, name, in_place=bool(source))
    project = adoption.examine(_source(here, target, source)) if source else None
    if project is None:
        names.package_name(target.name)
    elif python and project.requires_python:
        raise UsageError("--python goes with a new directory", why=f"{source} says itself which Python it needs")
    chosen = _base(base, python, project)
    requires = _requires_python(target, chosen.value, python)
    image = _image(root, target, project)
    _check_image_is_new(root, target, image.value)
    _check_target(target, project.source if project else None)
    decisions = tuple(adoption.decisions(project, image, chosen)) if project else ()
    return NewDir(root, here, target, image.value, chosen.value, requires, project, decisions)


def _base(base: str, python: str, project: Adoption | None) -> Stated:
    """Return the base of the image: the given or the set one, or one with a Python that the project allows."""
    if base or python:
        return Stated(base or _base_with(python), "--base" if base else "--python")
    there = pyproject.settings_table(project.source).get("base") if project else None
    if project and isinstance(there, str):
        return Stated(there, settings_file.spelled("base", pyproject.settings_file(project.source)))
    requires = project.requires_python if project else ""
    fitting = _python_for(requires)
    why = f"the first with a Python that fits {cut(requires)}" if requires and fitting else "the default"
    return Stated(_base_with(fitting), why)


def _image(root: Path, target: Path, project: Adoption | None) -> Stated:
    """Return the name of the image: that of the project, unless another directory has it."""
    own = project.image if project else ""
    taken = {check.image_name_of(other) for other in discover.runnable_paths(root) if other != target}
    if project and project.manifest.name and own not in taken:
        return Stated(own, project.manifest.name.source)
    name = names.suggestion(root.name) if target == root else names.image_name(target.name)
    return Stated(name, f"the name of the directory, because {own} is the image of another" if own else "its directory")


def show(new: NewDir) -> int:
    """Print the decisions about a new directory, and its files, without making it."""
    target = printable(os.path.relpath(new.target, new.here))
    for line in new.decisions or (f"image {new.image}", f"base {new.base}"):
        print(f"  {line}")
    found = new.project
    written = adopt.files(found, new.base) if found else {}
    for name, text in {**written, "changelog.txt": _changelog(new)}.items():
        print(f"  would write {target}/{name}:")
        print("".join(f"    {printable(line)}\n" for line in text.splitlines()), end="")
    if found and found.is_locked_by_us:
        print(f"  would lock {target}")
    say(f"dry run, nothing is changed; it would make {target}")
    return OK


def carry_out(new: NewDir, doors: Doors) -> int:
    """Make a runnable dir, say what was made, check it, and return the exit code.

    Raises:
        ConfigError: poetry finds no solution for the dependencies.
    """
    notes = _make(new, doors.lock)
    return _report(new, [*notes, *_record_base(new.target, new.base, doors)], doors)


def _record_base(target: Path, base: str, doors: Doors) -> list[str]:
    parsed = Base.parse(base)
    if parsed.kind is not BaseKind.IMAGE or "@" in parsed.value:
        return []
    try:
        return [doors.record(target)]
    except HelpersError as error:
        return [str(error)]  # What is missing, and the command that makes it, is what the check at the end says.


def _make(new: NewDir, lock: Lock) -> list[str]:
    """Make the directory and return what its user should know."""
    target, project = new.target, new.project
    with made_aside(target, in_root=target == new.root) as aside:
        if project:
            notes = [*new.decisions, *adopt.adopt(project, aside, target, base=new.base, lock=lock)]
        else:
            notes = []
            _fill_template(aside, new)
            lock(aside, target)
        (aside / "devops").mkdir(exist_ok=True)
        if not any((aside / "devops").iterdir()):
            (aside / "devops" / ".gitkeep").touch()
        # Last, because with it the directory becomes one that a test run at this moment would find.
        (aside / "changelog.txt").write_text(_changelog(new), encoding="utf-8")
        move(aside, target)
    config.forget()
    return notes


def _python_for(requires_python: str) -> str:
    """Return the Python for a project: of the default base, of another suite, else the nearest; empty if none fits."""
    of_suites = [int(version.partition(".")[2]) for version in PYTHON_OF_SUITE.values() if version]
    usual = int(_DEFAULT_PYTHON.partition(".")[2])
    others = sorted(range(_MOST_MINOR), key=lambda minor: abs(minor - usual))
    known = (usual, *sorted(of_suites, reverse=True), *others)
    return next((f"3.{minor}" for minor in known if python_specifier.allows(requires_python, minor)), "")


def _changelog(new: NewDir) -> str:
    project = new.project
    effect = f"made of {project.source.name}" if project else "first version"
    version = project.version if project else _FIRST_VERSION
    return f"# {new.image}-{version}\n- {datetime.date.today():%Y-%m-%d}\n- {effect}\n"


def _base_with(python: str) -> str:
    """Return the base for a Python that is asked for: a distribution that has it, or else the image of that Python."""
    suites = {version: suite for suite, version in PYTHON_OF_SUITE.items() if version}
    if python in suites:
        return f"archive:{suites[python]}"
    return f"image:python:{python}-slim-bookworm" if re.fullmatch(r"3\.\d+", python) else DEFAULT_BASE


def _requires_python(target: Path, base: str, python: str) -> str:
    try:
        parsed = Base.parse(base)
    except ValueError as error:
        raise UsageError(f"--base: {error}", fix="invoke dir_create NAME --base archive:bookworm") from None
    python = python or PYTHON_OF_SUITE.get(parsed.value) or _DEFAULT_PYTHON
    major, _, minor = python.partition(".")
    number = whole(minor, _MOST_MINOR)
    if major != "3" or number is None:
        what = f"--python {excerpt(python)} is not a version like 3.11"
        raise UsageError(what, fix="invoke dir_create NAME --python 3.11")
    requires = f">=3.{number},<3.{number + 1}"
    if problem := soundness.python_problem(parsed, requires):
        raise UsageError(problem, where=target, fix="leave --python out, or choose another --base")
    return requires


def _check_image_is_new(root: Path, target: Path, image: str) -> None:
    for other in discover.runnable_paths(root):
        if other != target and check.image_name_of(other) == image:
            raise UsageError(f"the image {image!r} is the one of {other.relative_to(root)} already", fix="another name")


def _check_target(target: Path, project: Path | None) -> None:
    quoted = shlex.quote(str(target))
    if discover.is_runnable(target):
        raise UsageError("is a runnable dir already", where=target, fix=f"invoke dir_check --dir {quoted}")
    if target.is_symlink() or (target.exists() and not target.is_dir()):
        raise UsageError("is there already and is not a directory", where=target, fix="another name")
    if target.is_dir() and any(target.iterdir()) and target != project:
        raise UsageError(
            "is there already and has content, nothing of which is overwritten",
            where=target,
            fix=f"another name, or make it one as it is: {adopt_command(target)}",
        )


def adopt_command(target: Path, before: str = "") -> str:
    """Return how a directory with content becomes a runnable dir where it is.

    Arguments:
        target: absolute path of the directory.
        before: commands that come before.
    """
    quoted = shlex.quote(str(target))
    first = "" if adoption.is_project(target) else "write its pyproject.toml, then "
    return f"{first}{before}invoke dir_create {quoted} --from {quoted}"


def _source(here: Path, target: Path, source: str) -> Path:
    path = Path(os.path.realpath(here / source))
    if not path.is_dir():
        fix = "unpack it first" if path.is_file() else "name the directory of an unpacked source distribution"
        raise UsageError(f"--from {source!r} is not a directory", where=path, fix=fix)
    if target != path and target.is_relative_to(path):
        raise UsageError(
            f"--from {source!r} holds the new directory itself", where=path, fix="choose a place outside it"
        )
    adoption.check_is_project(path)
    return path


def _fill_template(aside: Path, new: NewDir) -> None:
    package = names.package_name(new.target.name)
    words = {"PACKAGE_NAME": package, "IMAGE_NAME": new.image, "BASE_NAME": new.base, "REQUIRES_PYTHON": new.requires}
    for file in sorted(item for item in _TEMPLATE.rglob("*") if item.is_file() and item.suffix != ".pyc"):
        # A pyproject.toml with words to fill in would upset linters that take each one they meet for settings.
        name, text = file.relative_to(_TEMPLATE).as_posix().removesuffix(".in"), file.read_text(encoding="utf-8")
        for word, value in words.items():
            name, text = name.replace(word, value), text.replace(word, value)
        (aside / name).parent.mkdir(parents=True, exist_ok=True)
        (aside / name).write_text(text, encoding="utf-8")


@contextmanager
def made_aside(target: Path, *, in_root: bool = False) -> Iterator[Path]:
    """Yield a directory to work in, beside `target` or, if that is the root, in it, so that it lies in the repo.

    It is gone afterwards, with parents that were made for it. What a killed process left has a name that no later call
    uses.
    """
    place = target if in_root else target.parent
    new_parents = [parent for parent in target.parents if not parent.exists()]
    place.mkdir(parents=True, exist_ok=True)
    with _sigterm_unwinds():
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}-new-", dir=place))
        try:
            # mkdtemp makes it private; this one becomes a directory like any other.
            aside.chmod(place.stat().st_mode & 0o777)
            yield aside
        finally:
            shutil.rmtree(aside, ignore_errors=True)
            for parent in new_parents:
                if not any(parent.iterdir()):
                    parent.rmdir()


@contextmanager
def _sigterm_unwinds() -> Iterator[None]:
    """Let SIGTERM unwind the stack, so that what is half-made is removed."""

    def end(number: int, frame: FrameType | None) -> None:
        raise SystemExit(SIGTERM_EXIT)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def move(aside: Path, target: Path) -> None:
    """Make `aside` the directory `target`; one with content (the project itself) gets what is new or changed."""
    if not target.exists() or not any(target.iterdir()):
        os.rename(aside, target)
        return
    for file in sorted(item for item in aside.rglob("*") if item.is_file() and not item.is_symlink()):
        there = target / file.relative_to(aside)
        if not there.exists() or there.read_bytes() != file.read_bytes():
            there.parent.mkdir(parents=True, exist_ok=True)
            os.replace(file, there)


def _report(new: NewDir, notes: Sequence[str], doors: Doors) -> int:
    root, here, target = new.root, new.here, new.target
    shown = printable(os.path.relpath(target, here))
    for note in [*notes, *_ignored_note(root, target)]:
        say(f"note: {note}")
    findings = check.check(root, target, doors.requirements)
    for finding in findings:
        print(finding.text(here))
    print(f"made {shown}" + ("" if not findings else "; correct the above"))
    return worst([OK, *(finding.exit_code for finding in findings)])


def _ignored_note(root: Path, target: Path) -> list[str]:
    """Return a note on files that the directory came with and that git would leave out of a commit."""
    if target == root:
        return []  # nothing came with it: its files were there, and git's ways with them are the user's
    known = set(repo.files(root, f"{target.relative_to(root).as_posix()}/**"))
    skipped = ("__pycache__",)
    mine = [file for file in target.rglob("*") if file.is_file() and not any(part in skipped for part in file.parts)]
    ignored = sorted(file.relative_to(target).as_posix() for file in mine if file not in known)
    if not ignored or not known:
        return []
    more = f" and {len(ignored) - 3} more" if len(ignored) > 3 else ""
    return [f"git ignores {', '.join(ignored[:3])}{more}; fix: git add -f, if the tests need them"]
