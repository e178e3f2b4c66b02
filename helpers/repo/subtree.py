"""The history of one directory as a history of its own, which is how a sub-repo leaves the repo that it is made in."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from helpers import proc
from helpers.errors import InfrastructureError
from helpers.repo.door import look, only_of
from helpers.repo.location import common_dir, git_dir

# A history of ten thousand commits takes minutes.
_SECONDS = 3600
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def split(root: Path, directory: str) -> str:
    """Return the commit that is `HEAD` of the checkout at `root` for whoever sees nothing but `directory`.

    The same history always gives the same commits: what was split before is in the history of what is split later.
    No branch is moved.

    Arguments:
        root: root of the checkout.
        directory: relative to it.

    Raises:
        InfrastructureError: git fails, or is installed without its subtree command.
    """
    before = _caches(root)
    command = ["git", "--no-pager", "subtree", "split", "-q", "-P", directory, "HEAD"]
    try:
        done = proc.run(command, cwd=root, env=only_of(root), timeout=_SECONDS)
    finally:
        for left in _caches(root) - before:
            shutil.rmtree(left, ignore_errors=True)
    found = done.stdout.strip()
    if done.code or not _COMMIT.fullmatch(found):
        raise InfrastructureError(f"git subtree split failed: {done.reason}", where=root)
    return found


def _caches(root: Path) -> set[Path]:
    """Return where git keeps what it found of each split; it never removes that itself."""
    found = git_dir(root)
    places = [place / "subtree-cache" for place in (found, common_dir(found))] if found else []
    return {entry for place in places if place.is_dir() for entry in place.iterdir()}


def same_files(root: Path, one: str, other: str) -> bool:
    """Say whether two commits of the checkout at `root` hold the same files.

    Raises:
        InfrastructureError: git fails.
    """
    return len(set(look(root, "rev-parse", f"{one}^{{tree}}", f"{other}^{{tree}}").split())) == 1
