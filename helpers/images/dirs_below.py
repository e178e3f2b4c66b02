"""The runnable dirs whose images are below the image of a runnable dir, as far as their files can be read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from helpers import checkout_file, pyproject, repo
from helpers.errors import ConfigError
from helpers.model import base_lock
from helpers.model.image import Base, BaseKind
from helpers.model.settings import DEFAULT_BASE


def of(path: Path) -> list[Path]:
    """Return the directories below the runnable dir at `path`, nearest first; a recorded base ends the list."""
    return [place for place, _ in _chain(path)][1:]


def recorded_base(path: Path) -> base_lock.BaseLock | None:
    """Return the record of the published base below the lowest image; None without a record."""
    file = list(_chain(path))[-1][0] / base_lock.PATH
    text = checkout_file.read_text_if_there(file)
    return None if text is None else base_lock.parse(text, str(file))


def lowest_base(path: Path) -> Base | None:
    """Return the base of the lowest image; None if a setting is wrong."""
    base = list(_chain(path))[-1][1]
    return base if base and base.kind is not BaseKind.DIR else None


def _chain(path: Path) -> Iterator[tuple[Path, Base | None]]:
    root, seen = repo.find_root(path), set[Path]()
    while path not in seen and path.is_relative_to(root) and path.is_dir():
        seen.add(path)
        base = _base(path)
        yield path, base
        if base is None or base.kind is not BaseKind.DIR or os.path.lexists(path / base_lock.PATH):
            return
        path = Path(os.path.realpath(path / base.value))


def _base(path: Path) -> Base | None:
    try:
        return Base.parse(str(pyproject.settings_table(path).get("base", DEFAULT_BASE)))
    except (ConfigError, ValueError):
        return None
