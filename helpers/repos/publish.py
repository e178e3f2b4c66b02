"""`invoke helpers_publish`: the directory `helpers/` as a branch of its own, which other repos have as a submodule."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from helpers import repo, toolchain_path
from helpers.console import say
from helpers.errors import OK, InfrastructureError, PolicyError, UsageError
from helpers.model import changelog, git_url
from helpers.model.changelog import Entry
from helpers.repo import changing, history, merging, network, remotes, submodules, subtree
from helpers.repo.history import Remote
from helpers.repo.location import git_in
from helpers.repos.own_version import CHANGELOG
from helpers.repos.state import short
from helpers.thin_env import slow_steps

BRANCH = DIRECTORY = "helpers"


def main(*, remote: str = "", dry_run: bool = False, cwd: Path | None = None) -> int:
    """Publish `helpers/` of the repo around `cwd` as the branch `helpers` of a remote, and return the exit code.

    Arguments:
        remote: name of the remote; empty for `origin`, or else the one that the checkout works with. A branch that
            follows a fork does not change it.
        dry_run: look at all, and push nothing.
        cwd: where the command was given.

    Raises:
        UsageError: `cwd` is in no repo that helpers is made in, or there is no such remote.
        PolicyError: something is not committed, has no version of its own, or would rewrite what is published.
        InfrastructureError: git fails, or the remote does not answer.
    """
    root = repo.find_root((cwd or Path.cwd()).resolve())
    _check_place(root)
    remote = remote or history.usual_remote(root)
    to = history.named_remote(root, remote)
    if why := git_url.refusal(to.push_url, remotes.local_allowed):
        raise UsageError(f"--remote {remote!r}: {why}", where=root, fix=f"{git_in(root)} remote set-url {remote} URL")
    with slow_steps.shown(f"splitting the history of {DIRECTORY}", usual=10.0):
        commit = subtree.split(root, DIRECTORY)
    published = network.branch_tip(to.push_url, BRANCH)
    where = f"{BRANCH} of {git_url.masked(to.push_url)}"
    if published == commit:
        say(f"nothing to do: {short(commit)} is published, as {where}")
        return OK
    version = _check_step(root, published, commit, where)
    moved = f"{short(published) if published else 'new'} -> {short(commit)}, helpers {version}, {where}"
    if dry_run:
        print(f"would publish {moved}")
        return OK
    _push(root, to, commit)
    print(f"published {moved}")
    return OK


def _check_place(root: Path) -> None:
    """Refuse a repo in which helpers is not made, or is not committed as it stands."""
    is_made_here = toolchain_path.stated(root) == DIRECTORY and (root / DIRECTORY / CHANGELOG).is_file()
    if not is_made_here or DIRECTORY in submodules.gitlinks(root):
        raise UsageError(
            f"has no {DIRECTORY}/ of its own",
            where=root,
            why="helpers is published from the repo that it is made in, of which it is a directory",
            fix="cd to that repo",
        )
    if merging.is_shallow(root):
        raise PolicyError(
            "has only a part of its history",
            where=root,
            why="what is split from a part has other commits than what is published",
            fix=f"{git_in(root)} fetch --unshallow",
        )
    if dirty := [path for path in repo.changes(root) if path.startswith(f"{DIRECTORY}/")]:
        more = f" and {len(dirty) - 3} more" if len(dirty) > 3 else ""
        raise PolicyError(
            f"{', '.join(dirty[:3])}{more}: not committed",
            where=root,
            why="only what is committed is published",
            fix=f"{git_in(root)} add {DIRECTORY} && {git_in(root)} commit",
        )


def _check_step(root: Path, published: str, commit: str, where: str) -> str:
    """Return the version that `commit` is published as, after `published`, which is empty for nothing."""
    new = _entries(root, commit)
    if not new:
        raise PolicyError("has no version: it is not committed", where=f"{DIRECTORY}/{CHANGELOG}", fix="commit it")
    if not published:
        return str(new[0].version)
    if not history.commit_of(root, published) or not history.contains(root, commit, published):
        raise PolicyError(
            f"{short(published)}, the {where}, is not in the history of {short(commit)}",
            where=root,
            why="super-repos pin commits of that branch: it only ever goes forward, and is never written again",
            fix=f"{git_in(root)} pull  (somebody has published from a newer state, or this history was rewritten)",
        )
    old = _entries(root, published)
    if old and not subtree.same_files(root, published, commit) and new[0].version <= old[0].version:
        raise PolicyError(
            f"{old[0].version} is published, and {new[0].version} is the newest version here",
            where=f"{DIRECTORY}/{CHANGELOG}",
            why="super-repos read there what an upgrade brings",
            fix=f"put an entry above it: # {old[0].name}-X.Y.Z, the day, what its users notice",
        )
    return str(new[0].version)


def _entries(root: Path, commit: str) -> Sequence[Entry]:
    """Return the entries of the changelog in a commit of the branch; none if it has none yet."""
    text = merging.text_at(root, commit, CHANGELOG)
    return changelog.parse(text, f"{DIRECTORY}/{CHANGELOG} in {short(commit)}").entries if text else ()


def _push(root: Path, remote: Remote, commit: str) -> None:
    with changing.hand(root) as hand:
        if why := network.push(hand, root, remote, commit, BRANCH):
            raise InfrastructureError(
                f"not published: {git_url.masked(why)}",
                where=git_url.masked(remote.push_url),
                fix="the same command again  (nothing is forced)",
            )
