from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from helpers.driver import failures
from helpers.driver.failures import Failure

TOLD: dict[str, Any] = {"id": "t.py::t", "file": "/repo/a/t.py", "line": 3, "message": "m", "text": "x", "sections": []}


def told(**changes: Any) -> str:
    return json.dumps({**TOLD, **changes})


def test_failures_are_read_while_they_are_written(tmp_path: Path) -> None:
    follower = failures.Follower(tmp_path, Path("/repo"))
    assert list(follower.new()) == []
    file = (tmp_path / "failures").open("w")
    file.write(told(sections=[["Captured stdout call", "said"]]) + "\n" + told(id="half")[:9])
    file.flush()
    assert list(follower.new()) == [Failure("t.py::t", "a/t.py", 3, "m", "x", (("Captured stdout call", "said"),))]
    assert list(follower.new()) == []
    file.write(told(id="half")[9:] + "\n")
    file.close()
    assert [failure.test for failure in follower.new()] == ["half"]
    assert failures.read(tmp_path, Path("/repo"))[1] == Failure("half", "a/t.py", 3, "m")


@pytest.mark.parametrize(
    "line", ["", "{", "[]", "1", "{}", told(line="x"), told(sections=[1]), told(file=None)[:-1], "\xff"]
)
def test_what_our_plugin_can_not_have_written_is_left_out(tmp_path: Path, line: str) -> None:
    (tmp_path / "failures").write_text(f"{line}\n{told()}\n", encoding="latin-1")
    assert [failure.test for failure in failures.read(tmp_path, Path("/repo"))] == ["t.py::t"]


@pytest.mark.parametrize(
    ("file", "line", "wanted"),
    [
        ("/repo/a/../b.py", 1, ("b.py", 1)),
        ("/repo/../etc/passwd", 1, ("", 1)),
        ("/repository/a.py", -1, ("", 0)),
        ("", 10**9, ("", 0)),
    ],
)
def test_a_place_outside_of_the_repo_is_none(file: str, line: int, wanted: tuple[str, int]) -> None:
    found = failures.of_data({**TOLD, "file": file, "line": line}, Path("/repo"))
    assert found and (found.file, found.line) == wanted


def test_the_text_of_a_flaky_failure_is_cut() -> None:
    flaky = failures.flaky_of({"flaky": [TOLD, "no", {**TOLD, "text": 9000 * "x"}]}, Path("/repo"))
    assert [len(one.text) for one in flaky] == [1, 4000]


@pytest.mark.parametrize("report", [None, {}, {"flaky": 1, "slowest": 1}, {"slowest": [1, ["a"], ["a", "b"]]}])
def test_a_report_that_tells_nothing_of_this_is_none(report: Any) -> None:
    assert (failures.flaky_of(report, Path("/")), failures.slowest_of(report)) == ((), ())


def test_the_slowest_tests_are_read() -> None:
    assert failures.slowest_of({"slowest": [["a", 1.5], ["b", 1]]}) == (("a", 1.5), ("b", 1.0))
