"""`invoke repo_init`: gives a repo that has helpers what it needs to work with it."""

from __future__ import annotations

import difflib
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers import config, discover, pyproject, repo
from helpers.console import THIN_ENV, paint, printable, say
from helpers.dirs import create, project_text
from helpers.errors import OK, ConfigError, PolicyError, UsageError
from helpers.model import settings_file, sync_lock
from helpers.model.blob import blob_id
from helpers.model.settings import parse_settings
from helpers.model.sync_lock import Merged
from helpers.repo import submodules
from helpers.repo.location import git_in
from helpers.repos import shared_files, sync_state
from helpers.repos.shared_files import Write
from helpers.repos.stated_path import StatedPath
from helpers.repos.sync_state import State

# What a run of tests or a shell can leave in a checkout.
_ATTRIBUTES = ".gitattributes"
IGNORED = ("__pycache__/", ".pytest_cache/")
# Asks the user one question and returns the answer.
Ask = Callable[[str], str]


@dataclass(frozen=True)
class File:
    """A file of the super-repo, as it is and as it should be.

    Arguments:
        path: relative to the root.
        before: its content; None if there is none.
        after: what it should be.
        mode: permissions of a new one.
        ours: whether the file is helpers' as a whole; otherwise lines are added to the user's.
    """

    path: str
    before: str | None
    after: str
    mode: int = 0o644
    ours: bool = False

    @property
    def differs(self) -> bool:
        """Whether the user has something else where a file of helpers belongs."""
        return self.ours and self.before is not None and self.before != self.after

    @property
    def word(self) -> str:
        """What is done with it."""
        if self.before == self.after:
            return "as it is"
        if self.before is None:
            return "add"
        return "replace" if self.ours else "extend"

    def diff(self) -> Iterator[str]:
        """Yield the lines of the unified diff of a file that is there."""
        old, new = (self.before or "").splitlines(), self.after.splitlines()
        yield from difflib.unified_diff(old, new, self.path, f"{self.path} (helpers)", lineterm="")


def main(
    *,
    name: str = "",
    python: str = "",
    registry: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    cwd: Path | None = None,
    ask: Ask | None = None,
    doors: create.Doors | None = None,
) -> int:
    """Give the repo around `cwd` what it needs to work with helpers, say what was done, and return the exit code.

    Arguments:
        name: path of a first runnable dir to make, whose image gets its last part as name; `.` makes one of the
            code at the root; empty for none.
        python: its Python, as in `3.11`; empty for the default.
        registry: where images are pushed; None where the user did not say.
        overwrite: replace files of the user where files of helpers belong.
        dry_run: say what would be done, and do nothing.
        cwd: where the command was given.
        ask: asks for what is not given and not set yet; None asks nobody.
        doors: the functions of the lock of the first runnable dir.

    Raises:
        UsageError: `cwd` is in no repo with helpers, or an argument is no good.
        PolicyError: a file of the user's is where one of helpers belongs, or a link is.
    """
    here = (cwd or Path.cwd()).resolve()
    root = repo.find_root(here)
    stated = shared_files.lies_at(root)
    links = _links(root)
    _check(root, stated, links, overwrite=overwrite)
    if ask and not dry_run and registry is None and not (name or python):
        name, python, registry = _questions(root, ask)
    first = _first_dir(root, name, python)
    adopts = first is not None and first.target == root
    files = plan(root, registry, stated, links, adopts=adopts)
    _show_links(root, links)
    _show(root, files)
    if dry_run:
        return create.show(first) if first else _say_dry_run()
    for link in links:
        os.rename(root / link, root / shared_files.kept_beside(root, link))
    for file in files:
        if file.before != file.after:
            _write(root, file)
    _notes(root, files, stated.path)
    code = create.carry_out(first, doors or create.Doors()) if first else OK
    if code == OK:
        there = "" if here == root else f"cd {shlex.quote(str(root))} && "
        then = "./main_pytest.py" if discover.runnable_paths(root) else "invoke dir_create NAME"
        print(f"next: {there}source dev_scripts/setenv.sh && {then}")
    return code


def _say_dry_run() -> int:
    say("dry run, nothing is changed")
    return OK


def plan(
    root: Path, registry: str | None, stated: StatedPath, links: Sequence[str] = (), *, adopts: bool = False
) -> list[File]:
    """Return what `root` needs of helpers.

    Arguments:
        root: absolute path of the super-repo.
        registry: where images are pushed; None leaves what is set.
        stated: where helpers lies in it.
        links: paths of links that shims take the place of.
        adopts: whether the root becomes a runnable dir: then no file of its owner is extended.

    Raises:
        ConfigError: a file of the user's can not be read, or sets something else.
        PolicyError: a link is where a file belongs.
    """
    shims = list(_shims(root, stated, links))
    ignored, settings = _gitignore(root, adopts=adopts), _settings(root, registry, adopts=adopts)
    added = (_record(root, shims, links), _gitattributes(root), ignored, settings)
    return [*shims, *([] if links else _with_path(root, stated, shims)), *added]


