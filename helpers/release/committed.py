"""Checks after a build again that the released content is the content of a commit."""

from __future__ import annotations

from pathlib import Path

from helpers import repo
from helpers.errors import PolicyError
from helpers.images.artifact import Source
from helpers.model.release import CHANGES_SHOWN


def check_unchanged(root: Path, source: Source) -> None:
    """Look again after a build: it took its files from the checkout while somebody may have worked there.

    Raises:
        PolicyError: something was edited, or another commit is checked out.
    """
    changes, now = repo.changes(root), repo.commit(root)[0]
    if changes or now != source.revision:
        moved = f"from the commit {source.revision[:12]} to {now[:12]}"
        raise PolicyError(
            "the checkout was changed during the build",
            where=root,
            why=", ".join(changes[:CHANGES_SHOWN]) or moved,
            fix="run it again",
        )
