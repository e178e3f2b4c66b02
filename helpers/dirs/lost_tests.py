"""Finds tracked test files that no runnable dir collects: a failing test in these files leaves a run green."""

from __future__ import annotations

import fnmatch
import os
import posixpath
import shlex
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from helpers import config, discover, pyproject, pytest_settings
from helpers.console import printable, say
from helpers.discover import Listing
from helpers.errors import OK, ConfigError, PolicyError
from helpers.model import settings_file
from helpers.model.runnable import RunnableDir
from helpers.repo.location import git_in

# Files for git to list besides the marks of runnable dirs.
PATTERNS = ("**/*.py", *(f"**/{name}" for name in pytest_settings.FILES))
_SHOWN = 3
_OPTION = "--ignore"
_PACKAGE = Path(os.path.realpath(__file__)).parents[1]


@dataclass(frozen=True)
class LostTest:
    """A tracked test file that no runnable dir collects.

    Arguments:
        file: absolute path.
        owner: absolute path of the runnable dir that the file lies in; None outside all runnable dirs.
        home: absolute path of the checkout.
        skipped: the directory inside `tests` that pytest does not enter, or the option in `addopts` that takes the file
            out; empty if `tests` does not reach the file.
    """

    file: Path
    owner: Path | None
    home: Path
    skipped: str = ""

    @property
    def what(self) -> str:
        """The fault of the file."""
        if self.skipped.startswith(_OPTION):
            return f"is a test file that never runs: {self.skipped} in addopts of pytest's settings takes it out"
        if self.skipped:
            return f"is a test file that never runs: pytest does not enter a directory called {self.skipped}"
        reason = "the setting tests does not reach it" if self.owner else "it lies in no runnable dir"
        return f"is a test file that never runs: {reason}"

    @property
    def fix(self) -> str:
        """The edit that makes the file run, and the edit that marks the file as no test."""
        place = self.owner or self.home
        name = self.file.relative_to(place).as_posix()
        folder = posixpath.dirname(name) or name
        where = settings_file.place(os.path.relpath(pyproject.settings_file(place), self.home))
        no_test = f'if it is no test, not_tests = ["{folder}"] in {where}'
        if self.skipped.startswith(_OPTION):
            return f"take {self.skipped} out of addopts; {no_test}"
        if self.owner:
            return f'add "{folder}" to tests in {where}; {no_test}'
        project = discover.project_at(self.file.parent, self.home) or self.file.parent
        parent = shlex.quote(os.path.relpath(project, self.home))
        return f"move it into a runnable dir, or make one: invoke dir_create {parent} --from {parent}; {no_test}"


@dataclass(frozen=True)
class LostTests:
    """The lost tests of a run.

    Arguments:
        files: their paths, relative to the root of the repo, sorted.
        strict: whether they are refused.
        reached: the remaining test files: `tests` of a runnable dir reaches the files. Relative paths to the root of
            the repo, by the name of the runnable dir.
        why: why the files are lost; empty if no `tests` reaches the files.
        fix: the edit for the files; empty if `dir_check` names the edit.
        absent: the tracked runnable dirs without files in a checkout, by the root of the checkout.
    """

    files: tuple[str, ...] = ()
    strict: bool = False
    reached: Mapping[str, Sequence[str]] = field(default_factory=dict, compare=False)
    why: str = ""
    fix: str = ""
    absent: tuple[tuple[Path, tuple[str, ...]], ...] = ()

    @property
    def exit_code(self) -> int:
        """The exit code of a run without another fault."""
        return PolicyError.exit_code if self.strict and (self.files or self.absent) else OK

    def show(self) -> None:
        """Print a line about the files, and a line for each checkout with absent directories, on standard error."""
        kind = "refused" if self.strict else "note"
        for root, names in self.absent:
            count = len(names)
            what = "1 runnable dir is" if count == 1 else f"{count} runnable dirs are"
            paths = " ".join(shlex.quote(name) for name in names[:_SHOWN])
            fix = f"{git_in(root)} checkout --ignore-skip-worktree-bits -- {paths}"
            why = "a sparse checkout leaves them out, or their files were removed"
            say(f"{kind}: {what} tracked, but not in the checkout: {_shown(names)}; why: {why}; fix: {fix}")
        if not self.files:
            return
        count = len(self.files)
        what = "1 test file never runs" if count == 1 else f"{count} test files never run"
        why = self.why or "`tests` of no directory reaches " + ("it" if count == 1 else "them")
        fix = self.fix or "invoke dir_check --all  (names the setting for each)"
        say(f"{kind}: {what}: {_shown(self.files)}; why: {why}; fix: {fix}")


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(printable(name) for name in names[:_SHOWN]) + more


