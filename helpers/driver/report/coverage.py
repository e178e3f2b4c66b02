"""The table of coverage that a run ends with: a line for each directory, and one for all."""

from __future__ import annotations

from collections.abc import Sequence

from helpers.console import print_rows, printable
from helpers.driver import measuring
from helpers.driver.events import Observer, Ran
from helpers.driver.measuring import Measured
from helpers.driver.verdict import Verdict

_COLUMNS = ("directory", "lines", "missed", "branches", "covered", "fail_under")


class CoverageTable(Observer):
    """Prints the table on standard output when a run has ended."""

    def end(self, ran: Ran) -> None:
        """Print the table."""
        print_coverage(ran.verdicts)


def print_coverage(verdicts: Sequence[Verdict]) -> None:
    """Print what was measured, by directory and in total, where a file that several measured counts once.

    Arguments:
        verdicts: one for each directory.
    """
    known = {verdict.name: measuring.measured(verdict.coverage) for verdict in verdicts}
    rows = [_COLUMNS, *(_row(printable(name), found) for name, found in known.items())]
    rows.append(_row("TOTAL", measuring.joined(found for found in known.values() if found)))
    print_rows(rows)


def _row(name: str, found: Measured | None) -> tuple[str, ...]:
    if not found or (name == "TOTAL" and not found.files):
        return (name, "-", "-", "-", "nothing measured", "-")
    wanted = f"{found.fail_under:g} %" if found.fail_under else "-"
    counts = (str(found.statements), str(found.missed), str(found.branches) if found.branches else "-")
    return (name, *counts, percent(found), wanted)


def percent(found: Measured) -> str:
    """Return the share that ran, for a person: never 100 where something is missing."""
    share = found.percent
    return f"{min(share, 99.99) if share < 100 else share:.2f} %"
