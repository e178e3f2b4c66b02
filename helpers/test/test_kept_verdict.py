"""A kept verdict is believed only if a passed run could have written the entry."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helpers.driver.failures import Failure
from helpers.driver.kept_verdict import DamagedVerdictError, entry, from_entry, parsed
from helpers.driver.verdict import Status, Verdict

COUNTS = {"passed": 2, "skipped": 1, "rerun": 1, "subtests passed": 3}
RAN = Verdict(
    "a",
    Status.PASS,
    0,
    counts=COUNTS,
    seconds=0.5,
    image="sha256:1",
    junit="<x>\u00fc</x>",
    flaky=(Failure("t.py::t", "a/t.py", 3, "m", "text", (("said", "much"),)),),
    slowest=(("t.py::t", 0.25),),
    coverage="{}",
    files=("t.py",),
)
GOOD: dict[str, Any] = json.loads(json.dumps(entry(RAN, RAN.junit)))
DEEP: Any = []
for _ in range(900):
    DEEP = [DEEP]
FLAKY = GOOD["flaky"][0]
FAULTS: dict[str, Any] = {
    "counts failed tests": {"counts": {"failed": 5}},
    "counts failed tests beside passed ones": {"counts": {"passed": 5, "failed": 1}},
    "counts errors": {"counts": {"passed": 5, "error": 1}},
    "counts nothing": {"counts": {}},
    "counts only skipped tests": {"counts": {"skipped": 3}},
    "counts only zero": {"counts": {"passed": 0}},
    "counts less than nothing": {"counts": {"passed": -7}},
    "counts more than can be": {"counts": {"passed": 10**12}},
    "counts by true": {"counts": {"passed": True}},
    "counts by a fraction": {"counts": {"passed": 1.0}},
    "counts by NaN": {"counts": {"passed": float("nan")}},
    "counts by text": {"counts": {"passed": "2"}},
    "counts another outcome": {"counts": {"passed": 1, "exploded": 1}},
    "has a list of counts": {"counts": [["passed", 1]]},
    "has no counts": {"counts": None},
    "has deep counts": {"counts": DEEP},
    "has another format": {"format": 2},
    "has true as format": {"format": True},
    "is about another directory": {"directory": "b"},
    "has no image": {"image": ""},
    "has a number as image": {"image": 7},
    "took NaN seconds": {"seconds": float("nan")},
    "took endless seconds": {"seconds": float("inf")},
    "took less than no time": {"seconds": -1},
    "took true seconds": {"seconds": True},
    "took more seconds than a float holds": {"seconds": 10**400},
    "has another field": {"more": 1},
    "has a report of a failure": {
        "junit": '<testsuites><testsuite><testcase name="a"><failure/></testcase></testsuite></testsuites>'
    },
    "has a report of an error": {
        "junit": '<testsuites><testsuite><testcase name="a"><error message="x"/></testcase></testsuite></testsuites>'
    },
    "has no report": {"junit": None},
    "has a number as coverage": {"coverage": 0},
    "has flaky tests that are text": {"flaky": "no"},
    "has a flaky test that is text": {"flaky": ["no"]},
    "has a flaky test with another field": {"flaky": [{**FLAKY, "more": 1}]},
    "has a flaky test in no line": {"flaky": [{**FLAKY, "line": -1}]},
    "has a flaky test with a number as text": {"flaky": [{**FLAKY, "text": 1}]},
    "has text as files": {"files": "t.py"},
    "has a number as a file": {"files": [1]},
    "has slow tests without a time": {"slowest": [["t"]]},
    "has a slow test of NaN seconds": {"slowest": [["t", float("nan")]]},
    "has deep slow tests": {"slowest": DEEP},
}


def test_an_entry_holds_the_verdict_that_it_was_made_of() -> None:
    found = from_entry(parsed(json.dumps(GOOD).encode()), "a")
    assert found.cached and found.why == "cached" and found.status is Status.PASS
    assert (found.counts, found.image, found.seconds, found.junit) == (COUNTS, "sha256:1", 0.5, RAN.junit)
    assert (found.flaky[0].test, found.flaky[0].line, found.slowest) == ("t.py::t", 3, RAN.slowest)
    assert found.files == RAN.files
    assert from_entry({**GOOD, "files": None}, "a").files is None


@pytest.mark.parametrize("name", FAULTS)
def test_an_entry_is_not_believed_that(name: str) -> None:
    data = {**GOOD, **FAULTS[name]}
    with pytest.raises(DamagedVerdictError) as caught:
        from_entry(data, "a")
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 400


@pytest.mark.parametrize("field", GOOD)
def test_an_entry_without_a_field_is_not_believed(field: str) -> None:
    with pytest.raises(DamagedVerdictError, match=field):
        from_entry({name: value for name, value in GOOD.items() if name != field}, "a")


@pytest.mark.parametrize("data", [[], [GOOD], "x", 1, None, True, DEEP], ids=lambda data: str(data)[:10])
def test_something_else_than_an_object_is_not_believed(data: Any) -> None:
    with pytest.raises(DamagedVerdictError, match="object"):
        from_entry(data, "a")


@pytest.mark.parametrize("text", ["", "{", "\xff", "[" * 100_000, f"[{'9' * 5000}]"], ids=lambda text: text[:5])
def test_text_that_is_no_json_is_not_believed(text: str) -> None:
    with pytest.raises(DamagedVerdictError, match="no JSON"):
        parsed(text.encode("latin-1"))
