"""Lists our images and containers, and ends containers: what carries our label, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from helpers import proc, repo
from helpers.console import printable
from helpers.engine import argv, client, ownership
from helpers.errors import InfrastructureError


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


def _name(row: dict[str, str]) -> str:
    return f"{row['repository']}:{row['tag']}"


def _do(command: Sequence[str]) -> None:
    done = proc.run(command, timeout=120)
    if done.code:
        raise InfrastructureError(f"the engine refused: {done.reason}", fix="invoke doctor")
