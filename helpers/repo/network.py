"""Fetches, clones and pushes in a way that no checkout's configuration has a part in.

A checkout can name programs in more settings than anybody lists: transports, URLs that are rewritten, helpers for
passwords. So git is started in an empty repo of ours that borrows the checkout's objects and a copy of its refs; the
user's own configuration counts there, the checkout's does not. What was fetched is then written to its refs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers import proc, storage
from helpers.errors import HelpersError, InfrastructureError
from helpers.model import git_url
from helpers.repo.changing import Hand
from helpers.repo.door import look
from helpers.repo.history import Remote, commit_of
from helpers.repo.location import common_dir, git_dir
from helpers.repo.remotes import first_words, network_environment

# For one repo; a large one over a slow line takes minutes.
_SECONDS = 1800
_SHA256 = 64
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# They are given on a command line.
_MANY_REFS = 500
_ASIDE = ".helpers-clone-"
_PLAIN = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
_WITH_SHA256 = _PLAIN.replace("= 0", "= 1") + "[extensions]\n\tobjectformat = sha256\n"

# Is given the places of the repos that are still worked on.
Tell = Callable[[Sequence[Path]], object]


@dataclass(frozen=True)
class Fetch:
    """What one checkout is to fetch.

    Arguments:
        root: the checkout.
        remote: from where; one that is not refused.
        commit: this commit, which is on no branch of the remote; empty for the branches.
    """

    root: Path
    remote: Remote
    commit: str = ""


@dataclass(frozen=True)
class Clone:
    """A repo to clone without its files.

    Arguments:
        url: one that is not refused.
        modules: where its super-repo keeps the repos of submodules.
        name: its own there.
    """

    url: str
    modules: Path
    name: str

    @property
    def kept(self) -> Path:
        """The git directory that it gets."""
        return self.modules / self.name


def fetch(hand: Hand, wanted: Sequence[Fetch], tell: Tell, gone: dict[Path, set[str]] | None = None) -> dict[Path, str]:
    """Fetch for several checkouts at a time; return why not, by checkout, for those where it failed.

    Remote-tracking branches are moved as the remote's are; no tag, no branch and no file is touched.

    Arguments:
        hand: changes the checkouts.
        wanted: the fetches.
        tell: is called while remotes have not answered.
        gone: gets the remote-tracking branches, by checkout, whose branch the remote has not got any more.

    Raises:
        InfrastructureError: git or the disk fails.
    """
    failed: dict[Path, str] = {}
    ready: list[tuple[Fetch, Path]] = []
    with storage.scratch() as scratch:
        for number, one in enumerate(wanted):
            try:
                ready.append((one, _borrow(scratch / str(number), one.root)))
            except HelpersError as error:
                failed[one.root] = error.what
        commands = [
            (
                *("git", f"--git-dir={place}", "fetch", "--quiet", "--no-tags", "--no-recurse-submodules"),
                *("--no-auto-maintenance", "--no-write-fetch-head", "--upload-pack=git-upload-pack"),
                *(() if one.commit else ("--prune",)),
                *(one.remote.url, *([one.commit] if one.commit else one.remote.refspecs)),
            )
            for one, place in ready
        ]
        ended = _run(commands, [one.root for one, _ in ready], tell)
        for (one, place), done in zip(ready, ended, strict=True):
            if done.code:
                failed[one.root] = first_words(done.stderr)
            elif not one.commit:
                try:
                    left = _take_over(hand, one, place)
                    if gone is not None:
                        gone[one.root] = left
                except HelpersError as error:
                    failed[one.root] = error.what
    return failed


def clone(wanted: Sequence[Clone], tell: Tell) -> dict[Path, str]:
    """Clone several repos at a time, each into a git directory that is not there yet; return why not, by that.

    It gets its name when it is complete; what a killed process left is removed.

    Raises:
        InfrastructureError: git or the disk fails.
    """
    if not wanted:
        return {}
    import shutil  # brings every format of archives; most commands do without it

    for left in [left for modules in {one.modules for one in wanted} for left in modules.glob(f"{_ASIDE}*")]:
        shutil.rmtree(left, ignore_errors=True)
    asides = [one.modules / f"{_ASIDE}{os.getpid()}-{number}" for number, one in enumerate(wanted)]
    with storage.scratch() as scratch:
        commands = [
            (
                *("git", "clone", "--quiet", "--no-checkout", "--origin=origin", "--upload-pack=git-upload-pack"),
                *(f"--separate-git-dir={aside}", "--", one.url, str(scratch / aside.name)),
            )
            for one, aside in zip(wanted, asides, strict=True)
        ]
        for one in wanted:
            one.modules.mkdir(exist_ok=True)
        ended = _run(commands, [one.kept for one in wanted], tell)
        for one, aside, done in zip(wanted, asides, ended, strict=True):
            if not done.code:
                one.kept.parent.mkdir(parents=True, exist_ok=True)
                os.rename(aside, one.kept)
    return {one.kept: first_words(done.stderr) for one, done in zip(wanted, ended, strict=True) if done.code}


def push(hand: Hand, root: Path, remote: Remote, commit: str, branch: str) -> str:
    """Push `commit` of the checkout at `root` as `branch`, never by force; return why not, empty if it was done.

    Raises:
        InfrastructureError: git or the disk fails.
    """
    with storage.scratch() as scratch:
        command = (
            *("git", f"--git-dir={_borrow(scratch / 'repo', root)}", "push", "--quiet", "--no-verify", "--no-signed"),
            *("--recurse-submodules=no", "--receive-pack=git-receive-pack"),
            *(remote.push_url, f"{commit}:refs/heads/{branch}"),
        )
        done = _run([command], [root], lambda _: None)[0]
    if done.code:
        return first_words(done.stderr)
    hand.move_refs(root, {f"refs/remotes/{remote.name}/{branch}": commit})
    return ""


def default_branch(url: str) -> str:
    """Ask a remote which branch is its own; empty if it does not say.

    Raises:
        InfrastructureError: there is no git.
    """
    done = _run([("git", "ls-remote", "--quiet", "--symref", "--", url, "HEAD")], [Path(url)], lambda _: None)[0]
    word = done.stderr.partition("\t")[0]  # `together` gives both streams as one
    return word.removeprefix("ref: refs/heads/") if word.startswith("ref: refs/heads/") and not done.code else ""


def effective(url: str) -> str:
    """Return git's effective URL of `url`, by `url.*.insteadOf` of the user's own configuration: a mirror, perhaps.

    Raises:
        InfrastructureError: there is no git.
    """
    env = {**network_environment(), "GIT_DIR": os.devnull}
    return proc.run(["git", "ls-remote", "--get-url", "--", url], cwd=Path("/"), env=env).stdout.rstrip("\n") or url


def has_commit(root: Path, url: str, commit: str) -> bool:
    """Ask a remote whether a branch or tag has a commit of the checkout at `root`, at this moment.

    Remote-tracking branches prove nothing: git keeps branches of an earlier URL, and deleted branches.

    Arguments:
        root: of the checkout.
        url: an accepted URL.
        commit: an existing commit.

    Raises:
        InfrastructureError: the remote does not answer.
    """
    tips = [tip for tip, _ in _refs(url, "refs/heads/*", "refs/tags/*")]
    parts = (tips[first : first + _MANY_REFS] for first in range(0, len(tips), _MANY_REFS))
    return any(
        not look(root, "rev-list", "-1", "--ignore-missing", commit, *(f"^{tip}" for tip in part), "--")
        for part in parts
    )


def branch_tip(url: str, branch: str) -> str:
    """Ask a remote which commit a branch stands for; empty if it has no such branch.

    Arguments:
        url: one that is not refused.
        branch: its name.

    Raises:
        InfrastructureError: the remote does not answer.
    """
    ref = f"refs/heads/{branch}"
    return next((commit for commit, name in _refs(url, ref) if name == ref), "")


def _refs(url: str, *patterns: str) -> list[tuple[str, str]]:
    """Return the id and the name of each matching ref of a remote."""
    done = _run([("git", "ls-remote", "--quiet", "--", url, *patterns)], [Path(url)], lambda _: None)[0]
    if done.code:
        raise InfrastructureError(f"does not answer: {first_words(done.stderr)}", where=git_url.masked(url))
    # `together` gives both streams as one: warnings may stand between the lines.
    lines = (line.partition("\t") for line in done.stderr.splitlines())
    return [(commit, name) for commit, _, name in lines if _COMMIT.fullmatch(commit)]


def _run(commands: Sequence[Sequence[str]], places: Sequence[Path], tell: Tell) -> list[proc.Completed]:
    env = network_environment()
    return proc.together(
        commands, cwd=Path("/"), env=env, seconds=_SECONDS, tell=lambda running: tell([places[n] for n in running])
    )


def _borrow(place: Path, root: Path) -> Path:
    """Make and return a repo that has the objects and the refs of a checkout and nothing of its configuration."""
    found = git_dir(root)
    if found is None:
        raise InfrastructureError("no repo is checked out", where=root)
    kept = common_dir(found)
    head = commit_of(root, "HEAD")
    refs = look(root, "for-each-ref", "--format=%(objectname) %(refname)")
    (place / "refs").mkdir(parents=True)
    # As linked worktrees were made before git could: new objects are written where the checkout keeps its own.
    (place / "objects").symlink_to(os.path.realpath(kept / "objects"))
    if (kept / "shallow").is_file():
        (place / "shallow").write_bytes((kept / "shallow").read_bytes())
    (place / "packed-refs").write_text(refs + (f"{head} refs/helpers/head\n" if head else ""), "utf-8")
    (place / "HEAD").write_text("ref: refs/heads/none\n")
    (place / "config").write_text(_WITH_SHA256 if len(head) == _SHA256 else _PLAIN)
    return place


def _take_over(hand: Hand, one: Fetch, place: Path) -> set[str]:
    """Write the fetched branches to the checkout's remote-tracking branches; return the deleted branches."""
    ask = ("for-each-ref", "--format=%(objectname) %(refname)", f"refs/remotes/{one.remote.name}/")
    known = set(look(one.root, *ask).splitlines())
    env = {**network_environment(), "GIT_DIR": str(place)}
    done = proc.run(["git", *ask], env=env, cwd=place)
    if done.code:
        raise InfrastructureError(f"git for-each-ref failed: {done.reason}", where=one.root)
    fetched = done.stdout.splitlines()
    new = [line.partition(" ") for line in fetched if line not in known]
    hand.move_refs(one.root, {name: commit for commit, _, name in new})
    return {line.partition(" ")[2] for line in known} - {line.partition(" ")[2] for line in fetched}
