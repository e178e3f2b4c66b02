"""How much memory the containers of this machine may have together."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
# What a group may have, what it has, and what of that is files that are dropped when somebody needs room: version 2
# (https://docs.kernel.org/admin-guide/cgroup-v2.html) and 1 (https://docs.kernel.org/admin-guide/cgroup-v1/memory.html).
_FILES = {
    "": ("memory.max", "memory.current", "inactive_file "),
    "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file "),
}


def available(proc: Path = Path("/proc"), cgroups: Path = _CGROUPS) -> int:
    """Return the bytes that programs can have now: what the machine has, and the control groups around us leave.

    Arguments:
        proc: where the kernel tells of the machine and of this process.
        cgroups: where it tells of control groups.

    Raises:
        OSError, ValueError: the kernel does not say.
    """
    lines = (line.split() for line in (proc / "meminfo").read_text().splitlines())
    free = next((int(words[1]) * 1024 for words in lines if words[0] == "MemAvailable:"), -1)
    if free < 0:
        raise ValueError(f"{proc / 'meminfo'} does not say")
    return min([free, *_left_in_groups(proc, cgroups)])


def _left_in_groups(proc: Path, cgroups: Path) -> Iterator[int]:
    """Yield what each control group around this process leaves; one without a limit leaves any amount."""
    with suppress(OSError):
        for line in (proc / "self" / "cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            if kinds in _FILES:
                group = Path(os.path.normpath(f"{cgroups / kinds}/{path}"))
                around = (group, *group.parents)
                yield from (_left(place, *_FILES[kinds]) for place in around if place.is_relative_to(cgroups))


def _left(group: Path, limit: str, used: str, dropped: str) -> int:
    try:
        most = int((group / limit).read_text())
        lines = (group / "memory.stat").read_text().splitlines()
        files = next((int(line.split()[1]) for line in lines if line.startswith(dropped)), 0)
        return max(0, most - int((group / used).read_text()) + files)
    except (OSError, ValueError):
        # No such file at the root, and the word `max` where there is no limit.
        return 1 << 62
