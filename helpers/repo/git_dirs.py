"""The data of git in a checkout: no test may see these paths, because a CI checkout leaves a token there."""

from __future__ import annotations

import os
from collections.abc import Container, Iterator
from contextlib import suppress
from pathlib import Path

# https://git-scm.com/docs/gitrepository-layout: git takes a directory with these for its own.
_NAME, _POINTER, _MOST_BYTES = ".git", "gitdir:", 4096
_MARKS = ("HEAD", "objects", "refs")


def is_within(path: Path, root: Path) -> bool:
    """Say whether a path is, or is inside, a directory or file with data of git.

    Arguments:
        path: absolute; links are followed.
        root: of the repo, without links.
    """
    real = Path(os.path.realpath(path))
    parts = real.relative_to(root).parts if real.is_relative_to(root) else real.parts
    if any(part.lower() == _NAME for part in parts):
        return True
    above = [one for one in (real, *real.parents) if one.is_relative_to(root) and one != root]
    return any(all(os.path.exists(one / mark) for mark in _MARKS) for one in above)


def found_below(path: Path, without: Container[Path] = ()) -> Iterator[Path]:
    """Yield every `.git` inside a directory, and each directory inside that is the target of a `.git` file or link.

    Arguments:
        path: absolute, without links; nothing is inside a file.
        without: directories that are not looked into.
    """
    todo = [str(path)]
    while todo:
        try:
            entries = list(os.scandir(todo.pop()))
        except OSError:
            continue  # a file, or a directory that the caller may not read, which a container may not either
        for entry in entries:
            if entry.name.lower() == _NAME:
                leads_to = _led_to(Path(entry.path))
                yield from (one for one in leads_to if one != path and one.is_relative_to(path))
            elif entry.is_dir(follow_symlinks=False) and Path(entry.path) not in without:
                todo.append(entry.path)


def _led_to(path: Path) -> Iterator[Path]:
    """Yield the real path of a `.git`, and the directory named in a `.git` file."""
    real = Path(os.path.realpath(path))
    if real.is_dir():
        yield real
    elif real.is_file():
        yield real
        # ValueError: a name illegal for files.
        with suppress(OSError, ValueError), real.open("rb") as file:
            text = file.read(_MOST_BYTES).decode(errors="replace")
            named = real.parent / text.removeprefix(_POINTER).partition("\n")[0].strip()
            if text.startswith(_POINTER) and named.is_dir():
                yield Path(os.path.realpath(named))
