"""What a commit says that moves pins forward; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from helpers.repos.state import short

_TRAILER = "Rolled-forward: "
_SUBJECTS = 20
_NAMED = 3


@dataclass(frozen=True)
class Moved:
    """One pin that moves.

    Arguments:
        path: of the submodule, in its super-repo.
        before: the commit that was recorded; empty for none.
        after: the commit that is recorded now.
        subjects: of the commits between, newest first.
    """

    path: str
    before: str
    after: str
    subjects: Sequence[str] = ()

    def __str__(self) -> str:
        return f"{self.path} {short(self.before) or 'new'}..{short(self.after)}"


def message(moved: Sequence[Moved]) -> str:
    """Return the message of the commit that moves these pins."""
    names = [one.path for one in moved]
    what = ", ".join(names) if len(names) <= _NAMED else f"{len(names)} submodules"
    parts = [f"roll forward: {what}", ""]
    for one in moved:
        parts.append(str(one))
        parts += [f"  - {subject}" for subject in one.subjects[:_SUBJECTS]]
        if len(one.subjects) > _SUBJECTS:
            parts.append(f"  - and {len(one.subjects) - _SUBJECTS} more")
        parts.append("")
    parts += [f"{_TRAILER}{one.path} {one.before}..{one.after}" for one in moved]
    return "\n".join(parts) + "\n"


def is_ours(text: str) -> bool:
    """Say whether a commit with this message was made by `repo_roll_forward`; somebody may have amended it since."""
    return any(line.startswith(_TRAILER) for line in text.splitlines())


def moves(text: str) -> set[tuple[str, str, str]]:
    """Return the pins that a message says are moved: path, commit before, commit after."""
    told = [line.removeprefix(_TRAILER).rpartition(" ") for line in text.splitlines() if line.startswith(_TRAILER)]
    ends = [(path, commits.partition("..")) for path, _, commits in told]
    return {(path, before, after) for path, (before, _, after) in ends}
