"""The table that a run ends with."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from helpers.console import in_columns, nearer, paint, printable, terminal_width, where_invoke_is
from helpers.driver.events import Observer, Ran
from helpers.driver.report.hints import hint_lines
from helpers.driver.report.words import colour
from helpers.driver.verdict import Status, Verdict

_COLUMNS = ("directory", "verdict", "passed", "failed", "skipped", "time", "image", "why")
_NUMBERS = ("passed", "failed", "skipped", "time")
_VERDICT = _COLUMNS.index("verdict")


class Table(Observer):
    """Prints the table on standard output when a run has ended.

    Arguments:
        quiet: whether only its last lines are printed.
        safe: makes of a line what may be printed here.
    """

    def __init__(self, *, quiet: bool = False, safe: Callable[[str], str] = str) -> None:
        self._quiet = quiet
        self._safe = safe

    def end(self, ran: Ran) -> None:
        """Print the table."""
        print_table(
            ran.verdicts,
            interrupted=ran.interrupted,
            engine=ran.engine,
            seconds=ran.seconds,
            folder=ran.directory,
            rows_too=not self._quiet,
            safe=self._safe,
        )


def print_table(
    verdicts: Sequence[Verdict],
    *,
    interrupted: bool,
    engine: str,
    seconds: float,
    folder: Path | None,
    rows_too: bool = True,
    safe: Callable[[str], str] = str,
) -> None:
    """Print the table that a run ends with, and the counts of tests as the last line.

    Arguments:
        verdicts: one for each directory.
        interrupted: whether a signal came first.
        engine: name of what ran tests.
        seconds: how long it took.
        folder: with all logs; None when nothing was run.
        rows_too: whether there is more than the last lines.
        safe: makes of a line what may be printed here.
    """
    if interrupted:
        print(paint("INTERRUPTED: this report is partial", "red", sys.stdout))
    if rows_too:
        print("\n".join(_lines(verdicts, safe)))
    for verdict in verdicts:
        for test in verdict.flaky_tests:
            print(safe(f"flaky {printable(verdict.name)}: {printable(test)}"))
    hints = list(map(nearer, hint_lines(verdicts)))
    for line in hints:
        print(safe(line))
    if more := where_invoke_is("\n".join(line for line in hints if line.startswith("fix"))):
        print(f"hint: {more}")
    cached = sum(verdict.cached for verdict in verdicts)
    known = f"; {cached} cached" if cached else ""
    where = f"; engine {engine}; {seconds:.1f} s; logs in {nearer(str(folder))}" if folder else f"; {seconds:.1f} s"
    print(f"{how_many(verdicts)}{known}{where}")
    print(counts_of_tests(verdicts), flush=True)


def how_many(verdicts: Sequence[Verdict]) -> str:
    """Return how many directories have which verdict."""
    each = ", ".join(
        f"{sum(verdict.status is status for verdict in verdicts)} {status.value}"
        for status in Status
        if any(verdict.status is status for verdict in verdicts)
    )
    return f"{'1 directory' if len(verdicts) == 1 else f'{len(verdicts)} directories'}: {each}"


def counts_of_tests(verdicts: Sequence[Verdict]) -> str:
    """Return how many tests ended how, in all directories together."""
    names = ("passed", "failed", "skipped")
    counts = ", ".join(f"{sum(getattr(item, name) for item in verdicts)} {name}" for name in names)
    flaky = sum(len(verdict.flaky_tests) for verdict in verdicts)
    return f"{counts}, {flaky} flaky" if flaky else counts


def _row(verdict: Verdict) -> tuple[str, ...]:
    counts = (str(number) for number in (verdict.passed, verdict.failed, verdict.skipped))
    end = (f"{verdict.seconds:.1f} s", _short_image(verdict.image), nearer(printable(verdict.why)))
    return (printable(verdict.name), verdict.status.value, *counts, *end)


def _lines(verdicts: Sequence[Verdict], safe: Callable[[str], str]) -> Iterator[str]:
    """Yield the rows as columns, numbers at their right."""
    rows: list[Sequence[str]] = [_COLUMNS]
    for verdict in verdicts:
        row = list(map(safe, _row(verdict)))
        row[_VERDICT] = paint(row[_VERDICT], colour(verdict), sys.stdout)
        rows.append(row)
    # The image is what a reader misses least where there is no room for all.
    head, *lines = in_columns(rows, terminal_width(sys.stdout), spare=("image",), right=_NUMBERS)
    yield paint(head, "bold", sys.stdout)
    yield from lines


def _short_image(image: str) -> str:
    if image.startswith("sha256:"):
        return image[: len("sha256:") + 12]
    return Path(image).name if image else "-"
