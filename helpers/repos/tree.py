"""Looks at a super-repo and all its submodules, nested ones too: several at a time, and each one by itself only."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace
from pathlib import Path

from helpers.console import unforeseen
from helpers.errors import HelpersError, PolicyError
from helpers.model import git_url, submodule
from helpers.model.porcelain import Status
from helpers.model.submodule import Submodule
from helpers.repo import gaps, history, location, remotes, submodules
from helpers.repo.location import boundaries
from helpers.repos import home, state
from helpers.repos.place import Place, listing_command
from helpers.repos.state import Row, State
from helpers.repos.step import git_at

# A look mostly waits, for git or for the disk.
_LOOKS_PER_CORE = 2


@dataclass(frozen=True)
class Visit:
    """What was found at one place before its files were looked at.

    Arguments:
        row: its row as far as that is known.
        entered: whether a repo is checked out there that may be looked at.
        below: the places of its submodules.
    """

    row: Row
    entered: bool = False
    below: tuple[Place, ...] = ()


def rows(root: Path, *, offline: bool) -> list[Row]:
    """Return a row for the super-repo at `root` and for each submodule, each one after its super-repo, sorted by path.

    Arguments:
        root: absolute path of the outermost super-repo.
        offline: ask no remote whether it can be reached.
    """
    found = state.compare_pins(_look_around(root))
    if not offline:
        found = _ask_remotes(found)
    return sorted(found, key=lambda row: () if row.path == "." else Path(row.path).parts)


def _look_around(root: Path) -> list[Row]:
    """Return a row for each repo; a repo's files are looked at while its submodules are still being found."""
    found: list[Row] = []
    with ThreadPoolExecutor(max_workers=_LOOKS_PER_CORE * (os.cpu_count() or 1)) as pool:
        first = Place(".", root)
        waiting = {pool.submit(visit, first): first}
        looks: list[Future[Row]] = []
        while waiting:
            for done in wait(waiting, return_when=FIRST_COMPLETED).done:
                place, found_there = waiting.pop(done), done.result()
                waiting |= {pool.submit(visit, below): below for below in found_there.below}
                if found_there.entered:
                    looks.append(pool.submit(_look, place, found_there.row))
                else:
                    found.append(found_there.row)
        return found + [look.result() for look in looks]


def visit(place: Place) -> Visit:
    """Find out whether a place may be entered, and what is below it; whatever is wrong there hides no other place."""
    row, sub = _row(place), place.sub
    try:
        if sub and not (sub.contained and sub.pin):
            return Visit(row)
        kept = submodules.submodule_at(place.parent, sub.path) if sub else location.git_dir(place.root)
        if kept is None:
            unwanted = sub is not None and (sub.unwanted or submodules.is_unwanted(place.parent, sub.name))
            return Visit(replace(row, unwanted=unwanted).also(State(state.ABSENT)))
        if kept in place.above:
            raise PolicyError("its .git is that of a repo around it", where=place.root)
        return _with_submodules(place, row, (*place.above, kept))
    except Exception as error:
        return Visit(row.also(_fault(error)))


def _look(place: Place, row: Row) -> Row:
    """Return the row of a checkout, completed by what git says of it."""
    try:
        status = submodules.status(place.root)
        moved, remote = _remote(place)
        # The commits of an earlier home prove nothing about the new home.
        pushed = submodules.is_pushed(place.root, row.pin, remote) if row.pin and not moved else True
        waits = history.under_way(place.root)
        # A rebase is on no branch until it ends.
        alone = 0 if waits or (status.head == row.pin and pushed) else _alone(place.root, status)
        shallow = bool(boundaries(place.root))
        doubtful = alone or pushed is not True or (shallow and status.ahead)
        gap = gaps.gap(place.root, home.remote(place)) if doubtful else None
    except Exception as error:
        return row.also(_fault(error))
    row = replace(row, branch=status.branch, head=status.head)
    if gap:
        # Commits that seem to be on no branch, or not pushed, may be in the missing part.
        status = replace(status, ahead=None, behind=None) if shallow else status
        pushed, alone = None if pushed is None else True, 0 if shallow or status.head == row.pin else alone
        row = row.also(State(state.INCOMPLETE, detail=gap.words, fix=gap.fix(git_at(place.path))))
    row = row.also(*([State(state.UNDER_WAY, detail=waits)] if waits else []), *moved)
    return row.also(*state.of_checkout(status, row.pin, pushed, alone))


