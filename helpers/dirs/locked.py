"""Reads the lock of a runnable dir: the names and dependencies of its packages."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from helpers import pyproject
from helpers.errors import ConfigError
from helpers.images import dirs_below, lock_source
from helpers.model.lock_kind import LockKind
from helpers.model.poetry_lock import normal_name


def names(path: Path) -> set[str]:
    """Return the names of the packages in the lock of the directory `path`; empty without a lock.

    Raises:
        ConfigError: it is no lock.
    """
    return {package.name for package in lock_source.pins(path)}


def names_below(path: Path) -> set[str]:
    """Return the names that the images below the one of `path` bring, as far as their files can be read."""
    found: set[str] = set()
    for below in dirs_below.of(path):
        with suppress(ConfigError):
            found |= names(below)
    return found


def needed_by_others(path: Path) -> str:
    """Return the name of the project at `path` when a package in its lock needs one of that name; otherwise nothing.

    Poetry takes the project itself for that package and leaves it out of the lock, so that an installer that wants
    hashes for everything finds none.
    """
    try:
        source = lock_source.of(path)
        if source.kind is not LockKind.POETRY or source.is_derived:
            return ""
        own = str(pyproject.read(path).get("project", {}).get("name", ""))
        packages = source.parsed().get("package", [])
    except ConfigError:
        return ""
    needs = {normal_name(name) for package in packages for name in package.get("dependencies", {})}
    return own if own and normal_name(own) in needs else ""
