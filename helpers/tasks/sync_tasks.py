"""Tasks on the files that a repo shares with helpers' templates."""

from __future__ import annotations

from typing import Any

from helpers.tasks.adapter import Group, helpers_task

GROUP = Group.REPOS


@helpers_task(
    help={"json": "print data for another program", "check": "exit code 1 when a common file is not in order"}
)
def sync_status(_: Any, json: bool = False, check: bool = False) -> int:
    """Compare common files with the templates of helpers.

    The common files are the shims, and those that 'sync' in the root's [tool.helpers] lists. Each is compared with
    dev_scripts/sync.lock, which says what it was merged with and what came out, so that one byte's change is found,
    and whose it is: yours, the template's or both. Nothing is changed.
    """
    from helpers.repos import sync

    return sync.status(as_json=json, check=check)


@helpers_task(
    iterable=["theirs"],
    values={"theirs": "PATH"},
    help={
        "dry-run": "print what would change, and do nothing",
        "theirs": "a path of which the template is taken, your edits kept beside it as NAME.orig; repeatable",
    },
)
def sync_update(_: Any, dry_run: bool = False, theirs: Any = None) -> int:
    """Merge newer templates of helpers into common files.

    A three-way merge, by git: what you edited stays, and what the template changed comes in. Where both changed the
    same lines, ordinary conflict markers are left, and the exit code is 1: resolve them and give the command again.
    Of a shim, by which invoke itself starts, they are in NAME.merged beside it: resolve it and move it over the shim.
    All files are written, or none. Nothing is committed; commit dev_scripts/sync.lock with the files.
    """
    from helpers.repos import sync

    return sync.update(dry_run=dry_run, theirs=theirs or ())
