from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from helpers import errors
from helpers.driver import verdict as verdicts
from helpers.driver.failures import Failure
from helpers.driver.verdict import Status
from helpers.engine.seam import Outcome

# What a run in which all went well leaves behind; each case changes what is different in it.
WELL: dict[str, Any] = {"code": 0, "seconds": 1.5, "output": "said", "log": Path("/log"), "image": "sha256:1"}
REPORT: dict[str, Any] = {
    "nonce": "n",
    "exit": 0,
    "collected": 3,
    "reported": 3,
    "collect_errors": 0,
    "counts": {"passed": 2, "skipped": 1},
    "failures": [],
    "hints": [],
    "runs_no_test": "",
}
FAILED = {"exit": 1, "counts": {"passed": 2, "failed": 1}, "failures": ["t.py::test_a"]}
Case = tuple[dict[str, Any], dict[str, Any] | None, Status, int, str]
CASES: dict[str, Case] = {
    "passes": ({}, {}, Status.PASS, 0, ""),
    "passes by an expected failure": ({}, {"counts": {"xfailed": 3}}, Status.PASS, 0, ""),
    "passes by an unexpected pass": ({}, {"counts": {"xpassed": 3}}, Status.PASS, 0, ""),
    "has a failing test": ({"code": 1}, FAILED, Status.FAIL, 1, "t.py::test_a"),
    "has two failing tests": ({"code": 1}, {**FAILED, "failures": ["a", "b"]}, Status.FAIL, 1, "a and 1 more"),
    "was stopped after a failure (-x)": ({"code": 1}, {**FAILED, "reported": 1}, Status.FAIL, 1, "t.py::test_a"),
    "cannot be imported": (
        {"code": 2},
        {"exit": 2, "collect_errors": 1, "failures": ["t.py: could not be imported"]},
        Status.FAIL,
        1,
        "could not be imported",
    ),
    "has no test": ({"code": 5}, {"exit": 5, "collected": 0, "reported": 0, "counts": {}}, Status.EMPTY, 5, "no test"),
    "collects nothing but ends well": ({}, {"collected": 0, "reported": 0, "counts": {}}, Status.EMPTY, 5, "no test"),
    "is told to run no test": (
        {},
        {"reported": 0, "counts": {}, "runs_no_test": "--collect-only"},
        Status.EMPTY,
        5,
        "no test ran: pytest was given --collect-only",
    ),
    "is told to run no test and cannot be imported": (
        {"code": 2},
        {"exit": 2, "collect_errors": 1, "failures": ["t.py: x"], "runs_no_test": "--collect-only"},
        Status.FAIL,
        1,
        "t.py: x",
    ),
    "counts a failure and names none": ({}, {"counts": {"passed": 2, "failed": 1}}, Status.FAIL, 1, "1 failed"),
    "counts nothing": ({}, {"counts": {}}, Status.EMPTY, 5, "no test"),
    "skips all": ({}, {"counts": {"skipped": 3}}, Status.EMPTY, 5, "every test was skipped"),
    "calls pytest wrongly": ({"code": 4}, {"exit": 4, "collected": 0}, Status.CONFIG, 2, "does not accept"),
    "breaks pytest": ({"code": 3}, {"exit": 3}, Status.CRASH, 8, "internal error"),
    "is interrupted from inside": ({"code": 2}, {"exit": 2, "reported": 1}, Status.CRASH, 8, "interrupted from inside"),
    "loses a test": ({}, {"reported": 2}, Status.CRASH, 8, "3 tests were collected, 2 reported"),
    "reports more than it collected": ({}, {"reported": 4}, Status.CRASH, 8, "3 tests were collected, 4 reported"),
    "dies after its verdict": ({"code": 139}, {}, Status.FAIL, 1, "its container with 139"),
    "fails without a failing test": ({"code": 0}, {"exit": 1}, Status.FAIL, 1, "exit code 1"),
    "reaches too few lines": ({"code": 1}, {"exit": 1, "coverage_low": "coverage is 5 %"}, Status.FAIL, 1, "is 5 %"),
    "reaches too few lines in a test that fails": (
        {"code": 1},
        {**FAILED, "coverage_low": "coverage is 5 %"},
        Status.FAIL,
        1,
        "t.py::test_a",
    ),
    "reaches no line without a test": (
        {"code": 1},
        {"exit": 1, "collected": 0, "reported": 0, "counts": {}, "coverage_low": "coverage is 0 %"},
        Status.EMPTY,
        5,
        "no test was selected",
    ),
    "dies after it reached enough lines": (
        {"code": 139},
        {"coverage_low": ""},
        Status.FAIL,
        1,
        "its container with 139",
    ),
    "leaves by os._exit(0)": ({}, None, Status.CRASH, 8, "exit code 0 and without a verdict"),
    "leaves by os._exit(1)": ({"code": 1}, None, Status.CRASH, 8, "exit code 1 and without a verdict"),
    "brings the verdict of another run": ({}, {"nonce": "old"}, Status.CRASH, 8, "without a verdict"),
    "brings a verdict without a nonce": ({}, {"nonce": None}, Status.CRASH, 8, "without a verdict"),
    "is killed": ({"code": 137}, None, Status.CRASH, 8, "killed by signal 9 (SIGKILL)"),
    "fills the shared memory": ({"code": 135}, None, Status.CRASH, 8, "killed by signal 7 (SIGBUS)"),
    "segfaults": ({"code": 139}, None, Status.CRASH, 8, "killed by signal 11 (SIGSEGV)"),
    "ends by a signal without a name": ({"code": 255}, None, Status.CRASH, 8, "killed by signal 127"),
    "has no pytest": (
        {"code": 1, "output": "No module named 'pytest'"},
        None,
        Status.CONFIG,
        2,
        "pytest is not in its lock",
    ),
    "runs out of memory": ({"code": 137, "out_of_memory": True}, None, Status.CRASH, 8, "memory limit"),
    "runs out of memory and goes on": ({"out_of_memory": True}, {}, Status.CRASH, 8, "memory limit"),
    "takes too long": ({"code": 143, "timed_out": True}, None, Status.TIMEOUT, 7, "did not end within 60 s"),
    "takes too long and passes": ({"timed_out": True}, {}, Status.TIMEOUT, 7, "did not end within 60 s"),
    "is stopped": ({"code": 143, "stopped": True}, None, Status.STOPPED, 130, "stopped by a signal"),
    "is stopped when it had passed": ({"stopped": True}, {}, Status.STOPPED, 130, "stopped by a signal"),
    "is refused inside": ({"code": 4}, {"exit": 4, "refused": "code at a-1.3.0"}, Status.REFUSED, 4, "code at a-1.3.0"),
    "runs in another image": (
        {"image": "sha256:2"},
        {},
        Status.REFUSED,
        4,
        "ran in image sha256:2, planned was sha256:1",
    ),
    "runs in an unknown image": ({"image": ""}, {}, Status.REFUSED, 4, "ran in image unknown"),
}


