"""Says all that is wrong with a runnable dir, each finding with its file, its line and what to do."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any

from helpers import checkout_file, config, discover, pyproject, repo, toolchain_path
from helpers.console import printable, say
from helpers.containers import environment, rights
from helpers.dirs import locked, lost_tests, project_text, soundness
from helpers.dirs.testfiles import test_files
from helpers.errors import OK, ConfigError, HelpersError, UsageError, worst
from helpers.images import lock as locks
from helpers.images import lock_source
from helpers.images.forbidden import secrets_of, why_secret
from helpers.images.recipe import image_chain
from helpers.model import changelog as changelog_format
from helpers.model import settings_file
from helpers.model.settings import Settings, parse_settings
from helpers.model.system_lock import NAME as SYSTEM_LOCK

# What belongs to the root only; a copy in a runnable dir would be found first.
_ROOT_ONLY = ("tasks.py", "invoke.yaml", "main_pytest.py", "dev_scripts", "helpers/thin_env")
# Names that Docker Compose looks for too.
_COMPOSE_NAMES = ("compose.yml", "docker-compose.yaml", "docker-compose.yml")
_NOT_OURS = (".git", ".venv", "venv", "node_modules", "__pycache__", ".tox", ".nox")
Requirements = Callable[[Path], Path]


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Arguments:
        file: absolute path.
        line: its line, from 1.
        what: what is wrong with it.
        fix: the edit or command that helps.
        exit_code: what a command ends with that found it.
    """

    file: Path
    line: int
    what: str
    fix: str
    exit_code: int = ConfigError.exit_code

    def text(self, cwd: Path) -> str:
        """Return the finding on one line, its file relative to `cwd`."""
        return f"{printable(os.path.relpath(self.file, cwd))}:{self.line}: {self.what}; fix: {self.fix}"


def check(root: Path, path: Path, requirements: Requirements = locks.requirements) -> list[Finding]:
    """Return all that is wrong with the directory `path` of the repo at `root`.

    Arguments:
        root: absolute path of the repo's root.
        path: absolute path of the directory.
        requirements: exports its lock, and so says whether lock and project agree.
    """
    listing = discover.listing(root, lost_tests.PATTERNS)
    every = list(listing.runnable)
    nested = discover.nested_in(root, path, every)
    project = list(_project(path))
    found = [*_changelog(path), *project, *_settings(path, nested)]
    # A fault of `[project]` causes the findings of the later checks.
    if not project and os.path.lexists(pyproject.settings_file(path)):
        if not found and discover.is_runnable(path):
            # The files can be read together only if each file is right.
            found = list(_as_a_whole(root, path, every)) or list(_lost_tests(root, listing, path))
        found += _lock(path, requirements)
    named = {finding.file for finding in found}
    left = [finding for finding in _leftovers(root, path, every) if finding.file not in named]
    return list(
        dict.fromkeys([*_missing(root, path, every), *found, *_secrets(path), *_image_names(path, every), *left])
    )


def main(
    *, directory: str, every: bool, cwd: Path | None = None, requirements: Requirements = locks.requirements
) -> int:
    """Print what is wrong with the runnable dirs asked for, and return the exit code.

    Arguments:
        directory: the directory's path, relative to `cwd`; empty for the nearest enclosing one.
        every: check all of the repo instead.
        cwd: where the command was given.
        requirements: exports a lock.

    Raises:
        UsageError: no such directory.
    """
    here = (cwd or Path.cwd()).resolve()
    root = repo.find_root(here)
    paths = _all(root) if every else [_named(root, here, directory) if directory else discover.enclosing(here)[1]]
    findings = [finding for path in paths for finding in check(repo.find_root(path), path, requirements)]
    if every:
        listing = discover.listing(root, lost_tests.PATTERNS)
        findings += _lost_tests(root, listing)
        lost_tests.LostTests(absent=lost_tests.absent([listing])).show()
    findings = list(dict.fromkeys(findings))  # a wrong file of the root is a finding of every directory
    for finding in findings:
        print(finding.text(here))
    for path in paths:
        if _is_open(path):
            where = printable(os.path.relpath(path, here))
            say(f"note: {where}: no {SYSTEM_LOCK}, so a build takes what the archive has; to lock it: {relock(path)}")
        locks.tell_remembered(path)
    if not findings:
        names = ", ".join(printable(path.relative_to(root).as_posix()) for path in paths)
        print(f"nothing wrong with {names}")
    return worst([OK, *(finding.exit_code for finding in findings)])


