"""Tells whose a container is, and whether its owner is still alive; with few imports, for a head start."""

from __future__ import annotations

import os

from helpers.model.number import MOST_PROCESSES, whole

# This process, and the one that it was forked from.
_known: dict[int, str] = {}


def this_owner() -> str:
    """Return the label value that names this process: kernel boot, pid namespace, user, process, its start time."""
    pid = os.getpid()
    if pid not in _known:
        _known[pid] = f"{_scope()} {pid} {_start_time(pid)}"
    return _known[pid]


def is_dead(owner: str) -> bool:
    """Say whether the process that `owner` names is known to be gone.

    Only what this process can see is judged: an owner on another machine, in another pid namespace, or of another user
    counts as alive.
    """
    scope, _, process = owner.rpartition(" ")[0].rpartition(" ")
    started = owner.rpartition(" ")[2]
    number = whole(process, MOST_PROCESSES)
    return scope == _scope() and number is not None and _start_time(number) != started


def _scope() -> str:
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot:
            return f"{boot.read().strip()} {os.readlink('/proc/self/ns/pid')} {os.getuid()}"
    except FileNotFoundError:
        # Without /proc nothing can be told of other processes, so the scope is one that never recurs.
        return f"{os.uname().nodename} {os.getpid()}"


def _start_time(process: int) -> str:
    """Return the start time of a process in clock ticks since boot (proc(5), field 22); empty when it is dead."""
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return ""
    # A zombie is dead; only its parent has not been told yet.
    return "" if fields[0] in (b"Z", b"X") else fields[19].decode()
