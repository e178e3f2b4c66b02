"""Coverage: how the tests of a directory are told to note which lines run, and what they noted.

Each container's own pytest-cov counts, by the directory's own settings and Python: another Python would take other
lines of the same file for code. What is left to do here is plain sets: to join what several containers saw of one file.
"""

from __future__ import annotations

import configparser
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from helpers import checkout_file, pyproject, pytest_settings
from helpers.driver.plan import DirPlan, Plan, without
from helpers.driver.results import read_result
from helpers.errors import ConfigError
from helpers.images import lock_source
from helpers.model.lock_kind import LockKind

_REPORT = "coverage.json"
_MOST_BYTES = 256 << 20
# More places in one file are no list to work through.
_MOST_CHARACTERS = 2_000
# https://coverage.readthedocs.io/en/latest/config.html: the order in which coverage looks, and its section in each.
_INI_FILES = ((".coveragerc", "run"), ("setup.cfg", "coverage:run"), ("tox.ini", "coverage:run"))
_SOURCES = ("source", "source_pkgs", "source_dirs")
# The entry may come from another machine: a few digits must not fill the memory.
_MOST_LINES = 10_000_000

Branch = tuple[int, int]


@dataclass(frozen=True)
class File:
    """What ran of one file: lines, and branches where they were noted; the missing ones are code that did not run."""

    ran: frozenset[int] = frozenset()
    missing: frozenset[int] = frozenset()
    taken: frozenset[Branch] = frozenset()
    not_taken: frozenset[Branch] = frozenset()

    def __or__(self, other: File) -> File:
        ran, taken = self.ran | other.ran, self.taken | other.taken
        return File(ran, (self.missing | other.missing) - ran, taken, (self.not_taken | other.not_taken) - taken)


@dataclass(frozen=True)
class Measured:
    """What was measured of several files.

    Arguments:
        files: by their paths, relative to the root of the repo, or absolute where they lie elsewhere.
        fail_under: percent that the directory's own settings ask for; 0 for none.
    """

    files: Mapping[str, File] = field(default_factory=dict)
    fail_under: float = 0.0

    @property
    def statements(self) -> int:
        """How many lines are code."""
        return sum(len(file.ran) + len(file.missing) for file in self.files.values())

    @property
    def missed(self) -> int:
        """How many lines of code did not run."""
        return sum(len(file.missing) for file in self.files.values())

    @property
    def branches(self) -> int:
        """How many branches there are."""
        return sum(len(file.taken) + len(file.not_taken) for file in self.files.values())

    @property
    def percent(self) -> float:
        """The share of lines and branches that ran, as coverage counts it; 100 where there is no code."""
        total = self.statements + self.branches
        not_run = self.missed + sum(len(file.not_taken) for file in self.files.values())
        return 100.0 * (total - not_run) / total if total else 100.0


def arguments(path: Path, results: Path) -> list[str]:
    """Return the arguments by which pytest measures the directory `path`, as its own settings say where they do.

    Arguments:
        path: absolute path of the directory.
        results: directory that the report is written to.
    """
    said = pytest_settings.words(pytest_settings.read(path).get("addopts"))
    report = f"--cov-report=json:{results / _REPORT}"
    if any(word == "--cov" or word.startswith("--cov=") for word in said):
        return [report]
    named = _names_sources(path) or any(word.startswith("--cov-config") for word in said)
    return ["--cov" if named else f"--cov={path}", report]


def _names_sources(path: Path) -> bool:
    """Say whether the settings of coverage in a directory name what it measures."""
    for name, section in _INI_FILES:
        parser = pytest_settings.IniReader(interpolation=None)
        with suppress(configparser.Error):
            parser.read_string((checkout_file.read_if_there(path / name) or b"").decode("utf-8", "replace"))
            if parser.has_section(section):
                return any(parser.has_option(section, key) for key in _SOURCES)
    tool: Any = pyproject.read_if_there(path).get("tool", {})
    for key in ("coverage", "run"):
        tool = tool.get(key, {}) if isinstance(tool, dict) else {}
    return any(key in tool for key in _SOURCES)


def checked(plan: Plan) -> Plan:
    """Return the plan with an error in each directory that cannot be measured: pytest-cov is not in its lock."""
    faults = {item.name: fault for item in plan.dirs if (fault := _fault(item))}
    left = without(plan, faults)
    return replace(left, dirs=tuple(faults.get(item.name, item) for item in plan.dirs))


