"""Conflict markers of git in a file of a checkout, and the command that takes a side."""

from __future__ import annotations

import os
import re
import shlex
from pathlib import Path

from helpers import repo
from helpers.console import as_argument
from helpers.errors import ConfigError, HelpersError

# https://git-scm.com/docs/git-merge#_how_conflicts_are_presented
_MARKER = re.compile(r"^(?:<{7}|\|{7}|>{7})(?: .*)?\r?$", re.MULTILINE)
_SEPARATOR = re.compile(r"^={7}\r?$", re.MULTILINE)
_BEGIN, _END = (re.compile(rf"^{sign}{{7}} ", re.MULTILINE) for sign in "<>")
# In these formats no sound line consists of the separator.
_NO_SEPARATOR = (".toml", ".lock")
# `docker_lock` writes these files anew, and keeps the pinned versions.
_RELOCKED = ("poetry.lock", "system-packages.lock")
_OF_THEIR_TOOLS = {"uv.lock": "uv lock", "pdm.lock": "pdm lock"}
_OURS = r"sed -i '/^<<<<<<< /d;/^||||||| /,/^>>>>>>> /d;/^=======\r\?$/,/^>>>>>>> /d'"


def refuse(text: str, path: Path) -> None:
    """Return if `text`, the content of `path`, has no conflict marker.

    Raises:
        ConfigError: it has one; the error names the line and a command that works in the state of the checkout.
    """
    found = _MARKER.search(text) or (path.suffix in _NO_SEPARATOR and _SEPARATOR.search(text))
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise ConfigError(
            "has conflict markers",
            where=f"{path}:{line}",
            why="git left both sides of a merge in it",
            fix=_fix(text, path),
        )


def relock(directory: Path) -> str:
    """Return the lock command of the runnable dir, for the current directory."""
    here = shown(directory)
    return "invoke docker_lock" if here == "." else f"invoke docker_lock --dir {here}"


def shown(path: Path) -> str:
    """Return `path` as a word of a command for the current directory: relative if shorter."""
    real = os.path.realpath(path)
    return shlex.quote(min(as_argument(os.path.relpath(real)), real, key=len))


def _fix(text: str, path: Path) -> str:
    file = Path(os.path.realpath(path))
    if _is_unmerged(file):
        ours = _git(file, "checkout --ours")
    elif _is_whole(text):
        # Committed, or added as they are: git knows of no sides any more.
        ours = f"{_OURS} {shown(file)}"
    else:
        ours = _git(file, "checkout HEAD --")
    if file.name in _RELOCKED:
        return f"{ours} && {relock(file.parent.parent if file.parent.name == 'devops' else file.parent)}"
    if file.name in _OF_THEIR_TOOLS:
        return f"{ours} && {_OF_THEIR_TOOLS[file.name]} --project {shown(file.parent)}"
    return f"{ours}  (keeps your side; or edit the file and keep of both sides the lines that you need)"


def _is_whole(text: str) -> bool:
    """Say whether a text holds the three markers of a conflict, in their order."""
    at = 0
    for marker in (_BEGIN, _SEPARATOR, _END):
        found = marker.search(text, at)
        if not found:
            return False
        at = found.end()
    return True


def _git(file: Path, command: str) -> str:
    """Return `command` of git for `file`, with the repo of the file: the current directory may be in a super-repo."""
    try:
        if repo.find_root(Path(os.path.realpath("."))) == repo.find_root(file.parent):
            return f"git {command} {shown(file)}"
    except HelpersError:
        pass
    return f"git -C {shown(file.parent)} {command} {shlex.quote(file.name)}"


def _is_unmerged(file: Path) -> bool:
    try:
        return bool(repo.git(file.parent, "ls-files", "--unmerged", "--", f":(literal){file.name}"))
    except HelpersError:
        return False
