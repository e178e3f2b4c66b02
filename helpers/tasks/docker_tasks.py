"""Tasks around images and containers."""

from __future__ import annotations

from typing import Any

from helpers.tasks.adapter import Group, after_dashes, helpers_task, whole_number

GROUP = Group.IMAGES

_DIR = "the runnable dir; default: the nearest enclosing one"
_PUBLISH = "port of the container that this machine reaches, as 8000 or 8001:8000; may be given again"
_STAGE = "local: the image of this checkout; dev: the newest released one that fits"
_STAGES = {"stage": "local|dev"}


@helpers_task(
    values={"stage": "local|prod"},
    help={
        "dir": _DIR,
        "all": "every runnable dir of this repo",
        "stage": "local (for work), or prod (code inside, nothing else)",
        "platform": "with --push: linux/amd64,linux/arm64; default: this machine's own",
        "push": "push it too, under your own tag",
    },
)
def docker_build(
    _: Any, dir: str | None = None, all: bool = False, stage: str = "local", platform: str = "", push: bool = False
) -> int:
    """Build the image of a runnable dir, and its bases."""
    if push or platform:
        from helpers.release import commands as releases

        return releases.build_and_push(dir or None, stage, platform, everything=all, push=push)
    from helpers.images import commands

    return commands.build(dir or None, stage=stage, everything=all)


@helpers_task(
    everyday=1, values=_STAGES, iterable=["publish"], help={"dir": _DIR, "stage": _STAGE, "publish": _PUBLISH}
)
def docker_bash(_: Any, dir: str | None = None, stage: str = "local", publish: Any = None) -> None:
    """Open a shell in the container of a runnable dir."""
    from helpers.containers import shell

    shell.bash(dir or None, stage, publish or ())


@helpers_task(
    everyday=2,
    values=_STAGES,
    iterable=["publish"],
    words="COMMAND [WORD]...",
    help={"dir": _DIR, "stage": _STAGE, "publish": _PUBLISH},
)
def docker_cmd(_: Any, dir: str | None = None, stage: str = "local", publish: Any = None) -> None:
    """Run one command in the container of a runnable dir.

    The command stands after two dashes; no shell of the container reads it: invoke docker_cmd -- python -V
    """
    from helpers.containers import shell

    shell.command(dir or None, after_dashes(), stage, publish or ())


@helpers_task(values=_STAGES, help={"dir": _DIR, "port": "port on this machine; default: a free one", "stage": _STAGE})
def docker_jupyter(_: Any, dir: str | None = None, port: str = "", stage: str = "local") -> None:
    """Start Jupyter in the container of a runnable dir."""
    from helpers.containers import shell

    shell.jupyter(dir or None, whole_number("port", port, 0) or None, stage)


@helpers_task(
    values={"stage": "dev|prod"},
    help={"dir": _DIR, "stage": "dev or prod", "version": "exactly this one; default: the newest that fits the code"},
)
def docker_pull(_: Any, dir: str | None = None, stage: str = "dev", version: str = "") -> int:
    """Pull the released image that fits the code."""
    from helpers.images import pull

    return pull.pull(dir or None, stage=stage, version=version)


@helpers_task(
    everyday=4,
    iterable=["upgrade"],
    help={
        "dir": _DIR,
        "all": "every runnable dir of this repo",
        "check": "write nothing; exit code 1 when a lock is not as it should be",
        "upgrade": "move this package to its newest version that fits; may be given again",
        "upgrade_system": "move the distribution's packages to what its archive has now",
        "cooldown": "refuse a lock with files younger than this many days",
        "no_yanked": "refuse a lock with releases that their index has withdrawn; without it a note names them",
    },
)
def docker_lock(
    _: Any,
    *,
    dir: str | None = None,
    all: bool = False,
    check: bool = False,
    upgrade: Any = None,
    upgrade_system: bool = False,
    cooldown: str = "",
    no_yanked: bool = False,
) -> int:
    """Lock the dependencies of a runnable dir."""
    from helpers.images.commands import LockOptions, lock

    days = whole_number("cooldown", cooldown, 0)
    return lock(dir or None, LockOptions(check, upgrade or (), upgrade_system, days, no_yanked), everything=all)


@helpers_task(
    values={"stage": "local|prod"},
    help={
        "sbom": "what the image of a runnable dir is made of instead, as CycloneDX JSON",
        "dir": f"with --sbom: {_DIR}",
        "stage": "with --sbom: `local` or `prod`",
    },
)
def docker_images(_: Any, sbom: bool = False, dir: str | None = None, stage: str = "local") -> None:
    """List our images, or the contents of one (--sbom)."""
    if sbom:
        from helpers.images import sbom as writer

        print(writer.of_directory(dir or None, stage), end="")
        return
    from helpers.console import print_rows
    from helpers.containers import housekeeping

    print_rows(housekeeping.images(), spare=("id", "created"))


@helpers_task()
def docker_ps(_: Any) -> None:
    """List our containers."""
    from helpers.console import print_rows
    from helpers.containers import housekeeping

    print_rows(housekeeping.containers(), spare=("owner", "repo"))


@helpers_task(help={"every_repo": "those of every repo, not only of this one"})
def docker_kill(_: Any, every_repo: bool = False) -> None:
    """Stop and remove our containers of this repo."""
    from helpers.console import say
    from helpers.containers import housekeeping

    say(f"{housekeeping.kill(everything=every_repo)} containers ended")


@helpers_task(help={"unused": "all that is not in use now", "dry_run": "only say what would be removed"})
def docker_prune(_: Any, unused: bool = False, dry_run: bool = False) -> None:
    """Remove our images and cached files unused for 30 days."""
    from helpers.console import print_rows, say
    from helpers.containers import prune

    dropped = prune.prune(everything=unused, dry_run=dry_run)
    if dropped:
        print_rows(prune.rows(dropped))
    say(f"{'would be removed' if dry_run else 'removed'}: {prune.total(dropped)}")