def _secrets(path: Path) -> Iterator[Finding]:
    """Yield the secrets in the image of an own Dockerfile."""
    file = path / "devops" / "Dockerfile"
    try:
        allowed = pyproject.settings_table(path).get("prod_allows", [])
        recipe = checkout_file.read_text_if_there(file) or ""
    except ConfigError as error:
        if str(file) == str(error.where):
            yield _of_error(error, file)
        return
    for line, what, why in secrets_of(recipe):
        if not any(fnmatchcase(what, str(pattern)) for pattern in allowed):
            fix = "mount it: RUN --mount=type=secret,id=NAME; or add it to the setting prod_allows"
            yield Finding(file, line, f"{what} stays in the image: {why}", fix)


def _is_open(path: Path) -> bool:
    """Say whether the directory at `path` asks its distribution for packages and nobody has locked their versions."""
    try:
        settings = pyproject.settings_table(path)
    except ConfigError:
        return False
    return bool(settings.get("system_packages")) and not (path / SYSTEM_LOCK).exists()


def _named(root: Path, here: Path, directory: str) -> Path:
    path = Path(os.path.realpath(here / directory))
    if not path.is_relative_to(root):
        raise UsageError(f"--dir {directory!r} leads out of the repo", where=path, why=f"the repo is {root}")
    if not path.is_dir():
        raise UsageError(f"--dir {directory!r} is not a directory", where=path, fix="invoke dir_list")
    return path


def _all(root: Path) -> list[Path]:
    """Return all runnable dirs, and those that lack one of the two things that would make them one."""
    logs = {file.parent for file in repo.files(root, "**/changelog.txt")}
    devops = {file.parent.parent for file in repo.files(root, "**/devops/*")}
    projects = {file.parent for file in repo.files(root, "**/pyproject.toml")}
    almost = {path for path in (logs ^ devops) & projects if "templates" not in path.relative_to(root).parts}
    found = sorted({*discover.runnable_paths(root), *almost})
    if not found:
        raise UsageError("no runnable dir in this repo", where=root, fix="invoke dir_create NAME")
    return found


def _of_error(error: HelpersError, file: Path, line: int = 1, fix: str = "") -> Finding:
    """Return `error` as a finding; a file and line named by the error count more than ours."""
    where = re.fullmatch(r"(/.+?)(?::(\d+))?", error.where or "", re.DOTALL)
    # A directory above the file says less than the file.
    if where and not (where.group(2) is None and file.is_relative_to(where.group(1))):
        fix = fix if where.group(1) == str(file) else "correct this file"
        file, line = Path(where.group(1)), int(where.group(2) or 1)
    what = " ".join(f"{error.what} ({error.why})".split() if error.why else error.what.split())
    return Finding(file, line, what, error.fix or fix or "correct this line", error.exit_code)


def relock(path: Path) -> str:
    """Return the command that writes the lock of the directory `path`, from wherever it is given."""
    return f"invoke docker_lock --dir {shlex.quote(str(path))}"


def _missing(root: Path, path: Path, every: Sequence[Path]) -> Iterator[Finding]:
    for mark in discover.missing_marks(path):
        yield Finding(path / mark, 1, "is missing", discover.restore_command(root, path, [mark]))
    if not os.path.lexists(pyproject.settings_file(path)):
        yield Finding(path / "pyproject.toml", 1, "is missing", "write one with [project] name and requires-python")
    elif lock := lock_source.missing(path):
        yield Finding(lock.file, 1, "is missing", lock.command())
    if discover.is_runnable(path) and path not in every:
        yield Finding(path / "changelog.txt", 1, "is ignored by git, so nobody finds this directory", "git add -f it")


def _changelog(path: Path) -> Iterator[Finding]:
    file = path / "changelog.txt"
    try:
        text = checkout_file.read_text_if_there(file)
    except ConfigError as error:
        yield _of_error(error, file)
        return
    if text is None:
        return
    lines = text.splitlines()
    starts = [index for index, line in enumerate(lines) if line.strip().startswith("#")]
    # Each entry alone first, then each with the next one for their order: so one mistake does not hide another.
    bounds = list(zip([0, *starts[1:]], [*starts[1:], len(lines)], strict=False))
    singles = [finding for start, end in bounds for finding in _parse_part(lines, start, end, file)]
    yield from singles
    if not singles:
        for start, end in ((one[0], two[1]) for one, two in pairwise(bounds)):
            yield from _parse_part(lines, start, end, file)


