"""Tasks for those who make helpers itself."""

from __future__ import annotations

from typing import Any

from helpers.tasks.adapter import Group, helpers_task

GROUP = Group.REPOS


@helpers_task(
    help={
        "remote": "name of the remote that it is pushed to; default: origin, or the only one",
        "dry-run": "look at all of it, and push nothing",
    }
)
def helpers_publish(_: Any, remote: str = "", dry_run: bool = False) -> int:
    """Publish helpers/ as a branch for other repos.

    From the repo that helpers is a directory of. Its part of the history is pushed as the branch 'helpers', forward
    only. Refused (4) when something below helpers/ is not committed, when helpers/changelog.txt has no newer version
    for what changed, when it would rewrite what is published, and in a shallow clone.
    """
    from helpers.repos import publish

    return publish.main(remote=remote, dry_run=dry_run)