def judge(
    outcome: dict[str, Any],
    report: dict[str, Any] | None,
    details: Sequence[Failure] = (),
    running: tuple[int, Sequence[str]] = (0, ()),
) -> verdicts.Verdict:
    return verdicts.judge(
        "dir",
        Outcome(**{**WELL, **outcome}),
        None if report is None else {**REPORT, **report},
        {"passed": 1, "failed": 1},
        image="sha256:1",
        nonce="n",
        timeout=60,
        stop_code=130,
        details=details,
        running=running,
    )


TRACE = "OSError: [Errno 30] Read-only file system: '/r/x.log'\n"
UNWRITTEN: dict[str, tuple[dict[str, Any], dict[str, Any] | None, str]] = {
    "log_file": ({"code": 3, "output": f"INTERNALERROR> Traceback\nINTERNALERROR> {TRACE}\nmore\n"}, None, "/r/x.log"),
    "--html": ({"code": 3, "output": f"1 passed\nINTERNALERROR> {TRACE}"}, {}, "/r/x.log"),
    "--debug": ({"code": 1, "output": f"Traceback\n  open()\n{TRACE}\n"}, None, "/r/x.log"),
    "a test that says so and fails": ({"code": 1, "output": f"E   {TRACE}"}, FAILED, ""),
    "a test that says so and leaves": ({"output": f"{TRACE}bye\n"}, None, ""),
    "a test that says so and passes": ({"output": TRACE}, {}, ""),
    "a test that says so and hangs": ({"output": TRACE, "timed_out": True}, None, ""),
}


