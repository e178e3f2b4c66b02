"""Which commits were made by `repo_roll_forward`, and hold nothing that anybody has put into them since."""

from __future__ import annotations

from pathlib import Path

from helpers import toolchain_path
from helpers.model import sync_lock
from helpers.repo import history, merging
from helpers.repos import pin_message


def all_ours(root: Path, older: str, newer: str) -> bool:
    """Say whether all commits that `newer` has and `older` has not were made by that command, maybe before a kill.

    Arguments:
        root: of the checkout.
        older: a commit.
        newer: another one.

    Raises:
        InfrastructureError: git fails.
        ConfigError: what such a commit records of common files is not in its format.
    """
    found = history.commits(root, older, newer)
    # Merges are not among those found.
    return len(found) == history.count(root, older, newer) and all(_is_ours(root, *one) for one in found)


def _is_ours(root: Path, commit: str, text: str) -> bool:
    """Say whether a commit holds what its message says, and common files where helpers has moved."""
    if not pin_message.is_ours(text):
        return False
    changes = history.changes_of(root, commit)
    pins = {(change.path, change.before, change.after) for change in changes if change.is_pin}
    files = {change.path for change in changes if not change.is_pin}
    if files and any(path == toolchain_path.stated(root) for path, _, _ in pins):
        files -= {sync_lock.PATH, *_common_files(root, commit)}
    return not files and pins <= pin_message.moves(text)


def _common_files(root: Path, commit: str) -> set[str]:
    text = merging.text_at(root, commit, sync_lock.PATH)
    return set(sync_lock.parse(text, sync_lock.PATH)) if text else set()
