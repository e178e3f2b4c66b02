"""What the commands that act over repos have in common: what is left alone, and how a checkout is moved."""

from __future__ import annotations

import shlex
from pathlib import Path

from helpers.model import git_url
from helpers.repo import history
from helpers.repo.changing import Hand
from helpers.repos import state, tree
from helpers.repos.step import CHECK_OUT, CLONE, CLOSED, FAULT, FORWARD, LEFT, Step
from helpers.repos.tree import Place, Visit


def move(hand: Hand, root: Path, step: Step) -> None:
    """Move the checkout at `root` as a step says.

    Raises:
        PolicyError: git refuses.
    """
    if step.word == FORWARD:
        hand.fast_forward(root, step.commit, history.current_branch(root))
    elif step.word in (CHECK_OUT, CLONE):
        hand.detach(root, step.commit)


def not_acted_on(row: state.Row) -> Step | None:
    """Return why a repo that was found in the tree is left alone; None if it is not."""
    for one in row.states:
        if one.word == state.ERROR:
            return Step(row.path, FAULT, one.detail)
        if one.word == state.REFUSED:
            return Step(row.path, LEFT, f"refused: {one.detail}", "correct .gitmodules")
        if one.word == state.UNPINNED:
            return Step(row.path, LEFT, "its super-repo records no commit for it", "git add it, or remove its entry")
        if one.word == state.UNLISTED:
            return Step(row.path, LEFT, "not in .gitmodules", f"git submodule add URL {shlex.quote(row.path)}")
    return None


def absent(visit: Visit) -> bool:
    """Say whether nothing is checked out where a repo may be."""
    return visit.row.has(state.ABSENT) and not_acted_on(visit.row) is None


def enters(place: Place) -> bool:
    """Say whether a repo is checked out at a place that may be entered."""
    visit = tree.visit(place)
    return visit.entered and not_acted_on(visit.row) is None


def closed(path: str, why: str) -> Step:
    """Return that a remote gave no access, and why."""
    return Step(path, CLOSED, git_url.masked(why), "ask for access, or work without it")
