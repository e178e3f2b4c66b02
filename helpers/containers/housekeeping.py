"""Lists our images and containers, and ends containers: what carries our label, and nothing else."""

from __future__ import annotations

from pathlib import Path

from helpers import repo
from helpers.console import printable
from helpers.engine import argv, client, ownership


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
    """End and remove our containers, with their networks and volumes, and return how many containers there were.

    Arguments:
        everything: those of all repos; otherwise those of this repo, and those whose owner is dead.
    """
    root = None if everything else str(repo.find_root(Path.cwd().resolve()))
    return client.remove(lambda row: root in (None, row["root"]), strict=True)[0] + client.reap()


def _name(row: dict[str, str]) -> str:
    return f"{row['repository']}:{row['tag']}"
