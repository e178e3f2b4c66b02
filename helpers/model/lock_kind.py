"""The kinds of lock files that a runnable dir may have."""

from __future__ import annotations

import re
from enum import Enum


class LockKind(Enum):
    """A format of lock files; the value is the command that writes such a lock."""

    POETRY = "invoke docker_lock"
    UV = "uv lock"
    PDM = "pdm lock"
    # https://packaging.python.org/en/latest/specifications/pylock-toml/
    PYLOCK = "uv export --format pylock.toml --all-groups --all-extras --output-file"
    # https://pip.pypa.io/en/stable/topics/secure-installs/#hash-checking-mode
    REQUIREMENTS = "uv pip compile --generate-hashes --output-file"


# Written by `docker_lock` for a project whose own manifest is not edited; the lock is made of the needs of siblings.
DERIVED = "devops/poetry.lock"
DETECTED = (DERIVED, "poetry.lock", "uv.lock", "pdm.lock", "pylock.toml")


def kind_of(name: str) -> LockKind | None:
    """Return the kind of the lock file with this name; None if no lock has such a name."""
    known = {"poetry.lock": LockKind.POETRY, "uv.lock": LockKind.UV, "pdm.lock": LockKind.PDM}
    if re.fullmatch(r"pylock(\.[^.]+)?\.toml", name):
        return LockKind.PYLOCK
    return LockKind.REQUIREMENTS if name.endswith(".txt") else known.get(name)
