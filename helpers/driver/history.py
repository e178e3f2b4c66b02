"""What became of each directory in its last runs on this machine: a line a run, for the page that a run is shown on."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from helpers.driver.verdict import Status, Verdict
from helpers.storage import cache_dir, digest

_MOST = 30
# A line has less than this many bytes; a file of more lines than twice the most is cut.
_LINE_BYTES = 120
# These say nothing of the directory.
_NOT_RUN = (Status.STOPPED, Status.SKIP)


@dataclass(frozen=True)
class Past:
    """One run of the tests of a directory.

    Arguments:
        at: when it ended, in seconds since 1970.
        tier: which tests.
        verdict: what came out.
        seconds: how long it took.
        failed: how many tests failed.
        engine: what ran them; empty where that was not noted.
    """

    at: int
    tier: str
    verdict: str
    seconds: float
    failed: int
    engine: str = ""


def record(root: Path, tier: str, verdicts: Sequence[Verdict], engine: str) -> None:
    """Note what came out of a run; the oldest lines go.

    Arguments:
        root: absolute path of the repo.
        tier: which tests ran.
        verdicts: their outcome; those that are kept ones of earlier runs are left out.
        engine: name of what ran them.
    """
    at = int(time.time())
    # A full disk only costs the page some of its past.
    with suppress(OSError):
        for item in verdicts:
            if not item.cached and item.status not in _NOT_RUN:
                line = [at, tier, item.status.value, round(item.seconds, 2), item.failed, engine]
                _add(_file(root, item.name), json.dumps(line))


def of(root: Path, name: str, tier: str) -> list[Past]:
    """Return the last runs of a directory, oldest first.

    Arguments:
        root: absolute path of the repo.
        name: the directory.
        tier: which tests.
    """
    found = [past for line in _lines(_file(root, name)) if (past := _past(line)) and past.tier == tier]
    return found[-_MOST:]


def _add(file: Path, line: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a", encoding="utf-8") as out:
        out.write(f"{line}\n")
    if file.stat().st_size > 2 * _MOST * _LINE_BYTES:
        aside = file.with_name(f".{file.name}-{os.getpid()}")
        aside.write_text("".join(f"{kept}\n" for kept in _lines(file)[-_MOST:]), encoding="utf-8")
        os.replace(aside, file)


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def _past(line: str) -> Past | None:
    try:
        at, tier, verdict, seconds, failed, *engine = json.loads(line)
        return Past(int(at), str(tier), Status(verdict).value, float(seconds), int(failed), *map(str, engine[:1]))
    except (ValueError, TypeError, RecursionError):
        return None


def _file(root: Path, name: str) -> Path:
    return cache_dir() / "history" / digest(str(root)) / f"{digest(name)}.jsonl"
