"""The newest commit of the branch that a submodule follows; one commit for all checkouts of one repo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers.console import say
from helpers.errors import HelpersError
from helpers.model import git_url
from helpers.repo import history, network
from helpers.repo.changing import Hand
from helpers.repo.history import Remote
from helpers.repo.network import Fetch
from helpers.repos import home
from helpers.repos.acting import closed, unasked
from helpers.repos.place import Place, branch_command
from helpers.repos.step import FAULT, LEFT, Step, named


@dataclass(frozen=True)
class Newest:
    """The newest commit of a branch on a remote, as a checkout has it now."""

    remote: Remote
    branch: str
    commit: str

    @property
    def words(self) -> str:
        """What it is called in a message."""
        return f"{self.remote.name}/{self.branch}"


class Tips:
    """Finds the newest commits, and fetches them once in a run."""

    def __init__(self, root: Path, hand: Hand) -> None:
        self._root = root
        self._hand = hand
        self._remotes: dict[Path, Remote] = {}
        self._moved: dict[Path, Step | None] = {}
        self._failed: dict[Path, str] = {}
        self._gone: dict[Path, set[str]] = {}
        self._shared: dict[tuple[str, str], str] = {}

    def fetch(self, places: Sequence[Place]) -> None:
        """Fetch for several checkouts at a time; what fails is told when their newest commit is asked for."""
        wanted = []
        for place in places:
            if place.root not in self._remotes:
                try:
                    self._remotes[place.root] = remote = home.remote(place)
                    self._moved[place.root] = home.other(place, remote)
                except HelpersError as error:
                    self._failed[place.root] = error.what
                    continue
                # Commits of an earlier home are not asked for: the super-repo must not record them.
                if not remote.why_not and not self._moved[place.root]:
                    wanted.append(Fetch(place.root, remote))
        self._failed |= network.fetch(self._hand, wanted, self._tell, self._gone)

    def fetch_commit(self, place: Place, newest: Newest, commit: str) -> None:
        """Fetch a commit that may be on no branch of the remote, and still be given to who asks for it."""
        network.fetch(self._hand, [Fetch(place.root, newest.remote, commit)], self._tell)

    def of(self, place: Place) -> Newest | Step:
        """Return the newest commit for the repo at a place, or why there is none.

        Raises:
            InfrastructureError: git fails.
        """
        self.fetch([place])
        path, root = place.path, place.root
        remote = self._remotes.get(root)
        if remote is None:
            return Step(path, FAULT, self._failed[root])
        if moved := self._moved.get(root):
            return moved
        if place.sub and remote.why_not:
            return unasked(path, remote)
        if root in self._failed:
            return closed(path, self._failed[root])
        branch = self.branch(place, remote)
        if not history.is_branch_name(branch):
            what = f"the branch {branch!r} in .gitmodules is no name of one" if branch else "its remote names no branch"
            return Step(path, LEFT, what, branch_command(place))
        tip = self._tip(root, remote, branch)
        if not tip:
            return Step(path, LEFT, f"its remote has no branch {branch}", branch_command(place))
        return Newest(remote, branch, self._same_for_all(place, remote, branch, tip))

    def branch(self, place: Place, remote: Remote) -> str:
        """Return the branch that the repo at a place follows; empty if its remote names none.

        Raises:
            InfrastructureError: git fails.
        """
        if place.sub is None:
            return remote.upstream
        if place.sub.branch == ".":
            # As git does; where its super-repo is detached git has no answer.
            return history.current_branch(place.parent) or history.default_branch(place.root, remote.name)
        kept = history.default_branch(place.root, remote.name)
        # The remote may have removed its default branch since the clone.
        own = place.sub.branch or (kept if self._tip(place.root, remote, kept) else "")
        return own or network.default_branch(remote.url)

    def _tip(self, root: Path, remote: Remote, branch: str) -> str:
        """Return the current commit of a remote's branch; empty without the branch."""
        ref = f"refs/remotes/{remote.name}/{branch}"
        return "" if not branch or ref in self._gone.get(root, ()) else history.commit_of(root, ref)

    def _same_for_all(self, place: Place, remote: Remote, branch: str, tip: str) -> str:
        """Return the commit that the first checkout of this repo went to, where this one has it too."""
        first = self._shared.setdefault((git_url.same(remote.url), branch), tip)
        if not history.commit_of(place.root, first):
            # The remote got it while we were fetching.
            self._failed |= network.fetch(self._hand, [Fetch(place.root, remote)], self._tell)
        return first if history.commit_of(place.root, first) else tip

    def _tell(self, places: Sequence[Path]) -> None:
        say(f"still fetching {', '.join(named(self._root, places))}")
