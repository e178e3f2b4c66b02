"""`invoke repo_branch`: one branch in every repo of a tree that needs it, in all of them or in none."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from helpers.console import say
from helpers.errors import HelpersError, InfrastructureError, PolicyError, UsageError
from helpers.repo import changing, gaps, history
from helpers.repo.changing import Hand
from helpers.repos import state, tree
from helpers.repos.acting import checked_out, closed, inwards_first, name_programs, not_acted_on
from helpers.repos.state import Row
from helpers.repos.step import BRANCH, CLOSED, FAULT, LEFT, STAY, Report, Step, git_at, outermost
from helpers.repos.way import incomplete

_NOT_THERE = "not checked out, so without the branch"
_WORK = (state.DIRTY, state.UNTRACKED, state.ELSEWHERE)


def main(name: str, *, everywhere: bool = False, dry_run: bool = False, cwd: Path | None = None) -> int:
    """Make or check out the branch `name` where it is needed around `cwd`, and return the exit code.

    Arguments:
        name: of the branch.
        everywhere: in all repos, and not only where there is work, and above.
        dry_run: say what would be done, and do nothing.
        cwd: where the command was given.

    Raises:
        UsageError: `cwd` is in no checkout, or `name` is no name of a branch.
        LockHeldError: another process changes these repos.
        InfrastructureError: there is no git.
    """
    if not history.is_branch_name(name):
        fix = "letters, digits, - and /, such as topic/forecast"
        raise UsageError(f"{name!r} is no name of a branch", fix=fix)
    root = outermost(cwd)
    report = Report(root, cwd)
    with changing.hand(root) as hand:
        rows = tree.rows(root, offline=not everywhere)
        name_programs(root, checked_out(rows))
        urls = {row.path: row.url for row in rows}
        steps = [_planned(hand, root, row, name) for row in inwards_first(_needed(rows, everywhere=everywhere))]
        # What is not there can not have it, and holds up nobody.
        stuck = any(step.code and step.word != CLOSED and step.detail != _NOT_THERE for step in steps)
        for step in steps:
            if step.code or dry_run or not stuck:
                report.add(step if dry_run or stuck else _done(hand, root, step, name, urls[step.path]))
    if stuck and not dry_run:
        say("nothing is done: it is done in all of them or in none")
    return report.end(dry_run=dry_run)


def _needed(rows: Sequence[Row], *, everywhere: bool) -> list[Row]:
    """Return those that need the branch: with work in them, or around such a one; the outermost always."""
    work = [row.path for row in rows if any(row.has(word) for word in _WORK) or row.has(state.ERROR)]
    return [
        row
        for row in rows
        if everywhere or row.path == "." or row.path in work or any(path.startswith(f"{row.path}/") for path in work)
    ]


def _planned(hand: Hand, root: Path, row: Row, name: str) -> Step:
    """Return the step for a repo, or the reason for no step."""
    try:
        if left := not_acted_on(row):
            return left
        for one in row.states:
            if one.word == state.CLOSED:
                return closed(row.path, one.detail)
        if row.has(state.ABSENT):
            return Step(row.path, LEFT, _NOT_THERE, "invoke repo_pull")
        return _planned_in(hand, root / row.path, row, name)
    except HelpersError as error:
        return Step(row.path, FAULT, error.what)


def _planned_in(hand: Hand, place: Path, row: Row, name: str) -> Step:
    git = git_at(row.path)
    if row.branch == name:
        return Step(row.path, STAY)
    if left := _unfit(place, row, name):
        return left
    remote = history.remote(place, row.url).name
    own = history.commit_of(place, f"refs/heads/{name}")
    there = own or history.commit_of(place, f"refs/remotes/{remote}/{name}")
    moved = next((one for one in row.states if one.word == state.MOVED), None)
    if there and not own and moved:
        return Step(row.path, LEFT, f"{moved.detail}, which may have no branch {name}", moved.fix)
    whose = name if own else f"{remote}/{name}"
    if not there:
        return Step(row.path, BRANCH, f"new, at {state.short(row.head)}", commit=row.head)
    if history.contains(place, row.head, there):
        return Step(row.path, BRANCH, f"{whose}, forward to {state.short(row.head)}", commit=row.head)
    if not history.contains(place, there, row.head):
        if gap := gaps.gap(place, history.remote(place, row.url)):
            return incomplete(row.path, gap)
        what = f"{whose} and what is checked out have gone different ways"
        return Step(row.path, LEFT, what, f"{git} log --oneline --left-right HEAD...{whose}")
    if why := hand.in_the_way(place, row.head, there):
        return Step(row.path, LEFT, why, f"{git} status")
    return Step(row.path, BRANCH, f"{whose}, {state.short(row.head)} -> {state.short(there)}", commit=there)


def _unfit(place: Path, row: Row, name: str) -> Step | None:
    """Return why a repo can not have the branch, whatever it has of that name; None if it can."""
    git = git_at(row.path)
    if what := history.under_way(place):
        return Step(row.path, LEFT, f"{what} is under way", f"{git} status")
    if not row.head:
        return Step(row.path, LEFT, "it has no commit yet", f"{git} commit")
    if other := history.elsewhere(place, name):
        return Step(row.path, LEFT, f"{name} is checked out in {other}", f"{git} worktree list")
    if taken := history.name_is_taken(place, name):
        return Step(row.path, LEFT, f"it has a branch {taken}, beside which {name} can not be", "take another name")
    return None


def _done(hand: Hand, root: Path, step: Step, name: str, url: str) -> Step:
    if step.word != BRANCH:
        return step
    place, target = root / step.path, step.commit
    try:
        own = history.commit_of(place, f"refs/heads/{name}")
        if own:
            if own != target:
                hand.move_branch(place, name, target, own)
            hand.switch(place, name)
        else:
            remote = history.remote(place, url)
            hand.start_branch(place, name, target)
            if remote.name and history.commit_of(place, f"refs/remotes/{remote.name}/{name}"):
                hand.follow(place, name, remote.name, name)
    except (PolicyError, InfrastructureError) as error:
        return Step(step.path, LEFT, error.what, f"{git_at(step.path)} status")
    return step