@pytest.mark.parametrize("name", UNWRITTEN)
def test_a_file_of_the_checkout_that_pytest_cannot_write_is_a_fault_of_the_settings_with_a_fix(name: str) -> None:
    outcome, report, file = UNWRITTEN[name]
    verdict = judge(outcome, report)
    if file:
        assert (verdict.status, verdict.code) == (Status.CONFIG, 2)
        assert verdict.why == f"pytest or a plugin cannot write {file}: the checkout is read-only in a test"
        assert verdict.hints[0].startswith("fix: ") and "`writable`" in verdict.hints[0] and "/tmp" in verdict.hints[0]
    else:
        assert verdict.status is not Status.CONFIG


RUNNING: dict[str, tuple[dict[str, Any], tuple[int, Sequence[str]], str]] = {
    "hangs": ({"timed_out": True}, (1, ["t.py::test_a"]), "did not end within 60 s; t.py::test_a was running"),
    "hangs in two processes": ({"timed_out": True}, (2, ["a", "b"]), "did not end within 60 s; a, b were running"),
    "hangs in many processes": ({"timed_out": True}, (9, ["a", "b"]), "60 s; a, b and 7 more were running"),
    "dies": ({"code": 139}, (1, ["t.py::test_a"]), "killed by signal 11 (SIGSEGV); t.py::test_a was running"),
    "leaves": ({}, (1, ["t.py::test_a"]), "exit code 0 and without a verdict; t.py::test_a was running"),
    "hangs before a test": ({"timed_out": True}, (0, ()), "did not end within 60 s"),
}


@pytest.mark.parametrize("name", RUNNING)
def test_the_verdict_names_the_tests_of_a_directory_that(name: str) -> None:
    outcome, running, why = RUNNING[name]
    verdict = judge(outcome, None, running=running)
    assert verdict.why.endswith(why)
    assert verdict.running == (tuple(running[1]) if running[0] < 9 else ())


def test_a_run_with_a_report_or_without_an_end_names_no_running_test() -> None:
    for outcome, report in ({"timed_out": True}, {}), ({"stopped": True}, None), ({"code": 1}, FAILED):
        verdict = judge(outcome, report, running=(1, ["t.py::test_a"]))
        assert "running" not in verdict.why and not verdict.running


def test_only_what_has_failed_in_the_end_has_details_and_a_run_without_an_end_has_all() -> None:
    told = [Failure("t.py::test_a"), Failure("t.py::test_b"), Failure("u.py")]
    report = {**FAILED, "failures": ["t.py::test_a", "u.py: could not be imported"]}
    assert [one.test for one in judge({"code": 1}, report, told).details] == ["t.py::test_a", "u.py"]
    assert list(judge({"timed_out": True}, None, told).details) == told


@pytest.mark.parametrize("name", CASES)
def test_the_verdict_on_a_directory_that(name: str) -> None:
    outcome, report, status, code, why = CASES[name]
    verdict = judge(outcome, report)
    assert (verdict.status, verdict.code) == (status, code), verdict.why
    assert why in verdict.why and bool(why) == bool(verdict.why)
    assert "\n" not in verdict.why


@pytest.mark.parametrize("code", [0, 1, 2, 3, 4, 5, 6, 42, 125, 137, 139, 255, -9])
@pytest.mark.parametrize("report", [None, *range(7)])
def test_only_exit_code_0_of_both_is_a_pass(code: int, report: int | None) -> None:
    verdict = judge({"code": code}, None if report is None else {"exit": report})
    assert (verdict.status is Status.PASS) == (code == 0 and report == 0)
    assert (verdict.code == 0) == (verdict.status is Status.PASS)


def test_the_table_above_reaches_every_status_that_a_run_can_have() -> None:
    not_run = {Status.BUILD, Status.INFRA, Status.BUG, Status.SKIP}
    assert {case[2] for case in CASES.values()} == set(Status) - not_run


def test_a_verdict_carries_counts_failures_and_where_the_output_is() -> None:
    counts = {"passed": 1, "xfailed": 1, "xpassed": 1, "failed": 1, "error": 2, "skipped": 4}
    verdict = judge({"code": 1}, {**FAILED, "counts": counts, "collect_errors": 3})
    assert (verdict.passed, verdict.failed, verdict.skipped) == (3, 6, 4)
    assert (verdict.failures, verdict.seconds, verdict.output, verdict.log) == (("t.py::test_a",), 1.5, "said", "/log")
    assert verdict.image == "sha256:1"


