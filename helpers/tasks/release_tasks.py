"""Tasks around what a registry holds: push, release, promotion, rollback."""

from __future__ import annotations

from typing import Any

from helpers.tasks.adapter import Group, helpers_task

GROUP = Group.RELEASES

_DIR = "the runnable dir; default: the nearest enclosing one"
_PLATFORM = "what it is built for, with commas between, as in linux/amd64,linux/arm64; default: "


@helpers_task(help={"dir": _DIR, "platform": _PLATFORM + "this machine's own"})
def docker_push(_: Any, dir: str | None = None, platform: str = "") -> int:
    """Push an image under your tag, local-USER-VERSION."""
    from helpers.release import commands

    return commands.push_local(dir or None, platform)


@helpers_task(
    values={"stage": "dev|prod"},
    help={
        "dir": _DIR,
        "stage": "dev (the default), or prod (begins with dev)",
        "platform": _PLATFORM + "the setting `platforms`",
        "dry_run": "only print what is left to do",
    },
)
def docker_release(
    _: Any, dir: str | None = None, stage: str = "dev", platform: str = "", dry_run: bool = False
) -> int:
    """Build, test, push and tag a version, or finish it."""
    from helpers.release import commands

    return commands.release(dir or None, stage, platform, dry_run=dry_run)


@helpers_task(help={"dir": _DIR, "version": "the version X.Y.Z; default: that of the checkout"})
def docker_promote(_: Any, dir: str | None = None, version: str = "") -> int:
    """Give a tested prod build its version tag; no build."""
    from helpers.release import commands

    return commands.promote(dir or None, version)


@helpers_task(
    values={"stage": "dev|prod"},
    help={"dir": _DIR, "stage": "dev or prod; default: prod", "version": "the version X.Y.Z; default: list them"},
)
def docker_rollback(_: Any, dir: str | None = None, stage: str = "prod", version: str = "") -> int:
    """Move `dev` or `prod` to an older version, or list them."""
    from helpers.release import commands

    return commands.rollback(dir or None, stage, version)
