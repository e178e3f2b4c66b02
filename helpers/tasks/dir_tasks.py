"""Tasks on runnable dirs: make one, check one, list them."""

from typing import Any

from helpers.tasks.adapter import Group, after_dashes, helpers_task

GROUP = Group.DIRS

_DIR = "the runnable dir; default: the nearest enclosing one"


@helpers_task(help={"json": "print data for another program"})
def dir_list(ctx: Any, json: bool = False) -> int:
    """List the runnable dirs of this repo."""
    from helpers.dirs import listing

    return listing.main(as_json=json)


@helpers_task(
    words="FILE...",
    help={
        "dir": _DIR,
        "all": "check every runnable dir of this repo",
        "touched": "check those that the files after -- lie in: in a moment, offline, without poetry",
    },
)
def dir_check(ctx: Any, dir: str | None = None, all: bool = False, touched: bool = False) -> int:
    """Name the faults of a runnable dir, each with its fix."""
    if touched:
        from helpers.dirs import touched as files

        return files.main(after_dashes(), more=bool(dir or all))
    from helpers.dirs import check

    return check.main(directory=dir or "", every=all)


@helpers_task(
    everyday=5,
    values={"name": "PATH", "from": "PATH"},
    help={
        "name": "path of the new directory; a bare name at the root goes to runnable_dirs/, if that is there",
        "base": "what its image is built on: archive:SUITE, image:NAME:TAG or dir:PATH; default: one that has --python",
        "python": "its Python, as in 3.12; default: that of --base, or 3.11",
        "from": "an existing Python project (an unpacked source distribution) to make it of; NAME itself: in place",
        "all": "migrate every runnable dir of the older scheme, with devops/docker_build/pyproject.toml; NAME is .",
        "dry_run": "print the decisions and the new files, and write nothing",
        "remove_old": "of a directory of the older scheme: remove devops/docker_build and the links to tools",
    },
)
def dir_create(
    ctx: Any,
    name: str,
    *,
    base: str = "",
    python: str = "",
    from_: str = "",
    all: bool = False,
    dry_run: bool = False,
    remove_old: bool = False,
) -> int:
    """Make a new runnable dir, ready to be tested."""
    from helpers.dirs import create, migration

    if all or remove_old or migration.is_meant(name, from_):
        return migration.main(name, migration.Options(base, dry_run, remove_old), every=all)
    return create.main(name, base=base, python=python, source=from_, dry_run=dry_run)
