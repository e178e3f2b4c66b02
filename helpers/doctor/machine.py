"""Checks of the machine: emulation of the other architecture, space, memory, the tool for `archive:` bases."""

from __future__ import annotations

import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.doctor.finding import INSTALL, MISSING, OK, WARN, Check
from helpers.engine import memory
from helpers.storage import cache_dir

_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_GB = 1e9
_PRUNE = "invoke docker_prune  (drops images, and archives and environments of the cache, that nothing uses)"
_LITTLE_SPACE, _NO_SPACE = 5e9, 1e9
# The default limit of one container's memory.
_LITTLE_MEMORY = 2e9
_OTHER = {"x86_64": ("arm64", "qemu-aarch64"), "aarch64": ("amd64", "qemu-x86_64"), "arm64": ("amd64", "qemu-x86_64")}


_DEBIAN_KEYS = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_RANGES = (Path("/etc/subuid"), Path("/etc/subgid"))
_GIVE_RANGE = 'sudo usermod --add-subuids FIRST-LAST --add-subgids FIRST-LAST "$USER"  (65536 of nobody else)'


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


@dataclass(frozen=True)
class Assembler:
    """What mmdebstrap needs to assemble `archive:` bases.

    Arguments:
        there: whether it is on PATH.
        keys: whether this machine has the keys that Debian's archive is signed with.
        root: whether this user is root, who needs nothing more.
        uidmap: whether `newuidmap` is on PATH, by which another user gets the ids of the new system's users.
        ranges: whether the system gives this user ids for that (subuid(5), subgid(5)).
    """

    there: bool = True
    keys: bool = True
    root: bool = False
    uidmap: bool = True
    ranges: bool = True


def gather_mmdebstrap() -> Assembler:
    """Look for the tools on PATH, the keys, and the user's entries."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = ""
    return Assembler(
        there=shutil.which("mmdebstrap") is not None,
        keys=_DEBIAN_KEYS.exists(),
        root=os.geteuid() == 0,
        uidmap=shutil.which("newuidmap") is not None,
        ranges=bool(name) and all(has_range(file, name) for file in _RANGES),
    )


def has_range(file: Path, user: str) -> bool:
    """Say whether subuid(5) or subgid(5) `file` has an entry for `user`; mmdebstrap only reads those by name."""
    return file.exists() and any(line.startswith(f"{user}:") for line in file.read_text().splitlines())


def judge_mmdebstrap(facts: Assembler) -> tuple[str, str, str]:
    """`archive:` bases, the default, can be assembled."""
    if not facts.there:
        return WARN, "not on PATH: `archive:` bases (the default) can not be assembled here", INSTALL
    if not facts.keys:
        return WARN, "no keys of Debian's archive (debian-archive-keyring): its bases can not be assembled", INSTALL
    if facts.root or (facts.uidmap and facts.ranges):
        return OK, "assembles `archive:` bases", ""
    if not facts.uidmap:
        return WARN, "newuidmap (package uidmap) is not on PATH: only root can assemble `archive:` bases", INSTALL
    detail = "this user has no range of ids in /etc/subuid and /etc/subgid: only root can assemble `archive:` bases"
    return WARN, detail, _GIVE_RANGE


def gather_cache_space() -> int:
    """Measure where the toolchain keeps what it can make again."""
    return measure(cache_dir())


def measure(path: Path) -> int:
    """Return the free bytes of the disk that `path`, made already or not, lies on."""
    while not path.exists() and path != path.parent:
        path = path.parent
    return shutil.disk_usage(path).free


def judge_space(free: int) -> tuple[str, str, str]:
    """Images and caches have room; the one command drops what nothing uses of both."""
    detail = f"{free / _GB:.1f} GB free"
    if free >= _LITTLE_SPACE:
        return OK, detail, ""
    return MISSING if free < _NO_SPACE else WARN, detail, _PRUNE


def gather_memory() -> int:
    """Return the bytes of memory that programs can have now."""
    return memory.available()


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
