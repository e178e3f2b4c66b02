"""What a repo of a tree of submodules is called in the table, and when it is in order; no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from helpers.console import counted
from helpers.model import git_url
from helpers.model.porcelain import Status

DIRTY = "dirty"
UNTRACKED = "untracked"
AHEAD = "ahead"
BEHIND = "behind"
LOOSE = "on no branch"
UNDER_WAY = "under way"
UNPUSHED = "pin not pushed"
UNFETCHED = "pin not fetched"
DIFFERS = "pin differs"
MOVED = "URL differs"
INCOMPLETE = "history incomplete"
ELSEWHERE = "differs from its pin"
ABSENT = "not checked out"
CLOSED = "no access"
UNLISTED = "not in .gitmodules"
UNPINNED = "no pin"
REFUSED = "refused"
ERROR = "error"
# Those that a command of git's own does not put right.
GRAVE = (UNPUSHED, CLOSED, REFUSED, ERROR)
_SHORT = 10


@dataclass(frozen=True)
class State:
    """One thing about a repo that is not in order.

    Arguments:
        word: one of the words above.
        count: how many; 0 where nothing is counted.
        detail: more about it, for a person.
        fix: a command that mends it, given at the root of the outermost super-repo; empty for none.
    """

    word: str
    count: int = 0
    detail: str = ""
    fix: str = ""

    def __str__(self) -> str:
        if self.word in (REFUSED, ERROR):
            return f"{self.word}: {self.detail}"
        if self.word == UNDER_WAY:
            return f"{self.detail} {self.word}"
        if self.word in (AHEAD, BEHIND):
            return f"{self.word} {self.count}" + (f" ({self.detail})" if self.detail else "")
        if self.word == LOOSE:
            return f"{counted(self.count, 'commit')} {self.word}"
        if self.word == DIRTY:
            return f"{self.word} ({self.count} changed)"
        about = self.detail or self.count
        return f"{self.word} ({about})" if about else self.word


@dataclass(frozen=True)
class Row:
    """One repo of the tree.

    Arguments:
        path: relative to the outermost super-repo, which is `.`.
        branch: empty when none is checked out.
        head: the commit that is checked out; empty when the repo is not.
        pin: the commit that its super-repo records; empty for the outermost one.
        url: absolute, as git would ask it; empty for the outermost one.
        states: all that is not in order.
        unwanted: whether it is not checked out because `update = none` says so.
    """

    path: str
    branch: str = ""
    head: str = ""
    pin: str = ""
    url: str = ""
    states: tuple[State, ...] = ()
    unwanted: bool = False

    def has(self, word: str) -> bool:
        """Say whether it is in the state `word`."""
        return any(state.word == word for state in self.states)

    def also(self, *states: State) -> Row:
        """Return it with more states."""
        return replace(self, states=(*self.states, *states))

    def data(self) -> dict[str, Any]:
        """Return it for another program; a URL without account and password."""
        return {
            "path": self.path,
            "branch": self.branch or None,
            "detached": bool(self.head) and not self.branch,
            "head": self.head or None,
            "pin": self.pin or None,
            "url": git_url.masked(self.url) or None,
            "in_order": not self.states,
            "states": [
                {
                    "state": state.word,
                    "count": state.count or None,
                    "detail": state.detail or None,
                    **({"fix": state.fix} if state.fix else {}),
                }
                for state in self.states
            ],
        }


def short(commit: str) -> str:
    """Return a commit as it is shown in a table."""
    return commit[:_SHORT]


def of_checkout(status: Status, pin: str, pushed: bool | None, alone: int = 0) -> list[State]:
    """Return what is not in order in one checkout.

    Arguments:
        status: what git says of it.
        pin: the commit that its super-repo records; empty for none.
        pushed: whether a remote has that commit; None when the checkout has not got it.
        alone: how many of its commits no remote has, for a branch without an upstream, or no ref, for none.
    """
    found = [
        State(word, count)
        for word, count in (
            (DIRTY, status.changed),
            (UNTRACKED, status.untracked),
            (AHEAD, status.ahead),
            (BEHIND, status.behind),
        )
        if count
    ]
    if alone:
        found.append(State(AHEAD, alone, "no upstream") if status.branch else State(LOOSE, alone))
    if pin and status.head != pin:
        found.append(State(ELSEWHERE, detail=f"at {short(status.head)}" if status.head else "no commit yet"))
    if pin and pushed is not True:
        found.append(State(UNFETCHED if pushed is None else UNPUSHED))
    return found


def compare_pins(rows: Sequence[Row]) -> list[Row]:
    """Return the rows, those marked that are one repo, judged by URL, at several commits."""
    shared: dict[str, list[Row]] = {}
    for row in rows:
        if row.pin and row.url:
            shared.setdefault(git_url.same(row.url), []).append(row)
    found = []
    for row in rows:
        others = shared.get(git_url.same(row.url), []) if row.pin and row.url else []
        differing = [f"{other.path} has {short(other.pin)}" for other in others if other.pin != row.pin]
        found.append(row.also(State(DIFFERS, detail=", ".join(differing))) if differing else row)
    return found
