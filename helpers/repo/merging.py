"""What git knows of contents: the name that it gives to a file, an old content, and the merge of three."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers import proc
from helpers.errors import InfrastructureError, PolicyError
from helpers.model.blob import blob_id
from helpers.repo.door import environment, git, look
from helpers.storage import scratch

# https://git-scm.com/docs/git-merge-file: the exit code is the number of conflicts, at most this.
_MOST_CONFLICTS = 127


@dataclass(frozen=True)
class Version:
    """One of the three contents of a merge, and the words that its side of a conflict is marked with."""

    content: bytes
    label: str


def merge(ours: Version, base: Version, theirs: Version) -> tuple[bytes, bool]:
    """Return `ours` with what changed from `base` to `theirs`, and whether conflicts are marked in it.

    Git merges by lines and knows no other line ends than `\\n`: what it is given must agree in them.

    Raises:
        PolicyError: one of them is no text.
        InfrastructureError: git fails.
    """
    if any(b"\0" in version.content for version in (ours, base, theirs)):
        raise PolicyError("is no text, which git can not merge", fix="take over by hand what you need of the template")
    labels = [word for version in (ours, base, theirs) for word in ("-L", version.label)]
    with scratch() as folder:
        for name, version in (("ours", ours), ("base", base), ("theirs", theirs)):
            (folder / name).write_bytes(version.content)
        # No repo's configuration counts there, only the user's own (merge.conflictStyle).
        env = {**environment(None), "GIT_DIR": os.devnull}
        command = ["git", "merge-file", "--quiet", *labels, "ours", "base", "theirs"]
        done = proc.run(command, cwd=folder, env=env)
        if not 0 <= done.code <= _MOST_CONFLICTS:
            raise InfrastructureError(f"git merge-file failed: {done.reason}")
        return (folder / "ours").read_bytes(), done.code > 0


def blob(root: Path, name: str) -> bytes | None:
    """Return the text that the repo around `root` keeps by the id `name`; None if it does not have it.

    Arguments:
        root: a directory in a checkout.
        name: a whole id in hexadecimal digits.
    """
    try:
        content = git(root, "cat-file", "blob", name).encode()
    except InfrastructureError:
        return None
    # What we read of git is text: anything else would have come out changed.
    return content if blob_id(content) == name else None


def text_at(root: Path, commit: str, path: str) -> str | None:
    """Return the text that a file had in a commit of the repo around `root`; None if it was not there.

    Arguments:
        root: a directory in a checkout.
        commit: a whole id in hexadecimal digits.
        path: of the file, relative to the root of the checkout.
    """
    try:
        return git(root, "cat-file", "blob", f"{commit}:{path}")
    except InfrastructureError:
        return None


def is_shallow(root: Path) -> bool:
    """Say whether the repo around `root` has only a part of its history.

    Raises:
        InfrastructureError: git fails.
    """
    return git(root, "rev-parse", "--is-shallow-repository").strip() == "true"


def stored_ids(root: Path, paths: Sequence[str]) -> list[str]:
    """Return by which id git would keep each file of the checkout at `root`: its line ends as they are committed.

    Arguments:
        root: root of the checkout.
        paths: plain files that are there, relative to it.

    Raises:
        InfrastructureError: git fails.
    """
    return look(root, "hash-object", "--", *paths).split() if paths else []
