from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from helpers import inside
from helpers.driver.container import RUN_NO_TEST
from helpers.inside import helpers_verdict, run_pytest
from helpers.inside.helpers_verdict import hints

# Every test here starts processes and waits for them.
pytestmark = pytest.mark.slow

SCRIPT = Path(inside.__file__).with_name("run_pytest.py")


@dataclass
class Done:
    """What is left of a run: exit code, verdict, lines of progress, and what it printed."""

    code: int
    verdict: dict[str, Any] | None
    progress: list[str]
    output: str
    failures: list[dict[str, Any]]


def run(tmp_path: Path, test: str, *arguments: str, tier: str = "fast") -> Done:
    """Run a file of tests as a container does, in a process of its own."""
    tests, results = tmp_path / "dir", tmp_path / "results"
    tests.mkdir(exist_ok=True)
    results.mkdir()
    (tests / "test_it.py").write_text(textwrap.dedent(test))
    (tests / "pytest.ini").write_text("[pytest]\n")
    own = ["-p", "no:cacheprovider", *arguments]
    order = {"results": str(results), "nonce": "n1", "tier": tier, "arguments": own}
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    done = subprocess.run(
        [sys.executable, str(SCRIPT), json.dumps(order)],
        cwd=tests,
        env={**env, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )
    file = results / "verdict.json"
    verdict = json.loads(file.read_text()) if file.exists() else None
    progress = (results / "progress").read_text().splitlines() if (results / "progress").exists() else []
    told = (results / "failures").read_text().splitlines() if (results / "failures").exists() else []
    return Done(done.returncode, verdict, progress, done.stdout + done.stderr, [json.loads(line) for line in told])


CASES: dict[str, tuple[str, int, dict[str, int], int, Sequence[str]]] = {
    "passes": ("def test_a(): pass\ndef test_b(): pass\n", 0, {"passed": 2}, 2, ()),
    "fails": (
        "def test_a(): pass\ndef test_b(): assert 0\n",
        1,
        {"passed": 1, "failed": 1},
        2,
        ("test_it.py::test_b",),
    ),
    "is_skipped": ("import pytest\ndef test_a(): pytest.skip('x')\n", 0, {"skipped": 1}, 1, ()),
    "is_expected_to_fail": ("import pytest\n@pytest.mark.xfail\ndef test_a(): assert 0\n", 0, {"xfailed": 1}, 1, ()),
    "passes_unexpectedly": ("import pytest\n@pytest.mark.xfail\ndef test_a(): pass\n", 0, {"xpassed": 1}, 1, ()),
    "passes_against_a_strict_mark": (
        "import pytest\n@pytest.mark.xfail(strict=True)\ndef test_a(): pass\n",
        1,
        {"failed": 1},
        1,
        ("test_it.py::test_a",),
    ),
    "cannot_be_set_up": (
        "import pytest\n@pytest.fixture\ndef f(): 1 / 0\ndef test_a(f): pass\n",
        1,
        {"error": 1},
        1,
        ("test_it.py::test_a",),
    ),
    "cannot_be_torn_down": (
        "import pytest\n@pytest.fixture\ndef f():\n    yield\n    1 / 0\ndef test_a(f): pass\n",
        1,
        {"error": 1},
        1,
        ("test_it.py::test_a",),
    ),
    "fails_twice": (
        "import pytest\n@pytest.fixture\ndef f():\n    yield\n    1 / 0\ndef test_a(f): assert 0\n",
        1,
        {"failed": 1},
        1,
        ("test_it.py::test_a",),
    ),
    "is_not_there": ("x = 1\n", 5, {}, 0, ()),
}


@pytest.mark.parametrize("name", CASES)
def test_a_verdict_says_what_happened_to_a_test_that(name: str, tmp_path: Path) -> None:
    test, code, counts, collected, failures = CASES[name]
    done = run(tmp_path, test)
    assert done.code == code, done.output
    assert done.verdict and len(done.verdict.pop("slowest")) == collected
    assert done.verdict == {
        "nonce": "n1",
        "exit": code,
        "collected": collected,
        "reported": collected,
        "collect_errors": 0,
        "counts": counts,
        "failures": list(failures),
        "flaky": [],
        "hints": [],
        "runs_no_test": "",
    }


def test_a_file_that_does_not_import_is_an_error_with_its_name(tmp_path: Path) -> None:
    done = run(tmp_path, "import no_such_module\n")
    assert done.code == 2 and done.verdict
    assert (done.verdict["exit"], done.verdict["collect_errors"]) == (2, 1)
    assert done.verdict["failures"] == ["test_it.py: could not be imported"]


@pytest.mark.parametrize("option", RUN_NO_TEST)
def test_an_option_by_which_pytest_runs_no_test_is_in_the_verdict(option: str, tmp_path: Path) -> None:
    test = "import pytest\ndef test_a(): 1 / 0\n@pytest.mark.skip\ndef test_b(): pass\n"
    done = run(tmp_path, test, option, *(["-p", "cacheprovider"] if option == "--cache-show" else []))
    assert done.code == 0 and done.verdict, done.output
    assert (done.verdict["nonce"], done.verdict["failures"], done.verdict["exit"]) == ("n1", [], 0)
    assert done.verdict["runs_no_test"].startswith("--")


def test_an_option_of_addopts_that_runs_no_test_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, "def test_a(): pass\n", "-o", "addopts=--setup-plan")
    assert done.verdict and done.verdict["runs_no_test"] == "--setup-plan", done.output


