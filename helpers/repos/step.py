"""What is done with one repo of a tree: as data, as a line for a person, and as an exit code."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers import repo
from helpers.console import counted, paint, printable, say
from helpers.errors import INFRASTRUCTURE, OK, REFUSED, TESTS_FAILED, worst
from helpers.thin_env.streams import put_line

STAY = "ok"
FORWARD = "forward"
CHECK_OUT = "check out"
CLONE = "clone"
BRANCH = "branch"
COMMIT = "commit"
PUSH = "push"
LEFT = "left"
STOPPED = "stopped"
SKIPPED = "skipped"
CLOSED = "no access"
FAULT = "error"
_CODES = {LEFT: REFUSED, STOPPED: TESTS_FAILED, CLOSED: INFRASTRUCTURE, FAULT: INFRASTRUCTURE}
_COLOURS = {LEFT: "yellow", STOPPED: "yellow", CLOSED: "red", FAULT: "red"}


@dataclass(frozen=True)
class Step:
    """What is done, or not done, with one repo.

    Arguments:
        path: of the repo, relative to the outermost super-repo, which is `.`.
        word: one of the words above.
        detail: from where to where, or why not.
        fix: the command that mends what is left; empty for none.
        commit: where it goes; empty where it stays.
    """

    path: str
    word: str
    detail: str = ""
    fix: str = ""
    commit: str = ""

    @property
    def code(self) -> int:
        """The exit code that it stands for."""
        return _CODES.get(self.word, OK)

    @property
    def moves(self) -> bool:
        """Whether the checkout gets to another commit."""
        return self.word in (FORWARD, CHECK_OUT, CLONE)


class Report:
    """Prints steps as they are done, and counts them.

    Arguments:
        root: of the outermost super-repo.
        cwd: where the user types commands; the current directory without it.
    """

    def __init__(self, root: Path, cwd: Path | None) -> None:
        self.steps: list[Step] = []
        self._root = root
        self._to_root = way_to(root, cwd)

    def add(self, step: Step) -> None:
        """Print one step, unless nothing was to be done."""
        self.steps.append(step)
        if step.word == STAY:
            return
        word = paint(f"{step.word:9}", _COLOURS.get(step.word, "green"), sys.stdout)
        put_line(f"{word}  {printable(step.path)}  {printable(step.detail)}".rstrip(), sys.stdout)
        if step.fix:
            put_line(f"{'':9}  fix: {printable(typed(step.fix, self._to_root))}", sys.stdout)

    def end(self, *, dry_run: bool) -> int:
        """Print how many repos each thing was done with, and return the exit code."""
        words = [step.word for step in self.steps if step.word != STAY]
        counts = ", ".join(f"{words.count(word)} {word}" for word in dict.fromkeys(words)) or "nothing to do"
        repos = counted(len({step.path for step in self.steps}), "repo")
        note = "dry run, nothing is changed; " if dry_run else ""
        say(f"{note}{repos}: {counts}  ({printable(str(self._root))})")
        return worst([OK, *(step.code for step in self.steps)])


def way_to(root: Path, cwd: Path | None) -> str:
    """Return the path of the outermost super-repo, relative to the directory in which the user types commands."""
    return os.path.relpath(root, (cwd or Path.cwd()).resolve())


def typed(fix: str, to_root: str) -> str:
    """Return a command for the root of the outermost super-repo as the user types it in another directory.

    Arguments:
        fix: the command.
        to_root: the relative path of that root.
    """
    if to_root == "." or not fix.startswith("git "):
        return fix
    quoted = shlex.quote(to_root)
    return f"cd {quoted} && {fix}" if " && " in fix else f"git -C {quoted} {fix.removeprefix('git ')}"


def git_at(path: str) -> str:
    """Return how a command begins by which the user calls git in the repo at `path`, from the outermost super-repo."""
    return "git" if path == "." else f"git -C {shlex.quote(path)}"


def outermost(cwd: Path | None) -> Path:
    """Return the root of the outermost super-repo around `cwd`, or around the current directory.

    Raises:
        UsageError: it is in no checkout.
    """
    return repo.work_trees(repo.find_root((cwd or Path.cwd()).resolve()))[0]


def named(root: Path, places: Iterable[Path]) -> Sequence[str]:
    """Return places as paths relative to the outermost super-repo."""
    return [printable(str(place.relative_to(root)) if place.is_relative_to(root) else str(place)) for place in places]