def _questions(root: Path, ask: Ask) -> tuple[str, str, str | None]:
    """Return name, Python and registry; what is set already is not asked."""
    name, python, registry = "", "", None
    try:
        if not discover.runnable_paths(root):
            name = _answer(
                ask,
                "First runnable dir, such as runnable_dirs/forecast, or . for the code at the root (empty: none): ",
                lambda given: _first_dir(root, given, ""),
            )
            if name:
                python = _answer(ask, "Its Python (empty: 3.11): ", lambda given: _first_dir(root, name, given))
        if "registry" not in _table(root):
            registry = _answer(
                ask,
                "Registry that images are pushed to, as HOST[:PORT][/PATH] (empty: none): ",
                lambda given: parse_settings({"registry": given}, "the registry"),
            )
    except EOFError:
        raise UsageError("no answer; nothing is changed", fix="give the answers as options: --help") from None
    return name, python, registry


def _answer(ask: Ask, question: str, check: Callable[[str], object]) -> str:
    """Return the answer to a question, which is asked again until there is nothing wrong with it."""
    while True:
        given = ask(question).strip()
        try:
            check(given)
        except (UsageError, ConfigError) as error:
            say(error.summary)
        else:
            return given


def _first_dir(root: Path, name: str, python: str) -> create.NewDir | None:
    if python and not name:
        raise UsageError("--python is that of a first runnable dir", fix="give it a --name")
    if name and discover.is_runnable(root / name):
        say(f"{printable(name)} is a runnable dir already")
        return None
    # At the root lies the code that the repo is about: it becomes one where it is.
    source = "." if os.path.normpath(name) == "." else ""
    if name and not source and (root / name).is_dir() and any((root / name).iterdir()):
        what = f"--name {printable(name)} is a directory with content, nothing of which is overwritten"
        later = create.adopt_command(root / name, f"{THIN_ENV} && ")
        fix = f"another name, or leave out --name, then: {later}"
        raise UsageError(what, where=root / name, fix=fix)
    return create.examine(name, python=python, source=source, cwd=root) if name else None


def _links(root: Path) -> list[str]:
    """Return the paths of links where shims belong, or directories of shims; the content behind them is not touched."""
    paths = [template.path for template in shared_files.shims(StatedPath())]
    steps = (str(step) for path in paths for step in (*reversed(Path(path).parents), Path(path)))
    return [step for step in dict.fromkeys(steps) if (root / step).is_symlink()]


def _is_behind(links: Sequence[str], path: str) -> bool:
    return any(Path(path).is_relative_to(link) for link in links)


def _shims(root: Path, stated: StatedPath, links: Sequence[str] = ()) -> Iterator[File]:
    record = _recorded(root, links)
    for template in shared_files.shims(stated):
        before, after = _read(root, template.path, links), template.content.decode()
        there = stated.put_into((before or "").encode()).decode()
        # With something of the user's below, such as tasks of his own; what was merged once is sync_update's to merge.
        mine = bool(before) and (there.startswith(after) or template.path in record)
        yield File(template.path, before, there if mine else after, template.mode, ours=not mine)


def _with_path(root: Path, stated: StatedPath, shims: Sequence[File]) -> Iterator[File]:
    """Yield the other common files: helpers may have been moved since they were merged."""
    for path in sorted(shared_files.recorded(root).keys() - {file.path for file in shims}):
        before = _read(root, path)
        if before is not None:
            yield File(path, before, stated.put_into(before.encode()).decode())


def _recorded(root: Path, links: Sequence[str]) -> dict[str, Merged]:
    return {} if _is_behind(links, sync_lock.PATH) else shared_files.recorded(root)


def _record(root: Path, shims: Sequence[File], links: Sequence[str]) -> File:
    """Write down which templates the shims were made of, so that a newer one can be merged into them."""
    entries = _recorded(root, links)
    made_of = {template.path: template.base_id for template in shared_files.shims(StatedPath())}
    new = {file.path: Merged(made_of[file.path], blob_id(file.after.encode())) for file in shims}
    return File(sync_lock.PATH, _read(root, sync_lock.PATH, links), sync_lock.text({**new, **entries}))


def _gitattributes(root: Path) -> File:
    """Return the line ends of the repo; a user's own file stays as it is."""
    before = _read(root, _ATTRIBUTES)
    common = shared_files.PACKAGE / "templates" / "shared" / _ATTRIBUTES
    return File(_ATTRIBUTES, before, config.read_text(common) if before is None else before)


def _gitignore(root: Path, *, adopts: bool) -> File:
    before = _read(root, ".gitignore")
    if adopts and before is not None:
        return File(".gitignore", before, before)
    there = {line.strip().strip("/") for line in (before or "").splitlines()}
    missing = [line for line in IGNORED if line.strip("/") not in there]
    after = _ended(before) + "".join(f"{line}\n" for line in missing)
    return File(".gitignore", before, project_text.with_line_ends(after, before))


