"""What git is told to ignore in a checkout."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from helpers.errors import InfrastructureError
from helpers.repo.door import look

# Their names are given on a command line.
_MOST_PATHS = 200


def ignored(root: Path, paths: Collection[str]) -> set[str]:
    """Return those of `paths` that git ignores; none where it can not say, as for the files of a submodule.

    Arguments:
        root: of the checkout.
        paths: relative to the root; there or not. Of more than 200 none is said to be ignored.
    """
    if not 0 < len(paths) <= _MOST_PATHS:
        return set()
    try:
        # A name that git puts into quotes all the same, as one with a newline, is none of them.
        return set(look(root, "check-ignore", "--", *sorted(paths), more=[("core.quotePath", "false")]).splitlines())
    except InfrastructureError:  # so git also says that it is none of them
        return set()


def ignored_directories(root: Path) -> set[str]:
    """Return the directories, relative to the root, that git ignores with all that is in them; none if it fails."""
    words = ("ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory")
    try:
        found = look(root, *words).split("\0")
    except InfrastructureError:
        return set()
    return {path.rstrip("/") for path in found if path.endswith("/")}
