"""Writes a run's result for other programs: JSON, and JUnit's XML with one suite a directory."""

from __future__ import annotations

import json
import os
import sys
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helpers.driver.events import Observer, Ran
from helpers.driver.verdict import Status, Verdict
from helpers.errors import UsageError


class Files(Observer):
    """Writes the result of a run to files.

    Arguments:
        json: the file for JSON; `-` is standard output; None for none.
        junit: the file for JUnit's XML; None for none.
        shard: which part of a whole the run is; None where it is all of it.
    """

    def __init__(self, json: str | None, junit: str | None, shard: Mapping[str, Any] | None = None) -> None:
        self._json = json
        self._junit = junit
        self._shard = shard

    def end(self, ran: Ran) -> None:
        """Write them.

        Raises:
            UsageError: a file can not be written.
        """
        if self._json:
            data = result_data(ran.verdicts, exit_code=ran.exit_code, interrupted=ran.interrupted, engine=ran.engine)
            write_json(self._json, {**data, **self._of_shard()})
        if self._junit:
            write_junit(self._junit, ran.verdicts, ran.results)

    def _of_shard(self) -> dict[str, Any]:
        """Return what `report_merge` must know: which part this is, and where the other file lies, from the JSON."""
        if not self._shard:
            return {}
        junit = {"junit": os.path.relpath(self._junit, os.path.dirname(self._json or ""))} if self._junit else {}
        return {"shard": self._shard, **junit}


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
                "seconds": round(item.seconds, 3),
                "image": item.image,
                "why": item.why,
                "failures": list(item.failures),
                "log": item.log,
                "cached": item.cached,
                "again": list(item.again),
            }
            for item in verdicts
        ],
    }


def check_writable(target: str | None) -> None:
    """Find out before a run, not after it, that its result can not be written to `target`.

    Raises:
        UsageError: the directory is not there or may not be written to.
    """
    if not target or target == "-":
        return
    there = os.path.exists(target)
    if os.path.isdir(target) or not os.access(target if there else os.path.dirname(target) or ".", os.W_OK):
        why = "it is a directory or not writable" if there else "its directory is missing or not writable"
        raise UsageError("cannot write the result there", where=target, why=why)


def write_json(target: str, data: dict[str, Any]) -> None:
    """Write `data` to the file `target`; `-` is standard output.

    Raises:
        UsageError: the file can not be written.
    """
    text = json.dumps(data, indent=2) + "\n"
    if target == "-":
        sys.stdout.write(text)
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write: {error.strerror}", where=target) from None


def write_junit(target: str, verdicts: Sequence[Verdict], results: Mapping[str, Path]) -> None:
    """Write all directories' tests as one JUnit file; a directory without a report of its own is one error in it.

    Arguments:
        target: the file.
        verdicts: of all directories.
        results: the directory with the results of the tests that ran, by the name of the runnable dir.

    Raises:
        UsageError: the file can not be written.
    """
    merged = ET.Element("testsuites", name="helpers")
    for verdict in verdicts:
        suites = _own_suites(verdict, results.get(verdict.name))
        for suite in suites:
            suite.set("name", verdict.name)
            merged.append(suite)
        if not suites or verdict.status not in (Status.PASS, Status.FAIL):
            merged.append(_verdict_suite(verdict))
    try:
        ET.ElementTree(merged).write(target, encoding="utf-8", xml_declaration=True)
    except OSError as error:
        raise UsageError(f"cannot write: {error.strerror}", where=target) from None


def _own_suites(verdict: Verdict, results: Path | None) -> list[ET.Element]:
    try:
        text = (results / "junit.xml").read_bytes() if results else verdict.junit
        return list(ET.fromstring(text).iter("testsuite"))
    except (OSError, ET.ParseError):
        return []


def _verdict_suite(verdict: Verdict) -> ET.Element:
    skipped = verdict.status is Status.SKIP
    suite = ET.Element(
        "testsuite", name=verdict.name, tests="1", errors="0" if skipped else "1", skipped="1" if skipped else "0"
    )
    case = ET.SubElement(suite, "testcase", classname=verdict.name, name="verdict", time=f"{verdict.seconds:.3f}")
    ET.SubElement(case, "skipped" if skipped else "error", message=f"{verdict.status.value}: {verdict.why}")
    return suite
