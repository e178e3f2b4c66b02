"""The table that a run ends with."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from helpers.console import paint, print_rows, printable
from helpers.driver.events import Observer, Ran
from helpers.driver.report.words import colour
from helpers.driver.verdict import Status, Verdict

_COLUMNS = ("directory", "verdict", "passed", "failed", "skipped", "time", "image", "why")


class Table(Observer):
    """Prints the table on standard output when a run has ended."""

    def end(self, ran: Ran) -> None:
        """Print the table."""
        print_table(
            ran.verdicts,
            interrupted=ran.interrupted,
            engine=ran.engine,
            seconds=ran.seconds,
            folder=ran.directory,
        )


def print_table(
    verdicts: Sequence[Verdict], *, interrupted: bool, engine: str, seconds: float, folder: Path | None
) -> None:
    """Print the table that a run ends with, and the counts of tests as the last line.

    Arguments:
        verdicts: one for each directory.
        interrupted: whether a signal came first.
        engine: name of what ran tests.
        seconds: how long it took.
        folder: with all logs; None when nothing was run.
    """
    if interrupted:
        print(paint("INTERRUPTED: this report is partial", "red", sys.stdout))
    rows = [_COLUMNS, *map(_row, verdicts)]
    if not folder or not _print_rich(rows, verdicts):
        # Where nothing was run the start of rich would be most of the time.
        print_rows(rows)
    how_many = ", ".join(
        f"{sum(verdict.status is status for verdict in verdicts)} {status.value}"
        for status in Status
        if any(verdict.status is status for verdict in verdicts)
    )
    directories = "1 directory" if len(verdicts) == 1 else f"{len(verdicts)} directories"
    cached = sum(verdict.cached for verdict in verdicts)
    known = f"; {cached} cached" if cached else ""
    where = f"; engine {engine}; {seconds:.1f} s; logs in {folder}" if folder else f"; {seconds:.1f} s"
    print(f"{directories}: {how_many}{known}{where}")
    passed, failed, skipped = (
        sum(getattr(item, what) for item in verdicts) for what in ("passed", "failed", "skipped")
    )
    print(f"{passed} passed, {failed} failed, {skipped} skipped")


def _row(verdict: Verdict) -> tuple[str, ...]:
    counts = (str(number) for number in (verdict.passed, verdict.failed, verdict.skipped))
    end = (f"{verdict.seconds:.1f} s", _short_image(verdict.image), printable(verdict.why))
    return (printable(verdict.name), verdict.status.value, *counts, *end)


def _print_rich(rows: Sequence[tuple[str, ...]], verdicts: Sequence[Verdict]) -> bool:
    """Print the table with colours, and say whether that could be done."""
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return False  # inside a container tests run without the thin environment

    # A pipe has no width of its own; a table that is cut or folded could not be searched.
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 200, highlight=False)
    table = Table(title=None, box=None, pad_edge=False)
    for name in rows[0]:
        right = name in ("passed", "failed", "skipped", "time")
        table.add_column(
            name, justify="right" if right else "left", no_wrap=name in ("verdict", "image"), overflow="fold"
        )
    for verdict, row in zip(verdicts, rows[1:], strict=True):
        styles = {1: colour(verdict)}
        table.add_row(*(Text(cell, style=styles.get(column, "")) for column, cell in enumerate(row)))
    with console.capture() as capture:
        console.print(table)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))
    sys.stdout.flush()
    return True


def _short_image(image: str) -> str:
    if image.startswith("sha256:"):
        return image[: len("sha256:") + 12]
    return Path(image).name if image else "-"
