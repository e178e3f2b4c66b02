"""Lists, ends and removes what carries our label, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from helpers import config, discover, proc, repo
from helpers.console import printable, say
from helpers.engine import argv, docker, ownership
from helpers.errors import HelpersError, InfrastructureError
from helpers.images.recipe import image_chain
from helpers.model.image import LABEL_DIR, LABEL_OWNER, LABEL_ROOT
from helpers.model.runnable import RunnableDir


def images() -> list[tuple[str, ...]]:
    """Return a row for each of our images: name, id, directory, size, age."""
    head = ("image", "id", "size", "created")
    found = docker.rows(argv.list_images())
    return [head, *((_name(row), row["ID"][:19], row["Size"], row["CreatedSince"]) for row in found)]


def containers() -> list[tuple[str, ...]]:
    """Return a row for each of our containers: name, directory, repo, state, and whether its owner lives."""
    head = ("container", "directory", "repo", "status", "owner")
    rows = []
    for row in docker.rows(argv.list_containers()):
        owner = "dead" if ownership.is_dead(docker.label(row, LABEL_OWNER)) else "alive"
        where = (docker.label(row, LABEL_DIR), docker.label(row, LABEL_ROOT))
        rows.append((row["Names"], *map(printable, where), row["Status"], owner))
    return [head, *rows]


def kill(*, everything: bool) -> int:
    """End and remove our containers and return how many there were.

    Arguments:
        everything: those of all repos; otherwise those of this repo, and those whose owner is dead.
    """
    root = None if everything else str(repo.find_root(Path.cwd().resolve()))
    chosen = [row["ID"] for row in docker.rows(argv.list_containers()) if root in (None, docker.label(row, LABEL_ROOT))]
    if chosen:
        _do(argv.remove_containers(chosen))
    return len(chosen) + docker.reap()


def prune(*, everything: bool, dry_run: bool) -> list[str]:
    """Remove our images that no runnable dir of this repo needs any more; return their names.

    Arguments:
        everything: all our images, those that are needed too, of all repos.
        dry_run: only say what would be removed.
    """
    docker.reap()
    rows = docker.rows(argv.list_images())
    current, own = _needed()
    chosen = [row for row in rows if everything or (row["Repository"] in own and not {_name(row), row["ID"]} & current)]
    if chosen and not dry_run:
        left = [name for row in chosen if proc.run(argv.remove_images([_handle(row)])).code for name in [_name(row)]]
        if left:
            say(f"still in use, kept: {', '.join(left)}")
        chosen = [row for row in chosen if _name(row) not in left]
    return [_name(row) for row in chosen]


def _needed() -> tuple[set[str], set[str]]:
    """Return (references and ids of the images that this repo needs now, repositories that belong to it)."""
    root = repo.find_root(Path.cwd().resolve())
    paths = discover.runnable_paths(root)

    def load(path: Path) -> RunnableDir:
        return config.load(root, path, paths)

    current: set[str] = set()
    own: set[str] = set()
    for path in paths:
        try:
            runnable = load(path)
            chain = image_chain(runnable, load)
        except HelpersError as error:
            raise InfrastructureError(
                f"nothing is removed while a runnable dir is wrong: {error.summary}", fix="invoke dir_check --all"
            ) from None
        current |= {name for image in chain for name in (image.reference, *image.tags)}
        own.add(runnable.repository)
    return current, own


def _name(row: dict[str, Any]) -> str:
    return f"{row['Repository']}:{row['Tag']}"


def _handle(row: dict[str, Any]) -> str:
    return str(row["ID"]) if "<none>" in _name(row) else _name(row)


def _do(command: Sequence[str]) -> None:
    done = proc.run(command, timeout=120)
    if done.code:
        raise InfrastructureError(f"the engine refused: {done.reason}", fix="invoke doctor")
