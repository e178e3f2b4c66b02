"""`invoke repo_pull`: the outermost super-repo goes to its upstream, and each submodule to its pin."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from helpers.console import say
from helpers.errors import HelpersError
from helpers.model import git_url
from helpers.repo import changing, history, location, network
from helpers.repo.changing import MARK_ASIDE, Hand
from helpers.repo.history import Remote
from helpers.repo.network import Clone, Fetch
from helpers.repos import home, state, tree
from helpers.repos.acting import (
    absent,
    closed,
    enters,
    moved,
    name_programs,
    not_acted_on,
    push_command,
    unasked,
)
from helpers.repos.place import Place
from helpers.repos.step import CLONE, FAULT, LEFT, STAY, Report, Step, named, outermost
from helpers.repos.tree import Visit
from helpers.repos.way import facts, under_way, way

_PIN = "its pin"


def main(*, dry_run: bool = False, cwd: Path | None = None) -> int:
    """Bring the outermost super-repo around `cwd` and all its submodules up to date, and return the exit code.

    Arguments:
        dry_run: fetch, say what would be done, and do nothing else.
        cwd: where the command was given.

    Raises:
        UsageError: `cwd` is in no checkout.
        LockHeldError: another process changes these repos.
        InfrastructureError: there is no git, or the disk is full.
    """
    root = outermost(cwd)
    report = Report(root, cwd)
    with changing.hand(root) as hand:
        pull = _Pull(root, hand, dry_run)
        for step in pull.steps():
            report.add(step)
    return report.end(dry_run=dry_run)


class _Pull:
    def __init__(self, root: Path, hand: Hand, dry_run: bool) -> None:
        self._root = root
        self._hand = hand
        self._dry_run = dry_run

    def steps(self) -> Iterator[Step]:
        """Do all that is to be done, from the outermost repo inwards, and yield it."""
        first = Place(".", self._root)
        name_programs(self._root, ["."])
        yield self._upstream(first)
        found = tree.visit(first)
        if left := not_acted_on(found.row):
            yield left
        places: Sequence[Place] = found.below
        with ThreadPoolExecutor() as pool:
            while places:
                yield from self._wave(places, list(pool.map(tree.visit, places)))
                # Where a repo has moved there may be others in it now.
                places = [below for place in places if enters(place) for below in tree.visit(place).below]

    def _upstream(self, place: Place) -> Step:
        try:
            return self._done(place, self._to_upstream(place.root))
        except HelpersError as error:
            return Step(place.path, FAULT, error.what)

    def _to_upstream(self, root: Path) -> Step:
        if what := history.under_way(root):
            return under_way(".", what)
        remote = history.remote(root)
        if not remote.upstream:
            on = history.current_branch(root)
            fix = _to_follow(root, on, remote)
            return Step(".", LEFT, f"{on or 'a detached HEAD'} follows no branch of a remote", fix)
        if remote.why_not:
            return unasked(".", remote)
        if failed := self._fetch([Fetch(root, remote)]):
            return closed(".", failed[root])
        tip = history.commit_of(root, f"refs/remotes/{remote.name}/{remote.upstream}")
        if not tip:
            return Step(".", LEFT, f"{remote.name} has no branch {remote.upstream}", "git branch --unset-upstream")
        known = facts(root, tip)
        return Step(".", STAY) if known.older else way(".", known, f"{remote.name}/{remote.upstream}")

    def _wave(self, places: Sequence[Place], visits: Sequence[Visit]) -> Iterator[Step]:
        """Bring the submodules of one depth to their pins."""
        name_programs(self._root, [place.path for place in places if enters(place)])
        told = self._get_clones([place for place, visit in zip(places, visits, strict=True) if absent(visit)])
        lacking = [place for place in places if place.path not in told and self._lacks_its_pin(place)]
        told |= self._get_pins(lacking)
        for place, visit in zip(places, visits, strict=True):
            yield told.get(place.path) or self._submodule(place, visit)

    def _submodule(self, place: Place, visit: Visit) -> Step:
        if left := not_acted_on(visit.row):
            return left
        assert place.sub is not None
        if absent(visit) and self._dry_run:
            return Step(place.path, CLONE, f"{git_url.masked(place.sub.url)} at {state.short(place.sub.pin)}")
        try:
            known = facts(place.root, place.sub.pin, place.sub.url)
            push = push_command(place.root, place.path) if known.older else ""
            own = f"{push} && {place.git_above} add -- {shlex.quote(place.sub.path)}" if push else ""
            return self._done(place, way(place.path, known, _PIN, own))
        except HelpersError as error:
            return Step(place.path, FAULT, error.what, error.fix or "")

    def _done(self, place: Place, step: Step) -> Step:
        """Do one step, unless nothing is to be done; return it, or why git refused."""
        return step if self._dry_run else moved(self._hand, place, step)

    def _get_clones(self, places: Sequence[Place]) -> dict[str, Step]:
        """Clone what is not checked out; return a step for each one that could not be."""
        told: dict[str, Step] = {}
        wanted: dict[Path, tuple[Place, Clone]] = {}
        for place in () if self._dry_run else places:
            assert place.sub is not None
            above = location.git_dir(place.parent)
            assert above is not None
            one = Clone(place.sub.url, above / "modules", place.sub.name)
            if why := _no_room(place, one):
                told[place.path] = Step(place.path, LEFT, why, "move it away, then again")
            else:
                wanted[one.kept] = (place, one)
        new = [one for _, one in wanted.values() if not one.kept.exists()]
        if new:
            say(f"cloning {', '.join(wanted[one.kept][0].path for one in new)}")
        failed = network.clone(new, self._tell)
        for kept, (place, one) in wanted.items():
            if kept in failed:
                told[place.path] = closed(place.path, failed[kept])
            else:
                try:
                    self._hand.register(place.parent, one.name, one.url)
                    self._hand.place(kept, place.root)
                except HelpersError as error:
                    told[place.path] = Step(place.path, FAULT, error.what, f"ls -la {shlex.quote(str(kept))}")
        return told

    def _lacks_its_pin(self, place: Place) -> bool:
        try:
            return bool(
                place.sub and place.sub.pin and enters(place) and not history.commit_of(place.root, place.sub.pin)
            )
        except HelpersError:
            return False  # it is told when it is looked at again

    def _get_pins(self, lacking: Sequence[Place]) -> dict[str, Step]:
        """Fetch for those that lack their pin; return a step for each one whose remote does not answer."""
        told: dict[str, Step] = {}
        remotes: dict[str, Remote] = {}
        for place in lacking:
            try:
                remotes[place.path] = remote = home.remote(place)
                if moved := home.other(place, remote):
                    told[place.path] = moved
                    continue
            except HelpersError as error:
                told[place.path] = Step(place.path, FAULT, error.what)
                continue
            if remote.why_not:
                told[place.path] = unasked(place.path, remote)
        asked = [place for place in lacking if place.path not in told]
        failed = self._fetch([Fetch(place.root, remotes[place.path]) for place in asked])
        for place in asked:
            if place.root in failed:
                told[place.path] = closed(place.path, failed[place.root])
        # A commit may be on no branch, and still be given to who asks for it.
        rest = [place for place in asked if place.path not in told and self._lacks_its_pin(place)]
        self._fetch([Fetch(place.root, remotes[place.path], place.sub.pin) for place in rest if place.sub])
        return told

    def _fetch(self, wanted: Sequence[Fetch]) -> dict[Path, str]:
        return network.fetch(self._hand, wanted, self._tell)

    def _tell(self, places: Sequence[Path]) -> None:
        say(f"still fetching {', '.join(named(self._root, places))}")


def _to_follow(root: Path, branch: str, remote: Remote) -> str:
    """Return the command by which the outermost super-repo gets an upstream."""
    if not branch:
        return "git switch BRANCH"
    if remote.name and history.commit_of(root, f"refs/remotes/{remote.name}/{branch}"):
        return f"git branch --set-upstream-to={shlex.quote(f'{remote.name}/{branch}')}"
    return push_command(root, ".")


def _no_room(place: Place, one: Clone) -> str:
    """Return what is in the way of a new checkout; empty if nothing is."""
    if place.root.is_symlink() or (place.root.exists() and not place.root.is_dir()):
        return "a file is where it belongs"
    # What a kill left there is taken for nothing.
    if place.root.is_dir() and any(found.name != MARK_ASIDE or found.is_dir() for found in place.root.iterdir()):
        return "its directory is not empty"
    # A repo inside of another one's git directory would be part of it.
    steps = [one.modules.joinpath(*Path(one.name).parts[: n + 1]) for n in range(len(Path(one.name).parts))]
    if one.modules.is_symlink():
        return f"{one.modules} is a link"
    if any(step.is_symlink() for step in steps) or any((step / "HEAD").exists() for step in steps[:-1]):
        return f"the name {one.name!r} leads into another repo's git directory"
    return ""
