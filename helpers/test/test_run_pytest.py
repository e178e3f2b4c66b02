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
from helpers.engine.handout import Handout
from helpers.inside import helpers_verdict, run_pytest, runner
from helpers.inside.helpers_verdict import hints
from helpers.test.hostile_tests import ATTACKS

# Every test here starts processes and waits for them.
pytestmark = pytest.mark.slow

SCRIPT = Path(inside.__file__).with_name("run_pytest.py")
RUNNER = Path(inside.__file__).with_name("runner.py")


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
    order = {"results": str(results), "tier": tier, "arguments": own}
    command = [sys.executable, "-I", "-S", str(RUNNER), "--results", str(results)]
    code, output = follow([*command, sys.executable, str(SCRIPT), json.dumps(order)], tests, results)
    file = results / "verdict.json"
    nonce, verdict = file.read_text().split("\n") if file.is_file() else ("a1", "null")
    assert nonce == "a1"
    progress = (results / "progress").read_text().splitlines() if (results / "progress").exists() else []
    told = (results / "failures").read_text().splitlines() if (results / "failures").exists() else []
    return Done(code, json.loads(verdict), progress, output, [json.loads(line) for line in told])


def test_tools_keep_what_they_remember_outside_of_the_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MYPY_CACHE_DIR", "chosen")
    names = [name for name in run_pytest.CACHES if name != "MYPY_CACHE_DIR"]
    done = run(
        tmp_path,
        f"""
        import os, tempfile
        def test_it():
            for name in {names}:
                assert os.path.dirname(os.environ[name]) == tempfile.gettempdir()
            assert os.environ["MYPY_CACHE_DIR"] == "chosen"
        """,
    )
    assert done.code == 0, done.output


def follow(command: Sequence[str], cwd: Path, results: Path) -> tuple[int, str]:
    """Run the runner with the nonce `a1`, take its result files, and return its exit code and output."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    process = subprocess.Popen(
        command,
        cwd=cwd,
        env={**env, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    with process:
        assert process.stdin and process.stdout
        process.stdin.write("a1\n")
        process.stdin.flush()
        handout = Handout("a1", results)
        output = handout.feed(process.stdout.read().encode()).decode()
    return process.returncode, output


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
        {"passed": 1, "error": 1},
        1,
        ("test_it.py::test_a",),
    ),
    "fails_twice": (
        "import pytest\n@pytest.fixture\ndef f():\n    yield\n    1 / 0\ndef test_a(f): assert 0\n",
        1,
        {"failed": 1, "error": 1},
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
        "exit": code,
        "collected": collected,
        "reported": collected,
        "collect_errors": 0,
        "files": ["test_it.py"],
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
    assert (done.verdict["failures"], done.verdict["exit"]) == ([], 0)
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


@pytest.mark.parametrize("attack", [name for name in ATTACKS if name.endswith(("session", "belongs", "nonce"))])
def test_after_the_session_no_test_changes_the_verdict(attack: str, tmp_path: Path) -> None:
    try:
        done = run(tmp_path, ATTACKS[attack])
    except json.JSONDecodeError:
        return  # two verdicts are none
    assert done.verdict is None or done.verdict["failures"] == ["test_it.py::test_it"]


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


def test_the_tests_that_run_now_are_handed_out_and_a_short_test_is_not(tmp_path: Path) -> None:
    wait = """
        import json, os, time
        def test_a(): pass
        def test_b():
            time.sleep(0.6)
            os._exit(7)
        """
    done = run(tmp_path, wait)
    assert done.code == 7 and not done.verdict
    assert running(tmp_path) == [1, "test_it.py::test_b"]


def test_a_test_that_dies_at_once_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, "import os, signal\ndef test_a(): os.kill(os.getpid(), 9)\n")
    assert done.code == 137
    assert running(tmp_path) == [1, "test_it.py::test_a"]


def test_no_test_runs_after_the_last_one(tmp_path: Path) -> None:
    run(tmp_path, "def test_a_with_a_long_name(): pass\ndef test_b(): pass\n")
    assert running(tmp_path) == [0]


def test_the_workers_of_xdist_name_the_tests_that_run(tmp_path: Path) -> None:
    wait = "import os, time\ndef test_a(): time.sleep(60)\ndef test_b():\n    time.sleep(1)\n"
    run(tmp_path, f"{wait}    os.kill(os.getppid(), 9)\n", "-n", "2")
    # The two begin in any order.
    assert sorted(running(tmp_path)[1:]) == ["test_it.py::test_a", "test_it.py::test_b"]


def test_the_ids_of_running_tests_fit_into_a_frame(tmp_path: Path) -> None:
    run(
        tmp_path,
        "import os, pytest\n@pytest.mark.parametrize('x', [1], ids=['y' * 9999])\ndef test_a(x): os._exit(0)\n",
    )
    number, name = running(tmp_path)
    assert number == 1 and name.startswith("test_it.py::test_a[y") and len(name) == run_pytest.MOST_CHARACTERS
    assert 6 * run_pytest.MOST_NAMED * run_pytest.MOST_CHARACTERS < runner.PIPE_BUF - runner.HEAD_BYTES - 40


def running(tmp_path: Path) -> list[Any]:
    """Return what was handed out of the tests that run."""
    found: list[Any] = json.loads((tmp_path / "results" / "running").read_bytes().partition(b"\n")[0])
    return found


@pytest.mark.parametrize(
    ("case", "code"),
    [("passes", 0), ("fails", 1), ("is_skipped", 5), ("is_expected_to_fail", 0), ("passes_unexpectedly", 0)],
)
def test_debugged_run_in_which_no_test_ran_is_not_green(tmp_path: Path, case: str, code: int) -> None:
    (tmp_path / "dir").mkdir()
    (tmp_path / "dir" / "test_it.py").write_text(CASES[case][0])
    arguments = ["-p", "no:cacheprovider", "-c", os.devnull, "--rootdir=."]
    order = {"results": str(tmp_path), "tier": "fast", "arguments": arguments}
    done = subprocess.run([sys.executable, str(SCRIPT), json.dumps(order)], cwd=tmp_path / "dir", check=False)
    assert done.returncode == code
