"""Lists, ends and removes what carries our label, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from helpers import config, discover, proc, repo
from helpers.console import printable, say
from helpers.engine import argv, client, ownership
from helpers.errors import HelpersError, InfrastructureError
from helpers.images.recipe import image_chain
from helpers.model.runnable import RunnableDir


def images() -> list[tuple[str, ...]]:
    """Return a row for each of our images: name, id, directory, size, age."""
    head = ("image", "id", "size", "created")
    found = client.rows(argv.list_images())
    return [head, *((_name(row), row["id"][:19], row["size"], row["created"]) for row in found)]


def containers() -> list[tuple[str, ...]]:
    """Return a row for each of our containers: name, directory, repo, state, and whether its owner lives."""
    head = ("container", "directory", "repo", "status", "owner")
    rows = []
    for row in client.rows(argv.list_containers()):
        owner = "dead" if ownership.is_dead(row["owner"]) else "alive"
        rows.append((row["name"], printable(row["dir"]), printable(row["root"]), row["status"], owner))
    return [head, *rows]


def kill(*, everything: bool) -> int:
    """End and remove our containers and return how many there were.

    Arguments:
        everything: those of all repos; otherwise those of this repo, and those whose owner is dead.
    """
    root = None if everything else str(repo.find_root(Path.cwd().resolve()))
    chosen = [row["id"] for row in client.rows(argv.list_containers()) if root in (None, row["root"])]
    if chosen:
        _do(argv.remove_containers(chosen))
    return len(chosen) + client.reap()


def prune(*, everything: bool, dry_run: bool) -> list[str]:
    """Remove our images that no runnable dir of this repo needs any more; return their names.

    Arguments:
        everything: all our images, those that are needed too, of all repos.
        dry_run: only say what would be removed.
    """
    client.reap()
    rows = client.rows(argv.list_images())
    current, own = _needed()
    chosen = [row for row in rows if everything or (row["repository"] in own and _name(row) not in current)]
    if chosen and not dry_run:
        left = [name for row in chosen if proc.run(argv.remove_images([_handle(row)])).code for name in [_name(row)]]
        if left:
            say(f"still in use, kept: {', '.join(left)}")
        chosen = [row for row in chosen if _name(row) not in left]
    return [_name(row) for row in chosen]


def _needed() -> tuple[set[str], set[str]]:
    """Return (references of the images that this repo needs now, repositories that belong to it)."""
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


def _name(row: dict[str, str]) -> str:
    return f"{row['repository']}:{row['tag']}"


def _handle(row: dict[str, str]) -> str:
    return row["id"] if "<none>" in _name(row) else _name(row)


def _do(command: Sequence[str]) -> None:
    done = proc.run(command, timeout=120)
    if done.code:
        raise InfrastructureError(f"the engine refused: {done.reason}", fix="invoke doctor")
