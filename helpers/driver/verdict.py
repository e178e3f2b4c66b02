"""Judges one directory: what its container did, what our pytest plugin wrote, and whether the two agree."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from helpers import errors
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


# The verdict that stands for an error's exit code.
_STATUS_OF_CODE = {
    1: Status.FAIL,
    2: Status.CONFIG,
    3: Status.BUILD,
    4: Status.REFUSED,
    5: Status.EMPTY,
    6: Status.INFRA,
    7: Status.TIMEOUT,
    8: Status.CRASH,
    9: Status.INFRA,
}
# https://docs.pytest.org/en/stable/reference/exit-codes.html
_PYTEST_INTERRUPTED, _PYTEST_INTERNAL, _PYTEST_USAGE, _PYTEST_EMPTY = 2, 3, 4, 5


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

    @property
    def passed(self) -> int:
        """How many tests passed, an expected failure included."""
        return self.counts.get("passed", 0) + self.counts.get("xfailed", 0) + self.counts.get("xpassed", 0)

    @property
    def failed(self) -> int:
        """How many tests failed or could not be set up, torn down or imported."""
        return self.counts.get("failed", 0) + self.counts.get("error", 0)

    @property
    def skipped(self) -> int:
        """How many tests said that they can not run here."""
        return self.counts.get("skipped", 0)


def of_error(name: str, error: errors.HelpersError) -> Verdict:
    """Return the verdict on a directory for which nothing could be run."""
    status = _STATUS_OF_CODE.get(error.exit_code, Status.BUG)
    code = errors.InfrastructureError.exit_code if error.exit_code == 9 else error.exit_code
    where = f"{error.where}: " if error.where and error.where != name else ""
    return Verdict(name, status, code, where + error.summary, output="")


def judge(
    name: str,
    outcome: Outcome,
    report: dict[str, Any] | None,
    *,
    image: str,
    nonce: str,
    timeout: float,
    stop_code: int,
) -> Verdict:
    """Return the verdict on a directory whose container ran.

    Arguments:
        name: the directory.
        outcome: how the container ended.
        report: what our plugin wrote; None if it wrote nothing.
        image: id of the image that was planned.
        nonce: what the report must carry.
        timeout: seconds that the run was given.
        stop_code: exit code when the user stopped it.
    """
    if report is not None and report.get("nonce") != nonce:
        report = None
    status, code, why = _decide(outcome, report, image, timeout, stop_code)
    counts = dict(report["counts"]) if report else {}
    if report and report["collect_errors"]:
        counts["error"] = counts.get("error", 0) + report["collect_errors"]
    if report and report["hints"] and status is not Status.PASS:
        why = f"{why}; hint: {report['hints'][0]}"
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
    )


def _decide(
    outcome: Outcome, report: dict[str, Any] | None, image: str, timeout: float, stop_code: int
) -> tuple[Status, int, str]:
    if outcome.stopped:
        return Status.STOPPED, stop_code, "stopped by a signal; its report is partial"
    if outcome.timed_out:
        return Status.TIMEOUT, 7, f"did not end within {timeout:g} s"
    if outcome.out_of_memory:
        return Status.CRASH, 8, "a process was killed because the memory limit was reached (setting: memory)"
    if outcome.image != image:
        return Status.REFUSED, 4, f"ran in image {outcome.image or 'unknown'}, planned was {image}"
    if report is None:
        return _no_report(outcome)
    return _by_report(outcome, report)


def _no_report(outcome: Outcome) -> tuple[Status, int, str]:
    number = -outcome.code if outcome.code < 0 else outcome.code - 128
    if number > 0:
        return Status.CRASH, 8, f"killed by signal {number}{_signal_name(number)}"
    if "No module named pytest" in outcome.output or "No module named 'pytest'" in outcome.output:
        return Status.CONFIG, 2, "pytest is not in its lock; fix: add it to the group `test`, then invoke docker_lock"
    if outcome.code == _PYTEST_USAGE and "usage:" in outcome.output:
        return Status.CONFIG, 2, "pytest was called with arguments that it does not accept"
    return Status.CRASH, 8, f"ended with exit code {outcome.code} and without a verdict"


def _by_report(outcome: Outcome, report: dict[str, Any]) -> tuple[Status, int, str]:
    exit_code, failures = int(report["exit"]), len(report["failures"])
    if exit_code == _PYTEST_USAGE:
        return Status.CONFIG, 2, "pytest was called with arguments that it does not accept"
    if exit_code == _PYTEST_INTERNAL:
        return Status.CRASH, 8, "pytest itself failed (internal error)"
    if exit_code == _PYTEST_EMPTY or (exit_code == 0 and not report["collected"]):
        return Status.EMPTY, 5, "no test was selected (by tier, -k or -m) or collected"
    if failures:
        more = f" and {failures - 1} more" if failures > 1 else ""
        return Status.FAIL, 1, f"{report['failures'][0]}{more}"
    if exit_code == _PYTEST_INTERRUPTED:
        return Status.CRASH, 8, "pytest was interrupted from inside"
    if report["collected"] != report["reported"]:
        return Status.CRASH, 8, f"{report['collected']} tests were collected, {report['reported']} reported"
    if exit_code or outcome.code:
        return Status.FAIL, 1, f"pytest ended with exit code {exit_code}, its container with {outcome.code}"
    if not any(report["counts"].get(outcome) for outcome in ("passed", "xfailed", "xpassed")):
        return Status.EMPTY, 5, "every test was skipped"
    return Status.PASS, 0, ""


def _signal_name(number: int) -> str:
    import signal

    try:
        return f" ({signal.Signals(number).name})"
    except ValueError:
        return ""
