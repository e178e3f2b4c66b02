"""Where a checkout may go so that no work is lost: pure, from facts that are asked of git before."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from helpers.repo import gaps, history
from helpers.repo.gaps import Gap
from helpers.repos.state import short
from helpers.repos.step import CHECK_OUT, CLONE, FORWARD, LEFT, STAY, Step, git_at


@dataclass(frozen=True)
class Facts:
    """What matters when a checkout is to go to a commit.

    Arguments:
        head: the commit that is checked out; empty before the first one.
        branch: the branch that is; empty for none.
        target: the commit that it is to go to.
        there: whether it has that commit.
        newer: whether that commit has `head` in its history, or is the same.
        older: whether `head` has that commit in its history, and is another.
        only_here: whether no branch or tag has `head`.
        under_way: what of git's waits to be gone on with.
        never_filled: whether its files were never checked out.
        gap: why `newer`, `older` and `only_here` may be wrong; None where they are certain.
    """

    head: str
    branch: str
    target: str
    there: bool = True
    newer: bool = False
    older: bool = False
    only_here: bool = False
    under_way: str = ""
    never_filled: bool = False
    gap: Gap | None = None


def facts(root: Path, target: str, declared: str = "") -> Facts:
    """Ask git for the facts of the checkout at `root`.

    Arguments:
        root: of the checkout.
        target: the commit that it is to go to.
        declared: as in `history.remote`.

    Raises:
        InfrastructureError: git fails.
    """
    head, branch = history.commit_of(root, "HEAD"), history.current_branch(root)
    there = bool(history.commit_of(root, target))
    both = bool(head) and there
    newer = both and history.contains(root, target, head)
    older = both and not newer and history.contains(root, head, target)
    alone = bool(head) and not branch and history.only_here(root, head)
    doubtful = there and not newer and (alone or not older)
    return Facts(
        head,
        branch,
        target,
        there,
        newer,
        older,
        alone,
        history.under_way(root),
        history.never_filled(root),
        gaps.gap(root, history.remote(root, declared)) if doubtful else None,
    )


def way(path: str, known: Facts, goal: str, own: str = "") -> Step:
    """Return how the checkout at `path` gets to its target, or why it is left.

    Arguments:
        path: of the repo, relative to the outermost super-repo.
        known: the facts.
        goal: what the target is called, as in `its pin`.
        own: the command that pushes and pins commits of the user; empty where there are none.
    """
    git = git_at(path)
    to = short(known.target)
    moved = f"{short(known.head)} -> {to}, {goal}"
    if left := _unfit(path, known, goal):
        return left
    if known.never_filled:
        return Step(path, CLONE, f"{to}, {goal}", commit=known.target)
    if known.head == known.target:
        return Step(path, STAY)
    if not known.branch:
        return Step(path, CHECK_OUT, moved, commit=known.target)
    if known.newer:
        return Step(path, FORWARD, f"{known.branch}: {moved}", commit=known.target)
    if known.older:
        what = f"{known.branch} is ahead of {goal}, {to}"
        return Step(path, LEFT, what, own)
    if known.gap:
        return incomplete(path, known.gap)
    return Step(path, LEFT, f"{known.branch} and {goal}, {to}, have gone different ways", f"{git} rebase {to}")


def under_way(path: str, what: str) -> Step:
    """Return that a repo is left, as something of git's waits there to be gone on with."""
    return Step(path, LEFT, f"{what} is under way", f"{git_at(path)} status")


def incomplete(path: str, gap: Gap) -> Step:
    """Return the message about a skipped repo: the needed part of its history is missing."""
    return Step(path, LEFT, f"its history is incomplete ({gap.words})", gap.fix(git_at(path)))


def lacking(path: str, commit: str, goal: str) -> Step:
    """Return that a repo is left, as neither it nor its remote has the commit that it is to go to."""
    what = f"its remote has not got {goal}, {short(commit)}"
    return Step(path, LEFT, what, "whoever made that commit: git push")


def _unfit(path: str, known: Facts, goal: str) -> Step | None:
    """Return why the checkout may not leave where it is, or can not; None if it may."""
    git = git_at(path)
    if known.under_way:
        return under_way(path, known.under_way)
    if not known.there:
        return lacking(path, known.target, goal)
    if not known.head:
        return Step(path, LEFT, "it has no commit yet", f"{git} pull")
    if known.only_here and not known.newer and known.gap:
        return incomplete(path, known.gap)
    if known.only_here and not known.newer:
        what = f"it is at commits that are on no branch ({short(known.head)}), and would be lost from sight"
        return Step(path, LEFT, what, f"{git} branch NAME")
    return None
