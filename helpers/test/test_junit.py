from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.driver import junit
from helpers.driver.failures import Failure
from helpers.driver.verdict import Status, Verdict

OWN = (
    '<testsuites><testsuite name="pytest" tests="1" timestamp="t" hostname="h">'
    '<properties><property name="own" value="1"/></properties>'
    '<testcase classname="test.test_x.TestA" name="test_y[a/b]" file="test/test_x.py" line="0" time="0.1">'
    "<system-out>said</system-out></testcase></testsuite></testsuites>"
)
PASS = Verdict("a", Status.PASS, 0, "", {"passed": 1}, 1.5, "sha256:1")
CRASH = Verdict("b", Status.CRASH, 8, 'killed <&> "x"\x1b', seconds=2, output="last words\x00\n")
SKIP = Verdict("c", Status.SKIP, 0, "needs gcc")
FAIL = Verdict("d", Status.FAIL, 1, "t", {"failed": 1}, failures=("t",))


def merged(tmp_path: Path, verdicts: list[Verdict], results: dict[str, Path] | None = None) -> ET.Element:
    junit.write(str(tmp_path / "all.xml"), verdicts, results or {})
    return ET.parse(tmp_path / "all.xml").getroot()


def test_there_is_one_suite_for_each_directory_whose_counts_are_right(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(OWN)
    root = merged(tmp_path, [replace(PASS, cached=True, junit=OWN), CRASH, SKIP, FAIL], {"d": tmp_path})
    assert [(one.tag, one.get("name")) for one in root] == [("testsuite", name) for name in "abcd"]
    counts = [tuple(one.get(name) for name in ("tests", "failures", "errors", "skipped")) for one in [root, *root]]
    assert counts == [
        ("4", "0", "1", "1"),
        ("1", "0", "0", "0"),
        ("1", "0", "1", "0"),
        ("1", "0", "0", "1"),
        ("1", "0", "0", "0"),
    ]
    assert [one.get("time") for one in root] == ["1.500", "2.000", "0.000", "0.000"] and root.get("time") == "3.500"


def test_a_directory_without_a_verdict_of_its_tests_is_an_error_that_says_why(tmp_path: Path) -> None:
    (error,) = merged(tmp_path, [CRASH]).iter("error")
    assert (error.get("type"), error.get("message")) == ("CRASH", 'CRASH: killed <&> "x"')
    (said,) = merged(tmp_path, [CRASH]).iter("system-out")
    assert said.text == "last words\n"
    (skipped,) = merged(tmp_path, [SKIP]).iter("skipped")
    assert skipped.get("message") == "SKIP: needs gcc"


def test_a_verdict_beyond_the_tests_stands_beside_them_in_the_same_suite(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(OWN)
    (suite,) = merged(tmp_path, [CRASH], {"b": tmp_path})
    assert [case.get("name") for case in suite.iter("testcase")] == ["test_y[a/b]", "verdict"]
    assert (suite.get("tests"), suite.get("errors")) == ("2", "1")


@pytest.mark.parametrize("left", [None, "", "<testsuites><testsuite"])
def test_a_report_that_was_cut_short_is_one_error(tmp_path: Path, left: str | None) -> None:
    if left is not None:
        (tmp_path / "junit.xml").write_text(left)
    (suite,) = merged(tmp_path, [PASS], {"a": tmp_path})
    assert (suite.get("name"), suite.get("errors")) == ("a", "1")


def test_a_report_that_is_too_long_is_left_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "junit.xml").write_text(OWN)
    monkeypatch.setattr(junit, "MOST_JUNIT_BYTES", 10)
    (error,) = merged(tmp_path, [PASS], {"a": tmp_path}).iter("error")
    assert str(tmp_path / "junit.xml") in error.get("message", "")


@pytest.mark.parametrize(
    ("directory", "file"), [("a", "a/test/test_x.py"), (".", "test/test_x.py"), ("x/y", "x/y/test/test_x.py")]
)
def test_files_are_named_as_in_the_repo_and_lines_are_counted_from_1(tmp_path: Path, directory: str, file: str) -> None:
    (tmp_path / "junit.xml").write_text(OWN)
    (case,) = merged(tmp_path, [replace(PASS, name=directory)], {directory: tmp_path}).iter("testcase")
    assert (case.get("file"), case.get("line")) == (file, "1")


def test_a_suite_says_what_came_out_in_which_image_and_whether_it_was_kept(tmp_path: Path) -> None:
    def said(verdict: Verdict) -> list[tuple[str | None, str | None]]:
        root = merged(tmp_path, [replace(verdict, junit=OWN)])
        return [(one.get("name"), one.get("value")) for one in root.iterfind("testsuite/properties/property")]

    plain = [("own", "1"), ("verdict", "PASS"), ("image", "sha256:1")]
    assert said(PASS) == plain and said(replace(PASS, cached=True)) == [*plain, ("cached", "true")]


def test_a_test_that_passed_when_it_was_run_again_is_marked_as_surefire_does(tmp_path: Path) -> None:
    twice = tuple(
        Failure("test/test_x.py::TestA::test_y[a/b]", message=f"OSError: {number}\x1b", text=f"trace {number}")
        for number in range(2)
    )
    other = Failure("test/test_x.py::test_y")
    (case,) = merged(tmp_path, [replace(PASS, junit=OWN, flaky=(*twice, other))]).iter("testcase")
    marks = case.findall("flakyFailure")
    assert [(one.get("type"), one.get("message"), one.findtext("stackTrace")) for one in marks] == [
        ("OSError", "OSError: 0", "trace 0"),
        ("OSError", "OSError: 1", "trace 1"),
    ]
    assert [one.tag for one in case] == ["flakyFailure", "flakyFailure", "system-out"]


def noted(words: str) -> str:
    return f'<properties><property name="{junit.OUTCOMES_PROPERTY}" value="{words}"/></properties>'


# pytest's cases of a test: the parts of each case, and the parts of each case in the merged file.
RUNS = {
    "passed": ([noted("passed")], [""]),
    "passed twice": ([noted("passed"), noted("passed")], ["", ""]),
    "passed when a plugin ran it again in silence": ([noted("none"), noted("passed")], [""]),
    "failed, and its end too": (["<failure/>", f"<error/>{noted('failed error')}"], ["failure", "error"]),
    "passed, and its end did not": ([f"<error/>{noted('passed error')}"], ["", "error"]),
    "failed in two parts": (
        [f"<failure/><failure/><skipped/>{noted('failed subtests_passed failed failed')}"],
        ["failure"] * 3,
    ),
    "passed without a part": ([f"<skipped/>{noted('passed')}"], [""]),
    "was expected to fail": ([f"<skipped/>{noted('xfailed')}"], ["skipped"]),
    "was not imported twice": (["<error/><error/>"], ["error", "error"]),
    "has no outcome": ([""], [""]),
}


@pytest.mark.parametrize("name", RUNS)
def test_there_is_a_case_for_each_outcome_of_a_test_that(tmp_path: Path, name: str) -> None:
    parts, wanted = RUNS[name]
    cases = "".join(f'<testcase classname="t" name="a" time="0.25">{part}</testcase>' for part in parts)
    (suite,) = merged(tmp_path, [replace(FAIL, junit=f"<testsuite>{cases}</testsuite>")])
    found = list(suite.iter("testcase"))
    assert ["".join(part.tag for part in case) for case in found] == wanted
    assert suite.get("tests") == str(len(wanted)) and {case.get("name") for case in found} == {"a"}