def test_where_no_report_was_written_the_tests_that_finished_count() -> None:
    assert judge({"stopped": True, "code": 143}, None).counts == {"passed": 1, "failed": 1}
    assert judge({}, {"nonce": "of another run"}).counts == {"passed": 1, "failed": 1}
    assert judge({"stopped": True}, {}).counts == {"passed": 2, "skipped": 1}


def test_a_hint_stands_behind_a_failure_and_not_behind_a_pass() -> None:
    hints = {"hints": ["set `network`", "other"]}
    verdict = judge({"code": 1}, {**FAILED, **hints})
    assert (verdict.why, verdict.hints) == ("t.py::test_a", ("hint: set `network`", "hint: other"))
    assert verdict.told == "t.py::test_a; hint: set `network`; hint: other"
    assert (judge({}, hints).told, judge({}, hints).hints) == ("", ())


def test_full_shared_memory_has_a_hint_at_its_setting() -> None:
    (hint,) = judge({"code": 135}, None).hints
    assert "`shm_size`" in hint and judge({"code": 139}, None).hints == ()


def test_hints_that_our_plugin_can_not_have_written_are_cut_and_stay_lines() -> None:
    verdict = judge({"code": 1}, {**FAILED, "hints": ["a\nb", *map(str, range(100))]})
    assert verdict.hints[0] == "hint: a b" and len(verdict.hints) == 10


@pytest.mark.parametrize(
    ("outcome", "report", "says"),
    [
        ({"code": 5}, {"exit": 5, "collected": 0, "reported": 0}, "--tier all"),
        ({}, {"counts": {"skipped": 2}}, "-- -rs"),
        ({"code": 1, "output": "python: No module named pytest"}, None, "docker_lock"),
        ({}, {"runs_no_test": "--collect-only"}, ""),
    ],
)
def test_what_is_always_the_same_says_what_to_do(
    outcome: dict[str, Any], report: dict[str, Any] | None, says: str
) -> None:
    hints = judge(outcome, report).hints
    assert [says in hint for hint in hints] == ([True] if says else [])


@pytest.mark.parametrize(
    "error, status, code",
    [
        (errors.UsageError("x"), Status.CONFIG, 2),
        (errors.ConfigError("x"), Status.CONFIG, 2),
        (errors.BuildError("x"), Status.BUILD, 3),
        (errors.PolicyError("x"), Status.REFUSED, 4),
        (errors.NothingSelectedError("x"), Status.EMPTY, 5),
        (errors.InfrastructureError("x"), Status.INFRA, 6),
        (errors.LockHeldError("x"), Status.INFRA, 6),
        (errors.HelpersError("x"), Status.BUG, 70),
    ],
)
def test_an_error_before_the_run_is_a_verdict_too(error: errors.HelpersError, status: Status, code: int) -> None:
    verdict = verdicts.of_error("dir", error)
    assert (verdict.status, verdict.code, verdict.why) == (status, code, "x")


def test_an_error_s_place_is_named_unless_it_is_the_directory_itself() -> None:
    wrong = verdicts.of_error("dir", errors.ConfigError("x", where="dir/a:1", fix="y\nz"))
    assert (wrong.why, wrong.hints) == ("dir/a:1: x", ("fix: y z",))
    assert verdicts.of_error("dir", errors.BuildError("x", where="dir")).why == "x"
    assert verdicts.of_error("b/dir", errors.BuildError("x", where="/repo/b/dir")).why == "x"
    assert verdicts.of_error("dir", errors.BuildError("x", where="/repo/other-dir")).why == "/repo/other-dir: x"


@pytest.mark.parametrize("text", verdicts._HINTS)
def test_id_of_a_test_draws_no_hint(text: str) -> None:
    name = f"t.py::test_a[{text}"
    assert judge({"code": 1}, {**FAILED, "failures": [name]}).hints == ()
    for outcome in ({"code": 137}, {"timed_out": True}):
        assert judge(outcome, None, running=(1, [name])).hints == ()
    assert judge({"code": 135}, None, running=(1, ["t.py::test_a"])).hints
