"""Which submodules a move of their super-repo would delete, with all that nobody committed in them.

Git keeps files that are changed or not tracked, but not those of a submodule: where a commit has a file in its place,
or in place of a directory around it, `git switch` and `git merge` delete its directory without a word.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from helpers.repo.door import look
from helpers.repo.submodules import gitlinks


def overrun(root: Path, commit: str) -> list[str]:
    """Return the paths of the submodules of the checkout at `root` that git would delete to check out `commit`.

    Empty directories do not count, nor does a submodule that `commit` merely has no more: git leaves its directory.

    Raises:
        InfrastructureError: git fails.
    """
    filled = [path for path in gitlinks(root) if _holds_something(root / path)]
    if not filled:
        return []
    around = {path: [str(above) for above in PurePosixPath(path).parents][:-1] for path in filled}
    asked = sorted({*filled, *(step for steps in around.values() for step in steps)})
    there = _entries(root, commit, asked)
    # Elsewhere than at the submodule itself, another repo's commit is in the way as a file is.
    replaced = {
        step for step, entry in there.items() if entry[0] == "blob" or (entry[0] == "commit" and step not in filled)
    }
    if not replaced:
        return []
    # What the commit that is checked out has there as well, git does not touch: the submodule is only staged.
    before = _entries(root, "HEAD", asked)
    replaced = {step for step in replaced if before.get(step) != there[step]}
    return [path for path in filled if not replaced.isdisjoint((path, *around[path]))]


def _holds_something(path: Path) -> bool:
    if path.is_symlink() or not path.is_dir():
        return False
    with os.scandir(path) as entries:
        return next(entries, None) is not None


def _entries(root: Path, commit: str, paths: list[str]) -> dict[str, tuple[str, str]]:
    """Return what `commit` has at those of these paths where it has something: blob, tree or commit, and its id."""
    listed = look(root, "--literal-pathspecs", "ls-tree", "-t", "-z", "--full-tree", commit, "--", *paths)
    entries = (entry.partition("\t") for entry in listed.split("\0"))
    return {path: (about.split(" ")[1], about.split(" ")[2]) for about, _, path in entries if path}
