"""Makes runnable dirs of directories of an older scheme, where they are; the old files stay unless asked."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers import config, discover, repo
from helpers.console import printable, report_error, say
from helpers.dirs import check, create, old_scheme, project_text, soundness
from helpers.dirs.create import Doors
from helpers.dirs.old_scheme import OldDir
from helpers.errors import OK, HelpersError, NothingSelectedError, PolicyError, UsageError, worst
from helpers.manifest.read import read as read_manifest
from helpers.model import lock_kind, python_specifier, settings_file
from helpers.model.archive import PYTHON_OF_SUITE
from helpers.model.image import Base
from helpers.model.manifest import Stated
from helpers.model.settings import DEFAULT_BASE
from helpers.repo.location import git_in

_MOST_MINOR = 40


@dataclass(frozen=True)
class Options:
    """What the user asks for.

    Arguments:
        base: of the image; empty for one whose Python fits.
        dry_run: print the decisions, and write nothing.
        remove_old: remove the old files, which git must have.
    """

    base: str = ""
    dry_run: bool = False
    remove_old: bool = False


def is_meant(name: str, source: str, cwd: Path | None = None) -> bool:
    """Return whether `dir_create NAME --from SOURCE` names one directory of the older scheme, in place."""
    here = (cwd or Path.cwd()).resolve()
    path = Path(os.path.realpath(here / name))
    return bool(source) and path == Path(os.path.realpath(here / source)) and old_scheme.is_old(path)


def main(
    name: str, options: Options, *, every: bool = False, cwd: Path | None = None, doors: Doors | None = None
) -> int:
    """Migrate the directory `name`, or every directory of the older scheme in the repo; return the exit code.

    A fault of one directory does not stop the others.

    Arguments:
        name: path of the directory, relative to `cwd`; of the root for every directory.
        options: what the user asks for.
        every: whether all directories of the repo are meant.
        cwd: where the command was given.
        doors: the functions of the lock.

    Raises:
        UsageError: `name` is not the root of the repo, for every directory.
        NothingSelectedError: the repo has no directory of the older scheme.
    """
    here = (cwd or Path.cwd()).resolve()
    root = repo.find_root(here)
    path = Path(os.path.realpath(here / name))
    if every and path != root:
        fix = f"cd {shlex.quote(str(root))} && invoke dir_create . --from . --all"
        raise UsageError("--all means every runnable dir of the repo", where=path, fix=fix)
    paths = [one for one in (discover.runnable_paths(root) if every else [path]) if old_scheme.is_old(one)]
    why = f"such a directory has {old_scheme.MANIFEST}, and no pyproject.toml"
    if every and not paths:
        raise NothingSelectedError("no directory of the older scheme", where=root, why=why, fix="invoke dir_list")
    if not paths:
        raise UsageError("is not a directory of the older scheme", where=path, why=why, fix="leave --remove-old out")
    codes = [OK]
    for one in paths:
        print(printable(os.path.relpath(one, here)))
        try:
            codes.append(_migrate(root, one, options, doors or Doors()))
        except HelpersError as error:
            codes.append(report_error(error))
    if options.dry_run:
        say("dry run, nothing is changed")
    return worst(codes)


def _migrate(root: Path, path: Path, options: Options, doors: Doors) -> int:
    old = old_scheme.read(path)
    removed = list(_removed(root, old)) if options.remove_old else []
    with create.made_aside(path, in_root=path == root) as aside:
        (aside / "pyproject.toml").write_text(old.manifest, encoding="utf-8")
        if old.lock:
            (aside / "poetry.lock").write_text(old.lock, encoding="utf-8")
        base = _base(options.base, _requires_python(aside))
        for line in _decisions(old, base, removed):
            print(f"  {printable(line)}")
        if options.dry_run:
            return OK
        file = aside / settings_file.NAME
        file.parent.mkdir()
        file.write_text("\n".join([*_settings(old, base), ""]), encoding="utf-8")
        config.forget()
        if not old.lock_fits:
            doors.lock(aside, path)
        create.move(aside, path)
    _remove(path, removed)
    config.forget()
    findings = check.check(root, path, doors.requirements)
    for finding in findings:
        print(f"  {finding.text(path)}")
    return worst([OK, *(finding.exit_code for finding in findings)])


def _requires_python(aside: Path) -> str:
    stated = read_manifest(aside).requires_python
    return stated.value if stated else ""


def _base(given: str, requires: str) -> Stated:
    """Return the base of the image: the given one, or one with a Python that the manifest allows."""
    if given:
        return Stated(given, "--base")
    suites = [DEFAULT_BASE, *(f"archive:{suite}" for suite, version in PYTHON_OF_SUITE.items() if version)]
    fitting = [suite for suite in suites if not soundness.python_problem(Base.parse(suite), requires)]
    minors = [minor for minor in reversed(range(_MOST_MINOR)) if python_specifier.allows(requires, minor)]
    other = f"image:python:3.{minors[0]}-slim-bookworm" if minors else DEFAULT_BASE
    source = f"{old_scheme.MANIFEST}, its Python is {requires}" if requires else "the default"
    return Stated(next(iter(fitting), other), source)


def _settings(old: OldDir, base: Stated) -> Iterator[str]:
    yield f"base = {project_text.toml_string(base.value)}"
    if old.packages:
        yield f"system_packages = {project_text.toml_list(item.value for item in old.packages)}"
    if old.tests:
        yield f"tests = {project_text.toml_list(old.tests)}"


def _decisions(old: OldDir, base: Stated, removed: Sequence[Path]) -> Iterator[str]:
    """Yield each decision as a line with its source."""
    yield "image and version: changelog.txt, which stays as it is"
    yield f"base {base.value}: {base.source}"
    yield f"manifest pyproject.toml: {old_scheme.MANIFEST}, without [build-system], with package-mode = false"
    if old.lock_fits:
        yield f"lock poetry.lock: {old_scheme.LOCK}, which fits the manifest"
    elif old.lock:
        yield f"lock poetry.lock: made of {old_scheme.LOCK}, which does not fit the manifest"
    else:
        yield f"lock {lock_kind.DERIVED}: made anew, because there is none"
    yield f"tests {', '.join(old.tests) or 'test'}: the test files that pytest finds"
    for source in dict.fromkeys(item.source for item in old.packages):
        yield f"system packages {', '.join(one.value for one in old.packages if one.source == source)}: {source}"
    for item in old.left_out:
        yield f"left out: {item.value}: {item.source}"
    for name in old.compose:
        yield f"left out: services of {name}; write those that tests need into devops/compose.yaml"
    for link in old.links:
        yield f"link {link.source} -> {link.value}: of the older scheme{'' if removed else '; --remove-old removes it'}"
    for file in removed:
        yield f"removed: {file.relative_to(old.path)}"


def _removed(root: Path, old: OldDir) -> Iterator[Path]:
    """Yield the old files: those of the build, which are read, and links to tools.

    Raises:
        PolicyError: git does not have one of them as it is.
    """
    names = [old_scheme.FOLDER, *(link.source for link in old.links)]
    top = old.path.relative_to(root).as_posix()
    paths = [f"{top}/{name}" for name in names] if top != "." else names
    dirty = [path for path in repo.changes(root) if any(Path(path).is_relative_to(one) for one in paths)]
    if dirty:
        fix = f"{git_in(root)} add -- {shlex.join(dirty)} && {git_in(root)} commit"
        why = "--remove-old removes only what git keeps"
        raise PolicyError(f"{', '.join(dirty[:3])}: not committed", where=root, why=why, fix=fix)
    known = repo.tracked(root)
    yield from (file for file in known if any(file.relative_to(root).is_relative_to(one) for one in paths))


def _remove(path: Path, removed: Sequence[Path]) -> None:
    for file in removed:
        file.unlink()
    for folder in sorted({parent for file in removed for parent in file.parents if parent != path}, reverse=True):
        if folder.is_relative_to(path) and folder != path / "devops" and not any(folder.iterdir()):
            folder.rmdir()
