"""The commands `docker_build` and `docker_lock`: one runnable dir or all of them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TextIO

from helpers import config, discover, repo
from helpers.console import say
from helpers.engine.choose import choose
from helpers.engine.seam import Control
from helpers.engine.supervise import obey_signals
from helpers.errors import OK, HelpersError
from helpers.images import build as builder
from helpers.images import lock as locker
from helpers.images.recipe import image_chain
from helpers.model.runnable import RunnableDir


def build(directory: str | None, *, everything: bool, stream: TextIO | None = None) -> int:
    """Build the images that are missing and return the exit code.

    Arguments:
        directory: the runnable dir; None is the one that encloses the current directory.
        everything: all of the repo instead.
        stream: where the names of the images go; None is standard output.
    """
    root, paths = _selected(directory, everything)

    def load(path: Path) -> RunnableDir:
        return config.load(root, path, ())

    chains = [image_chain(load(path), load) for path in paths]
    engine = choose("docker")
    control = Control()
    obey_signals(control)
    for chain in chains:
        try:
            digest = builder.ensure(engine, chain, control)
        except HelpersError:
            if control.level:
                return control.exit_code
            raise
        print(f"{chain[-1].reference}  {digest}", file=stream or sys.stdout)
    return OK


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
