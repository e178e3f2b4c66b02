"""What the commands that act over repos have in common: what is left alone, and how a checkout is moved."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path

from helpers.console import printable, say
from helpers.errors import PolicyError
from helpers.model import git_url
from helpers.repo import history, own_programs
from helpers.repo.changing import Hand
from helpers.repo.history import Remote
from helpers.repos import state, tree
from helpers.repos.place import Place
from helpers.repos.state import Row
from helpers.repos.step import CHECK_OUT, CLONE, CLOSED, FAULT, FORWARD, LEFT, SKIPPED, Step, git_at
from helpers.repos.tree import Visit


def moved(hand: Hand, place: Place, step: Step) -> Step:
    """Move the checkout at `place` as a step says; return the step, or why git refused."""
    try:
        if step.word == FORWARD:
            hand.fast_forward(place.root, step.commit, history.current_branch(place.root))
        elif step.word in (CHECK_OUT, CLONE):
            hand.detach(place.root, step.commit)
    except PolicyError as error:
        return Step(place.path, LEFT, error.what, f"{git_at(place.path)} status")
    return step


def not_acted_on(row: Row) -> Step | None:
    """Return why a repo that was found in the tree is left alone; None if it is not."""
    if row.unwanted:
        return Step(row.path, SKIPPED, "not checked out, as its update = none says")
    for one in row.states:
        if one.word == state.ERROR:
            return Step(row.path, FAULT, one.detail)
        if one.word == state.REFUSED:
            return Step(row.path, LEFT, f"refused: {one.detail}", "correct .gitmodules")
        if one.word == state.UNPINNED:
            return Step(row.path, LEFT, "its super-repo records no commit for it", one.fix or "correct .gitmodules")
        if one.word == state.UNLISTED:
            return Step(row.path, LEFT, "not in .gitmodules", one.fix)
    return None


def absent(visit: Visit) -> bool:
    """Say whether nothing is checked out where a repo may be."""
    return visit.row.has(state.ABSENT) and not_acted_on(visit.row) is None


def enters(place: Place) -> bool:
    """Say whether a repo is checked out at a place that may be entered."""
    visit = tree.visit(place)
    return visit.entered and not_acted_on(visit.row) is None


def closed(path: str, why: str) -> Step:
    """Return that a remote gave no access, and why.

    Arguments:
        path: of the repo.
        why: what git said.
    """
    return Step(path, CLOSED, git_url.masked(why), "ask for access, or work without it")


def unasked(path: str, remote: Remote) -> Step:
    """Return the message about a skipped repo whose remote is not asked; `why_not` of the remote has the reason."""
    git = git_at(path)
    if not remote.name:
        fix = f"{git} branch --unset-upstream"
    elif remote.partial:
        unset = [f"{git} config --unset-all {key}" for key in dict.fromkeys(remote.partial)]
        fix = " && ".join([f"{git} fetch --refetch --no-filter {remote.name}", *unset])
    else:
        fix = f"{git} remote {'set-url' if remote.url else 'add'} {remote.name} URL"
    return Step(path, LEFT, remote.why_not, fix)


def push_command(root: Path, path: str, branch: str = "") -> str:
    """Return the command by which the user pushes what is checked out at `root`.

    Arguments:
        root: of the checkout.
        path: of the repo, relative to the outermost super-repo.
        branch: of its remote, where no branch is checked out; empty where the user must name it.

    Raises:
        InfrastructureError: git fails.
    """
    git, remote, on = git_at(path), history.remote(root), history.current_branch(root)
    name = remote.name or "origin"
    if remote.name and not remote.url:
        return f"{git} remote add {name} URL"
    if on and remote.upstream == on:
        return f"{git} push"
    if on and not remote.upstream:
        return f"{git} push -u {name} {shlex.quote(on)}"
    return f"{git} push {name} {shlex.quote('HEAD:' + (remote.upstream or branch or 'BRANCH'))}"


def inwards_first(rows: Sequence[Row]) -> list[Row]:
    """Return the rows sorted by path, each submodule before its super-repo."""
    last = chr(0x10FFFF)
    return sorted(rows, key=lambda row: (last,) if row.path == "." else (*Path(row.path).parts, last))


def name_programs(root: Path, paths: Iterable[str]) -> None:
    """Say which programs the repos at these paths themselves name: they are not run, which somebody may count on."""
    for path in paths:
        found = [
            *own_programs.settings(root / path),
            *(f"hook {name}" for name in own_programs.hooks(root / path)),
        ]
        if found:
            say(f"note: {printable(path)}: not run or used, as a checkout's own: {printable(', '.join(found))}")


def checked_out(rows: Sequence[Row]) -> list[str]:
    """Return the paths of those that are checked out and may be entered."""
    return [row.path for row in rows if row.head and not not_acted_on(row)]