def _settings_place(root: Path, *, adopts: bool) -> str:
    """Return the path of the file for settings: a file of ours beside a project, whose files have another owner."""
    _read(root, "pyproject.toml")  # a link is refused with the fix of this command
    there = pyproject.settings_file(root).relative_to(root).as_posix()
    has_project = any(os.path.lexists(root / name) for name in ("pyproject.toml", "setup.py", "setup.cfg"))
    # With `devops/` a changelog of the owner would make the root a runnable dir.
    is_free = adopts or not os.path.lexists(root / "changelog.txt")
    is_shared = pyproject.helpers_table(pyproject.read_if_there(root)) is not None
    return settings_file.NAME if has_project and is_free and not is_shared else there


def _settings(root: Path, registry: str | None, *, adopts: bool) -> File:
    path = _settings_place(root, adopts=adopts)
    table = settings_file.table_of(path)
    before = _read(root, path)
    set_now = _table(root)
    if registry is not None:
        parse_settings({"registry": registry}, "--registry")
    if registry and set_now.get("registry") == "":
        after = project_text.replace_value(before or "", table, "registry", registry)
        return File(path, before, project_text.with_line_ends(after, before))
    if "registry" in set_now:
        if registry not in (None, set_now["registry"]):
            raise UsageError(
                f"--registry {registry!r}: registry = {set_now['registry']!r} is set already",
                where=root / path,
                fix="change it there",
            )
        return File(path, before, before or "")
    line = f"registry = {project_text.toml_string(registry or '')}  # that images are pushed to: HOST[:PORT][/PATH]"
    after = project_text.add_to_table(_ended(before), table, [line]).lstrip("\n")
    after = project_text.with_line_ends(after, before)
    # A table can be spelled in ways that a line more does not go with, such as `tool.helpers.env = []`.
    pyproject.parse_toml(after, root / path, fix=f"write this into the settings by hand: {line}")
    return File(path, before, after)


def _table(root: Path) -> dict[str, object]:
    return pyproject.settings_table(root)


def _ended(text: str | None) -> str:
    return f"{text}\n" if text and not text.endswith("\n") else text or ""


def _read(root: Path, path: str, links: Sequence[str] = ()) -> str | None:
    """Return the content of a file in the super-repo, None if it is not there or behind a link that is replaced."""
    if _is_behind(links, path):
        return None
    return config.read_text(root / path) if shared_files.check_plain(root, path) else None


def _show(root: Path, files: Sequence[File]) -> None:
    for file in files:
        if file.word != "as it is":
            beside = shared_files.kept_beside(root, file.path) if file.differs else ""
            kept = f"  (yours is kept as {printable(beside)})" if beside else ""
            print(f"{file.word:7}  {file.path}{kept}")
        if file.before is not None:
            for line in file.diff():
                colour = {"+": "green", "-": "red"}.get(line[0], "dim")
                print(f"  {paint(printable(line), colour, sys.stdout)}")
    if all(file.word == "as it is" for file in files):
        say("all that helpers needs here is there already")


def _show_links(root: Path, links: Sequence[str]) -> None:
    for link in links:
        kept = shared_files.kept_beside(root, link)
        print(
            f"replace  {printable(link)}  (yours, a link to {printable(os.readlink(root / link))}, is kept as {kept})"
        )


def _check(root: Path, stated: StatedPath, links: Sequence[str], *, overwrite: bool) -> None:
    if links and not overwrite:
        fix = "the same command with --overwrite  (the link is kept as NAME.orig)"
        raise PolicyError("is a link, and nothing is written through it", where=root / links[0], fix=fix)
    mine = [file for file in _shims(root, stated, links) if file.differs]
    if mine and not overwrite:
        _show(root, mine)
        raise PolicyError(
            f"{', '.join(file.path for file in mine)}: of yours, where helpers needs its own; nothing is changed",
            why="the difference is shown above",
            fix="move yours away and take over what you need of it, or the same command with --overwrite",
        )


def _write(root: Path, file: File) -> None:
    if file.differs:
        os.replace(root / file.path, root / shared_files.kept_beside(root, file.path))
    before = None if file.ours or file.before is None else file.before.encode()
    with shared_files.written(root, [Write(file.path, before, file.after.encode(), file.mode)]):
        pyproject.read.cache_clear()


def _notes(root: Path, files: Sequence[File], path: str) -> None:
    """Say what will surprise the user later."""
    if path not in submodules.gitlinks(root):
        fix = f"{git_in(root)} submodule add URL {path}"
        say(f"note: {path}/ is no submodule here, so a clone will not have it; fix: {fix}")
    known = repo.files(root, *(file.path for file in files))
    if hidden := [file.path for file in files if root / file.path not in known]:
        say(f"note: git ignores {', '.join(hidden)}; fix: {git_in(root)} add -f {' '.join(hidden)}")
    if any(item.state in (State.TEMPLATE, State.BOTH) for item in sync_state.examine(root)):
        say("note: helpers has newer templates; invoke sync_status shows them, invoke sync_update merges them")
    if discover.is_runnable(root):
        say("note: the root is a runnable dir, as it has devops/ and changelog.txt; fix: invoke dir_check --dir .")
