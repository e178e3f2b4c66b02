"""The merged JUnit file has the form that its readers ask for, whatever tests and directories are like.

There is no standard. What is asked here is what Jenkins' junit plugin reads (SuiteResult.java of
github.com/jenkinsci/junit-plugin), what the scheme of its xunit plugin requires of elements and numbers (junit-10.xsd
of github.com/jenkinsci/xunit-plugin; `file`, `line` and properties of cases are pytest's own), and that counts add up,
from which others reckon what has passed.
"""

from __future__ import annotations

import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import config
from helpers.driver import container, junit
from helpers.driver.failures import Failure
from helpers.driver.verdict import Status, Verdict
from helpers.test.unit_fixtures import add_dir, cache, make_repo

__all__ = ["cache"]

COUNT, TIME, LINE = r"0|[1-9][0-9]*", r"[0-9]+\.[0-9]{3}", r"[1-9][0-9]*"
COUNTS = dict.fromkeys(("tests", "failures", "errors", "skipped"), COUNT)
# What each element must have, and what values its attributes have where they are there.
MUST: dict[str, dict[str, str]] = {
    "testsuites": {**COUNTS, "time": TIME},
    "testsuite": {**COUNTS, "time": TIME, "name": ".+"},
    "properties": {},
    "property": {"name": ".+", "value": "(?s:.*)"},
    "testcase": {"name": "(?s:.+)", "classname": ".+"},
    "failure": {},
    "error": {},
    "skipped": {},
    "system-out": {},
    "system-err": {},
    "flakyFailure": {"type": ".+", "message": "(?s:.*)"},
    "stackTrace": {},
}
MAY = {"testcase": {"time": TIME, "line": LINE}, "testsuite": {"timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d.*"}}
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "properties": {"property"},
    "testcase": {"properties", "failure", "error", "skipped", "system-out", "system-err", "flakyFailure"},
    "flakyFailure": {"stackTrace"},
}
# What XML can not hold (https://www.w3.org/TR/xml/#charsets).
NEVER = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def faults(root: ET.Element) -> Iterator[str]:
    """Yield what of a merged file is not of the form."""
    if root.tag != "testsuites":
        yield f"the root is {root.tag}"
    for element in root.iter():
        for name, value in MUST.get(element.tag, {}).items():
            if name not in element.attrib or not re.fullmatch(value, element.attrib[name]):
                yield f"{element.tag} has {name}={element.get(name)!r}"
        for name, value in MAY.get(element.tag, {}).items():
            if name in element.attrib and not re.fullmatch(value, element.attrib[name]):
                yield f"{element.tag} has {name}={element.attrib[name]!r}"
        for child in element:
            if child.tag not in CHILDREN.get(element.tag, set()):
                yield f"{child.tag} in {element.tag}"
        if any(NEVER.search(text) for text in (element.text or "", *element.attrib.values())):
            yield f"{element.tag} has a control character"
    yield from _sums(root)


def _sums(root: ET.Element) -> Iterator[str]:
    for suite in root:
        cases = suite.findall("testcase")
        bad = sum(int(suite.get(name, "0")) for name in ("failures", "errors", "skipped"))
        passed = sum(not {part.tag for part in case} & {"failure", "error", "skipped"} for case in cases)
        if (int(suite.get("tests", "0")), bad) != (len(cases), len(cases) - passed):
            yield f"{suite.get('name')}: {len(cases)} cases, of which {passed} passed, are not what is counted"
    for name in COUNTS:
        if int(root.get(name, "0")) != sum(int(suite.get(name, "0")) for suite in root):
            yield f"{name} does not add up"
    if abs(float(root.get("time", "0")) - sum(float(suite.get("time", "0")) for suite in root)) > 0.0005 * len(root):
        yield "time does not add up"


def merged(tmp_path: Path, verdicts: list[Verdict], results: dict[str, Path] | None = None) -> ET.Element:
    junit.write(str(tmp_path / "all.xml"), verdicts, results or {})
    data = (tmp_path / "all.xml").read_bytes()
    assert data.startswith(b"<?xml version=") and data.decode()
    return ET.fromstring(data)


TESTS = r"""
import sys, warnings
import pytest

def test_passes(record_property):
    record_property("asked", "a\x1b[31m & <b>")

@pytest.mark.parametrize("text", ["\x00", "\x1b[31m", "\ud800", "a\nb", "]]>", "<&>\"'", "\x85\u2028"])
def test_prints(text):
    print(text.encode("utf-8", "replace").decode())
    sys.stderr.write("to the other \x07\n")
    raise ValueError(text)

def test_subtests(subtests):
    with subtests.test("one"):
        assert False
    with subtests.test("two"):
        pytest.skip("not now")

@pytest.mark.xfail
def test_is_expected():
    assert False

@pytest.mark.xfail(strict=True)
def test_is_not_expected():
    pass

@pytest.mark.skip(reason="\x1b]0;title\x07")
def test_is_skipped():
    pass

@pytest.fixture
def broken():
    yield
    raise OSError("\x9b1m")

def test_fails_twice(broken):
    assert False
"""


