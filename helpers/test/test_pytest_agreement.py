"""The report, the verdict and the JUnit file of a run agree with pytest's own last line."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest

from helpers.driver import junit
from helpers.driver import verdict as verdicts
from helpers.driver.verdict import Status
from helpers.engine.seam import Outcome
from helpers.inside import helpers_verdict
from helpers.test.test_run_pytest import Done, run
from helpers.test.test_run_pytest_failures import RERUNS

# Every test here starts processes and waits for them.
pytestmark = pytest.mark.slow

JUNIT = ("-o", "junit_family=xunit1", "-o", "junit_logging=all", "-o", "junit_log_passing_tests=false")
TWICE = ("--keep-duplicates", "test_it.py", "test_it.py")
MANY = """
    import pytest
    @pytest.fixture
    def no_setup(): 1 / 0
    @pytest.fixture
    def no_teardown():
        yield
        1 / 0
    def test_passes(): pass
    def test_fails(): assert 0
    def test_skips(): pytest.skip("x")
    @pytest.mark.xfail
    def test_xfails(): assert 0
    @pytest.mark.xfail
    def test_xpasses(): pass
    @pytest.mark.xfail(strict=True)
    def test_is_strict(): pass
    def test_set_up(no_setup): pass
    def test_torn_down(no_teardown): pass
    def test_fails_twice(no_teardown): assert 0
    @pytest.mark.parametrize("word", ["a", "a", "b"])
    def test_same(word): assert word != "b"
"""
SUBTESTS = """
    import unittest
    import pytest
    def test_parts(subtests):
        for number in range(3):
            with subtests.test(number=number):
                assert number != 1
    def test_good_parts(subtests):
        for number in range(3):
            with subtests.test(number=number):
                pass
    def test_skipped_parts(subtests):
        with subtests.test("one"):
            pytest.skip("x")
        with subtests.test("two"):
            pytest.xfail("x")
    def test_two_bad_parts_and_an_end(subtests):
        with subtests.test("one"):
            assert 0
        with subtests.test("two"):
            assert 0
        assert 0
    class TestCase(unittest.TestCase):
        def test_parts(self):
            for number in range(4):
                with self.subTest(number=number):
                    self.assertNotIn(number, (1, 2))
        def test_good_parts(self):
            for number in range(4):
                with self.subTest(number=number):
                    pass
        def test_skipped_parts(self):
            with self.subTest("one"):
                self.skipTest("x")
        @unittest.expectedFailure
        def test_expected(self): self.fail()
        @unittest.expectedFailure
        def test_unexpected(self): pass
"""
AGAIN = """
    tries = []
    def test_second_time():
        tries.append(1)
        assert len(tries) > 1
    def test_never(): assert 0
    def test_at_once(): pass
"""
# Like the plugin `flaky`: failures of the earlier runs are not reported, but their set-ups and ends are.
UNTOLD = """
from _pytest.runner import call_and_report

def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for number in range(2):
        item._initrequest()
        call_and_report(item, "setup", log=True)
        report = call_and_report(item, "call", log=False)
        again = report.failed and number == 0
        if not again:
            item.ihook.pytest_runtest_logreport(report=report)
        call_and_report(item, "teardown", log=True, nextitem=item if again else nextitem)
        if not again:
            break
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True
"""
AT_END = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for number in range(2):
        for report in runtestprotocol(item, nextitem=nextitem, log=False):
            if report.when == "teardown" and number == 0:
                report.outcome = "rerun"
            item.ihook.pytest_runtest_logreport(report=report)
        item._initrequest()
    return True
"""
LOSES_THE_LAST = """
seen = []

def pytest_runtest_protocol(item):
    seen.append(item)
    return len(seen) == item.session.testscollected or None
"""
WORDS = """
def pytest_report_teststatus(report):
    if report.when == "call":
        return "exploded" if report.failed else "", "", ""
"""
DOCTESTS = '''
    """
    >>> 1 + 1
    2
    """
    def f():
        """
        >>> 1 + 1
        3
        """
'''
SCENES: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "all that a test can do": (MANY, "", ()),
    "all of that in two workers": (MANY, "", ("-n", "2")),
    "all of that in each worker": (MANY, "", ("--dist", "each", "--tx", "2*popen")),
    "all of that twice": (MANY, "", TWICE),
    "all of that twice in two workers": (MANY, "", (*TWICE, "-n", "2")),
    "passes twice": ("def test_a(): pass\ndef test_b(): pass\n", "", TWICE),
    "passes twice in two workers": ("def test_a(): pass\ndef test_b(): pass\n", "", (*TWICE, "-n", "2")),
    "parts of tests": (SUBTESTS, "", ()),
    "parts of tests, one by one": (SUBTESTS, "", ("-v",)),
    "parts of tests in two workers": (SUBTESTS, "", ("-n", "2")),
    "parts of tests twice": (SUBTESTS, "", TWICE),
    "tests that are run again": (AGAIN, RERUNS, ()),
    "tests that are run again, twice": (AGAIN, RERUNS, TWICE),
    "tests that are run again without a word": (AGAIN, UNTOLD, ()),
    "tests that are run again at their end": ("def test_a(): pass\n", AT_END, ()),
    "tests that are run again before others": (AGAIN, RERUNS, ("-n", "2")),
    "a file that is not imported": ("import no_such_module\n", "", ()),
    "a file that is not imported twice": ("import no_such_module\n", "", TWICE),
    "a file that is not imported in two workers": ("import no_such_module\n", "", ("-n", "2")),
    "a file that is skipped": ("import pytest\npytest.skip('x', allow_module_level=True)\n", "", ()),
    "doctests": (DOCTESTS, "", ("--doctest-modules",)),
    "a run that is cut short": (MANY, "", ("-x",)),
    "tests that are deselected": (MANY, "", ("-k", "passes or same")),
    "warnings": ("import warnings\ndef test_a(): warnings.warn('x')\n", "", ()),
}


