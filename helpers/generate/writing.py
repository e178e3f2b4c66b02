"""Brings generated files into a repo, or says where they differ; what a user wrote himself is never lost."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.console import counted, paint, printable, say
from helpers.errors import DIFFERENT, OK, PolicyError
from helpers.repos.shared_files import Write, kept_beside, read, written

# What a comparison ends with that finds a difference, as that of `repo_status`.


@dataclass(frozen=True)
class Generated:
    """A file that is made from other files.

    Arguments:
        path: relative to the root.
        text: its content; None for a file that was made once and belongs nowhere any more.
        mark: how every version of it begins: by that it is told from a file of the user's.
    """

    path: str
    text: str | None
    mark: str


@dataclass(frozen=True)
class Change:
    """A generated file beside what is there now.

    Arguments:
        file: what belongs there.
        before: what is there; None for nothing.
    """

    file: Generated
    before: bytes | None

    @property
    def after(self) -> bytes | None:
        """What belongs there, as bytes."""
        return None if self.file.text is None else self.file.text.encode()

    @property
    def differs(self) -> bool:
        """Whether there is something to do."""
        return self.before != self.after

    @property
    def is_the_users(self) -> bool:
        """Whether a file is in the way that we have not made."""
        return self.differs and self.before is not None and not self.before.startswith(self.file.mark.encode())

    def show(self) -> None:
        """Print what is done with the file, and for one that is there the difference."""
        word = "add" if self.before is None else "remove" if self.after is None else "replace"
        print(f"{word:7}  {printable(self.file.path)}")
        for line in self._diff() if self.before is not None else ():
            colour = {"+": "green", "-": "red"}.get(line[0], "dim")
            print(f"  {paint(printable(line), colour, sys.stdout)}")

    def _diff(self) -> Iterator[str]:
        old, new = ((data or b"").decode("utf-8", "replace").splitlines() for data in (self.before, self.after))
        yield from difflib.unified_diff(old, new, self.file.path, f"{self.file.path} (generated)", lineterm="")


def bring(
    root: Path, files: Sequence[Generated], *, check: bool, dry_run: bool = False, overwrite: bool = False, fix: str
) -> int:
    """Write generated files to the repo at `root`, or compare them, say what is done, and return the exit code.

    Arguments:
        root: absolute path of the repo.
        files: what belongs there.
        check: write nothing; the exit code is 1 when a file differs.
        dry_run: write nothing.
        overwrite: replace files of the user's; they are kept as `NAME.orig`.
        fix: the command that writes them.

    Raises:
        PolicyError: a file of the user's is in the way, or a link; nothing is changed.
    """
    changes = [change for change in (Change(file, read(root, file.path)) for file in files) if change.differs]
    for change in changes:
        change.show()
    if not changes:
        say(f"as generated: {', '.join(printable(file.path) for file in files) or 'nothing'}")
        return OK
    if check:
        say(f"{counted(len(changes), 'file')} not as generated; fix: {fix}")
        return DIFFERENT
    users = [printable(change.file.path) for change in changes if change.is_the_users]
    if users and not overwrite:
        raise PolicyError(
            f"{', '.join(users)}: of yours, not made by this command; nothing is changed",
            why="the difference is shown above",
            fix=f"move yours away, or {fix} --overwrite  (keeps it as NAME.orig)",
        )
    if dry_run:
        say("dry run, nothing is changed")
        return OK
    with written(root, [write for change in changes for write in _writes(root, change)]):
        for change in changes:
            if change.after is None:
                (root / change.file.path).unlink()
    return OK


def _writes(root: Path, change: Change) -> Iterator[Write]:
    path = change.file.path
    if change.is_the_users and change.before is not None:
        yield Write(kept_beside(root, path), None, change.before)
    if change.after is not None:
        yield Write(path, change.before, change.after)
