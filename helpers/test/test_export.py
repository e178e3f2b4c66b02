from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.driver import export
from helpers.driver.verdict import Status, Verdict
from helpers.errors import UsageError

VERDICTS = [
    Verdict("a", Status.PASS, 0, "", {"passed": 2}, 1.23456, "sha256:1", "said", (), "/log"),
    Verdict("b", Status.CRASH, 8, 'killed <&> "x"', seconds=2),
    Verdict("c", Status.SKIP, 0, "needs gcc"),
    Verdict("d", Status.FAIL, 1, "t", {"failed": 1}, failures=("t",)),
]


def test_the_json_of_a_run_says_of_each_directory_what_happened() -> None:
    data = json.loads(json.dumps(export.result_data(VERDICTS, exit_code=8, interrupted=True, engine="venv")))
    assert {key: data[key] for key in ("exit_code", "interrupted", "engine")} == {
        "exit_code": 8,
        "interrupted": True,
        "engine": "venv",
    }
    assert data["directories"][0] == {
        "directory": "a",
        "verdict": "PASS",
        "exit_code": 0,
        "passed": 2,
        "failed": 0,
        "skipped": 0,
        "seconds": 1.235,
        "image": "sha256:1",
        "why": "",
        "failures": [],
        "log": "/log",
        "cached": False,
        "again": [],
    }
    assert [(item["verdict"], item["failures"]) for item in data["directories"][1:]] == [
        ("CRASH", []),
        ("SKIP", []),
        ("FAIL", ["t"]),
    ]


def test_json_goes_to_a_file_or_to_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    export.write_json(str(tmp_path / "a.json"), {"a": 1})
    export.write_json("-", {"a": 1})
    assert (tmp_path / "a.json").read_text() == capsys.readouterr().out == '{\n  "a": 1\n}\n'


def test_one_junit_file_has_a_suite_for_each_directory(tmp_path: Path) -> None:
    own = '<testsuites><testsuite name="pytest" tests="1"><testcase name="test_x"/></testsuite></testsuites>'
    (tmp_path / "junit.xml").write_text(own)
    kept = [replace(VERDICTS[0], cached=True, junit=own), *VERDICTS[1:]]
    export.write_junit(str(tmp_path / "all.xml"), kept, {"d": tmp_path})
    suites = list(ET.parse(tmp_path / "all.xml").getroot())
    assert [suite.get("name") for suite in suites] == ["a", "b", "c", "d"]
    cases = [suite.find("testcase") for suite in suites]
    assert [None if case is None else case.get("name") for case in cases] == ["test_x", "verdict", "verdict", "test_x"]
    error, skipped = suites[1].find("testcase/error"), suites[2].find("testcase/skipped")
    assert error is not None and error.get("message") == 'CRASH: killed <&> "x"'
    assert skipped is not None and (suites[2].get("errors"), suites[2].get("skipped")) == ("0", "1")


@pytest.mark.parametrize("left", [None, "", "<testsuites><testsuite"])
def test_a_report_that_was_cut_short_is_one_error(tmp_path: Path, left: str | None) -> None:
    if left is not None:
        (tmp_path / "junit.xml").write_text(left)
    export.write_junit(str(tmp_path / "all.xml"), VERDICTS[:1], {"a": tmp_path})
    suite = ET.parse(tmp_path / "all.xml").getroot()[0]
    assert (suite.get("name"), suite.get("errors")) == ("a", "1")


def test_a_verdict_beyond_the_tests_stands_beside_them(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text('<testsuite name="x"><testcase name="ok"/></testsuite>')
    export.write_junit(str(tmp_path / "all.xml"), VERDICTS[1:2], {"b": tmp_path})
    names = [case.get("name") for case in ET.parse(tmp_path / "all.xml").getroot().iter("testcase")]
    assert names == ["ok", "verdict"]


def test_a_file_that_can_not_be_written_is_bad_usage(tmp_path: Path) -> None:
    target = str(tmp_path / "no" / "such" / "file")
    with pytest.raises(UsageError, match="cannot write: No such file"):
        export.write_json(target, {})
    with pytest.raises(UsageError, match="cannot write: No such file"):
        export.write_junit(target, [], {})
