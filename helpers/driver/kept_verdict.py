"""The form of a kept verdict: a JSON object, accepted only if a run of tests could have written the object.

Another machine may have written the entry, so each field is checked. Its counts must be a PASS by the same rule as in
a run (`verdict.counted`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from helpers.driver.failures import Failure
from helpers.driver.results import MOST_JUNIT_BYTES
from helpers.driver.verdict import Status, Verdict, counted, counts_fault

FORMAT = 4
# The JUnit report, its escapes in JSON, and the other fields.
MOST_BYTES = 3 * MOST_JUNIT_BYTES
_MOST_SECONDS = 1e9
# Elements of a JUnit report that no PASS has; text in a report is escaped.
_RED_TAGS = ("<failure", "<error")
_MOST_LINE = 10_000_000
_MOST_LISTED = 1_000
_FIELDS = {"format", "directory", "counts", "seconds", "image", "flaky", "slowest", "junit", "coverage", "files"}
_OF_FAILURE = {field.name for field in fields(Failure)}


class DamagedVerdictError(ValueError):
    """A file is no kept verdict; the text says why."""


def entry(verdict: Verdict, junit: str) -> dict[str, Any]:
    """Return a verdict as the object for the cache.

    Arguments:
        verdict: a PASS.
        junit: the report of its run, as pytest wrote it.
    """
    return {
        "format": FORMAT,
        "directory": verdict.name,
        "counts": verdict.counts,
        "seconds": round(verdict.seconds, 3),
        "image": verdict.image,
        "flaky": [{**{name: getattr(one, name) for name in _OF_FAILURE}, "sections": []} for one in verdict.flaky],
        "slowest": verdict.slowest,
        "junit": junit,
        # The key says whether coverage is measured.
        "coverage": verdict.coverage,
        "files": verdict.files,
    }


def parsed(data: bytes) -> Any:
    """Return the JSON of a file.

    Raises:
        DamagedVerdictError: it is no JSON.
    """
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DamagedVerdictError(f"it is no JSON: {' '.join(str(error).split())[:100]}") from None


def from_entry(data: Any, name: str) -> Verdict:
    """Return the verdict of an entry.

    Arguments:
        data: the JSON of the entry.
        name: of the runnable dir.

    Raises:
        DamagedVerdictError: no run of these tests that passed can have written it.
    """
    fault = _fault(data, name)
    if fault:
        raise DamagedVerdictError(fault)
    plain = Verdict(name, Status.PASS, 0, "cached", data["counts"], float(data["seconds"]), data["image"], cached=True)
    return replace(
        plain,
        junit=data["junit"],
        coverage=data["coverage"],
        flaky=tuple(Failure(**{**one, "sections": ()}) for one in data["flaky"]),
        slowest=tuple((test, float(took)) for test, took in data["slowest"]),
        files=None if data["files"] is None else tuple(data["files"]),
    )


def _fault(data: Any, name: str) -> str:
    """Return why no passed run can have written `data`; empty for a sound entry."""
    if not isinstance(data, dict):
        return "it is no JSON object"
    if data.keys() != _FIELDS:
        return f"its fields differ: {', '.join(sorted(map(repr, data.keys() ^ _FIELDS)))[:200]}"
    checks = {
        "format": data["format"] == FORMAT and not isinstance(data["format"], bool),
        "directory": data["directory"] == name,
        "image": _is_text(data["image"]) and data["image"] != "",
        "junit": _is_text(data["junit"]),
        "coverage": _is_text(data["coverage"]),
        "seconds": _is_seconds(data["seconds"]),
        "flaky": _all(data["flaky"], _is_failure),
        "slowest": _all(data["slowest"], _is_slow),
        "files": data["files"] is None or (isinstance(data["files"], list) and all(map(_is_text, data["files"]))),
    }
    if wrong := next((key for key, good in checks.items() if not good), ""):
        return f"{wrong} is wrong: {repr(data[wrong])[:100]}"
    if any(tag in data["junit"] for tag in _RED_TAGS):
        return "its JUnit report tells of a failure"
    if fault := counts_fault(data["counts"]):
        return fault
    status, why = counted(data["counts"])
    return "" if status is Status.PASS else f"its counts are no PASS: {why}"


def _all(listed: Any, is_good: Callable[[Any], bool]) -> bool:
    return isinstance(listed, list) and len(listed) <= _MOST_LISTED and all(map(is_good, listed))


def _is_text(one: Any) -> bool:
    return isinstance(one, str)


def _is_seconds(one: Any) -> bool:
    # NaN and infinity, both legal in Python's JSON, are outside of the range.
    return isinstance(one, int | float) and not isinstance(one, bool) and 0 <= one < _MOST_SECONDS


def _is_failure(one: Any) -> bool:
    if not isinstance(one, dict) or one.keys() != _OF_FAILURE or one["sections"] != []:
        return False
    line = one["line"]
    return all(_is_text(one[key]) for key in ("test", "file", "message", "text")) and (
        isinstance(line, int) and not isinstance(line, bool) and 0 <= line < _MOST_LINE
    )


def _is_slow(one: Any) -> bool:
    return isinstance(one, list) and len(one) == 2 and _is_text(one[0]) and _is_seconds(one[1])
