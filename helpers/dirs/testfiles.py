"""Finds the files that pytest would look into, by name alone."""

from __future__ import annotations

import configparser
import fnmatch
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers import pyproject

_PATTERNS = ("test_*.py", "*_test.py")
# In the order in which pytest looks for its settings; the section that counts in each of them.
_INI_FILES = (("pytest.ini", "pytest"), (".pytest.ini", "pytest"), ("tox.ini", "pytest"), ("setup.cfg", "tool:pytest"))


def pytest_settings(path: Path) -> dict[str, Any]:
    """Return pytest's settings for the directory `path`, from `pyproject.toml` or one of the older files."""
    for name, section in _INI_FILES[:2]:
        if (path / name).is_file():
            return _ini(path / name, section)
    tool = pyproject.read_if_there(path).get("tool", {})
    table = tool.get("pytest", {})
    if table:
        return dict(table.get("ini_options", table))
    for name, section in _INI_FILES[2:]:
        if found := _ini(path / name, section):
            return found
    return {}


def _ini(file: Path, section: str) -> dict[str, Any]:
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(file, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError):
        return {}
    return dict(parser[section]) if parser.has_section(section) else {}


def words(value: Any) -> list[str]:
    """Return the items of a pytest setting, which may be a list or one string with blanks between them."""
    return [str(item) for item in value] if isinstance(value, list) else str(value or "").split()


def test_files(path: Path, tests: Sequence[str], nested: Sequence[Path] = ()) -> list[Path]:
    """Return the test files of the directory `path`, sorted.

    Arguments:
        path: absolute path of the directory.
        tests: its setting `tests`: files, and directories to search.
        nested: directories inside it that are not its own.
    """
    said = pytest_settings(path)
    patterns = words(said.get("python_files")) or list(_PATTERNS)
    if any("doctest" in word for word in words(said.get("addopts"))):
        patterns += ["*.py", "*.txt", "*.rst", "*.md"]
    found: set[Path] = set()
    for name in tests:
        place = path / name
        files = [place] if place.is_file() else [item for item in place.rglob("*") if item.is_file()]
        for file in files:
            fits = file == place or any(fnmatch.fnmatch(file.name, pattern) for pattern in patterns)
            if fits and not any(file.is_relative_to(other) for other in nested):
                found.add(file)
    return sorted(found)


# The name is pytest's own word; its collector must not take this function for a test.
test_files.__test__ = False  # type: ignore[attr-defined]
