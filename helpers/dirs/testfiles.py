"""Finds the files that pytest would look into, by name alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from helpers import pytest_settings

# The files for `--doctest-modules` and `--doctest-glob`.
_DOCUMENTS = ("*.py", "*.txt", "*.rst", "*.md")


def test_files(path: Path, tests: Sequence[str], nested: Sequence[Path] = ()) -> list[Path]:
    """Return the test files of the directory `path`, sorted.

    Arguments:
        path: absolute path of the directory.
        tests: its setting `tests`: files, and directories to search.
        nested: directories inside it that are not its own.
    """
    said = pytest_settings.read(path)
    patterns = pytest_settings.python_files(said)
    if any("doctest" in word for word in pytest_settings.words(said.get("addopts"))):
        patterns += _DOCUMENTS
    found: set[Path] = set()
    for name in tests:
        place = path / name
        files = [place] if place.is_file() else [item for item in place.rglob("*") if item.is_file()]
        for file in files:
            fits = file == place or pytest_settings.fits(file.relative_to(path).as_posix(), patterns)
            if fits and not any(file.is_relative_to(other) for other in nested):
                found.add(file)
    return sorted(found)


# The name is pytest's own word; its collector must not take this function for a test.
test_files.__test__ = False  # type: ignore[attr-defined]
