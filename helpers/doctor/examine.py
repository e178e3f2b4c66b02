"""Runs all checks at once, prints what they found, and decides the exit code."""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from helpers import errors
from helpers.console import paint, printable
from helpers.doctor import engine, machine, network, toolchain
from helpers.doctor.finding import MISSING, OK, WARN, Check, Finding, masked

ALL: tuple[Check[Any], ...] = (*engine.CHECKS, *machine.CHECKS, *network.CHECKS, *toolchain.CHECKS)
_SECONDS = 7.0
_COLOURS = {OK: "green", WARN: "yellow", MISSING: "red"}

Gather = Callable[[], Any]


def report(*, as_json: bool = False) -> int:
    """Print what every check found; return the exit code, that of a fault if the docker engine lacks something."""
    findings = examine(ALL)
    code = exit_code(findings)
    if as_json:
        rows = [dataclasses.asdict(finding) for finding in findings]
        print(json.dumps({"exit_code": code, "findings": rows}, indent=2))
    else:
        for line in lines(findings):
            print(line)
        print(_summary(findings), file=sys.stderr)
    return code


def examine(checks: Sequence[Check[Any]], seconds: float = _SECONDS) -> list[Finding]:
    """Return what each check finds, in order; one that fails or takes too long is a finding itself.

    Arguments:
        checks: the table.
        seconds: until an answer is not waited for any more.
    """
    facts: dict[Gather, Any] = {}
    # Daemons: a look-up of a name can hang for longer than anybody waits, and must not hold up our end.
    gathers = dict.fromkeys(check.gather for check in checks)
    threads = [threading.Thread(target=_gather, args=(gather, facts), daemon=True) for gather in gathers]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    known = dict(facts)
    return [_judge(check, known.get(check.gather, TimeoutError(f"no answer within {seconds:g} s"))) for check in checks]


def _gather(gather: Gather, facts: dict[Gather, Any]) -> None:
    try:
        facts[gather] = gather()
    except Exception as error:
        facts[gather] = error


def _judge(check: Check[Any], facts: Any) -> Finding:
    try:
        if isinstance(facts, Exception):
            raise facts
        mark, detail, fix = check.judge(facts)
        return Finding(mark, check.what, detail, fix)
    except errors.HelpersError as error:
        return Finding(WARN, check.what, f"cannot tell: {masked(error.what)}", error.fix or "")
    except Exception as error:
        return Finding(WARN, check.what, f"cannot tell: {masked(str(error)) or type(error).__name__}")


def exit_code(findings: Iterable[Finding]) -> int:
    """Return the code of an infrastructure fault when something is missing, otherwise that of a pass."""
    return errors.INFRASTRUCTURE if any(finding.mark == MISSING for finding in findings) else errors.OK


def lines(findings: Sequence[Finding]) -> list[str]:
    """Return one line for each finding, in columns."""
    width = max(len(finding.what) for finding in findings)
    return [_line(finding, width) for finding in findings]


def _line(finding: Finding, width: int) -> str:
    mark = paint(f"{finding.mark:<7}", _COLOURS[finding.mark], sys.stdout)
    fix = f"  fix: {finding.fix}" if finding.fix else ""
    return f"{mark}  {finding.what:<{width}}  {printable(finding.detail)}{fix}"


def _summary(findings: Sequence[Finding]) -> str:
    missing = sum(finding.mark == MISSING for finding in findings)
    warnings = sum(finding.mark == WARN for finding in findings)
    if missing:
        return f"doctor: {missing} missing, {warnings} to look at; main_pytest.py --engine venv needs no engine"
    return f"doctor: all that the docker engine needs is there, {warnings} to look at"