def _fault(item: DirPlan) -> DirPlan | None:
    if not item.runnable:
        return None
    try:
        source = lock_source.find(item.runnable.path)
        names = {package.name for package in lock_source.pins(item.runnable.path)}
    except ConfigError as error:
        return DirPlan(item.name, error=error)
    if source is None or not source.is_there() or "pytest-cov" in names:
        return None  # without a lock there is another error to tell of
    relock = "invoke docker_lock --all" if source.kind is LockKind.POETRY else source.command()
    unlocked = ConfigError(
        "--coverage: pytest-cov is not in the lock",
        where=source.file,
        why="the directory's own pytest-cov counts the lines that run",
        # The same words for each directory: a run prints them once, with the names of all.
        fix=f'add "pytest-cov" to the group `test` of the pyproject.toml, then: {relock}',
    )
    return DirPlan(item.name, error=unlocked)


def found(path: Path, results: Path, report: Mapping[str, Any] | None, root: Path) -> str:
    """Return what the tests of a directory noted, as text that can be kept; empty where they noted nothing.

    Arguments:
        path: absolute path of the directory, which names in the report are relative to.
        results: directory that the report was written to.
        report: what our plugin wrote.
        root: absolute path of the repo; files in it are named from there, so that machines agree.
    """
    try:
        noted = json.loads(read_result(results / _REPORT, _MOST_BYTES) or b"")["files"]
        files = {_name(os.path.normpath(path / name), root): _packed(one) for name, one in noted.items()}
        found = {"fail_under": (report or {}).get("fail_under", 0), "files": files}
        return json.dumps(found, separators=(",", ":"))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return ""


def _name(path: str, root: Path) -> str:
    return path.removeprefix(f"{str(root).rstrip('/')}/")


def _packed(one: Mapping[str, Any]) -> list[Any]:
    lines = [_ranges(one["executed_lines"]), _ranges(one["missing_lines"])]
    branches = [one.get(key, []) for key in ("executed_branches", "missing_branches")]
    return [*lines, *branches] if any(branches) else lines


def _ranges(numbers: Iterable[int]) -> str:
    """Return numbers as in `1-3,7`: a tenth of the length."""
    spans: list[list[int]] = []
    for number in sorted(map(int, numbers)):
        if spans and spans[-1][1] == number - 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return ",".join(f"{first}-{last}" if last > first else f"{first}" for first, last in spans)


def _numbers(ranges: str) -> frozenset[int]:
    found: set[int] = set()
    for span in filter(None, ranges.split(",")):
        first, _, last = span.partition("-")
        lines = range(int(first), int(last or first) + 1)
        if len(lines) + len(found) > _MOST_LINES:
            raise ValueError("no file has so many lines")
        found.update(lines)
    return frozenset(found)


def measured(text: str) -> Measured | None:
    """Return what `found` kept as text; None where nothing was measured, or it can not be read."""
    try:
        data = json.loads(text)
        return Measured({name: _unpacked(*one) for name, one in data["files"].items()}, float(data["fail_under"]))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _unpacked(ran: str, missing: str, taken: Sequence[Any] = (), not_taken: Sequence[Any] = ()) -> File:
    one, other = (frozenset((int(a), int(b)) for a, b in branches) for branches in (taken, not_taken))
    return File(_numbers(ran), _numbers(missing), one, other)


def missed(found: Measured) -> list[tuple[str, str]]:
    """Return the files that did not run in full, and of each the lines and branches that did not, as `3-5,9,12->14`.

    A branch that leaves its function or file goes to `exit`; one of a line that did not run is not named again.
    """
    told = []
    for name, file in sorted(found.files.items()):
        jumps = sorted(jump for jump in file.not_taken if jump[0] in file.ran)
        branches = [f"{at}->{to if to > 0 else 'exit'}" for at, to in jumps]
        if file.missing or branches:
            text = ",".join(filter(None, [_ranges(file.missing), *branches]))
            told.append((name, text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}..."))
    return told


def joined(parts: Iterable[Measured]) -> Measured:
    """Return what was measured in all containers: a line of a file that several saw ran if it ran in one of them."""
    files: dict[str, File] = {}
    for part in parts:
        for name, file in part.files.items():
            files[name] = files[name] | file if name in files else file
    return Measured(files)