def test_without_our_plugin_there_is_no_verdict(tmp_path: Path) -> None:
    done = run(tmp_path, "def test_a(): pass\n", "-p", "no:helpers_verdict")
    assert (done.code, done.verdict) == (0, None)


TIERS = """
import pytest
def test_quick(): pass
@pytest.mark.slow
def test_slow(): pass
@pytest.mark.superslow
@pytest.mark.slow
def test_both(): pass
@pytest.mark.superslow
class TestAll:
    def test_it(self): pass
    @pytest.mark.slow
    def test_marked(self): pass
"""


@pytest.mark.parametrize("tier, count", [("fast", 1), ("slow", 1), ("superslow", 3), ("all", 5)])
def test_a_tier_holds_the_tests_whose_slowest_mark_names_it(tier: str, count: int, tmp_path: Path) -> None:
    done = run(tmp_path, TIERS, "--strict-markers", tier=tier)
    assert done.verdict and done.code == 0, done.output
    assert (done.verdict["collected"], done.verdict["counts"]) == (count, {"passed": count})


@pytest.mark.parametrize("tier, count", [("fast", 1), ("superslow", 3), ("all", 5)])
def test_the_workers_of_xdist_select_and_their_controller_counts(tier: str, count: int, tmp_path: Path) -> None:
    done = run(tmp_path, TIERS, "-n", "2", tier=tier)
    assert done.verdict and done.code == 0, done.output
    assert (done.verdict["collected"], done.verdict["reported"], done.verdict["counts"]) == (
        count,
        count,
        {"passed": count},
    )


def test_a_worker_of_xdist_that_dies_is_a_failure(tmp_path: Path) -> None:
    done = run(tmp_path, "import os\ndef test_a(): os._exit(0)\ndef test_b(): pass\n", "-n", "1")
    assert done.code == 1 and done.verdict, done.output
    assert done.verdict["failures"] == ["test_it.py::test_a"]


def test_our_plugin_warns_of_nothing(tmp_path: Path) -> None:
    # Many projects make errors of warnings.
    done = run(tmp_path, "def test_a(): pass\n", "-W", "error", "--strict-markers", "--strict-config")
    assert done.verdict and done.verdict["exit"] == 0, done.output


def test_what_the_user_deselects_is_neither_collected_nor_missing(tmp_path: Path) -> None:
    done = run(tmp_path, TIERS, "-k", "marked or quick", tier="all")
    assert done.verdict and (done.verdict["collected"], done.verdict["reported"]) == (2, 2)


def test_a_run_cut_short_reports_less_than_it_collected(tmp_path: Path) -> None:
    done = run(tmp_path, "def test_a(): assert 0\ndef test_b(): pass\n", "-x")
    assert done.verdict and (done.verdict["collected"], done.verdict["reported"]) == (2, 1)


def test_a_test_that_leaves_with_exit_code_0_leaves_no_verdict(tmp_path: Path) -> None:
    done = run(tmp_path, "import os\ndef test_a(): os._exit(0)\n")
    assert (done.code, done.verdict) == (0, None)


