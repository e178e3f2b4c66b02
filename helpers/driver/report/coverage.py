"""The table of coverage that a run ends with: a line for each directory, and one for all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from helpers.console import print_rows, printable
from helpers.driver import measuring
from helpers.driver.events import Observer, Ran
from helpers.driver.measuring import Measured
from helpers.driver.verdict import Status, Verdict

_MOST_FILES = 50
_MOST_NAMED = 10
_COLUMNS = ("directory", "lines", "missed", "branches", "covered", "fail_under")


class CoverageTable(Observer):
    """Prints the table on standard output when a run has ended.

    Arguments:
        verbose: whether the lines that did not run are named also where enough of them did.
        safe: makes of a line what may be printed here.
    """

    def __init__(self, *, verbose: bool = False, safe: Callable[[str], str] = str) -> None:
        self._verbose = verbose
        self._safe = safe

    def end(self, ran: Ran) -> None:
        """Print the table."""
        print_coverage(ran.verdicts, verbose=self._verbose, safe=self._safe)


def print_coverage(verdicts: Sequence[Verdict], *, verbose: bool = False, safe: Callable[[str], str] = str) -> None:
    """Print what was measured, by directory and in total, where a file that several measured counts once.

    Arguments:
        verdicts: one for each directory.
        verbose: whether the lines that did not run are named also where enough of them did.
        safe: makes of a line what may be printed here.
    """
    known = {verdict.name: measuring.measured(verdict.coverage) for verdict in verdicts}
    rows = [_COLUMNS, *(_row(printable(name), found) for name, found in known.items())]
    rows.append(_row("TOTAL", measuring.joined(found for found in known.values() if found)))
    for name, found in known.items():
        if found and (verbose or found.percent < found.fail_under):
            for line in _missed(name, found):
                print(safe(line))
    print_rows(rows)
    for line in _reasons([verdict for verdict in verdicts if not _has_lines(known[verdict.name])]):
        print(safe(line))


def _has_lines(found: Measured | None) -> bool:
    return bool(found and found.files)


def _reasons(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """Yield a line for each reason why nothing was measured in some directories."""
    ended = [verdict for verdict in verdicts if verdict.status in (Status.PASS, Status.FAIL)]
    reasons = {
        "the tests did not run to their end": [verdict for verdict in verdicts if verdict not in ended],
        "pytest-cov noted no line; see addopts (--no-cov, -p no:cov) and `source` of [tool.coverage.run]": ended,
    }
    for reason, those in reasons.items():
        names = [f"{printable(verdict.name)} ({verdict.status.value})" for verdict in those]
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        if names:
            yield f"nothing measured in {', '.join(names[:_MOST_NAMED])}{more}: {reason}"


def _missed(name: str, found: Measured) -> Iterator[str]:
    """Yield the places of a directory that no test reached, file by file, below a line that says so."""
    files = measuring.missed(found)
    if files:
        yield f"not reached by the tests of {printable(name)}:"
    for file, lines in files[:_MOST_FILES]:
        yield f"  {printable(file)}: {lines}"
    if len(files) > _MOST_FILES:
        yield f"  and {len(files) - _MOST_FILES} more files: --json and --html have them"


def _row(name: str, found: Measured | None) -> tuple[str, ...]:
    if not found or not found.files:
        return (name, "-", "-", "-", "nothing measured", "-")
    wanted = f"{found.fail_under:g} %" if found.fail_under else "-"
    counts = (str(found.statements), str(found.missed), str(found.branches) if found.branches else "-")
    return (name, *counts, percent(found), wanted)


def percent(found: Measured) -> str:
    """Return the share that ran, for a person: never 100 where something is missing."""
    share = found.percent
    return f"{min(share, 99.99) if share < 100 else share:.2f} %"
