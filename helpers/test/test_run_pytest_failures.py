"""What our plugin tells of the tests that failed, were run again, or were slow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from helpers.test.test_run_pytest import run

# Every test here starts processes and waits for them.
pytestmark = pytest.mark.slow

FAILING = """
import helper

import pytest


def test_raises():
    print("said")
    helper.fail()


class TestIt:
    def test_asserts(self):
        assert [1, 2] == [1, 3], "not the same"


@pytest.fixture
def broken():
    raise OSError("no")


def test_is_not_set_up(broken):
    pass
"""


@pytest.mark.parametrize("arguments", [(), ("-n", "2"), ("--tb=short",)])
def test_where_and_why_each_test_failed_is_told(tmp_path: Path, arguments: Sequence[str]) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "helper.py").write_text("def fail():\n    raise ValueError('deep')\n")
    done = run(tmp_path, FAILING, *arguments)
    told = {failure["id"]: failure for failure in done.failures}
    file = str(tmp_path / "dir" / "test_it.py")
    assert {name: (failure["file"], failure["line"]) for name, failure in told.items()} == {
        "test_it.py::test_raises": (file, 9),
        "test_it.py::TestIt::test_asserts": (file, 14),
        "test_it.py::test_is_not_set_up": (file, 19),
    }
    raised = told["test_it.py::test_raises"]
    assert raised["message"] == "ValueError: deep" and "helper.py:2" in raised["text"]
    assert raised["text"].lstrip("\n")[:4] in ("    ", "[gw0", "[gw1", "test"), raised["text"]
    assert ["Captured stdout call", "said\n"] in raised["sections"]
    assert told["test_it.py::TestIt::test_asserts"]["message"].startswith("AssertionError: not the same")


@pytest.mark.parametrize("how", ["no", "native", "line"])
def test_a_failure_without_a_traceback_is_at_its_test(tmp_path: Path, how: str) -> None:
    (failure,) = run(tmp_path, "\n\ndef test_a():\n    1 / 0\n", f"--tb={how}").failures
    assert (failure["id"], failure["line"]) in [("test_it.py::test_a", 3), ("test_it.py::test_a", 4)]
    assert "division by zero" in failure["message"]


def test_a_file_that_does_not_import_is_told_as_a_failure(tmp_path: Path) -> None:
    (failure,) = run(tmp_path, "import no_such_module\n").failures
    assert (failure["id"], Path(failure["file"]).name) == ("test_it.py", "test_it.py")
    assert "No module named 'no_such_module'" in failure["message"]


def test_what_a_failing_test_prints_is_bounded_in_reports_and_whole_in_the_log(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        "def test_a():\n    print('begin' + 3_000_000 * 'x' + 'end')\n    assert 0\n",
        f"--junitxml={tmp_path / 'junit.xml'}",
        *("-o", "junit_family=xunit1", "-o", "junit_logging=all", "-o", "junit_log_passing_tests=false"),
    )
    (failure,) = done.failures
    ((_, said),) = failure["sections"]
    assert said.startswith("begin") and said.endswith("end\n") and "characters left out" in said
    assert len(said) < 100_000 and len(done.output) > 3_000_000
    assert 100_000 < (tmp_path / "junit.xml").stat().st_size < 300_000


# What pytest-rerunfailures does: a failure that is not the last one is reported with an outcome of its own.
RERUNS = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for number in range(3):
        for report in runtestprotocol(item, nextitem=nextitem, log=False):
            if report.failed and number < 2:
                report.outcome = "rerun"
                item.ihook.pytest_runtest_logreport(report=report)
                item._initrequest()
                break
            item.ihook.pytest_runtest_logreport(report=report)
        else:
            break
    return True
"""


def test_a_test_that_passes_when_it_is_run_again_is_flaky_and_one_that_does_not_is_a_failure(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "conftest.py").write_text(RERUNS)
    done = run(
        tmp_path,
        """
        tries = []
        def test_second_time():
            tries.append(1)
            assert len(tries) > 1
        def test_never():
            assert 0
        def test_at_once():
            pass
        """,
    )
    assert done.code == 1 and done.verdict, done.output
    assert done.verdict["counts"] == {"passed": 2, "failed": 1, "rerun": 3} and done.verdict["reported"] == 3
    assert done.verdict["failures"] == ["test_it.py::test_never"]
    assert [failure["id"] for failure in done.failures] == ["test_it.py::test_never"]
    (flaky,) = done.verdict["flaky"]
    assert (flaky["id"], flaky["line"]) == ("test_it.py::test_second_time", 5) and "assert 1 > 1" in flaky["message"]


SUBTESTS = """
def pytest_runtest_logreport(report): pass

def pytest_pyfunc_call(pyfuncitem):
    # What is reported of a part of a test while it still runs, before the test is run again.
    from _pytest.reports import TestReport
    if not hasattr(pyfuncitem.session, "again"):
        pyfuncitem.session.again = True
        for outcome in ("failed", "rerun"):
            report = TestReport(pyfuncitem.nodeid, pyfuncitem.location, {}, outcome, "part", "call")
            pyfuncitem.ihook.pytest_runtest_logreport(report=report)
"""


def test_part_that_failed_before_its_test_was_run_again_is_a_failure_as_pytest_says(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "conftest.py").write_text(SUBTESTS)
    done = run(tmp_path, "def test_a(): pass\n")
    assert done.verdict, done.output
    assert done.code == 1 and "1 failed, 1 passed, 1 rerun" in done.output
    assert done.verdict["failures"] == ["test_it.py::test_a"]
    assert done.verdict["counts"] == {"failed": 1, "rerun": 1, "passed": 1}
    assert [failure["message"] for failure in done.verdict["flaky"]] == ["part"]


def test_the_slowest_tests_are_named(tmp_path: Path) -> None:
    test = "import time\ndef test_a(): time.sleep(0.2)\n" + "".join(f"def test_{n}(): pass\n" for n in range(12))
    done = run(tmp_path, test)
    assert done.verdict
    (name, seconds), *rest = done.verdict["slowest"]
    assert name == "test_it.py::test_a" and 0.2 <= seconds < 5 and len(rest) == 9
