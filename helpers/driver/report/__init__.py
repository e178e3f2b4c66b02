"""What a run shows of itself: which observers it has is decided here, and nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from helpers.console import wants_colour
from helpers.driver.events import Event, Observer, Observers, Work

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helpers.driver.report.page import Page


def choose(
    *,
    json: str | None = None,
    junit: str | None = None,
    html: Page | None = None,
    shard: Mapping[str, Any] | None = None,
    table: bool = True,
    coverage: bool = False,
    verbose: bool = False,
    quiet: bool = False,
) -> Observers:
    """Return the observers of a run.

    Arguments:
        json: file for the result as JSON; `-` is standard output, which then holds nothing else; None for none.
        junit: file for the merged JUnit report; None for none.
        html: what writes the page that shows the run; None for none.
        shard: which part of a whole the run is; None where it is all of it.
        table: whether a run ends with a table, and not with what else says how things stand.
        coverage: whether a table of it is shown.
        verbose: whether what tests print is shown while they run.
        quiet: whether only what did not pass is shown, and the last lines.
    """
    table = table and json != "-"
    members = [_first(table, verbose, quiet)]
    if coverage and json != "-":
        from helpers.driver.report.coverage import CoverageTable

        # The counts of tests stay the last line.
        members.append(CoverageTable(verbose=verbose, safe=_safe()))
    if table:
        members.append(_table(quiet))
    file = os.environ.get("GITHUB_STEP_SUMMARY")
    if file and _on_github():
        from helpers.driver.report.summary import Summary

        members.append(Summary(Path(file)))
    if json or junit or html:
        from helpers.driver.export import Files

        members.append(Files(json, junit, shard, html))
    return Observers(members)


def _on_github() -> bool:
    return os.environ.get("GITHUB_ACTIONS") == "true"


def _first(table: bool, verbose: bool, quiet: bool) -> Observer:
    """Return what shows a run while it goes on."""
    if _on_github():
        from helpers.driver.report.github import GitHub

        # Standard output, where the table is, and standard error reach the log in no order.
        return GitHub(sys.stdout if table else sys.stderr, verbose=verbose, quiet=quiet)
    from helpers.driver.report.lines import Lines, Quiet

    if quiet:
        return Quiet()
    return OnTerminal(verbose=verbose) if wants_colour(sys.stderr) else Lines(verbose=verbose)


def _table(quiet: bool) -> Observer:
    from helpers.driver.report.table import Table

    return Table(quiet=quiet, safe=_safe())


def _safe() -> Callable[[str], str]:
    if not _on_github():
        return str
    from helpers.driver.report.github import inert

    return inert


class OnTerminal(Observer):
    """Shows a run as `Live`, which is imported when there is something to do; what is known already the table shows.

    Arguments:
        verbose: whether what tests print is shown while they run.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._live = Observer()

    def begin(self, work: Work) -> None:
        """Show what runs from now on."""
        from helpers.driver.report.live import Live

        if not isinstance(self._live, Live):
            self._live = Live(verbose=self._verbose)
        self._live.begin(work)

    def event(self, event: Event) -> None:
        """Show one event."""
        self._live.event(event)

    def close(self) -> None:
        """Show nothing more of what runs."""
        self._live.close()
