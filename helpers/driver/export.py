"""Writes a run's result for other programs."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from helpers.driver import result_file
from helpers.driver.events import Event, Observer, Ran, Work
from helpers.driver.verdict import Verdict
from helpers.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helpers.driver.report.page import Page


class Files(Observer):
    """Writes the result of a run to files.

    Arguments:
        json: the file for JSON; `-` is standard output; None for none.
        junit: the file for JUnit's XML; None for none.
        shard: which part of a whole the run is; None where it is all of it.
        page: what writes the page that shows the run; None for none.
    """

    def __init__(
        self,
        json: str | None,
        junit: str | None,
        shard: Mapping[str, Any] | None = None,
        page: Page | None = None,
    ) -> None:
        self._json = json
        self._junit = junit
        self._shard = shard
        self._page = page

    def begin(self, work: Work) -> None:
        """Let the page take the time."""
        if self._page:
            self._page.begin(work)

    def event(self, event: Event) -> None:
        """Let the page take the time."""
        if self._page:
            self._page.event(event)

    def close(self) -> None:
        """Let the page take the time."""
        if self._page:
            self._page.close()

    def end(self, ran: Ran) -> None:
        """Write them.

        Raises:
            HelpersError: a file cannot be written; `result_file.write` says which error.
        """
        if self._json:
            data = result_data(ran.verdicts, exit_code=ran.exit_code, interrupted=ran.interrupted, engine=ran.engine)
            write_json(self._json, {**data, "lost_tests": list(ran.lost), **self._of_shard(ran)})
        if self._junit:
            from helpers.driver import junit

            junit.write(self._junit, ran.verdicts, ran.results)
        if self._page:
            self._page.end(ran)

    def _of_shard(self, ran: Ran) -> dict[str, Any]:
        """Return what `report_merge` must know: which part this is, and where the other file lies, from the JSON."""
        if not self._shard:
            return {}
        junit = {"junit": os.path.relpath(self._junit, os.path.dirname(self._json or ""))} if self._junit else {}
        return {"shard": self._shard, **junit, **({"page": self._page.data(ran)} if self._page else {})}


def result_data(verdicts: Sequence[Verdict], *, exit_code: int, interrupted: bool, engine: str) -> dict[str, Any]:
    """Return the result of a run as plain data."""
    return {
        "exit_code": exit_code,
        "interrupted": interrupted,
        "engine": engine,
        "directories": [
            {
                "directory": item.name,
                "verdict": item.status.value,
                "exit_code": item.code,
                "passed": item.passed,
                "failed": item.failed,
                "skipped": item.skipped,
                "counts": item.counts,
                "seconds": round(item.seconds, 3),
                "image": item.image,
                "why": item.told,
                "hints": list(item.hints),
                "failures": list(item.failures),
                "failed_tests": [failure.as_data() for failure in item.details],
                "flaky": item.flaky_tests,
                "slowest": [{"test": name, "seconds": round(took, 3)} for name, took in item.slowest],
                "log": item.log,
                "cached": item.cached,
                "again": list(item.again),
                **_coverage_data(item),
            }
            for item in verdicts
        ],
    }


def _coverage_data(item: Verdict) -> dict[str, Any]:
    """Return what was measured in a directory: the share that ran, and the lines of each file."""
    if not item.coverage:
        return {}
    from helpers.driver import measuring  # few runs measure

    found = measuring.measured(item.coverage)
    return {"coverage": {"percent": round(found.percent, 2), **json.loads(item.coverage)}} if found else {}


def check_writable(target: str | None) -> None:
    """Find out before a run, not after it, that its result can not be written to `target`.

    Raises:
        UsageError: the directory is not there or may not be written to.
    """
    if not target or target == "-":
        return
    there = os.path.exists(target)
    # A file has the right to write, too, and holds no files.
    place = target if there else os.path.join(os.path.dirname(target), ".")
    if os.path.isdir(target) or not os.access(place, os.W_OK):
        why = "it is a directory or not writable" if there else "its directory is missing or not writable"
        raise UsageError("cannot write the result there", where=target, why=why, fix=result_file.place_fix(target))


def write_json(target: str, data: dict[str, Any]) -> None:
    """Write `data` to the file `target`; `-` is standard output.

    Raises:
        UsageError: no file can be there.
        InfrastructureError: the disk is full or fails.
    """
    text = json.dumps(data, indent=2) + "\n"
    if target == "-":
        sys.stdout.write(text)
        return
    result_file.write(target, text)
