"""Which names a new runnable dir may have, and where it goes."""

from __future__ import annotations

import keyword
import os
import re
import sys
import unicodedata
from pathlib import Path

from helpers import repo
from helpers.console import printable
from helpers.errors import UsageError
from helpers.model.image import NAME_PATTERN

_COMMON_PARENT = "runnable_dirs"
_LONGEST = 100
_NEW_PARENT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*", re.ASCII)
# Imported by every test run, beside the standard library: a package of that name would be found instead.
_TAKEN = {
    *("pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments", "pip", "setuptools", "uv", "helpers"),
    *("conftest", "test", "tests", "devops", "src"),
}


def place(root: Path, cwd: Path, name: str, *, in_place: bool = False) -> Path:
    """Return the absolute path for the runnable dir that the user calls `name`.

    Arguments:
        root: absolute path of the repo's root.
        cwd: where the command was given.
        name: a path relative to `cwd`; at the root a bare name goes to `runnable_dirs/`, if that is there.
        in_place: whether it is made of a project that is there, so that it may be the root.

    Raises:
        UsageError: the name leads out of the repo, is the root of a new one, or can not be the name of an image.
    """
    shown = f"NAME {name!r}"
    if not name.strip() or "\0" in name:
        raise UsageError(f"{shown} is empty", fix="invoke dir_create forecast")
    if name.startswith("-"):
        raise UsageError(f"{shown} looks like an option", fix="invoke --help dir_create  (options follow NAME)")
    if ".." in Path(name).parts:
        raise UsageError(
            f"{shown} has a '..' in it", fix="cd to the directory that it belongs in, or name it from here"
        )
    if ".git" in Path(name).parts:
        raise UsageError(f"{shown} is a place of git's own", fix="another name")
    path = Path(os.path.normpath(cwd / name))
    if path == root:
        if in_place:
            return root
        fix = "invoke dir_create . --from .  (the code at the root, where it is), or name a directory below it"
        raise UsageError(f"{shown} is the root of the repo", fix=fix)
    image_name(path.name if Path(name).name in ("", ".") else Path(name).name)
    bare = "/" not in name and cwd == root and (root / _COMMON_PARENT).is_dir()
    path = Path(os.path.normpath(cwd / (f"{_COMMON_PARENT}/{name}" if bare else name)))
    _check_parents(root, path, shown)
    return path


def _check_parents(root: Path, path: Path, shown: str) -> None:
    real = Path(os.path.realpath(path))
    if not path.is_relative_to(root) or real != path:
        raise UsageError(f"{shown} leads out of the repo", where=printable(str(real)), why=f"the repo is {root}")
    for parent in reversed(path.relative_to(root).parents[:-1]):
        there = root / parent
        if there.exists() and not there.is_dir():
            raise UsageError(f"{shown}: {parent} is a file", where=there)
        if not there.exists() and not _NEW_PARENT.fullmatch(parent.name):
            raise UsageError(
                f"{shown}: {parent.name!r} is no good name for a directory", fix=f"{suggestion(parent.name)}"
            )
    nearest = next(parent for parent in path.parents if parent.is_dir())
    if repo.find_root(nearest) != root:
        raise UsageError(f"{shown} lies in another repo", where=nearest, fix=f"cd {nearest} and make it there")


def image_name(last: str) -> str:
    """Return the name of the image for a directory whose path ends in `last`.

    Raises:
        UsageError: no image can be called that; the message suggests a name.
    """
    name = last.lower()
    if len(last) > _LONGEST:
        raise UsageError(f"NAME {last[:20]!r}... has {len(last)} characters", why=f"{_LONGEST} are allowed")
    if not last.isascii() or not re.fullmatch(NAME_PATTERN, name):
        raise UsageError(
            f"{last!r} can not be the name of an image",
            why="it may hold a-z, 0-9 and, between them, . _ or -",
            fix=f"invoke dir_create {suggestion(last)}",
        )
    return name


def package_name(last: str) -> str:
    """Return the name of the Python package inside a directory whose path ends in `last`.

    Raises:
        UsageError: no package can be called that, or Python would find it instead of one that tests need.
    """
    name = re.sub(r"[-.]+", "_", last.lower())
    fix = f"invoke dir_create my-{suggestion(last)}"
    if not name.isidentifier() or keyword.iskeyword(name) or keyword.issoftkeyword(name):
        raise UsageError(f"{last!r} can not be the name of a Python package ({name})", fix=fix)
    if name in _TAKEN or name in sys.stdlib_module_names:
        why = "tests would import the new package instead of the one that is called so already"
        raise UsageError(f"{last!r} would hide the Python module {name}", why=why, fix=fix)
    return name


def suggestion(name: str) -> str:
    """Return a good name that is close to `name`."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "forecast"
