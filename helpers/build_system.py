"""Reads which build backend makes the distribution of a directory; nothing of the directory runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from configparser import ConfigParser, Error
from pathlib import Path
from typing import Any

from helpers import checkout_file, pyproject
from helpers.console import excerpt
from helpers.errors import ConfigError
from helpers.model.manifest import BuildSystem

# https://peps.python.org/pep-0517/#source-trees: for a project with setup.py and without [build-system].
_LEGACY = BuildSystem("setuptools.build_meta:__legacy__", ("setuptools >= 40.8.0",))
_TABLE = "[build-system]"


def of_directory(path: Path) -> BuildSystem | None:
    """Return the build backend of the directory `path`; None for a directory that builds no distribution.

    Raises:
        ConfigError: `[build-system]` does not have the form of PEP 517 and PEP 518.
    """
    parsed = pyproject.read_if_there(path)
    is_package = parsed.get("tool", {}).get("poetry", {}).get("package-mode", True)
    if "build-system" not in parsed:
        return _LEGACY if is_package and _has_setup(path) else None
    found = _checked(parsed["build-system"], path / "pyproject.toml")
    # Poetry's own backend refuses to build a project of this kind.
    return found if is_package or not found.backend.startswith("poetry.") else None


def _has_setup(path: Path) -> bool:
    if os.path.lexists(path / "setup.py"):
        return True
    # Other tools have their settings in this file, too.
    text = checkout_file.read_text_if_there(path / "setup.cfg") if os.path.lexists(path / "setup.cfg") else None
    if text is None:
        return False
    parser = ConfigParser(interpolation=None)
    try:
        parser.read_string(text)
    except Error:
        return False
    return parser.has_option("metadata", "name")


def _checked(table: Any, file: Path) -> BuildSystem:
    if not isinstance(table, Mapping):
        raise _wrong("must be a table", table, file)
    requires, paths = table.get("requires", []), table.get("backend-path", [])
    backend = table.get("build-backend", _LEGACY.backend)
    if "requires" not in table or not _are_texts(requires):
        raise _wrong("requires must be a list of strings", table.get("requires"), file)
    if not isinstance(backend, str) or not backend:
        raise _wrong("build-backend must be a string", backend, file)
    if not _are_texts(paths) or any(os.path.isabs(item) or ".." in item.split("/") for item in paths):
        raise _wrong("backend-path must be a list of paths in the directory", paths, file)
    return BuildSystem(backend, tuple(requires), tuple(paths))


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _wrong(what: str, value: Any, file: Path) -> ConfigError:
    fix = "https://packaging.python.org/en/latest/specifications/pyproject-toml/ shows the form"
    return ConfigError(f"{_TABLE} {what}, not {excerpt(value)}", where=file, fix=fix)
