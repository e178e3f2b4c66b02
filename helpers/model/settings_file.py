"""The file with the settings of a directory, and how messages name a setting of the file."""

from __future__ import annotations

from pathlib import PurePath

# Relative to a directory whose `pyproject.toml` has another owner; its keys are the keys of `[tool.helpers]`.
NAME = "devops/helpers.toml"


def spelled(key: str, file: str | PurePath) -> str:
    """Return the name of the setting `key` for a message about `file`."""
    return f"setting {key}" if str(file).endswith(NAME) else f"[tool.helpers] {key}"


def place(file: str | PurePath) -> str:
    """Return the place of the settings in `file`, for a message that tells to write a setting there."""
    return str(file) if str(file).endswith(NAME) else f"[tool.helpers] of {file}"


def table_of(file: str | PurePath) -> str:
    """Return the name of the table of `file` that holds the settings; empty where the whole file holds settings."""
    return "" if str(file).endswith(NAME) else "tool.helpers"