def _parse_part(lines: list[str], start: int, end: int, file: Path) -> list[Finding]:
    try:
        # Empty lines in place of those before it keep the numbers right.
        changelog_format.parse("\n" * start + "\n".join(lines[start:end]), str(file))
    except ConfigError as error:
        return [_of_error(error, file)]
    return []


def _project(path: Path) -> Iterator[Finding]:
    """Yield the faults of the file `pyproject.toml`, without the faults of its settings."""
    file = path / "pyproject.toml"
    try:
        checkout_file.check_directory(path / "devops")
        text = checkout_file.read_text_if_there(file)
        data = pyproject.checked(text, file) if text is not None else None
    except ConfigError as error:
        yield _of_error(error, file)
        return
    # The owner of a project with settings of its own decides the content of the file.
    if text is None or data is None or pyproject.settings_file(path) != file:
        return
    project = data.get("project", {})
    top = project_text.line_of(text, "project")
    if not project.get("name"):
        yield Finding(file, top, "[project] has no name", f'add name = "{path.name.lower()}"')
    if not project.get("requires-python"):
        yield Finding(file, top, "[project] has no requires-python", 'add requires-python = ">=3.11,<3.12"')
    if data.get("tool", {}).get("poetry", {}).get("package-mode", True) is not False:
        line_number = project_text.line_of(text, "tool.poetry", "package-mode")
        yield Finding(file, line_number, "[tool.poetry] package-mode is not false", "add package-mode = false")


def _settings(path: Path, nested: Sequence[Path]) -> Iterator[Finding]:
    file = pyproject.settings_file(path)
    try:
        table = pyproject.settings_table(path)
        text = config.read_text(file)
    except ConfigError:
        return  # `_project` or `_as_a_whole` reports it
    of = settings_file.table_of(file)
    good: dict[str, Any] = {}
    # The size of shared memory has the limit of memory.
    together = {"shm_size": {"memory": table.get("memory", Settings.memory)}}
    for key, value in table.items():
        try:
            # One at a time: the first wrong setting must not hide the next.
            parse_settings({**together.get(key, {}), key: value}, str(file))
            good[key] = value
        except ConfigError as error:
            yield _of_error(error, file, project_text.line_of(text, of, key), "correct this value")
    settings = parse_settings(good, str(file))
    for name, value in settings.values.items():
        if why := why_secret("", value):
            fix = f'name the variable of the host: env = ["{name}"], or a file that git ignores: env_file'
            yield Finding(file, project_text.line_of(text, of, "env"), f"env: {name} holds {why}", fix)
    yield from _paths(path, settings, nested)


def _paths(path: Path, settings: Settings, nested: Sequence[Path]) -> Iterator[Finding]:
    file = pyproject.settings_file(path)
    around = repo.work_trees(root := repo.find_root(path))[0]  # `main_pytest.py --submodules` runs tests from there
    uses = [name for name in settings.uses if name not in (settings.env_file, *settings.python_path)]
    limits = (
        *(("tests", settings.tests, path), ("uses", uses, around), ("writable", settings.writable, path)),
        ("python_path", settings.python_path, around),
    )
    for key, names, limit in limits:
        for name in names:
            real = Path(os.path.realpath(path / name))
            line = _line(file, key)
            if not real.is_relative_to(root) and (path / name).is_symlink() and ".." not in Path(name).parts:
                continue  # `_leftovers` names the link
            if not real.is_relative_to(limit):
                inside = "the repo" if limit == around and limit != path else "the directory"
                yield Finding(file, line, f"{key}: {name!r} leads out of {inside}", "name a path inside it")
            elif not real.exists():
                yield Finding(file, line, f"{key}: {name!r} does not exist", "make it, or take it out of the list")
    try:
        environment.file_values(path, root, settings)
    except ConfigError as error:
        yield _of_error(error, file, _line(file, "env_file"))
    tests = [path / name for name in settings.tests]
    # In the repo that helpers is made in, taken apart, the tests are those of helpers.
    nested = [one for one in nested if not any(test.is_relative_to(one) for test in tests)]
    try:
        outside = [one for one in tests if not Path(os.path.realpath(one)).is_relative_to(root)]
        if any(test.exists() for test in tests) and not outside and not test_files(path, settings.tests, nested):
            shown = ", ".join(settings.tests)
            yield Finding(path / settings.tests[0], 1, f"no test file in {shown}", "write test_*.py there")
    except ConfigError as error:
        yield _of_error(error, file)


