"""The local dependencies of a project: directories of this machine, named in its manifest and in their manifests."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helpers import config

_FILE_URL = re.compile(r"@\s*file://(/[^\s;]+)")


def of_project(path: Path) -> list[Path]:
    """Return the real paths of the source directories in the dependencies of the project at `path`, transitive too.

    Raises:
        ConfigError: a manifest is not a sound file; poetry would read it as it is.
    """
    found: list[Path] = []
    waiting = [Path(os.path.realpath(path))]
    while waiting:
        for source in _named_by(waiting.pop()):
            if source not in found and source.is_dir():
                found.append(source)
                waiting.append(source)
    return found


def _named_by(path: Path) -> Iterator[Path]:
    """Yield the paths in a manifest: in tables of poetry, and as `file:` URLs."""
    waiting: list[Any] = [config.read_pyproject(path)] if os.path.lexists(path / "pyproject.toml") else []
    while waiting:
        item = waiting.pop()
        if isinstance(item, dict):
            if isinstance(item.get("path"), str):
                yield Path(os.path.realpath(path / item["path"]))
            waiting += item.values()
        elif isinstance(item, list):
            waiting += item
        elif isinstance(item, str) and (url := _FILE_URL.search(item)):
            yield Path(os.path.realpath(url[1]))