def test_the_child_of_a_test_that_forks_writes_no_second_verdict(tmp_path: Path) -> None:
    # The child comes back into pytest and ends its session first, with a failure.
    done = run(
        tmp_path,
        """
        import os
        def test_a():
            child = os.fork()
            if child == 0:
                raise RuntimeError("in the child")
            assert os.waitpid(child, 0)[1] != 0
            assert not os.path.exists(os.path.join(os.environ["RESULTS"], "verdict.json"))
        """.replace('os.environ["RESULTS"]', repr(str(tmp_path / "results"))),
    )
    assert done.verdict and done.verdict["counts"] == {"passed": 1}, done.output
    assert done.progress == ["collected 1", "passed"]


def test_progress_is_a_line_for_each_test(tmp_path: Path) -> None:
    done = run(tmp_path, "def test_a(): pass\ndef test_b(): assert 0\n")
    assert done.progress == ["collected 2", "passed", "failed"]


def test_the_current_directory_comes_first_on_the_path_and_ours_last(tmp_path: Path) -> None:
    code = (
        f"import sys, os\ndef test_a(): assert (sys.path[0], sys.path[-1]) == (os.getcwd(), {str(SCRIPT.parent)!r})\n"
    )
    done = run(tmp_path, code)
    assert done.code == 0, done.output


@pytest.mark.parametrize(
    "failure, says",
    [
        ("OSError: [Errno 30] Read-only file system: 'x'", "writable"),
        ("OSError: [Errno 101] Network is unreachable", "network"),
        ("gaierror: Temporary failure in name resolution", "network"),
        ("PermissionError: [Errno 1] Operation not permitted", "capabilities"),
        ("RuntimeError: can't start new thread", "pids"),
        ("MemoryError", "memory"),
        ("FileNotFoundError: [Errno 2] No such file", "uses"),
    ],
)
def test_a_failure_caused_by_a_limit_gets_one_hint_that_names_the_setting(failure: str, says: str) -> None:
    found = hints(failure)
    assert len(found) == 1 and says in found[0]


def test_the_order_is_written_where_the_plugin_reads_it() -> None:
    assert run_pytest.ORDER == helpers_verdict.ORDER


def test_other_failures_get_no_hint_and_the_same_hint_comes_once(tmp_path: Path) -> None:
    assert hints("AssertionError: assert 1 == 2") == []
    done = run(tmp_path, "def test_a(): raise MemoryError\ndef test_b(): raise MemoryError\n")
    assert done.verdict and [("memory" in hint) for hint in done.verdict["hints"]] == [True]


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


def test_what_a_failing_test_prints_is_bounded_everywhere_but_in_the_test(tmp_path: Path) -> None:
    done = run(
        tmp_path,
        "def test_a():\n    print('begin' + 3_000_000 * 'x' + 'end')\n    assert 0\n",
        f"--junitxml={tmp_path / 'junit.xml'}",
        *("-o", "junit_family=xunit1", "-o", "junit_logging=all", "-o", "junit_log_passing_tests=false"),
    )
    (failure,) = done.failures
    ((_, said),) = failure["sections"]
    assert said.startswith("begin") and said.endswith("end\n") and "characters left out" in said
    assert len(said) < 100_000 and len(done.output) < 300_000
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
    assert done.verdict["counts"] == {"passed": 2, "failed": 1} and done.verdict["reported"] == 3
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


def test_a_part_that_failed_before_its_test_was_run_again_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "conftest.py").write_text(SUBTESTS)
    done = run(tmp_path, "def test_a(): pass\n")
    assert done.verdict, done.output
    assert (done.verdict["failures"], done.verdict["counts"]) == ([], {"passed": 1})
    assert [failure["message"] for failure in done.verdict["flaky"]] == ["part"]


def test_the_slowest_tests_are_named(tmp_path: Path) -> None:
    test = "import time\ndef test_a(): time.sleep(0.2)\n" + "".join(f"def test_{n}(): pass\n" for n in range(12))
    done = run(tmp_path, test)
    assert done.verdict
    (name, seconds), *rest = done.verdict["slowest"]
    assert name == "test_it.py::test_a" and 0.2 <= seconds < 5 and len(rest) == 9
