"""Starts threads without which the work goes on: a limit of processes (`ulimit -u`, `pids`) may refuse a thread."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from threading import Thread


def started(thread: Thread) -> bool:
    """Start `thread`, and return whether the machine allowed another thread."""
    try:
        thread.start()
    except RuntimeError:
        return False
    return True
