"""The task `doctor`."""

from __future__ import annotations

from typing import Any

from helpers.tasks.adapter import Group, helpers_task

GROUP = Group.MACHINE


@helpers_task(everyday=6, help={"json": "print the findings as JSON"})
def doctor(ctx: Any, json: bool = False) -> int:
    """Name the faults of this machine, each with its fix."""
    from helpers.doctor.examine import report

    return report(as_json=json)
