"""Judges one directory: what its container did, what our pytest plugin wrote, and whether the two agree."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from helpers import errors
from helpers.driver import failures as failing
from helpers.driver.failures import Failure
from helpers.engine.seam import Outcome


class Status(Enum):
    """The verdict on one directory; the value is what the table shows."""

    PASS = "PASS"
    FAIL = "FAIL"
    EMPTY = "EMPTY"
    CRASH = "CRASH"
    TIMEOUT = "TIMEOUT"
    BUILD = "BUILD"
    CONFIG = "CONFIG"
    REFUSED = "REFUSED"
    INFRA = "INFRA"
    BUG = "BUG"
    SKIP = "SKIP"
    STOPPED = "STOPPED"


# The exit code that each verdict stands for; STOPPED has that of the signal.
CODES = {
    Status.PASS: errors.OK,
    Status.FAIL: errors.TESTS_FAILED,
    Status.EMPTY: errors.NOTHING_RAN,
    Status.CRASH: errors.CRASHED,
    Status.TIMEOUT: errors.DEADLINE,
    Status.BUILD: errors.BUILD_FAILED,
    Status.CONFIG: errors.USAGE,
    Status.REFUSED: errors.REFUSED,
    Status.INFRA: errors.INFRASTRUCTURE,
    Status.BUG: errors.BUG,
}
# The words of pytest's last line: the end of a test, of a part of a test, or of an earlier run.
OUTCOMES = ("passed", "xfailed", "xpassed", "failed", "error", "skipped", "rerun", "subtests passed")
_GREEN = ("passed", "xfailed", "xpassed")
_RED = ("failed", "error")
# Python prints no number of more than 4300 digits.
MOST_COUNTED = 1_000_000_000
# https://docs.pytest.org/en/stable/reference/exit-codes.html
_PYTEST_INTERRUPTED, _PYTEST_INTERNAL, _PYTEST_USAGE, _PYTEST_EMPTY = 2, 3, 4, 5
# The exit codes of a debugged session by those of pytest: such a session has no report.
CODES_OF_PYTEST = {
    0: errors.OK,
    1: errors.TESTS_FAILED,
    _PYTEST_INTERRUPTED: errors.SIGINT_EXIT,
    _PYTEST_INTERNAL: errors.CRASHED,
    _PYTEST_USAGE: errors.USAGE,
    _PYTEST_EMPTY: errors.NOTHING_RAN,
}
_NO_TEST = "no test was selected (by tier, -k or -m) or collected"
_ALL_SKIPPED = "every test was skipped"
_NO_PYTEST = "pytest is not in its lock"
# pytest's own words, at the end of all where it has not begun; no test says them so.
_READ_ONLY = re.compile(r"(?m)(?:^INTERNALERROR> |^)OSError: \[Errno 30\] Read-only file system: '([^'\n]+)'")
_IS_READ_ONLY = "the checkout is read-only in a test"
# What to do about what is always the same: by the end of the reason, in which no name of a test stands.
_HINTS = {
    _NO_TEST: "hint: --tier all takes the tests of all tiers; they are looked for where the setting `tests` says",
    _ALL_SKIPPED: "hint: -- -rs shows why each test was skipped",
    _IS_READ_ONLY: 'fix: a path below /tmp (log_file = "/tmp/run.log"), or its directory in the setting `writable`',
    "(SIGBUS)": "hint: /dev/shm may be full: raise `shm_size`, and `memory`, which it is a part of",
    _NO_PYTEST: "fix: add pytest to the group `test` of its pyproject.toml, then invoke docker_lock",
}
# More is not what our plugin writes.
_MOST_HINTS = 10


@dataclass(frozen=True)
class Verdict:
    """The outcome of one runnable dir.

    Arguments:
        name: the directory.
        status: the verdict.
        code: the exit code that it stands for.
        why: one line; empty for a plain pass.
        counts: how many tests ended how, as the plugin counted them.
        seconds: how long the container ran.
        image: id of the image that it ran in.
        output: the end of what it printed.
        failures: ids of the tests that failed.
        log: path of the file with its output.
        cached: whether it is that of an earlier run, since when nothing changed that its tests can see.
        junit: the report of that run, as pytest wrote it.
        again: command lines that do again what did not pass.
        details: where each of the tests failed, and why, as far as that was told.
        flaky: the failures of tests that passed when they were run again.
        slowest: ids and seconds of the slowest tests.
        coverage: which lines of which files ran, as `measuring` writes it; empty where that was not asked for.
        hints: what may be done about it, in the same words for all directories; begins with `fix: ` or `hint: `.
        files: the Python files that pytest collected, relative to the directory, without symlinks; None if unknown.
        running: ids of all tests that had begun and not ended, where there is no report and they are few.
    """

    name: str
    status: Status
    code: int
    why: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    image: str = ""
    output: str = ""
    failures: tuple[str, ...] = ()
    log: str = ""
    cached: bool = False
    junit: str = ""
    again: tuple[str, ...] = ()
    details: tuple[Failure, ...] = ()
    flaky: tuple[Failure, ...] = ()
    slowest: tuple[tuple[str, float], ...] = ()
    coverage: str = ""
    hints: tuple[str, ...] = ()
    files: tuple[str, ...] | None = None
    running: tuple[str, ...] = ()

    @property
    def passed(self) -> int:
        """How many tests passed, an expected failure included."""
        return _sum(self.counts, _GREEN)

    @property
    def failed(self) -> int:
        """How many tests failed or could not be set up, torn down or imported."""
        return _sum(self.counts, _RED)

    @property
    def skipped(self) -> int:
        """How many tests said that they can not run here."""
        return self.counts.get("skipped", 0)

    @property
    def told(self) -> str:
        """The reason, and behind it what may be done: for who looks at this directory alone."""
        return "; ".join(filter(None, (self.why, *self.hints)))

    @property
    def flaky_tests(self) -> list[str]:
        """The ids of the tests that failed first and passed when they were run again."""
        return list(dict.fromkeys(failure.test for failure in self.flaky))


def of_error(name: str, error: errors.HelpersError) -> Verdict:
    """Return the verdict on a directory for which nothing could be run."""
    what = " ".join(error.what.split())
    fix = (f"fix: {' '.join(error.fix.split())}",) if error.fix else ()
    if isinstance(error, errors.NotCheckedOutError):
        return Verdict(name, Status.SKIP, errors.OK, what, hints=fix)
    # A lock that another process holds is no fault of the directory: a retry may help.
    code = errors.INFRASTRUCTURE if error.exit_code == errors.LOCK_HELD else error.exit_code
    status = next((status for status, its_code in CODES.items() if its_code == code), Status.BUG)
    # That it is the directory itself is said already.
    where = f"{error.where}: " if error.where and not f"/{error.where}".endswith(f"/{name}") else ""
    return Verdict(name, status, code, where + what, hints=fix)


def judge(
    name: str,
    outcome: Outcome,
    report: dict[str, Any] | None,
    finished: dict[str, int],
    *,
    image: str,
    nonce: str,
    timeout: float,
    stop_code: int,
    details: Sequence[Failure] = (),
    running: tuple[int, Sequence[str]] = (0, ()),
    root: Path = Path("/"),
) -> Verdict:
    """Return the verdict on a directory whose container ran.

    Arguments:
        name: the directory.
        outcome: how the container ended.
        report: what our plugin wrote at its end; None if it wrote nothing.
        finished: how many tests ended how, as our plugin noted one after the other; counts where there is no report.
        image: id of the image that was planned.
        nonce: what the report must carry.
        timeout: seconds that the run was given.
        stop_code: exit code when the user stopped it.
        details: what our plugin told of each failure.
        running: how many tests had begun and not ended, and the ids of the first ones.
        root: absolute path of the repo.
    """
    if report is not None and report.get("nonce") != nonce:
        report = None
    status, why = _decide(outcome, report, image, timeout)
    if status in (Status.CRASH, Status.FAIL) and (file := _unwritten(outcome, report)):
        status, why = Status.CONFIG, f"pytest or a plugin cannot write {file}: {_IS_READ_ONLY}"
    unfinished = running if status in (Status.TIMEOUT, Status.CRASH) and not report else (0, ())
    hints = _hints(status, why, report)
    why += _unfinished(*unfinished)
    code = stop_code if status is Status.STOPPED else CODES[status]
    counts = dict(report["counts"]) if report else finished
    if report and report["collect_errors"]:
        counts["error"] = counts.get("error", 0) + report["collect_errors"]
    return Verdict(
        name,
        status,
        code,
        why,
        counts,
        outcome.seconds,
        outcome.image,
        outcome.output,
        tuple(report["failures"]) if report else (),
        str(outcome.log),
        # A test that was run again after it had failed has not failed.
        details=tuple(one for one in details if not report or one.test in _names(report)),
        flaky=failing.flaky_of(report, root),
        slowest=failing.slowest_of(report),
        hints=hints,
        files=_files(report),
        running=tuple(unfinished[1]) if len(unfinished[1]) == unfinished[0] else (),
    )


def _unwritten(outcome: Outcome, report: dict[str, Any] | None) -> str:
    """Return the file of the checkout that ended pytest, because it could not be written; empty for another end."""
    if (report and report["failures"]) or outcome.out_of_memory:
        return ""
    found = list(_READ_ONLY.finditer(outcome.output))
    is_last = found and (found[-1][0].startswith("INTERNAL") or not outcome.output[found[-1].end() :].strip())
    return found[-1][1] if is_last else ""


def _unfinished(number: int, names: Sequence[str]) -> str:
    if not names:
        return ""
    more = number - len(names)
    return f"; {', '.join(names)}{f' and {more} more' if more > 0 else ''} {'was' if number == 1 else 'were'} running"


def of_full_results(verdict: Verdict) -> Verdict:
    """Return the verdict on a directory whose tests filled the directory of results: CRASH."""
    if verdict.status in (Status.STOPPED, Status.TIMEOUT):
        return verdict
    why = "its tests filled the directory of results (COVERAGE_FILE, JUnit file), which has a limit of 512 MB"
    return replace(verdict, status=Status.CRASH, code=CODES[Status.CRASH], why=why)


def _hints(status: Status, why: str, report: dict[str, Any] | None) -> tuple[str, ...]:
    if status is Status.PASS:
        return ()
    # The reason of FAIL is the id of a test.
    guesses = report["hints"][:_MOST_HINTS] if report else ()
    known = next((hint for text, hint in _HINTS.items() if why.endswith(text) and status is not Status.FAIL), None)
    return (*((known,) if known else ()), *(f"hint: {' '.join(guess.split())}" for guess in guesses))


def _files(report: dict[str, Any] | None) -> tuple[str, ...] | None:
    files = report.get("files") if report else None
    return tuple(files) if isinstance(files, list) and all(isinstance(one, str) for one in files) else None


def counts_fault(counts: Any) -> str:
    """Return why `counts` is no count of outcomes; empty for a sound count."""
    if not isinstance(counts, dict):
        return "counts is no object"
    if unknown := next((name for name in counts if name not in OUTCOMES), None):
        return f"counts has {str(unknown)[:100]!r}, which is no outcome of a test"
    wrong = (name for name, number in counts.items() if not is_count(number))
    return next((f"counts has no sound number of {name}" for name in wrong), "")


def is_count(number: Any) -> bool:
    """Say whether `number` is a number of tests."""
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < MOST_COUNTED


def counted(counts: Mapping[str, int]) -> tuple[Status, str]:
    """Return the verdict for the counts of a run, and why the verdict is not PASS."""
    if failed := _sum(counts, _RED):
        return Status.FAIL, f"{failed} failed"
    if not _sum(counts, _GREEN):
        return Status.EMPTY, _ALL_SKIPPED if counts.get("skipped") else _NO_TEST
    return Status.PASS, ""


def _sum(counts: Mapping[str, int], names: Sequence[str]) -> int:
    return sum(counts.get(name, 0) for name in names)


def pytest_id(failure: str) -> str:
    """Return what pytest calls something that failed: our plugin puts words behind a file that was not imported."""
    return failure.removesuffix(": could not be imported")


def _names(report: dict[str, Any]) -> set[str]:
    return {pytest_id(failure) for failure in report["failures"]}


def _decide(outcome: Outcome, report: dict[str, Any] | None, image: str, timeout: float) -> tuple[Status, str]:
    if outcome.stopped:
        return Status.STOPPED, "stopped by a signal; its report is partial"
    if outcome.timed_out:
        return Status.TIMEOUT, f"did not end within {timeout:g} s"
    if outcome.out_of_memory:
        return Status.CRASH, "a process was killed because the memory limit was reached (setting: memory)"
    if outcome.image != image:
        return Status.REFUSED, f"ran in image {outcome.image or 'unknown'}, planned was {image}"
    if report is None:
        return _no_report(outcome)
    if report.get("refused"):
        return Status.REFUSED, str(report["refused"])
    return _by_report(outcome, report)


def _no_report(outcome: Outcome) -> tuple[Status, str]:
    number = -outcome.code if outcome.code < 0 else outcome.code - 128
    if number > 0:
        return Status.CRASH, f"killed by signal {number}{_signal_name(number)}"
    if "No module named pytest" in outcome.output or "No module named 'pytest'" in outcome.output:
        return Status.CONFIG, _NO_PYTEST
    if outcome.code == _PYTEST_USAGE and "usage:" in outcome.output:
        return Status.CONFIG, "pytest was called with arguments that it does not accept"
    return Status.CRASH, f"ended with exit code {outcome.code} and without a verdict"


def _by_report(outcome: Outcome, report: dict[str, Any]) -> tuple[Status, str]:
    exit_code, failures = int(report["exit"]), len(report["failures"])
    if exit_code == _PYTEST_USAGE:
        return Status.CONFIG, "pytest was called with arguments that it does not accept"
    if exit_code == _PYTEST_INTERNAL:
        return Status.CRASH, "pytest itself failed (internal error)"
    # Where no test ran pytest-cov makes a failure of the coverage, which is none.
    nothing = not report["collected"] and not failures
    if exit_code == _PYTEST_EMPTY or (exit_code == 0 and report["runs_no_test"]) or (exit_code in (0, 1) and nothing):
        return Status.EMPTY, _why_empty(report)
    if failures:
        # The list of failures is cut, and a test may fail several times.
        rest = max(failures, _sum(report["counts"], _RED) + report["collect_errors"]) - 1
        more = f" and {rest} more" if rest else ""
        return Status.FAIL, f"{report['failures'][0]}{more}"
    if exit_code == _PYTEST_INTERRUPTED:
        return Status.CRASH, "pytest was interrupted from inside"
    if report["collected"] != report["reported"]:
        return Status.CRASH, f"{report['collected']} tests were collected, {report['reported']} reported"
    if exit_code or outcome.code:
        ended = f"pytest ended with exit code {exit_code}, its container with {outcome.code}"
        return Status.FAIL, str((exit_code and report.get("coverage_low")) or ended)
    return counted(report["counts"])


def _why_empty(report: dict[str, Any]) -> str:
    if option := report["runs_no_test"]:
        return f"no test ran: pytest was given {option} (on the command line or in addopts)"
    return _NO_TEST


def _signal_name(number: int) -> str:
    import signal

    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:
        return ""


def exit_code(verdicts: Sequence[Verdict], *, allow_empty: bool) -> int:
    """Return the exit code of a run with these verdicts; a run in which no test ran is never a success by itself."""
    codes = [errors.OK if allow_empty and verdict.status is Status.EMPTY else verdict.code for verdict in verdicts]
    ran = any(verdict.status not in (Status.SKIP, Status.EMPTY) for verdict in verdicts)
    cut_short = any(verdict.status is Status.STOPPED for verdict in verdicts)
    if cut_short or (not ran and not allow_empty):
        codes.append(errors.NOTHING_RAN)
    return errors.worst(codes) if codes else errors.OK
