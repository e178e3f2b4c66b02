"""Checks the runnable dirs that files lie in, offline and in a moment: what a hook does before each commit."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from helpers import discover, repo
from helpers.dirs import check
from helpers.errors import OK, UsageError, worst


def touched(root: Path, files: Iterable[Path]) -> list[Path]:
    """Return the runnable dirs of the repo at `root` that the files lie in, each file in the nearest one; sorted.

    Arguments:
        root: absolute path of the repo's root.
        files: absolute paths; one that is gone lies where it lay.
    """
    every = set(discover.runnable_paths(root))
    return sorted({parent for file in files for parent in _nearest(file, root, every)})


def _nearest(file: Path, root: Path, every: set[Path]) -> list[Path]:
    above = [parent for parent in file.parents if parent.is_relative_to(root) and parent in every]
    return above[:1]


def main(names: Sequence[str], cwd: Path | None = None, *, more: bool = False) -> int:
    """Print what is wrong with the runnable dirs that files lie in, and return the exit code.

    A lock is compared with its `pyproject.toml` by poetry's hash alone: poetry itself takes seconds.

    Arguments:
        names: the files, relative to `cwd`.
        cwd: where the command was given.
        more: whether directories are named besides.

    Raises:
        UsageError: no file is named, or directories are.
    """
    if more or not names:
        raise UsageError(
            "--touched takes the directories from files, and from nothing else",
            fix="invoke dir_check --touched -- FILE...",
        )
    here = (cwd or Path.cwd()).resolve()
    root = repo.find_root(here)
    paths = touched(root, [Path(os.path.normpath(here / name)) for name in names])
    findings = [finding for path in paths for finding in check.check(root, path, lambda path: path)]
    for finding in findings:
        print(finding.text(here))
    return worst([OK, *(finding.exit_code for finding in findings)])