def _line(file: Path, key: str, table: str | None = None) -> int:
    """Return the line of a setting in `file`, or of `key` in another table of the file."""
    text = checkout_file.read_text_if_there(file) or ""
    return project_text.line_of(text, settings_file.table_of(file) if table is None else table, key)


def _image_names(path: Path, every: Sequence[Path]) -> Iterator[Finding]:
    own = image_name_of(path)
    for other in every:
        if own and other != path and image_name_of(other) == own:
            name = printable(os.path.relpath(other, path))
            yield Finding(
                path / "changelog.txt", 1, f"the image {own!r} is the one of {name} too", "rename one of them"
            )


def image_name_of(path: Path) -> str:
    """Return the name of the image of the runnable dir at `path`, or nothing when its changelog is wrong."""
    file = path / "changelog.txt"
    try:
        return changelog_format.parse(config.read_text(file), str(file)).name
    except ConfigError:
        return ""


def _as_a_whole(root: Path, path: Path, every: Sequence[Path]) -> Iterator[Finding]:
    load = config.loader(root, every)
    file = pyproject.settings_file(path)
    line = _line(file, "base")
    try:
        runnable = load(path)
        chain = image_chain(runnable, load)
        rights.needs(runnable)
    except HelpersError as error:
        if error.where != str(path) or not lock_source.missing(path):
            yield _of_error(error, file, line, "change `base`")
        return
    try:
        soundness.check_images(runnable, chain)
    except HelpersError as error:
        file = path / "pyproject.toml"
        yield _of_error(error, file, _line(file, "requires-python", "project"))


def _lost_tests(root: Path, listing: discover.Listing, path: Path | None = None) -> Iterator[Finding]:
    """Yield the lost test files of the runnable dir at `path`; without a path the files outside of runnable dirs."""
    known = {path: config.loader(root, listing.runnable)(path)} if path else {}
    for one in lost_tests.find(listing, known, listing.runnable):
        if one.owner == path:
            yield Finding(one.file, 1, one.what, one.fix)


def _leftovers(root: Path, path: Path, every: Sequence[Path]) -> Iterator[Finding]:
    for name in _ROOT_ONLY if path != root else ():
        if os.path.lexists(path / name):
            fix = f"git rm -r {name.split('/')[0]}, or rename it"
            yield Finding(path / name, 1, "belongs to the root of the repo only", fix)
    for name in _COMPOSE_NAMES:
        if (file := path / "devops" / name).is_file():
            yield Finding(file, 1, "is not read: services are those of compose.yaml", f"git mv {name} compose.yaml")
    others = {*every, tools := root / toolchain_path.stated(root)} - {path}
    for top, directories, files in os.walk(path):
        here = Path(top)
        for name in (*directories, *files):
            if here / name == tools:
                continue
            if (here / name).is_symlink() and not Path(os.path.realpath(here / name)).is_relative_to(root):
                yield Finding(here / name, 1, "is a link that leads out of the repo", "put a file in its place")
        directories[:] = [name for name in directories if name not in _NOT_OURS and here / name not in others]


def _lock(path: Path, requirements: Requirements) -> Iterator[Finding]:
    try:
        source = lock_source.find(path)
        names = locked.names(path)
    except ConfigError as error:
        yield _of_error(error, path / "poetry.lock", 1, relock(path))
        return
    if source is None or not source.is_there():
        return
    if own := locked.needed_by_others(path):
        what = f"others in the lock need {own!r}, which poetry leaves out because this project is called so"
        yield Finding(path / "pyproject.toml", 1, what, f"give [project] another name, then {relock(path)}")
    if "pytest" not in names and "pytest" not in locked.names_below(path):
        fix = f"add it to the group `test` in pyproject.toml, then {source.command()}"
        yield Finding(source.file, 1, "pytest is not in the lock, so no test can run", fix)
    try:
        lock_source.check(path)
        requirements(path)
    except HelpersError as error:
        yield _of_error(error, source.file, 1, source.command())