def last_line(output: str) -> dict[str, int]:
    """Return the counts of tests in pytest's last line."""
    (line,) = [line for line in output.splitlines() if re.fullmatch(r"=* ?.*\bin [\d.]+s( \(.*\))?( =+)?", line)][-1:]
    found = re.findall(r"(\d+) (subtests passed|[a-z]+)", line.split(" in ")[0])
    return {word.removesuffix("s") if word == "errors" else word: int(number) for number, word in found}


def judged(done: Done, tmp_path: Path) -> tuple[verdicts.Verdict, dict[str, int]]:
    """Return the verdict on a run, and the counts of its JUnit file."""
    outcome = Outcome(done.code, 1.0, done.output, tmp_path / "log", "i")
    report = done.verdict and {**done.verdict, "nonce": "n1"}
    verdict = verdicts.judge("d", outcome, report, {}, image="i", nonce="n1", timeout=60, stop_code=130)
    suite = junit.suite(verdict, tmp_path / "results")
    names = ("tests", "failures", "errors", "skipped")
    return verdict, {name: int(suite.get(name, "")) for name in names}


@pytest.mark.parametrize("name", SCENES)
def test_what_is_counted_is_what_pytest_says_of(name: str, tmp_path: Path) -> None:
    test, conftest, words = SCENES[name]
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "conftest.py").write_text(conftest)
    done = run(tmp_path, test, *words, f"--junitxml={tmp_path / 'results' / 'junit.xml'}", *JUNIT)
    said = {word: number for word, number in last_line(done.output).items() if word in verdicts.OUTCOMES}
    assert done.verdict, done.output
    verdict, reported = judged(done, tmp_path)
    assert verdict.counts == said, done.output
    assert (verdict.status is Status.CRASH, verdict.status is Status.PASS) == (False, done.code == 0), verdict.why
    assert "-x" in words or done.verdict["collected"] == done.verdict["reported"]
    skipped = said.get("skipped", 0) + said.get("xfailed", 0)
    green = said.get("passed", 0) + said.get("xpassed", 0)
    failed, errors = said.get("failed", 0), said.get("error", 0)
    wanted = {"tests": green + failed + errors + skipped, "failures": failed, "errors": errors, "skipped": skipped}
    if verdict.status is Status.EMPTY:  # which is an error of its own in the file
        wanted = {**wanted, "tests": wanted["tests"] + 1, "errors": 1}
    assert reported == wanted


def test_words_of_a_conftest_hide_neither_a_test_nor_a_failure(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "conftest.py").write_text(WORDS)
    done = run(tmp_path, textwrap.dedent(MANY))
    verdict, _ = judged(done, tmp_path)
    assert verdict.counts == {"passed": 4, "xpassed": 1, "failed": 4, "error": 3, "skipped": 1, "xfailed": 1}


@pytest.mark.parametrize("words", [(), TWICE])
def test_a_run_that_reports_less_than_it_collected_is_a_crash(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "conftest.py").write_text(LOSES_THE_LAST)
    done = run(tmp_path, "def test_a(): pass\ndef test_b(): pass\n", *words)
    verdict, _ = judged(done, tmp_path)
    assert done.code == 0 and verdict.status is Status.CRASH and "were collected" in verdict.why


def test_the_words_of_the_plugin_are_those_of_the_driver() -> None:
    assert verdicts.OUTCOMES == helpers_verdict.OUTCOMES
    assert junit.OUTCOMES_PROPERTY == helpers_verdict.OUTCOMES_PROPERTY
