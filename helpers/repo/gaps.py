"""Missing parts of a remote's history: an absent commit or branch is no fact in an incomplete checkout."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from helpers.repo.door import look
from helpers.repo.history import Remote
from helpers.repo.location import boundaries, git_dir


@dataclass(frozen=True)
class Gap:
    """Why the history is incomplete, and the commands that complete the history.

    Arguments:
        words: the kind of the clone.
        commands: arguments of git, given in the checkout one after the other.
    """

    words: str
    commands: tuple[str, ...]

    def fix(self, git: str) -> str:
        """Return the command for a shell; `git` is how git is called in the checkout."""
        return " && ".join(f"{git} {command}" for command in self.commands)


def gap(root: Path, remote: Remote) -> Gap | None:
    """Return why the history of a remote is incomplete in the checkout at `root`; None for a complete history.

    Raises:
        InfrastructureError: git fails.
    """
    if not remote.url:
        return None
    shallow = boundaries(root)
    if not shallow and remote.all_branches and not _fetched_apart(root, remote):
        return None
    words = "a shallow clone" if shallow else f"no branch of {remote.name} is fetched"
    words = "a single-branch clone" if not shallow and not remote.all_branches else words
    refspec = shlex.quote(f"+refs/heads/*:refs/remotes/{remote.name}/*")
    config = [] if remote.all_branches else [f"config --replace-all remote.{remote.name}.fetch {refspec}"]
    return Gap(words, (*config, f"fetch {'--unshallow ' if shallow else ''}{remote.name}"))


def _fetched_apart(root: Path, remote: Remote) -> bool:
    """Say whether something was fetched, and no branch of the remote: of an empty remote neither is there."""
    found = git_dir(root)
    file = found / "FETCH_HEAD" if found else None
    if file is None or not file.is_file() or not file.stat().st_size:
        return False
    return not look(root, "for-each-ref", "--count=1", f"refs/remotes/{remote.name}/")


def is_whole_between(root: Path, older: str, newer: str) -> bool:
    """Say whether a checkout surely has every commit of `newer` outside of `older`.

    Past a merge a shallow clone may also show commits of `older`.

    Raises:
        InfrastructureError: git fails.
    """
    cut = boundaries(root)
    lines = look(root, "rev-list", "--parents", f"{older}..{newer}", "--").splitlines() if cut else []
    return all(len(line.split()) <= 2 and line.split()[0] not in cut for line in lines)
