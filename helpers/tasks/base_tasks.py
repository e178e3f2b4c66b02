"""The task `docker_bases`."""

from __future__ import annotations

from typing import Any

from helpers.tasks.adapter import Group, helpers_task, whole_number

GROUP = Group.IMAGES

_HELP = {
    "dir": "one runnable dir; default: every one of this repo, to publish the nearest enclosing one",
    "update": "record the newest bases in devops/base.lock",
    "due": "only list those that are more days old than this number; exit code 1 if there are any",
    "publish": "publish the image of a runnable dir as a base, YYYY.MM.DD.P",
    "platform": "with --publish: what the base is for; default: the setting `platforms`",
    "dry_run": "only say what would be done",
}


@helpers_task(help=_HELP)
def docker_bases(
    _: Any,
    *,
    dir: str | None = None,
    update: bool = False,
    due: str = "",
    publish: bool = False,
    platform: str = "",
    dry_run: bool = False,
) -> int:
    """List, update or publish the bases of images."""
    if publish + update + bool(due) > 1:
        from helpers.errors import UsageError

        raise UsageError("--publish, --update and --due are three jobs", fix="one of them at a time")
    if publish:
        from helpers.release import commands

        return commands.publish(dir or None, platform, dry_run=dry_run)
    from helpers.images import bases

    if update:
        return bases.update(dir or "", dry_run=dry_run)
    return bases.show(dir or "", due=whole_number("due", due, 0) if due else None)
