"""`invoke repo_roll_forward`: moves pins to the newest commits, deepest first, one commit in each super-repo.

Nothing is remembered between runs: what is left to do is seen from the repos, so that the command may be killed
anywhere and given again. A commit depends on what it holds alone and not on the clock, so that all checkouts of one
repo get the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from helpers import toolchain_path
from helpers.console import counted
from helpers.errors import HelpersError, UsageError
from helpers.model import git_url
from helpers.repo import changing, gaps, history, network, remotes, submodules
from helpers.repo.changing import Commit, Hand
from helpers.repos import home, pin_message, state, tree, upgrade
from helpers.repos.acting import (
    absent,
    closed,
    enters,
    moved,
    name_programs,
    not_acted_on,
    push_command,
)
from helpers.repos.newest import Newest, Tips
from helpers.repos.own_commits import all_ours
from helpers.repos.pin_message import Moved
from helpers.repos.place import Place, branch_command
from helpers.repos.step import COMMIT, FAULT, LEFT, PUSH, STAY, STOPPED, Report, Step, git_at, outermost
from helpers.repos.way import Facts, facts, incomplete, lacking, under_way, way


def main(
    *, only: str = "", push: bool = False, dry_run: bool = False, test: bool = True, cwd: Path | None = None
) -> int:
    """Move the pins of the tree around `cwd` forward, and return the exit code.

    Arguments:
        only: path of the one submodule whose pin moves, from the outermost super-repo; empty for all. `helpers` is
            helpers at any path, unless another submodule is there.
        push: push the commits, each submodule before its super-repo.
        dry_run: fetch, say what would be done, and do nothing else.
        test: run the tests of a repo whose helpers moves, before that is committed.
        cwd: where the command was given.

    Raises:
        UsageError: `cwd` is in no checkout, or `only` is no submodule.
        PolicyError: git has no name and address for a commit.
        LockHeldError: another process changes these repos.
        InfrastructureError: there is no git, or the disk is full.
    """
    root = outermost(cwd)
    only = only.strip("/")
    if only == toolchain_path.NAME and only not in submodules.gitlinks(root):
        only = toolchain_path.stated(root)
    upgrade.keep_code()
    report = Report(root, cwd)
    with changing.hand(root) as hand:
        roll = _Roll(root, hand, only, dry_run, changing.author(root), test=test)
        for step in roll.steps(push=push):
            report.add(step)
    return report.end(dry_run=dry_run)


class _Roll:
    def __init__(self, root: Path, hand: Hand, only: str, dry_run: bool, author: str, *, test: bool) -> None:
        self._first = Place(".", root)
        self._hand = hand
        self._only = only
        self._dry_run = dry_run
        self._author = author
        self._test = test
        self._tips = Tips(root, hand)
        self._closed: dict[str, str] = {}
        # The commit that each repo's super-repo may record, by path; None for one that is not made in a dry run.
        self._new: dict[str, str | None] = {}
        self._newest: list[tuple[Place, Newest]] = []

    def steps(self, *, push: bool) -> Iterator[Step]:
        """Do all that is to be done, each submodule before its super-repo, and yield it."""
        self._look_around()
        frozen = ""
        try:
            step = self._outermost()
            frozen = "" if step.word == STAY or step.moves else "the outermost super-repo is left"
            yield step
        except HelpersError as error:
            yield Step(".", FAULT, error.what)
            return
        yield from self._inside(self._first, frozen)
        newest = self._tips.of(self._first) if history.remote(self._first.root).upstream else None
        if isinstance(newest, Newest):
            self._newest.append((self._first, newest))
        if push and not self._dry_run:
            # Each submodule stands before its super-repo.
            for place, newest in self._newest:
                try:
                    yield from self._pushed(place, newest)
                except HelpersError as error:
                    yield Step(place.path, FAULT, error.what)
        if push and not frozen and not history.remote(self._first.root).upstream:
            yield from self._nowhere_to_push()

    def _nowhere_to_push(self) -> Iterator[Step]:
        """Name the commits of an outermost super-repo of which nobody said where they are pushed to."""
        root = self._first.root
        if number := submodules.unpushed(root, "HEAD"):
            on = history.current_branch(root)
            few = counted(number, "commit")
            what = f"not pushed: {on} follows no branch of a remote, and no remote has {few} of it"
            yield Step(".", LEFT, what, push_command(root, "."))

    def _look_around(self) -> None:
        """Find all repos, fetch for them side by side, and find out what can not be had."""
        found, wave = [self._first], [self._first]
        missing: dict[str, str] = {}
        known = {"."}
        with ThreadPoolExecutor() as pool:
            while wave:
                visits = list(pool.map(tree.visit, wave))
                missing |= {visit.row.path: visit.row.url for visit in visits if absent(visit)}
                wave = [below for visit in visits for below in visit.below]
                known |= {place.path for place in wave}
                found += [place for place in wave if self._wanted(place)]
            if self._only and self._only not in known:
                raise UsageError(
                    f"--only {self._only!r} is no submodule", where=self._first.root, fix="invoke repo_status"
                )
            inside = [place for place, there in zip(found, pool.map(enters, found), strict=True) if there]
        name_programs(self._first.root, [place.path for place in inside])
        self._tips.fetch(inside)
        reasons = remotes.unreachable(list(dict.fromkeys(url for url in missing.values() if url)))
        self._closed = {path: reasons[url] for path, url in missing.items() if url in reasons}

    def _wanted(self, place: Place) -> bool:
        return not self._only or place.path == self._only or self._only.startswith(f"{place.path}/")

    def _outermost(self) -> Step:
        """Bring the outermost super-repo to its upstream: a commit on an old one would go another way."""
        root = self._first.root
        if what := history.under_way(root):
            return under_way(".", what)
        if not history.current_branch(root):
            return Step(".", LEFT, "no branch is checked out to commit to", "git switch BRANCH")
        if left := not_acted_on(tree.visit(self._first).row):
            return left
        if not history.remote(root).upstream:
            return Step(".", STAY)
        newest = self._tips.of(self._first)
        if isinstance(newest, Step):
            return newest
        known = facts(root, newest.commit)
        step = Step(".", STAY) if known.older else way(".", known, newest.words)
        return self._done(self._first, step)

    def _inside(self, place: Place, frozen: str) -> Iterator[Step]:
        """Roll forward all that is in the repo at `place`, and commit it there.

        Arguments:
            place: where it is.
            frozen: why nothing may move there; empty if it may.
        """
        below = [sub for sub in tree.visit(place).below if self._wanted(sub)]
        if not below:
            return
        why_not = frozen or self._no_commit(place)
        for sub in below:
            yield from self._submodule(sub, why_not)
        if not why_not:
            yield from self._committed(place, below)

    def _submodule(self, place: Place, frozen: str) -> Iterator[Step]:
        visit = tree.visit(place)
        if left := not_acted_on(visit.row):
            yield left
        elif absent(visit):
            yield self._absent(place)
        else:
            try:
                step, newest = self._forward(place, frozen)
            except HelpersError as error:
                yield Step(place.path, FAULT, error.what)
                return
            yield step
            stays = step.word != STAY and not step.moves
            yield from self._inside(place, frozen or (f"{place.path} is left" if stays else ""))
            if newest:
                self._newest.append((place, newest))

    def _absent(self, place: Place) -> Step:
        if place.path in self._closed:
            return closed(place.path, self._closed[place.path])
        return Step(place.path, LEFT, "not checked out", "invoke repo_pull")

    def _forward(self, place: Place, frozen: str) -> tuple[Step, Newest | None]:
        """Move one submodule to its newest commit; return what was done, and that commit."""
        assert place.sub is not None
        newest = self._tips.of(place)
        if isinstance(newest, Step):
            return newest, None
        known = facts(place.root, newest.commit, place.sub.url)
        step = self._may_pin(place, known, newest)
        if step.word != LEFT and (step.moves or known.head != place.sub.pin):
            if frozen:
                return Step(place.path, LEFT, f"not moved, because {frozen}"), None
            if edited := upgrade.edited(self._first.root, place.path):
                why = f"{', '.join(edited)}: changed, so the tests would run with what is not committed"
                return Step(place.path, LEFT, why, f"{git_at(place.path)} status"), None
            if left := home.undeclared(place):
                return left, None
        step = self._done(place, step)
        if step.word == LEFT:
            return step, None
        self._new[place.path] = step.commit or known.head
        return step, newest

    def _may_pin(self, place: Place, known: Facts, newest: Newest) -> Step:
        """Return how the checkout moves so that its super-repo may record it, or why it may not."""
        assert place.sub is not None
        root, pin = place.root, place.sub.pin
        if known.under_way:
            return under_way(place.path, known.under_way)
        if not history.commit_of(root, pin):
            self._tips.fetch_commit(place, newest, pin)
        if not history.commit_of(root, pin):
            return lacking(place.path, pin, "its pin")
        if known.older:
            ours = history.contains(root, known.head, pin) and all_ours(root, newest.commit, known.head)
            if ours or (known.head == pin and self._home_has(place, newest, pin)):
                return Step(place.path, STAY)
            if found := gaps.gap(root, newest.remote):
                return incomplete(place.path, found)
            commits = counted(history.count(root, newest.commit, known.head), "commit")
            push = push_command(root, place.path, newest.branch)
            return Step(place.path, LEFT, f"not in {newest.words}: {commits} of yours", push)
        certain = history.contains(root, newest.commit, pin) and gaps.is_whole_between(root, pin, newest.commit)
        if not certain and (found := gaps.gap(root, newest.remote)):
            return incomplete(place.path, found)
        if not certain:
            what = f"its pin {state.short(pin)} is not in {newest.words}, so there is no way forward"
            return Step(place.path, LEFT, what, branch_command(place))
        return way(place.path, known, newest.words)

    def _done(self, place: Place, step: Step) -> Step:
        return step if self._dry_run else moved(self._hand, place, step)

    def _no_commit(self, place: Place) -> str:
        """Return why no commit can be made at `place`; empty if one can."""
        try:
            return self._no_commit_in(place)
        except HelpersError as error:
            return f"{place.path} can not be read ({error.what})"

    def _no_commit_in(self, place: Place) -> str:
        root = place.root
        if what := history.under_way(root):
            return f"{what} is under way in {place.path}"
        if history.current_branch(root):
            return ""
        newest = self._tips.of(place)
        if isinstance(newest, Step):
            return f"{place.path} is detached, and its branch is not known"
        head = self._new.get(place.path) or history.commit_of(root, "HEAD")
        if not history.contains(root, newest.commit, head):
            if found := gaps.gap(root, newest.remote):
                return f"the history of {place.path} is incomplete ({found.words})"
            return f"{place.path} is detached at a commit that is not in {newest.words}"
        own = history.commit_of(root, f"refs/heads/{newest.branch}")
        if own and not history.contains(root, head, own):
            return f"the branch {newest.branch} in {place.path} has commits of its own"
        if other := history.elsewhere(root, newest.branch):
            return f"the branch {newest.branch} of {place.path} is checked out in {other}"
        return ""

    def _committed(self, place: Place, below: Sequence[Place]) -> Iterator[Step]:
        """Commit the pins that have moved in the repo at `place`, if any has."""
        moved = [sub for sub in below if sub.sub and self._new.get(sub.path, sub.sub.pin) != sub.sub.pin]
        if not moved:
            return
        try:
            pins = self._pins(place, moved)
            if self._dry_run:
                self._new[place.path] = None
                yield Step(place.path, COMMIT, ", ".join(sub.path for sub in moved))
                return
            self._put_on_branch(place)
            before = history.commit_of(place.root, "HEAD")
            self._new[place.path] = made = self._commit(place, moved, pins)
        except HelpersError as error:
            self._new.pop(place.path, None)
            word = STOPPED if isinstance(error, upgrade.StoppedError) else LEFT
            yield Step(place.path, word, error.what, error.fix or f"{git_at(place.path)} status")
            return
        if made != before:
            yield Step(place.path, COMMIT, f"{state.short(made)}: {', '.join(map(str, pins))}")

    def _pins(self, place: Place, moved: Sequence[Place]) -> list[Moved]:
        recorded = history.pins_of(place.root, "HEAD")
        found = []
        for sub in moved:
            assert sub.sub is not None
            before, after = recorded.get(sub.sub.path, ""), self._new[sub.path] or ""
            both = before and after and history.commit_of(sub.root, before)
            texts = history.messages(sub.root, before, after) if both else []
            found.append(Moved(sub.sub.path, before, after, [text.splitlines()[0] for text in texts]))
        return found

    def _put_on_branch(self, place: Place) -> None:
        root = place.root
        if history.current_branch(root):
            return
        newest = self._tips.of(place)
        assert isinstance(newest, Newest)
        head = history.commit_of(root, "HEAD")
        own = history.commit_of(root, f"refs/heads/{newest.branch}")
        if own:
            self._hand.move_branch(root, newest.branch, head, own)
            self._hand.switch(root, newest.branch)
        else:
            self._hand.start_branch(root, newest.branch, head)
            self._hand.follow(root, newest.branch, newest.remote.name, newest.branch)

    def _commit(self, place: Place, moved: Sequence[Place], pins: Sequence[Moved]) -> str:
        files: list[str] = []
        # Only where the user works: code of a repo that lies in it would be a stranger's.
        for one in pins if place.path == "." else ():
            if one.before and one.before != one.after:
                files += upgrade.files(place.root, one.path, one.before, one.after, test=self._test)
        times = [history.seconds_of(sub.root, one.after) for sub, one in zip(moved, pins, strict=True)]
        wanted = Commit(
            {one.path: one.after for one in pins},
            pin_message.message(pins),
            max([history.seconds_of(place.root, "HEAD"), *times]),
            self._author,
            files,
        )
        return self._hand.commit(place.root, history.current_branch(place.root), wanted)

    def _pushed(self, place: Place, newest: Newest) -> Iterator[Step]:
        """Push what this command has committed at `place`, now or before it was killed."""
        root, push = place.root, push_command(place.root, place.path, newest.branch)
        head = history.commit_of(root, "HEAD")
        texts = history.messages(root, newest.commit, head)
        if not any(map(pin_message.is_ours, texts)) or history.count(root, head, newest.commit):
            return
        on = history.current_branch(root)
        if newest.branch not in (on, history.remote(root).upstream):
            # Who works on a branch of his own has not asked for that one.
            why = f"not pushed, as {on} is checked out, and {newest.branch} is what its super-repo follows"
            yield Step(place.path, LEFT, why, push)
            return
        if not all_ours(root, newest.commit, head):
            yield Step(place.path, LEFT, f"not pushed, as commits of yours are not in {newest.words}", push)
            return
        pins, pushed = history.pins_of(root, head), history.pins_of(root, newest.commit)
        for sub in tree.visit(place).below:
            assert sub.sub is not None
            if pins.get(sub.sub.path) == pushed.get(sub.sub.path) or not enters(sub):
                continue
            tip = self._tips.of(sub)
            if isinstance(tip, Step):
                yield Step(place.path, LEFT, f"not pushed, as {sub.path} is left", tip.fix)
                return
            if not self._home_has(sub, tip, pins.get(sub.sub.path, sub.sub.pin)):
                why = f"not pushed, as it pins a commit of {sub.path} that is not"
                yield Step(place.path, LEFT, why, push_command(sub.root, sub.path, tip.branch))
                return
        if why := self._hand_over(root, newest, head):
            yield Step(place.path, LEFT, f"not pushed: {why}", "invoke repo_pull && invoke repo_roll_forward --push")
        else:
            yield replace(Step(place.path, PUSH), detail=f"{state.short(head)} to {newest.words}")

    def _home_has(self, place: Place, newest: Newest, commit: str) -> bool:
        """Say whether the home of a submodule has a commit now; the home may have dropped a fetched commit."""
        if not history.commit_of(place.root, commit):
            return False
        if history.contains(place.root, newest.commit, commit):
            return True
        return network.has_commit(place.root, newest.remote.url, commit)

    def _hand_over(self, root: Path, newest: Newest, head: str) -> str:
        why = git_url.refusal(newest.remote.push_url, remotes.local_allowed)
        return why or git_url.masked(network.push(self._hand, root, newest.remote, head, newest.branch))