def absent(listings: Iterable[Listing], scope: Collection[Path] = ()) -> tuple[tuple[Path, tuple[str, ...]], ...]:
    """Return the absent directories of checkouts, as in `LostTests`.

    Arguments:
        listings: git's listings of the checkouts.
        scope: absolute paths that the directories must lie below; empty for the whole checkouts.
    """
    found = [(one.root, [name for name in one.absent if _is_in(one.root / name, scope)]) for one in listings]
    return tuple((root, tuple(names)) for root, names in found if names)


def _is_in(path: Path, scope: Collection[Path]) -> bool:
    return not scope or any(path.is_relative_to(place) for place in scope)


def is_strict(root: Path) -> bool:
    """Say whether the repo at `root` refuses lost tests by its settings."""
    try:
        return config.repo_settings(root).strict_tests
    except ConfigError:
        return False  # the run reports it


def find(
    listing: Listing, known: Mapping[Path, RunnableDir | None], every: Collection[Path], scope: Collection[Path] = ()
) -> list[LostTest]:
    """Return the lost tests of a checkout, sorted by path. The arguments are those of `sort`."""
    return sort(listing, known, every, scope)[0]


def sort(
    listing: Listing, known: Mapping[Path, RunnableDir | None], every: Collection[Path], scope: Collection[Path] = ()
) -> tuple[list[LostTest], dict[Path, list[str]]]:
    """Return the lost tests of a checkout, sorted by path, and the other test files, by the path of the runnable dir.

    Paths of the other test files are relative to the checkout.

    Arguments:
        listing: git's listing of the checkout, with PATTERNS.
        known: the runnable dirs whose files count, None for each faulty directory.
        every: absolute paths of all runnable dirs.
        scope: absolute paths that the files must lie below; empty for the whole checkout.
    """
    places = _Places(listing, known, every)
    whole = not scope or any(listing.root.is_relative_to(path) for path in scope)
    inside = tuple(f"{_relative(path, listing.root)}/" for path in scope if path.is_relative_to(listing.root))
    found = []
    reached: dict[Path, list[str]] = {}
    for name in listing.python:
        if not (whole or name.startswith(inside)):
            continue
        place = places.of(name.rpartition("/")[0])
        if place is None or not place.is_test(name):
            continue
        if (skipped := place.unreached(name)) is None:
            if place.owner:
                reached.setdefault(place.owner, []).append(name)
        elif os.path.lexists(listing.root / name):
            found.append(LostTest(listing.root / name, place.owner, listing.root, skipped))
    return sorted(found, key=lambda lost: lost.file), reached


@dataclass(frozen=True)
class _Place:
    """The settings for the files of some directories of a checkout; paths are relative to the checkout.

    Arguments:
        owner: absolute path of the runnable dir; None outside all of them.
        tests: the places of its tests.
        names: patterns of the names of test files.
        not_tests: patterns of files that are no tests, each with its base directory.
        said: pytest's own settings of the runnable dir.
        ignored: the options in `addopts` that take paths out, by their patterns.
        folder: the runnable dir, the base of the patterns.
    """

    owner: Path | None = None
    tests: tuple[str, ...] = ()
    names: tuple[str, ...] = pytest_settings.PYTHON_FILES
    not_tests: tuple[tuple[str, str], ...] = ()
    said: dict[str, Any] = field(default_factory=dict)
    ignored: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""

    def unreached(self, name: str) -> str | None:
        """Return why pytest would not run a test file, as in `LostTest.skipped`; None if pytest would run the file."""
        stops = [stop for test in self.tests if (stop := self._stop(name, test)) is not None]
        return None if "" in stops else next(iter(stops), "")

    def _stop(self, name: str, test: str) -> str | None:
        """Return the reason why pytest misses a file below the place `test`; None for a file outside of the place."""
        if name == test:
            return ""
        if test in ("", "."):
            start = 0
        elif name.startswith(f"{test}/"):
            start = len(test) + 1
        else:
            return None
        if not self.said:
            found = pytest_settings.NOT_ENTERED.search(name[start:])
            return found.group(1) if found else ""
        for end in (*(at for at, letter in enumerate(name) if letter == "/" and at > start), len(name)):
            path = name[:end]
            for pattern, option in self.ignored.items():
                if fnmatch.fnmatchcase(posixpath.relpath(path, self.folder or "."), pattern):
                    return option
            if end < len(name) and pytest_settings.not_entered(path[start:], self.said):
                return path.rpartition("/")[2]
        return ""

    def is_test(self, name: str) -> bool:
        """Say whether the name is a test file for pytest, and no setting excludes the file."""
        if not pytest_settings.fits(name, self.names):
            return False
        return not any(_is_below(posixpath.relpath(name, base or "."), pattern) for base, pattern in self.not_tests)


