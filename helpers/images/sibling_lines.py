"""The lines of an export that name siblings by their paths: an installer has no hash for these lines."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote

from helpers import config, repo
from helpers.errors import ConfigError
from helpers.images.lock_source import LockSource
from helpers.manifest import siblings
from helpers.model.hashed_requirements import logical_lines

# Of poetry: `-e file:///PATH` and `NAME @ file:///PATH`, each with a marker or without.
_LINE = re.compile(r"(?:-e|[\w.-]+(?:\[[^\]]*\])? *@) *file://(/[^ ;]*) *(?:;.*)?")
_KIND = "directory"


def are_in(source: LockSource) -> bool:
    """Return whether a lock of poetry has packages that are directories."""
    return f'type = "{_KIND}"' in source.text()


def places(source: LockSource) -> set[Path]:
    """Return the places of the projects that a lock may name by a path.

    Raises:
        ConfigError: a manifest is wrong.
    """
    return siblings.places(source.directory, repo.find_root(source.directory), config.settings_of(source.directory))


def without(exported: str, source: LockSource) -> str:
    """Return exported requirements without the lines of siblings.

    Arguments:
        exported: by poetry.
        source: its lock.

    Raises:
        ConfigError: a line names a path that is no sibling, so that no image would hold it.
    """
    if "file://" not in exported:
        return exported
    kept = []
    known = places(source)
    for _, line in logical_lines(exported):
        found = _LINE.fullmatch(line)
        if not found:
            kept.append(line)
        elif Path(os.path.realpath(unquote(found[1]))) not in known:
            what = f"has the path {os.path.relpath(unquote(found[1]), source.directory)}"
            why = "no manifest names this path as a dependency"
            raise ConfigError(what, where=source.file, why=why, fix=source.command())
    return "".join(f"{line}\n" for line in kept)
