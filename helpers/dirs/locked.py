"""Reads `poetry.lock` of a runnable dir: what it pins, and what those need."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from helpers import config, pyproject
from helpers.dirs import project_text
from helpers.dirs.wanted import normal_name
from helpers.errors import ConfigError


def names(path: Path) -> set[str] | None:
    """Return the names of what the lock of the directory `path` pins; None when it is no lock."""
    found = _packages(path)
    return None if found is None else {normal_name(str(package.get("name", ""))) for package in found}


def names_below(root: Path, path: Path) -> set[str]:
    """Return the names that the images below the one of `path` bring, as far as their files can be read."""
    found: set[str] = set()
    seen = {path}
    while True:
        try:
            base = pyproject.settings_table(path).get("base", "")
        except ConfigError:
            return found
        path = Path(os.path.realpath(path / str(base).removeprefix("dir:")))
        if not str(base).startswith("dir:") or path in seen or not path.is_relative_to(root):
            return found
        seen.add(path)
        found |= names(path) or set()


def needed_by_others(path: Path) -> str:
    """Return the name of the project at `path` when a package in its lock needs one of that name; otherwise nothing.

    Poetry takes the project itself for that package and leaves it out of the lock, so that an installer that wants
    hashes for everything finds none.
    """
    try:
        own = str(pyproject.read(path).get("project", {}).get("name", ""))
    except ConfigError:
        return ""
    needs = {normal_name(str(name)) for package in _packages(path) or () for name in package.get("dependencies", {})}
    return own if own and normal_name(own) in needs else ""


def _packages(path: Path) -> list[dict[str, Any]] | None:
    try:
        return list(project_text.parse(config.read_text(path / "poetry.lock")).get("package", []))
    except (ConfigError, ValueError):
        return None
