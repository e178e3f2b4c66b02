"""Splits the directories of a run among several machines: the same way on each of them, balanced by what they take."""

from __future__ import annotations

import argparse
import json
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from helpers import repo
from helpers.console import counted, excerpt
from helpers.dirs.testfiles import test_files
from helpers.driver.plan import DirPlan, Plan, platforms_of, without
from helpers.errors import InfrastructureError, UsageError
from helpers.model.image import architecture
from helpers.model.number import whole
from helpers.repo import history
from helpers.repo.contents import Unknown, uncommitted
from helpers.storage import digest

_DIGITS = 12
_MOST_SHARDS = 1_000_000
_DURATIONS = "give what main_pytest.py --json FILE wrote, or leave out --durations"
# What ended otherwise says nothing of how long the tests take.
_WHOLE = ("PASS", "FAIL")


@dataclass(frozen=True)
class Shard:
    """One of several parts of a run: the number of this one, from 1, and how many there are."""

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def parse(text: str) -> Shard:
    """Return the shard that `--shard` names, as in `2/5`.

    Raises:
        argparse.ArgumentTypeError: it names none.
    """
    number, _, of = (whole(part, _MOST_SHARDS) for part in text.partition("/"))
    if not (number and of and number <= of):
        raise argparse.ArgumentTypeError(f"{excerpt(text)} is not I/N, as in 2/5: part 2 of 5")
    return Shard(number, of)


@dataclass(frozen=True)
class Split:
    """How a plan is split.

    Arguments:
        shard: the part that is run here.
        weights: what each directory of the whole plan weighs, by name.
        parts: the names of the directories of each shard.
        unit: what the weights count.
        digest: a few digits that two shards have in common only if they come from the same split of the same run.
    """

    shard: Shard
    weights: Mapping[str, int]
    parts: tuple[tuple[str, ...], ...]
    unit: str
    digest: str

    @property
    def names(self) -> tuple[str, ...]:
        """The directories of this shard."""
        return self.parts[self.shard.number - 1]

    def as_data(self) -> dict[str, Any]:
        """Return what `report_merge` needs to know."""
        return {"number": self.shard.number, "of": self.shard.of, "split": self.digest}

    def as_text(self) -> str:
        """Return one line for a person."""
        own, total = (sum(self.weights[name] for name in names) for names in (self.names, self.weights))
        share = f", {round(100 * own / total)} % of the {self.unit}" if total else ""
        return f"shard {self.shard}: {len(self.names)} of {_directories(len(self.weights))}{share}; split {self.digest}"


def _directories(number: int) -> str:
    return "1 directory" if number == 1 else f"{number} directories"


def make(root: Path, plan: Plan, shard: Shard, file: str | None, how: Sequence[str]) -> Split:
    """Return how the directories of a plan are split; nothing in it depends on the machine.

    Arguments:
        root: absolute path of the repo.
        plan: the whole plan.
        shard: the part that is run here.
        file: the result of an earlier run, as JSON, whose seconds count; None counts files with tests.
        how: what the command line says of how tests are run: options by their place, and pytest's own arguments.

    Raises:
        UsageError: the file is no such result.
        InfrastructureError: what the checkout holds can not be said.
    """
    weights = _seconds(plan, file) if file else _files(root, plan)
    unit = f"seconds in {file}" if file else "files with tests"
    same = (shard.of, plan.tier, [*how], _held(root), weights)
    name = digest(json.dumps(same, sort_keys=True))[:_DIGITS]
    return Split(shard, weights, balanced(weights, shard.of), unit, name)


def _held(root: Path) -> tuple[str, dict[str, str]]:
    """Return the commit that is checked out, and what tracked files hold that are not as it has them."""
    commit = history.commit_of(root, "HEAD")
    try:
        return commit, uncommitted(root, commit)
    except Unknown as error:
        raise InfrastructureError(f"what has changed can not be said: {error}", where=root) from None


def only(plan: Plan, split: Split) -> Plan:
    """Return the plan with the directories of this shard alone."""
    left = without(plan, [item.name for item in plan.dirs if item.name not in split.names])
    return replace(left, shard=split.as_data(), shard_jobs=tuple(jobs(plan, split.shard.of)))


def jobs(plan: Plan, of: int) -> Iterator[dict[str, Any]]:
    """Yield the rows of a CI matrix: at most `of` shards for each platform, none of them without a directory."""
    counts = Counter(platform for item in plan.dirs for platform in platforms_of(item))
    for platform, count in sorted(counts.items()):
        parts, kind = min(of, count), architecture(platform)
        for number in range(1, parts + 1):
            shard = f"{number}/{parts}"
            yield {
                "name": shard if platform == "linux/amd64" else f"{shard} ({platform})",
                "shard": shard,
                "platform": platform,
                "architecture": kind,
                "id": f"{kind}-{number}-of-{parts}",
            }


def balanced(weights: Mapping[str, int], of: int) -> tuple[tuple[str, ...], ...]:
    """Return the names for each of `of` shards: the heaviest first, each to the shard that has least, ties by name.

    That is "longest processing time first", at most a third above the best split:
    Graham, Bounds on multiprocessing timing anomalies, SIAM J. Appl. Math. 17 (1969).
    """
    parts: list[list[str]] = [[] for _ in range(of)]
    loads = [0] * of
    for name in sorted(weights, key=lambda name: (-weights[name], name)):
        least = loads.index(min(loads))
        parts[least].append(name)
        loads[least] += weights[name]
    return tuple(tuple(part) for part in parts)


def _files(root: Path, plan: Plan) -> dict[str, int]:
    """Return how many files with tests each directory has; only those count that every checkout of the commit has."""
    homes = {root, *(repo.find_root(item.runnable.path) for item in plan.dirs if item.runnable)}
    tracked = {file for home in homes for file in repo.tracked(home)}
    return {item.name: max(1, _count(item, tracked)) for item in plan.dirs}


def _count(item: DirPlan, tracked: set[Path]) -> int:
    if not item.runnable:
        return 1
    found = test_files(item.runnable.path, item.runnable.settings.tests, item.runnable.nested)
    return sum(file in tracked for file in found)


def _seconds(plan: Plan, file: str) -> dict[str, int]:
    """Return how many thousandths of a second the tests of each directory took; an unknown one takes the median."""
    try:
        known = {
            str(one["directory"]): max(1, round(float(one["seconds"]) * 1000))
            for one in json.loads(Path(file).read_bytes())["directories"]
            if one["verdict"] in _WHOLE
        }
    except OSError as error:
        raise UsageError(f"--durations: cannot be read: {error.strerror}", where=file, fix=_DURATIONS) from None
    except (ValueError, KeyError, TypeError, RecursionError):
        raise UsageError("--durations: is no result of a run", where=file, fix=_DURATIONS) from None
    usual = round(statistics.median(known.values())) if known else 1
    return {item.name: known.get(item.name, usual) for item in plan.dirs}


def why_empty(split: Split) -> str:
    """Return why a shard has nothing to do."""
    return f"shard {split.shard} is empty: there {_are(len(split.weights))} for {counted(split.shard.of, 'shard')}"


def _are(number: int) -> str:
    return f"is {_directories(number)}" if number == 1 else f"are {_directories(number)}"