def _is_below(path: str, pattern: str) -> bool:
    """Say whether a path, or a directory above the path, fits a pattern."""
    parts = path.split("/")
    wanted = pattern.rstrip("/")
    return any(fnmatch.fnmatchcase("/".join(parts[: end + 1]), wanted) for end in range(len(parts)))


class _Places:
    """The places of a checkout, by directory."""

    def __init__(self, listing: Listing, known: Mapping[Path, RunnableDir | None], every: Collection[Path]) -> None:
        self._root = listing.root
        self._known = known
        start = f"{self._root}/"
        self._every = {str(path)[len(start) :]: path for path in every if f"{path}/".startswith(start)}
        self._configured: dict[str, list[str]] = {}
        for name in listing.settings:
            self._configured.setdefault(posixpath.dirname(name), []).append(posixpath.basename(name))
        try:
            self._not_tests = tuple(("", one) for one in config.repo_settings(self._root).not_tests)
        except ConfigError:
            self._not_tests = ()
        toolchain = _toolchain(self._root, known.values())
        self._found: dict[str, _Place | None] = {toolchain: None} if toolchain else {}

    def of(self, folder: str) -> _Place | None:
        """Return the settings for the files of a directory; None if the files do not count."""
        if folder not in self._found:
            self._found[folder] = self._find(folder)
        return self._found[folder]

    def _find(self, folder: str) -> _Place | None:
        if path := self._every.get(folder):
            return self._runnable(folder, path)
        above = self.of(posixpath.dirname(folder)) if folder else _Place(not_tests=self._not_tests)
        if above and not above.owner and folder in self._configured:
            said = self._settings(folder)
            return replace(above, names=pytest_settings.python_files(said)) if said else above
        return above

    def _runnable(self, folder: str, path: Path) -> _Place | None:
        runnable = self._known.get(path)
        if not runnable:
            return None
        own = runnable.settings
        tests = [posixpath.normpath(posixpath.join(folder, name)) for name in own.tests]
        tests += [
            _relative(real, self._root)
            for name in tests
            if os.path.islink(self._root / name)
            and (real := Path(os.path.realpath(self._root / name))).is_relative_to(self._root)
        ]
        not_tests = (*self._not_tests, *((folder, one) for one in own.not_tests))
        said = self._settings(folder)
        names, ignored = pytest_settings.python_files(said), pytest_settings.ignored(said)
        return _Place(path, tuple(tests), names, not_tests, said, ignored, folder)

    def _settings(self, folder: str) -> dict[str, Any]:
        try:
            return pytest_settings.read(self._root / folder, self._configured.get(folder, ()))
        except ConfigError:
            return {}  # the run of a runnable dir reports it


def _toolchain(root: Path, known: Iterable[RunnableDir | None]) -> str:
    """Return the path of helpers in a checkout; empty if helpers is outside, or a runnable dir tests helpers."""
    if not _PACKAGE.is_relative_to(root):
        return ""
    tests = (one.path / name for one in known if one for name in one.settings.tests)
    return "" if any(path.is_relative_to(_PACKAGE) for path in tests) else _relative(_PACKAGE, root)


def _relative(path: Path, root: Path) -> str:
    return "" if path == root else path.relative_to(root).as_posix()
