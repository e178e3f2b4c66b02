"""Makes a runnable dir of an existing Python project: no file of the project is edited."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from helpers import checkout_file, config, discover, repo
from helpers.dirs import adoption
from helpers.dirs.adoption import Adoption

_NOT_COPIED = (".git", ".hg", ".venv", "venv", ".tox", ".nox", "__pycache__", "*.pyc", ".pytest_cache", ".mypy_cache")
_CHANGELOG = "changelog.txt"
KEPT_CHANGELOG = "changelog.original.txt"


def adopt(found: Adoption, aside: Path, target: Path, *, base: str, lock: Callable[[Path, Path], bool]) -> list[str]:
    """Copy the project to the empty directory `aside`, write the files of helpers, and lock it.

    Arguments:
        found: the project, and the decisions about it.
        aside: where to.
        target: the directory that it becomes.
        base: of the image.
        lock: writes the lock; a project with a lock of its own is not locked anew.

    Returns:
        Notes for the user.

    Raises:
        ConfigError: the dependencies have no solution.
    """
    source, notes = found.source, list[str]()
    if source == aside.parent:
        _copy_of_root(source, aside)
    else:
        shutil.copytree(source, aside, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    checkout_file.check_directory(source / "devops")
    if (source / _CHANGELOG).exists() or (source / _CHANGELOG).is_symlink():
        content = checkout_file.read(source / _CHANGELOG)
        (aside / _CHANGELOG).unlink(missing_ok=True)
        (aside / KEPT_CHANGELOG).write_bytes(content)
        notes.append(f"its own {_CHANGELOG} is kept as {KEPT_CHANGELOG}")
    for name, text in files(found, base).items():
        (aside / name).parent.mkdir(parents=True, exist_ok=True)
        (aside / name).unlink(missing_ok=True)
        (aside / name).write_text(text, encoding="utf-8", newline="")
    config.forget()
    if found.is_locked_by_us:
        lock(aside, target)
    return notes


def files(found: Adoption, base: str) -> dict[str, str]:
    """Return the files of helpers for a project, besides changelog and lock: the text by the path."""
    own = adoption.requirements_text(found)
    return {**adoption.settings_files(found, base), **({adoption.REQUIREMENTS: own} if own else {})}


def _copy_of_root(root: Path, aside: Path) -> None:
    """Copy the files of the repo's own project: no submodule, no file that git ignores, no other runnable dir."""
    others = [path for path in discover.runnable_paths(root) if path != root]
    for file in repo.files(root):
        mine = not file.is_symlink() and not any(file.is_relative_to(other) for other in others)
        if mine and file.is_file() and checkout_file.is_there(file):
            target = aside / file.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)
