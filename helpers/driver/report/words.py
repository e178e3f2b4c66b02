"""How a verdict and what tests printed are put into words that no test can forge.

What a test printed is never written as it is: it has lost all that steers a terminal, and each of its lines stands
behind a bar, so that none of them can be taken for one of ours.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TextIO

from helpers.console import nearer, paint, printable
from helpers.driver.failures import Failure
from helpers.driver.verdict import Status, Verdict

_COLOURS = {Status.PASS: "green", Status.SKIP: "yellow", Status.STOPPED: "yellow", Status.EMPTY: "yellow"}
_OUTPUT_CHARACTERS = 20_000
# Control sequences, strings for the terminal (titles, links), and other escapes:
# https://ecma-international.org/publications-and-standards/standards/ecma-48/
_ESCAPES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"
    r"|(?:\x1b[]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"
    r"|\x1b[ -/]*[0-~]"
)
BAR = "  | "


def colour(verdict: Verdict) -> str:
    """Return the colour of a verdict."""
    return _COLOURS.get(verdict.status, "red")


def is_bad(verdict: Verdict) -> bool:
    """Say whether a verdict is one that somebody must look at."""
    return verdict.status not in (Status.PASS, Status.SKIP)


def safe_text(text: str) -> str:
    """Return what a test printed without what steers a terminal; what it would have written over stands in lines."""
    lines = _ESCAPES.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    return "".join(char for char in lines if char in "\n\t" or char.isprintable())


def quoted(text: str, bar: str = BAR) -> Iterator[str]:
    """Yield the lines of what a test printed, each behind a bar."""
    for line in safe_text(text).rstrip().split("\n"):
        yield f"{bar}{line}".rstrip()


def verdict_line(verdict: Verdict, stream: TextIO) -> str:
    """Return a verdict in one line, with colours where the stream gets them."""
    known = {"passed": verdict.passed, "failed": verdict.failed, "skipped": verdict.skipped}
    known["flaky"] = len(verdict.flaky_tests)
    counts = "".join(f" {number} {what}" for what, number in known.items() if number)
    why = f": {nearer(printable(verdict.why))}" if verdict.why else ""
    status = paint(verdict.status.value, colour(verdict), stream)
    return f"{status} {printable(verdict.name)}{counts} ({verdict.seconds:.1f} s){why}"


def output(verdict: Verdict) -> Iterator[str]:
    """Yield the end of what a directory printed, below a line that says so."""
    # Where no test ran, what to do about it says more than all that pytest prints around nothing.
    if verdict.output and not (verdict.status is Status.EMPTY and verdict.hints):
        cut = f"its last {_OUTPUT_CHARACTERS} characters; " if len(verdict.output) > _OUTPUT_CHARACTERS else ""
        yield f"output of {printable(verdict.name)} ({cut}whole: {nearer(printable(verdict.log))})"
        yield from quoted(verdict.output[-_OUTPUT_CHARACTERS:])


def commands(verdict: Verdict, *, verbose: bool) -> Iterator[str]:
    """Yield the command lines that run again what did not pass; the long one without helpers only if `verbose`."""
    for what, command in zip(("again", "without helpers")[: 1 + verbose], verdict.again, strict=False):
        yield f"{what}: {printable(command)}"


def failure(directory: str, failed: Failure, stream: TextIO) -> Iterator[str]:
    """Yield one failure of one test in full, with what the test printed.

    Arguments:
        directory: name of the runnable dir.
        failed: the failure.
        stream: where it is shown.
    """
    place = f" ({printable(failed.file)}:{failed.line})" if failed.file and failed.line else ""
    yield f"{paint('failed', 'red', stream)} {printable(directory)} {printable(failed.test)}{place}"
    yield from quoted(failed.text or failed.message)
    for title, printed in failed.sections:
        yield from quoted(f"--- {title} ---\n{printed}")
