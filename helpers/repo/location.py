"""Where git keeps a repo, read from its files without asking git, which would answer for the repo around it."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from helpers.errors import InfrastructureError


def git_in(root: Path) -> str:
    """Return the first words of a git command for the checkout at `root`, from any directory of the user."""
    return "git" if root == Path.cwd() else f"git -C {shlex.quote(str(root))}"


def git_dir(root: Path) -> Path | None:
    """Return where git keeps the repo that is checked out at `root` itself; None when there is none.

    It is read without asking git, which would answer for the repo around `root`.

    Raises:
        InfrastructureError: there is a `.git`, and it leads to no repo.
    """
    mark = root / ".git"
    found = mark
    if mark.is_file():
        # https://git-scm.com/docs/gitrepository-layout
        found = root / text_of(mark).removeprefix("gitdir: ")
    elif not mark.is_dir():
        return None
    # HEAD may be a symlink to a branch that has no commit yet.
    if not os.path.lexists(found / "HEAD") or not (common_dir(found) / "objects").is_dir():
        raise InfrastructureError("its .git leads to no repo", where=root, fix=f"git -C {root} status  (says more)")
    return Path(os.path.realpath(found))


def common_dir(found: Path) -> Path:
    """Return the directory that a linked worktree shares with its repo; otherwise `found` itself."""
    pointer = found / "commondir"
    return found / text_of(pointer) if pointer.is_file() else found


def text_of(file: Path) -> str:
    """Return the path that a file of git's holds, read as git reads it: what it strips is not ours to choose."""
    return os.fsdecode(file.read_bytes()).rstrip("\r\n")


def boundaries(root: Path) -> set[str]:
    """Return the commits whose parents a shallow clone leaves out; empty for a complete clone.

    Raises:
        InfrastructureError: the `.git` of `root` leads to no repo.
    """
    found = git_dir(root)
    file = common_dir(found) / "shallow" if found else None
    return set(file.read_text("ascii", "replace").split()) if file and file.is_file() else set()
