"""The task `doctor`."""

from __future__ import annotations

from typing import Any

from helpers.tasks.adapter import helpers_task


@helpers_task(help={"json": "print the findings as JSON"})
def doctor(ctx: Any, json: bool = False) -> int:
    """Say what is missing or off on this machine, and what mends it."""
    from helpers.doctor.examine import report

    return report(as_json=json)