def test_what_pytest_writes_of_all_that_a_test_can_do_has_the_form(tmp_path: Path, cache: Path) -> None:
    root = make_repo(tmp_path / "r")
    path = add_dir(root, "a dir")
    (path / "test" / "test_all.py").write_text(TESTS)
    (path / "test" / "test_broken.py").write_text("import no_such_module\n")
    results = tmp_path / "results"
    results.mkdir()
    words = container.pytest_arguments(config.load(root, path, [path]), results, ["--continue-on-collection-errors"])
    command = [sys.executable, "-m", "pytest", "-q", *words]
    done = subprocess.run(command, cwd=path, capture_output=True, encoding="utf-8", errors="replace", check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    found = merged(tmp_path, [Verdict("a dir", Status.FAIL, 1, "x", seconds=1.0)], {"a dir": results})
    assert list(faults(found)) == []
    (suite,) = found
    cases = {case.get("name", ""): case for case in suite.iter("testcase")}
    assert len(cases) > 12 and suite.get("timestamp") and suite.get("hostname")
    assert {case.get("classname") for case in cases.values()} == {"test.test_all", "test.test_it", "a dir"}
    (asked,) = cases["test_passes"].iterfind("properties/property")
    assert (asked.get("name"), "\x1b" in asked.get("value", "")) == ("asked", False)


HOSTILE = """<testsuites><testsuite name="x" tests="many" time="-1" timestamp="now" hostname="">
<properties><property/><property name="p"/><property name="own" value="1"/><other/></properties>
<testcase/><testcase name=""/><error>of the suite</error><system-out>said</system-out>
<testcase name="nan" time="nan" line="-1"/><testcase name="inf" time="inf" line="x"/>
<testcase name="words" classname="" time="1,5" line="99999999999999999999"/>
<testcase name="digits" line="\u00b2" time="1e400"/>
<testcase name="nested"><testcase name="inner"/><testsuite name="suite"/><failure><b>bold</b></failure></testcase>
<testcase name="all of it" assertions="3"><skipped/><failure/><error/><failure/>
<properties><p/><property/></properties></testcase>
<testcase name="long" time="9999999999999"/>
</testsuite></testsuites>"""


def test_what_a_test_wrote_into_its_report_itself_has_the_form_too(tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text(HOSTILE)
    found = merged(tmp_path, [Verdict("a", Status.FAIL, 1, "x", seconds=1.0)], {"a": tmp_path})
    assert list(faults(found)) == []
    (suite,) = found
    counts = {name: suite.get(name) for name in COUNTS}
    assert counts == {"tests": "10", "failures": "2", "errors": "1", "skipped": "1"}
    all_of_it = [one for one in suite if one.get("name") == "all of it"]
    assert [[part.tag for part in case] for case in all_of_it] == [
        ["skipped"],
        ["failure"],
        ["error"],
        ["failure"],
    ]
    assert {case.get("assertions") for case in all_of_it} == {"3"}
    assert [(one.get("name")) for one in suite.iterfind("properties/property")] == ["own", "verdict"]


@pytest.mark.parametrize("status", list(Status))
def test_every_verdict_has_the_form_whatever_it_is_called_and_says(tmp_path: Path, status: Status) -> None:
    odd = "a\x1b[31m\n<&>\"'\x00\ud800 b"
    verdict = Verdict(odd, status, 1, odd, seconds=1234.5678, image=odd, output=odd, hints=(odd,))
    flaky = (Failure("t.py::test_a", message=f"E\x00: {odd}", text=odd), Failure("t.py::test_a", message=""))
    own = '<testsuite><testcase classname="t" name="test_a" time="1"/></testsuite>'
    for one in (verdict, Verdict("kept", status, 0, cached=True, junit=own, flaky=flaky, seconds=0.1234)):
        assert list(faults(merged(tmp_path, [one, verdict]))) == []


def test_the_form_is_one_that_can_be_missed() -> None:
    case = '<testcase name="a" classname="b" time="0.100">{}</testcase>'
    suite = '<testsuite name="s" tests="{tests}" failures="0" errors="0" skipped="0" time="{time}">{case}</testsuite>'
    whole = '<testsuites tests="1" failures="0" errors="0" skipped="0" time="1.000">{}</testsuites>'
    good = {"tests": "1", "time": "1.000", "case": case.format("")}
    wrong = [
        {"tests": "2"},
        {"time": "1"},
        {"time": "2.000"},
        {"case": case.format("<failure/>")},
        {"case": case.format("<other/>")},
        {"case": case.replace('classname="b"', "").format("")},
        {"case": case.replace("0.100", "nan").format("")},
    ]
    assert list(faults(ET.fromstring(whole.format(suite.format(**good))))) == []
    for change in wrong:
        assert list(faults(ET.fromstring(whole.format(suite.format(**{**good, **change}))))), change