def _remote(place: Place) -> tuple[list[State], str]:
    """Return the state of a submodule whose remote is not its home, and the name of its remote; empty for all."""
    if place.sub is None or not place.sub.url or (name := home.plain_remote(place)):
        return [], name if place.sub and place.sub.url else ""
    remote = home.remote(place)
    found = home.other(place, remote)
    return [State(state.MOVED, detail=found.detail, fix=found.fix)] if found else [], remote.name


def _alone(root: Path, status: Status) -> int:
    """Return how many commits of what is checked out no remote has, or no ref at all where no branch is."""
    if not status.head or status.ahead is not None:
        return 0
    return submodules.unpushed(root, status.head) if status.branch else submodules.on_no_branch(root, status.head)


def _fault(error: Exception) -> State:
    if isinstance(error, PolicyError):
        return State(state.REFUSED, detail=error.what)
    told = error if isinstance(error, HelpersError) else unforeseen(error)
    return State(state.ERROR, detail=git_url.masked(told.what))


def _row(place: Place) -> Row:
    sub = place.sub
    if sub is None:
        return Row(place.path)
    states = [State(state.REFUSED, detail=why) for why in sub.refusals]
    states += [] if sub.listed else [State(state.UNLISTED, fix=listing_command(place))]
    states += [] if sub.pin else [State(state.UNPINNED, fix=_pinning(place))]
    return Row(place.path, pin=sub.pin, url=sub.url, states=tuple(states))


def _pinning(place: Place) -> str:
    """Return the command to make index and `.gitmodules` agree about a submodule without a pin; empty if unknown."""
    assert place.sub is not None
    if not place.sub.contained:
        return ""
    if (place.root / ".git").exists():
        return f"{place.git_above} add -- {shlex.quote(place.sub.path)}"
    return f"{place.git_above} config -f .gitmodules --remove-section {shlex.quote(f'submodule.{place.sub.name}')}"


def _with_submodules(place: Place, row: Row, above: tuple[Path, ...]) -> Visit:
    pins = submodules.gitlinks(place.root)
    try:
        settings = submodules.gitmodules(place.root)
    except HelpersError as error:
        settings, row = [], row.also(State(state.ERROR, detail=f".gitmodules: {error.what}"))
    below = []
    for sub in _judged(place.root, submodule.read(pins, settings)):
        path = sub.path if place.path == "." else f"{place.path}/{sub.path}"
        below.append(Place(path, place.root, sub, above))
    return Visit(row, True, tuple(below))


def _judged(root: Path, subs: Sequence[Submodule]) -> list[Submodule]:
    """Return the submodules of the repo at `root` with absolute URLs, those refused that git must not be given."""
    remote = submodules.remote_url(root) if any(git_url.is_relative(sub.url) for sub in subs) else ""
    base = remote or str(root)  # without a remote git takes the super-repo's own path
    found = []
    for sub in subs:
        why, url = "", sub.url
        anchored = bool(remote) or not git_url.is_relative(url)
        try:
            url = git_url.resolve(base, url) if git_url.is_relative(url) else url
            why = git_url.refusal(url, remotes.local_allowed) if sub.listed else ""
        except ValueError as error:
            why = f"the URL {error}"
        refusals = (*sub.refusals, *([why] if why else []))
        found.append(replace(sub, url=url, anchored=anchored, refusals=refusals))
    return found


def _ask_remotes(found: Sequence[Row]) -> list[Row]:
    """Return the rows, those that are not checked out told apart from those that the user has no access to."""
    absent = [row for row in found if row.has(state.ABSENT) and row.url and not row.has(state.REFUSED)]
    if not absent:
        return list(found)
    closed = remotes.unreachable(list(dict.fromkeys(row.url for row in absent)))
    told = {
        row.path: replace(
            row,
            states=tuple(
                State(state.CLOSED, detail=git_url.masked(closed[row.url])) if one.word == state.ABSENT else one
                for one in row.states
            ),
        )
        for row in absent
        if row.url in closed
    }
    return [told.get(row.path, row) for row in found]
