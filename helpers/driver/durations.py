"""How long the tests of each directory took the last time, so that the longest ones can be started first."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from helpers.driver.plan import Plan
from helpers.driver.verdict import Status, Verdict
from helpers.storage import cache_dir, digest

# What ended otherwise says nothing of how long the tests take.
_WHOLE = (Status.PASS, Status.FAIL)


def of_steps(root: Path, plan: Plan) -> dict[str, float]:
    """Return how many seconds the tests of each directory of a plan took, by its step; an unknown one takes the median.

    Arguments:
        root: absolute path of the repo.
        plan: whose directories and tier are asked for.
    """
    known = _read(root).get(plan.tier, {})
    times = sorted(known.values())
    usual = (times[(len(times) - 1) // 2] + times[len(times) // 2]) / 2 if times else 0.0
    return {item.step: known.get(item.name, usual) for item in plan.dirs}


def record(root: Path, tier: str, verdicts: Sequence[Verdict]) -> None:
    """Keep how long the tests of directories took that ran to their end; of two runs at once one may be forgotten.

    Arguments:
        root: absolute path of the repo.
        tier: which tests ran.
        verdicts: their outcome.
    """
    new = {item.name: round(item.seconds, 3) for item in verdicts if item.status in _WHOLE}
    if not new:
        return
    kept = _read(root)
    kept[tier] = {**kept.get(tier, {}), **new}
    file = _file(root)
    # A full disk only costs the order of the next run.
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(f".{file.name}-{os.getpid()}")
        aside.write_text(json.dumps(kept), encoding="utf-8")
        os.replace(aside, file)


def _file(root: Path) -> Path:
    return cache_dir() / "durations" / f"{digest(str(root))}.json"


def _read(root: Path) -> dict[str, dict[str, float]]:
    """Return the seconds by directory by tier; nothing where they can not be read."""
    try:
        found = json.loads(_file(root).read_bytes())
        return {tier: _numbers(one) for tier, one in found.items()}
    except (OSError, ValueError, AttributeError, RecursionError):
        return {}


def _numbers(found: Mapping[str, object]) -> dict[str, float]:
    return {name: float(value) for name, value in found.items() if isinstance(value, (int, float))}
