"""The commands `docker_build` and `docker_lock`: one runnable dir or all of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from helpers import config, discover, repo
from helpers.console import report_error, say
from helpers.engine.choose import choose
from helpers.engine.seam import Control
from helpers.engine.supervise import obey_signals
from helpers.errors import OK, HelpersError, UsageError, worst
from helpers.images import build as builder
from helpers.images import lock as locker
from helpers.images.recipe import image_chain
from helpers.model import poetry_lock
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


def lock(
    directory: str | None, *, everything: bool, check: bool = False, upgrade: Sequence[str] = (), cooldown: int = 0
) -> int:
    """Write the lock of a runnable dir, or of all, or only compare it, and return the exit code.

    A fault of one directory does not stop the others.

    Arguments:
        directory: the runnable dir; None is the one that encloses the current directory.
        everything: all of the repo instead.
        check: write nothing; only say which locks are not those of their `pyproject.toml`.
        upgrade: packages that move to their newest version that fits; each may be several with commas between.
        cooldown: days that every file of the lock must be old.

    Raises:
        UsageError: options that contradict each other.
    """
    names = [name.strip() for text in upgrade for name in text.split(",") if name.strip()]
    if check and names:
        raise UsageError("--check writes nothing, so there is nothing to --upgrade", fix="leave one of them out")
    if cooldown < 0:
        raise UsageError(f"--cooldown {cooldown} is not a number of days")
    _, paths = _selected(directory, everything)
    if names and everything:
        # Each one is moved where it is locked; a name that nobody has is a mistake.
        paths = [path for path in paths if _known(path, names)] or paths[:1]
    codes = [OK]
    for path in paths:
        try:
            if check:
                locker.check(path, cooldown)
                say(f"{path / 'poetry.lock'} is that of its pyproject.toml")
            else:
                _write_lock(path, (everything and _known(path, names)) or names, cooldown)
        except HelpersError as error:
            codes.append(report_error(error))
    return worst(codes)


def _write_lock(path: Path, upgrade: Sequence[str], cooldown: int) -> None:
    say(f"locking {path}")
    before = locker.read_lock(path)
    changed = locker.lock(path, upgrade, cooldown)
    say(f"{path / 'poetry.lock'} {'written' if changed else 'is up to date'}")
    for line in poetry_lock.moves(before, locker.read_lock(path)):
        print(line)


def _known(path: Path, names: Sequence[str]) -> list[str]:
    """Return those of `names` that the directory at `path` has locked."""
    there = {package.name for package in poetry_lock.pinned(locker.read_lock(path))}
    return [name for name in names if poetry_lock.normal_name(name) in there]


def _selected(directory: str | None, everything: bool) -> tuple[Path, list[Path]]:
    start = Path(os.path.realpath(directory or "."))
    if everything:
        root = repo.find_root(start)
        return root, discover.runnable_paths(root)
    root, path = discover.enclosing(start)
    return root, [path]
