"""Checks of the machine: emulation of the other architecture, space, memory, the tool for `archive:` bases."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.doctor.finding import INSTALL, MISSING, OK, WARN, Check
from helpers.storage import cache_dir

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_GB = 1e9
_LITTLE_SPACE, _NO_SPACE = 5e9, 1e9
# The default limit of one container's memory.
_LITTLE_MEMORY = 2e9
_OTHER = {"x86_64": ("arm64", "qemu-aarch64"), "aarch64": ("amd64", "qemu-x86_64"), "arm64": ("amd64", "qemu-x86_64")}


@dataclass(frozen=True)
class Emulation:
    """Whether this machine runs programs of the other architecture.

    Arguments:
        machine: this machine's architecture, as the kernel calls it.
        entry: the kernel's entry for the emulator; empty when there is none.
    """

    machine: str
    entry: str


def gather_emulation() -> Emulation:
    """Read the kernel's entry (binfmt_misc) for the other architecture."""
    machine = os.uname().machine
    _, name = _OTHER.get(machine, ("", ""))
    entry = _BINFMT / name
    return Emulation(machine, entry.read_text() if name and entry.is_file() else "")


def judge_emulation(facts: Emulation) -> tuple[str, str, str]:
    """Images of the other architecture can be built and run here."""
    if facts.machine not in _OTHER:
        return WARN, f"cannot tell: unknown architecture {facts.machine}", ""
    other, name = _OTHER[facts.machine]
    lines = facts.entry.splitlines()
    if lines[:1] != ["enabled"]:
        state = "is disabled" if lines else "is not registered"
        return WARN, f"{name} {state}: no {other} image can be built here", INSTALL
    # Without F the kernel looks for the emulator inside the container, where it is not.
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")
    if "F" not in flags:
        return WARN, f"{name} lacks the flag F: it does not reach into containers", INSTALL
    return OK, f"{other} by {name}", ""


def gather_mmdebstrap() -> bool:
    """Look for the tool on PATH."""
    return shutil.which("mmdebstrap") is not None


def judge_mmdebstrap(there: bool) -> tuple[str, str, str]:
    """`archive:` bases, the default, can be assembled."""
    if there:
        return OK, "assembles `archive:` bases", ""
    return WARN, "not on PATH: `archive:` bases (the default) can not be assembled here", INSTALL


def gather_cache_space() -> int:
    """Measure where the toolchain keeps what it can make again."""
    return measure(cache_dir())


def measure(path: Path) -> int:
    """Return the free bytes of the disk that `path`, made already or not, lies on."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def judge_space(free: int) -> tuple[str, str, str]:
    """Images and caches have room."""
    detail = f"{free / _GB:.1f} GB free"
    if free < _NO_SPACE:
        return MISSING, detail, "invoke docker_prune"
    if free < _LITTLE_SPACE:
        return WARN, detail, "invoke docker_prune"
    return OK, detail, ""


def gather_memory() -> int:
    """Return the bytes of memory that programs can have now."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    if not found:
        raise ValueError("/proc/meminfo does not say")
    return int(found[1]) * 1024


def judge_memory(available: int) -> tuple[str, str, str]:
    """A container gets the memory that its limit allows."""
    detail = f"{available / _GB:.1f} GB available"
    if available < _LITTLE_MEMORY:
        return WARN, f"{detail}: less than one container's default limit", "main_pytest.py -j 1"
    return OK, detail, ""


CHECKS: tuple[Check[Any], ...] = (
    Check("emulation", gather_emulation, judge_emulation),
    Check("mmdebstrap", gather_mmdebstrap, judge_mmdebstrap),
    Check("disk (cache)", gather_cache_space, judge_space),
    Check("memory", gather_memory, judge_memory),
)
