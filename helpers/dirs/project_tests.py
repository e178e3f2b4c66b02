"""Where the tests of a project are: the paths with every test that plain pytest collects."""

from __future__ import annotations

import glob
import os
from pathlib import Path
from typing import Any

from helpers import discover, pytest_settings, repo, toolchain_path
from helpers.model.manifest import Stated


def find(path: Path) -> tuple[Stated, ...]:
    """Return the paths of tests: pytest's `testpaths`, else the smallest paths with every test of plain pytest.

    Arguments:
        path: absolute path of the project.

    Raises:
        ConfigError: pytest's settings are not sound.
    """
    said = pytest_settings.read(path)
    told = [name for item in pytest_settings.words(said.get("testpaths")) for name in _existing(path, item)]
    of_repo = (path / ".git").exists() and bool(toolchain_path.places(path))
    if told and not (of_repo and "." in told):
        return tuple(Stated(name, f"{pytest_settings.file_of(path)} testpaths") for name in dict.fromkeys(told))
    found = _collected(path, said, of_repo=of_repo)
    for name in ("tests", "test"):
        if (path / name).is_dir() and all(file.startswith(f"{name}/") for file in found):
            return (Stated(name, "every test file is there"),)
    # The root of a repo holds more than its project.
    tops = sorted({file.partition("/")[0] for file in found}) or ["tests"]
    return tuple(Stated(name, "the files that pytest collects") for name in (tops if of_repo else ["."]))


def _existing(path: Path, pattern: str) -> list[str]:
    """Return the paths in the directory `path` for an item of `testpaths`, a path or a pattern."""
    found = sorted(glob.glob(pattern, root_dir=path, recursive=True)) if glob.has_magic(pattern) else [pattern]
    return [os.path.normpath(name) for name in found if (path / name).exists()]


def _collected(path: Path, said: dict[str, Any], *, of_repo: bool) -> list[str]:
    """Return the files read by plain pytest, relative to `path`, without files of helpers and of runnable dirs."""
    patterns = (*pytest_settings.python_files(said), *pytest_settings.doctest_files(said))
    ours = [*toolchain_path.places(path), path / "tasks.py", path / "main_pytest.py"]
    others = [*(other for other in discover.runnable_paths(path) if other != path), *ours] if of_repo else []
    files = repo.files(path) if of_repo else (item for item in path.rglob("*") if item.is_file())
    return [
        name
        for file in files
        if file.is_file() and not any(file.is_relative_to(other) for other in others)
        if pytest_settings.is_entered(name := file.relative_to(path).as_posix())
        if pytest_settings.fits(name, patterns)
    ]
