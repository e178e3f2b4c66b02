"""What a run shows of itself: which observers it has is decided here, and nowhere else."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from helpers.console import wants_colour
from helpers.driver.events import Observer, Observers


def choose(
    *,
    json: str | None = None,
    junit: str | None = None,
    shard: Mapping[str, Any] | None = None,
    table: bool = True,
    coverage: bool = False,
) -> Observers:
    """Return the observers of a run.

    Arguments:
        json: file for the result as JSON; `-` is standard output, which then holds nothing else; None for none.
        junit: file for the merged JUnit report; None for none.
        shard: which part of a whole the run is; None where it is all of it.
        table: whether a run ends with a table, and not with what else says how things stand.
        coverage: whether a table of it is shown.
    """
    members: list[Observer] = []
    if wants_colour(sys.stderr):
        from helpers.driver.report.live import Live

        members.append(Live())
    else:
        from helpers.driver.report.lines import Lines

        members.append(Lines())
    if coverage and json != "-":
        from helpers.driver.report.coverage import CoverageTable

        # The counts of tests stay the last line.
        members.append(CoverageTable())
    if table and json != "-":
        from helpers.driver.report.table import Table

        members.append(Table())
    if json or junit:
        from helpers.driver.export import Files

        members.append(Files(json, junit, shard))
    return Observers(members)
