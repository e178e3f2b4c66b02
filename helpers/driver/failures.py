"""What our plugin tells of each test that failed: one line of JSON each, in a file of the results directory."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.driver.results import read_more

FILE = "failures"
# More is not what our plugin writes.
_MOST_BYTES = 64 << 20
_FLAKY_CHARACTERS = 4_000
_LAST_LINE = 10_000_000


@dataclass(frozen=True)
class Failure:
    """One failure of one test.

    Arguments:
        test: its id.
        file: where it stands, relative to the root of the repo; empty if that is not known or not in the repo.
        line: the line in that file that led to the failure; 0 if that is not known.
        message: what was raised.
        text: the failure as pytest shows it; may be left out.
        sections: title and text of each thing that the test printed; may be left out.
    """

    test: str
    file: str = ""
    line: int = 0
    message: str = ""
    text: str = ""
    sections: tuple[tuple[str, str], ...] = ()

    def as_data(self) -> dict[str, Any]:
        """Return it as plain data, without what is long."""
        return {"test": self.test, "file": self.file, "line": self.line, "message": self.message}


def of_data(data: Any, root: Path) -> Failure | None:
    """Return a failure from what our plugin wrote; None for what it can not have written.

    Arguments:
        data: one object of JSON.
        root: absolute path of the repo.
    """
    try:
        sections = tuple((str(title), str(text)) for title, text in data.get("sections", ()))
        line = int(data["line"])
        return Failure(
            str(data["id"]),
            _below(str(data["file"]), root),
            line if 0 < line < _LAST_LINE else 0,
            str(data["message"]),
            str(data["text"]),
            sections,
        )
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return None


def flaky_of(report: dict[str, Any] | None, root: Path) -> tuple[Failure, ...]:
    """Return the failures of tests that passed when they were run again.

    Arguments:
        report: what our plugin wrote at its end; None if it wrote nothing.
        root: absolute path of the repo.
    """
    told = report.get("flaky") if report else None
    found = (of_data(data, root) for data in (told if isinstance(told, list) else []))
    return tuple(
        Failure(one.test, one.file, one.line, one.message, one.text[-_FLAKY_CHARACTERS:]) for one in found if one
    )


def slowest_of(report: dict[str, Any] | None) -> tuple[tuple[str, float], ...]:
    """Return the ids and seconds of the slowest tests, from what our plugin wrote at its end."""
    told = report.get("slowest") if report else None
    pairs = [pair for pair in (told if isinstance(told, list) else []) if isinstance(pair, list) and len(pair) == 2]
    return tuple((str(name), float(took)) for name, took in pairs if isinstance(took, int | float))


def read(results: Path, root: Path) -> tuple[Failure, ...]:
    """Return the failures of a directory's tests, without what is long.

    Arguments:
        results: the directory that they were written to.
        root: absolute path of the repo.
    """
    follow = Follower(results, root)
    return tuple(Failure(one.test, one.file, one.line, one.message) for one in follow.new())


class Follower:
    """Reads the failures of a run while they are written.

    Arguments:
        results: the directory that they are written to.
        root: absolute path of the repo.
    """

    def __init__(self, results: Path, root: Path) -> None:
        self._file = results / FILE
        self._root = root
        self._at = 0

    def new(self) -> Iterator[Failure]:
        """Yield the failures that were written since the last call; a line that is not yet whole is left."""
        whole, end, _ = read_more(self._file, self._at, _MOST_BYTES).rpartition(b"\n")
        self._at += len(whole) + len(end)
        for line in whole.split(b"\n"):
            try:
                found = of_data(json.loads(line), self._root)
            except (ValueError, RecursionError):
                continue
            if found:
                yield found


def _below(path: str, root: Path) -> str:
    whole = os.path.normpath(path)
    return os.path.relpath(whole, root) if whole.startswith(f"{str(root).rstrip('/')}/") else ""
