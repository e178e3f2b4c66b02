"""Marks of a manifest that may name paths: a look costs little, and the reader of whole manifests is slow to import."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from helpers import checkout_file, pyproject
from helpers.model import settings_file

# Tables of `pyproject.toml` that name dependencies.
_TABLES = ("poetry", "uv", "pdm", "flit")
_MARKS = ("file:", "{root", "PROJECT_ROOT", "./")


def are_in(path: Path) -> bool:
    """Return whether the files of a directory may name a project by a path; False is certain.

    Raises:
        ConfigError: `pyproject.toml` is not a sound file.
    """
    # The owner of an adopted project may state dependencies in any file.
    if os.path.lexists(f"{path}/{settings_file.NAME}"):
        return True
    data = pyproject.read_if_there(path)
    # The workspace of such a lock may name a path for its members.
    if str(pyproject.settings_table(path).get("lock", "")).startswith(".."):
        return True
    project, tool = data.get("project", {}), data.get("tool", {})
    stated_elsewhere = {"dependencies", "optional-dependencies"}.intersection(project.get("dynamic", ()))
    if stated_elsewhere or not (project or "poetry" in tool):
        return True
    others = [checkout_file.read_text_if_there(path / name) for name in ("setup.py", "setup.cfg")]
    return _names_a_path([project, data.get("dependency-groups"), *(tool.get(name) for name in _TABLES), *others])


def _names_a_path(value: Any) -> bool:
    if isinstance(value, dict):
        return "path" in value or "workspace" in value or any(map(_names_a_path, value.values()))
    if isinstance(value, list):
        return any(map(_names_a_path, value))
    return isinstance(value, str) and any(mark in value for mark in _MARKS)
