"""How a verdict and what tests printed are put into words that nobody can forge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TextIO

from helpers.console import paint, printable
from helpers.driver.verdict import Status, Verdict

_COLOURS = {Status.PASS: "green", Status.SKIP: "yellow", Status.STOPPED: "yellow", Status.EMPTY: "yellow"}
_OUTPUT_CHARACTERS = 20_000


def colour(verdict: Verdict) -> str:
    """Return the colour of a verdict."""
    return _COLOURS.get(verdict.status, "red")


def is_bad(verdict: Verdict) -> bool:
    """Say whether a verdict is one that somebody must look at."""
    return verdict.status not in (Status.PASS, Status.SKIP)


def verdict_line(verdict: Verdict, stream: TextIO) -> str:
    """Return a verdict in one line, with colours where the stream gets them."""
    known = {"passed": verdict.passed, "failed": verdict.failed, "skipped": verdict.skipped}
    counts = "".join(f" {number} {what}" for what, number in known.items() if number)
    why = f": {printable(verdict.why)}" if verdict.why else ""
    status = paint(verdict.status.value, colour(verdict), stream)
    return f"{status} {printable(verdict.name)}{counts} ({verdict.seconds:.1f} s){why}"


def details(verdict: Verdict) -> Iterator[str]:
    """Yield what is shown below a verdict: what a directory printed that did not pass, and how it is run again."""
    if verdict.output and is_bad(verdict):
        yield f"----- output of {printable(verdict.name)} (whole: {verdict.log})"
        yield safe_text(verdict.output[-_OUTPUT_CHARACTERS:]).rstrip()
        yield "-----"
    for what, command in zip(("again", "without helpers"), verdict.again, strict=False):
        yield f"{what}: {printable(command)}"


def safe_text(text: str) -> str:
    """Return what a test printed without control characters, so that it can not steer the reader's terminal."""
    return "".join(char for char in text if char in "\n\t" or char.isprintable())
