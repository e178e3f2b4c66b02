"""Finds the files that pytest would look into, by name and by pytest's settings, without a run of pytest."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from helpers import checkout_file, pytest_settings
from helpers.errors import ConfigError

# The files for `--doctest-modules` and `--doctest-glob`.
_DOCUMENTS = ("*.py", "*.txt", "*.rst", "*.md")
# A hook that collects files of other kinds, such as YAML:
# https://docs.pytest.org/en/stable/example/nonpython.html
_COLLECTS = "pytest_collect_file"


def test_files(path: Path, tests: Sequence[str], nested: Sequence[Path] = ()) -> list[Path]:
    """Return the test files of the directory `path`, sorted.

    Arguments:
        path: absolute path of the directory.
        tests: its setting `tests`: files, and directories to search.
        nested: directories inside it that are not its own.
    """
    said = pytest_settings.read(path)
    patterns = pytest_settings.python_files(said)
    patterns += pytest_settings.doctest_files(said) + pytest_settings.plugin_files(said)
    if any("doctest" in word for word in pytest_settings.words(said.get("addopts"))):
        patterns += _DOCUMENTS
    found: set[Path] = set()
    for name in tests:
        place = path / name
        files = [place] if place.is_file() else [item for item in place.rglob("*") if item.is_file()]
        own = [file for file in files if not any(file.is_relative_to(other) for other in nested)]
        hooks = [file.parent for file in {*own, path / "conftest.py"} if file.name == "conftest.py" and _collects(file)]
        for file in own:
            fits = file == place or pytest_settings.fits(file.relative_to(path).as_posix(), patterns)
            if fits or (file.suffix != ".py" and any(file.is_relative_to(place) for place in hooks)):
                found.add(file)
    return sorted(found)


def _collects(conftest: Path) -> bool:
    with suppress(ConfigError):  # a file that nobody may read collects nothing
        return _COLLECTS in (checkout_file.read_text_if_there(conftest) or "")
    return False


# The name is pytest's own word; its collector must not take this function for a test.
test_files.__test__ = False  # type: ignore[attr-defined]
