"""Questions about commits, branches and the remote of one checkout, asked without running anything that it names."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from helpers.errors import InfrastructureError, UsageError
from helpers.model import git_remotes, git_url, porcelain
from helpers.model.porcelain import Change
from helpers.repo import remotes
from helpers.repo.door import look
from helpers.repo.location import boundaries, common_dir, git_dir, git_in, text_of

# What git leaves while it waits for somebody to go on (https://git-scm.com/docs/gitrepository-layout).
_UNDER_WAY = {
    "MERGE_HEAD": "a merge",
    "rebase-merge": "a rebase",
    "rebase-apply": "a rebase",
    "CHERRY_PICK_HEAD": "a cherry-pick",
    "REVERT_HEAD": "a revert",
    "BISECT_LOG": "a bisection",
}
_NAME = re.compile(r"[A-Za-z0-9_][\w./-]*")
_REFSPEC = re.compile(r"\+?(refs/heads/[^:^]+):(refs/remotes/[^:^]+)")
_HEADS = "refs/heads/"
# https://git-scm.com/docs/partial-clone
_PARTIAL = re.compile(r"extensions\.partialclone|remote\..+\.(promisor|partialclonefilter)")


@dataclass(frozen=True)
class Remote:
    """The remote that a checkout fetches from, as its configuration names it: a stranger's data.

    Arguments:
        name: as in `origin`.
        url: where it is fetched from, absolute.
        push_url: where it is pushed to.
        refspecs: which of its branches are fetched, and where to.
        upstream: the branch of it that the checked out branch follows; empty for none.
        why_not: why it is not asked; empty when it may be.
        all_branches: whether `git fetch` fetches all of its branches; not in a single-branch clone.
        partial: the settings by which the checkout is a partial clone of it; empty for a whole one.
    """

    name: str
    url: str
    push_url: str
    refspecs: tuple[str, ...]
    upstream: str
    why_not: str = ""
    partial: tuple[str, ...] = ()
    all_branches: bool = True


def remote(root: Path, declared: str = "") -> Remote:
    """Return the remote of the checkout at `root`.

    Arguments:
        root: of the checkout.
        declared: the URL that `.gitmodules` names for it. A remote with this URL counts before the one that the branch
            follows, as a fork of the user. Empty for a checkout that is no submodule.

    Raises:
        InfrastructureError: git fails.
    """
    settings = porcelain.parse_config(look(root, "config", "--null", "--list"))
    on = current_branch(root)
    branch = porcelain.subsections(settings, "branch").get(on, {})
    entries = git_remotes.remotes(settings)
    name = git_remotes.default(settings, on)
    if declared:
        homes = [one for one, entry in entries.items() if git_url.same(_url(root, entry)) == git_url.same(declared)]
        name = next((one for one in (name, *homes) if one in homes), git_remotes.default(settings, ""))
    if not _NAME.fullmatch(name) or ".." in name:
        return Remote("", "", "", (), "", f"the branch follows {name!r}, which is no remote")
    entry = entries.get(name, {})
    url = _url(root, entry)
    fetched = [value for key, value in settings if key == f"remote.{name}.fetch"]
    pattern = [_REFSPEC.fullmatch(value) for value in fetched]
    good = [f"+{found[1]}:{found[2]}" for found in pattern if found and found[2].startswith(f"refs/remotes/{name}/")]
    merge = branch.get("merge", "") if branch.get("remote") == name else ""
    why_not = git_url.refusal(url, remotes.local_allowed)
    partial = tuple(key for key, value in settings if _PARTIAL.fullmatch(key) and value != "false")
    if partial:
        why_not = "it is a partial clone, which only 'git fetch' itself can complete"
    push_url = _url(root, entry, "pushurl") or url
    upstream = merge.removeprefix(_HEADS) if merge.startswith(_HEADS) and url else ""
    every = f"+{_HEADS}*:refs/remotes/{name}/*"
    whole = not fetched or every.removeprefix("+") in (value.removeprefix("+") for value in fetched)
    return Remote(name, url, push_url, tuple(good) or (every,), upstream, why_not, partial, whole)


def usual_remote(root: Path) -> str:
    """Return the name of the remote of the checkout at `root`, independent of the branch's upstream.

    Raises:
        InfrastructureError: git fails.
    """
    settings = porcelain.parse_config(look(root, "config", "--null", "--list"))
    names = git_remotes.remotes(settings)
    return git_remotes.USUAL if git_remotes.USUAL in names else git_remotes.default(settings, "")


def _url(root: Path, entry: Mapping[str, str], key: str = "url") -> str:
    found = entry.get(key, "")
    return os.path.normpath(root / found) if git_url.is_relative(found) else found


def named_remote(root: Path, name: str) -> Remote:
    """Return a remote of the checkout at `root` by its name.

    Raises:
        UsageError: there is none of that name.
        InfrastructureError: git fails.
    """
    settings = porcelain.parse_config(look(root, "config", "--null", "--list"))
    entries = git_remotes.remotes(settings)
    if name not in entries or not _NAME.fullmatch(name) or ".." in name:
        raise UsageError(
            f"there is no remote {name!r}",
            where=root,
            fix=f"{git_in(root)} remote add {shlex.quote(name)} URL",
        )
    url = _url(root, entries[name])
    push_url = _url(root, entries[name], "pushurl") or url
    return Remote(name, url, push_url, (f"+{_HEADS}*:refs/remotes/{name}/*",), "")


def current_branch(root: Path) -> str:
    """Return the branch that is checked out at `root`, from its file; empty when there is none."""
    found = git_dir(root)
    text = text_of(found / "HEAD") if found else ""
    return text.removeprefix(f"ref: {_HEADS}") if text.startswith(f"ref: {_HEADS}") else ""


def is_committed(root: Path, path: str) -> bool:
    """Return whether the current commit at `root` holds a file or directory; False before the first commit.

    Arguments:
        root: root of the checkout.
        path: relative to it.
    """
    try:
        look(root, "cat-file", "-e", f"HEAD:{path}")
    except InfrastructureError:
        return False
    return True


def commit_of(root: Path, name: str) -> str:
    """Return the commit that a ref's full name, or a commit's id, stands for in the checkout at `root`; empty if none.

    Raises:
        InfrastructureError: the repo can not be read.
    """
    try:
        return look(root, "rev-parse", "--verify", "--quiet", f"{name}^{{commit}}").strip()
    except InfrastructureError:
        look(root, "rev-parse", "--git-dir")
        return ""


def contains(root: Path, newer: str, older: str) -> bool:
    """Say whether the commit `newer` has `older` in its history, or is the same; both are there.

    Raises:
        InfrastructureError: git fails.
    """
    return newer == older or not look(root, "rev-list", "-1", older, f"^{newer}", "--")


def named_commit(root: Path, name: str) -> str:
    """Return the commit that a user names, as git understands it (https://git-scm.com/docs/gitrevisions).

    Raises:
        UsageError: there is none of that name.
        InfrastructureError: the repo can not be read.
    """
    try:
        return look(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
    except InfrastructureError:
        look(root, "rev-parse", "--git-dir")  # a repo that can not be read at all is another matter
        raise UsageError(f"{name!r} is no commit here", where=root, fix=_other_commit(root, name)) from None


def _other_commit(root: Path, name: str) -> str:
    """Return the fix for the name of an unknown commit."""
    import difflib  # only a mistake needs it

    refs = look(root, "for-each-ref", "--format=%(refname)", "refs/heads", "refs/tags", "refs/remotes").splitlines()
    # A branch of a remote is also found without the name of the remote, unless a local branch has its name.
    known = {ref.split("/", 3)[3]: ref.split("/", 2)[2] for ref in refs if ref.startswith("refs/remotes/")}
    known |= {name: name for name in (ref.split("/", 2)[2] for ref in refs)}
    # https://git-scm.com/docs/gitrevisions: `~`, `^`, `@` and `:` end the name of a branch.
    word, rest = re.findall(r"^([^~^@:]*)(.*)$", name, re.DOTALL)[0]
    known["HEAD"] = "HEAD"
    if near := difflib.get_close_matches(word, known, n=1, cutoff=0.7):
        return f"did you mean {known[near[0]] + rest!r}?"
    if not any(ref.startswith("refs/remotes/") for ref in refs):
        return f"{git_in(root)} log --oneline --all  (lists the commits)"
    return f"{git_in(root)} fetch {'--unshallow' if boundaries(root) else '--all'}  (or another name)"


def merge_base(root: Path, one: str, other: str) -> str:
    """Return the newest commit that both have in their history; empty if there is none.

    Raises:
        InfrastructureError: git fails.
    """
    try:
        return look(root, "merge-base", one, other).strip()
    except InfrastructureError:
        look(root, "rev-parse", "--git-dir")
        return ""


def only_here(root: Path, commit: str) -> bool:
    """Say whether no branch, tag or remote-tracking branch of the checkout at `root` has `commit`.

    Raises:
        InfrastructureError: git fails.
    """
    return bool(look(root, "rev-list", "-1", commit, "--not", "--branches", "--tags", "--remotes", "--"))


def messages(root: Path, older: str, newer: str) -> list[str]:
    """Return the messages of the commits that `newer` has and `older` has not, newest first; merges are left out.

    Raises:
        InfrastructureError: git fails.
    """
    return [text for _, text in commits(root, older, newer) if text]


def commits(root: Path, older: str, newer: str) -> list[tuple[str, str]]:
    """Return the id and the message of the commits that `messages` tells of, newest first.

    Raises:
        InfrastructureError: git fails.
    """
    out = look(root, "log", "--no-merges", "-z", "--format=%H%n%B", f"{older}..{newer}", "--")
    entries = (entry.partition("\n") for entry in out.split("\0") if entry.strip())
    return [(commit, text.strip()) for commit, _, text in entries]


def changes_of(root: Path, commit: str) -> list[Change]:
    """Return what a commit, which is no merge, changes in the one before it.

    Raises:
        InfrastructureError: git fails.
    """
    options = ("--root", "-r", "-z", "--no-commit-id", "--no-renames", "--ignore-submodules=none")
    return porcelain.parse_raw(look(root, "diff-tree", *options, commit, "--"))


def count(root: Path, older: str, newer: str) -> int:
    """Return how many commits `newer` has that `older` has not.

    Raises:
        InfrastructureError: git fails.
    """
    return int(look(root, "rev-list", "--count", f"{older}..{newer}", "--"))


def seconds_of(root: Path, commit: str) -> int:
    """Return when `commit` was made, in seconds since 1970.

    Raises:
        InfrastructureError: git fails.
    """
    return int(look(root, "log", "-1", "--format=%ct", commit, "--"))


def pins_of(root: Path, commit: str) -> dict[str, str]:
    """Return the commit that `commit` of the checkout at `root` records for each submodule, by its path.

    Raises:
        InfrastructureError: git fails.
    """
    entries = look(root, "ls-tree", "-r", "-z", commit).split("\0")
    found = (entry.partition("\t") for entry in entries)
    return {path: about.split(" ")[2] for about, _, path in found if about.startswith("160000 ")}


def default_branch(root: Path, name: str) -> str:
    """Return the branch that the remote `name` had as its own when it was cloned; empty if that is not known."""
    found = git_dir(root)
    file = common_dir(found) / "refs" / "remotes" / name / "HEAD" if found else None
    text = text_of(file) if file and file.is_file() else ""
    prefix = f"ref: refs/remotes/{name}/"
    return text.removeprefix(prefix) if text.startswith(prefix) else ""


def elsewhere(root: Path, branch: str) -> str:
    """Return the other worktree of this repo in which `branch` is checked out; empty if none.

    Raises:
        InfrastructureError: git fails.
    """
    found = git_dir(root)
    if found is None or not (common_dir(found) / "worktrees").is_dir():
        return ""
    place = look(root, "for-each-ref", "--format=%(worktreepath)", f"{_HEADS}{branch}").rstrip("\n")
    return "" if not place or Path(place) == root else place


def name_is_taken(root: Path, branch: str) -> str:
    """Return a branch at `root` whose name leaves no room for `branch`, as `a` and `a/b` do; empty if none does.

    Raises:
        InfrastructureError: git fails.
    """
    names = [name.removeprefix(_HEADS) for name in look(root, "for-each-ref", "--format=%(refname)", _HEADS).split()]
    return next((name for name in names if branch.startswith(f"{name}/") or name.startswith(f"{branch}/")), "")


def under_way(root: Path) -> str:
    """Return what of git's waits to be gone on with at `root`, as in `a merge`; empty if nothing does."""
    found = git_dir(root)
    return next((what for file, what in _UNDER_WAY.items() if found and (found / file).exists()), "")


def never_filled(root: Path) -> bool:
    """Say whether a clone at `root` was ended before its files were checked out for the first time."""
    found = git_dir(root)
    return found is not None and not (found / "index").exists()


def is_branch_name(name: str) -> bool:
    """Say whether git takes `name` for a branch's (https://git-scm.com/docs/git-check-ref-format)."""
    from helpers import proc
    from helpers.repo.door import environment

    if name.startswith("-") or name == "HEAD" or "@{" in name:
        return False
    return proc.run(["git", "check-ref-format", f"{_HEADS}{name}"], cwd=Path("/"), env=environment(None)).code == 0
