"""Says in a plan that is only printed which directories have a kept verdict, and so would not be tested again."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from helpers.driver.plan import Plan
from helpers.errors import HelpersError


def with_kept(options: argparse.Namespace, plan: Plan, arguments: Sequence[str], root: Path) -> Plan:
    """Return a plan that names the directories whose verdicts are kept on this machine; no engine and no team is asked.

    Arguments:
        options: those of the command line.
        plan: all that was asked for.
        arguments: pytest's own.
        root: absolute path of the repo.
    """
    # As in a run: without isolation a test may see anything.
    if options.no_cache or options.engine == "venv" or not plan.dirs:
        return plan
    from helpers.driver.verdict_cache import VerdictCache

    known: set[str] = set()
    # What can not be said is said when the tests are to run.
    with suppress(HelpersError):
        kept = VerdictCache(root, plan.tier, arguments, coverage=options.coverage, asked=options.asked)
        known |= kept.find(plan.dirs).keys()
    return replace(plan, dirs=tuple(replace(item, cached=item.name in known) for item in plan.dirs))
