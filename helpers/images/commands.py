"""The commands `docker_build` and `docker_lock`: one runnable dir or all of them."""

from __future__ import annotations

import os
from pathlib import Path

from helpers import config, discover, repo
from helpers.console import say
from helpers.engine.choose import choose
from helpers.engine.seam import Control
from helpers.images import build as builder
from helpers.images import lock as locker
from helpers.images.recipe import image_chain
from helpers.model.runnable import RunnableDir


def build(directory: str | None, *, everything: bool) -> None:
    """Build the images that are missing.

    Arguments:
        directory: the runnable dir; None is the one that encloses the current directory.
        everything: all of the repo instead.
    """
    root, paths = _selected(directory, everything)

    def load(path: Path) -> RunnableDir:
        return config.load(root, path, ())

    chains = [image_chain(load(path), load) for path in paths]
    engine = choose("docker")
    for chain in chains:
        digest = builder.ensure(engine, chain, Control())
        print(f"{chain[-1].reference}  {digest}")


def lock(directory: str | None, *, everything: bool) -> None:
    """Write `poetry.lock` of a runnable dir, or of all.

    Arguments:
        directory: the runnable dir; None is the one that encloses the current directory.
        everything: all of the repo instead.
    """
    _, paths = _selected(directory, everything)
    for path in paths:
        say(f"locking {path}")
        say(f"{path / 'poetry.lock'} {'written' if locker.lock(path) else 'is up to date'}")


def _selected(directory: str | None, everything: bool) -> tuple[Path, list[Path]]:
    start = Path(os.path.realpath(directory or "."))
    if everything:
        root = repo.find_root(start)
        return root, discover.runnable_paths(root)
    root, path = discover.enclosing(start)
    return root, [path]
