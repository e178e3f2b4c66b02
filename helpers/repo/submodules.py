"""What git records of submodules, and the state of one checkout by itself."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from helpers.errors import InfrastructureError, PolicyError
from helpers.model import git_remotes, git_url, porcelain
from helpers.model.porcelain import Status
from helpers.repo.door import look
from helpers.repo.location import common_dir, git_dir, git_in, text_of

_GITLINK_MODE = (0o160000).to_bytes(4, "big")
_REMOTES = ("refs/remotes/",)


def submodule_at(root: Path, path: str) -> Path | None:
    """Return where git keeps the submodule at `path` of the checkout at `root`; None when it is not checked out.

    Raises:
        PolicyError: there is something else, which is not entered.
        InfrastructureError: its `.git` leads to no repo, or cannot be read.
    """
    steps = [root.joinpath(*Path(path).parts[: count + 1]) for count in range(len(Path(path).parts))]
    try:
        if link := next((step for step in steps if step.is_symlink()), None):
            raise PolicyError("a submodule's path leads through a symlink", where=link, fix="remove the symlink")
        found = git_dir(root / path)
    except OSError as error:
        fix = f"ls -ld {shlex.join(map(str, steps))}  (shows who may enter them)"
        raise InfrastructureError(f"cannot be read: {error.strerror}", where=root / path, fix=fix) from None
    if found and found == git_dir(root):
        raise PolicyError("a submodule's .git is that of its super-repo", where=root / path)
    return found


def status(root: Path) -> Status:
    """Return what is checked out at `root`, and what is changed there; submodules are not entered.

    Raises:
        InfrastructureError: git fails.
    """
    # Renames are not looked for: that reads whole files, by way of their filters.
    options = ("--untracked-files=normal", "--ignore-submodules=dirty", "--no-renames", "--ahead-behind")
    return porcelain.parse_status(look(root, "status", "--porcelain=v2", "--branch", "-z", *options))


def gitlinks(root: Path) -> dict[str, str]:
    """Return the commit that the index of the checkout at `root` records for each submodule, by its path.

    Raises:
        InfrastructureError: git fails.
    """
    if not _may_have_gitlinks(root):
        return {}
    return porcelain.parse_gitlinks(look(root, "ls-files", "--stage", "-z"))


def _may_have_gitlinks(root: Path) -> bool:
    """Say whether asking git for submodules can be worth a process: most checkouts have none.

    A mode stands in the index as four bytes, in every version of its format (https://git-scm.com/docs/index-format).
    """
    found = git_dir(root)
    if found is None:
        return False
    files = [found / "index", *found.glob("sharedindex.*")]
    return any(_GITLINK_MODE in file.read_bytes() for file in files if file.is_file())


def gitmodules(root: Path) -> list[tuple[str, str]]:
    """Return the settings in `.gitmodules` of the checkout at `root`; what it includes is not read.

    Raises:
        InfrastructureError: it is no plain file, or not in git's format.
    """
    file = root / ".gitmodules"
    if not file.is_symlink() and not file.exists():
        return []
    if file.is_symlink() or not file.is_file():
        fix = f"{git_in(root)} checkout -- .gitmodules"
        raise InfrastructureError("is no plain file, and is not read", where=file, fix=fix)
    return porcelain.parse_config(look(root, "config", "--file", str(file), "--no-includes", "--null", "--list"))


def gitmodules_of(root: Path, commit: str) -> list[tuple[str, str]]:
    """Return the settings in `.gitmodules` of a commit of the checkout at `root`; empty if the commit has no such file.

    Raises:
        InfrastructureError: it is not in git's format.
    """
    name = f"{commit}:.gitmodules"
    if not look(root, "ls-tree", "--name-only", commit, "--", ".gitmodules"):
        return []
    return porcelain.parse_config(look(root, "config", "--blob", name, "--no-includes", "--null", "--list"))


def is_unwanted(root: Path, name: str) -> bool:
    """Say whether the user has decided, by `git config submodule.NAME.update none`, to do without a submodule.

    Raises:
        InfrastructureError: git fails.
    """
    settings = porcelain.parse_config(look(root, "config", "--null", "--list"))
    return porcelain.subsections(settings, "submodule").get(name, {}).get("update", "") == "none"


def remote_url(root: Path) -> str:
    """Return the URL of the remote to which relative URLs of submodules refer; empty without a remote.

    The rule is in https://git-scm.com/docs/git-submodule (`add`); `git_remotes.default` selects the remote.

    Raises:
        InfrastructureError: git fails.
    """
    settings = porcelain.parse_config(look(root, "config", "--null", "--list"))
    found = git_dir(root)
    branch = text_of(found / "HEAD").removeprefix("ref: refs/heads/") if found else ""
    remote = git_remotes.default(settings, branch)
    url = git_remotes.remotes(settings).get(remote, {}).get("url", "")
    return os.path.normpath(root / url) if git_url.is_relative(url) else url


def is_pushed(root: Path, pin: str, remote: str) -> bool | None:
    """Say whether a remote of the checkout at `root` has the commit `pin`, as last fetched; None if absent here.

    Arguments:
        root: of the checkout.
        pin: a commit.
        remote: name of the remote; empty for all of them.

    Raises:
        InfrastructureError: git does not answer.
    """
    if pin in _tips(root, f"{_REMOTES[0]}{remote}/" if remote else _REMOTES[0]):
        return True
    try:
        return not look(root, "rev-list", "-1", pin, "--not", f"--remotes={remote}" if remote else "--remotes")
    except InfrastructureError:
        look(root, "rev-parse", "--git-dir")  # a repo that can not be read at all is another matter
        return None


def unpushed(root: Path, commit: str) -> int:
    """Return how many commits in the history of `commit`, which is there, are on no remote-tracking branch.

    Raises:
        InfrastructureError: git does not answer.
    """
    if commit in _tips(root, *_REMOTES):
        return 0
    return int(look(root, "rev-list", "--count", commit, "--not", "--remotes", "--"))


def on_no_branch(root: Path, commit: str) -> int:
    """Return how many commits in the history of `commit`, which is there, no branch, tag or remote-tracking branch has.

    Raises:
        InfrastructureError: git does not answer.
    """
    if commit in _tips(root, *_REMOTES, "refs/heads/", "refs/tags/"):
        return 0
    return int(look(root, "rev-list", "--count", commit, "--not", "--branches", "--tags", "--remotes", "--"))


def _tips(root: Path, *kinds: str) -> set[str]:
    """Return the commits of refs that stand in plain files, which is a process less to start.

    https://git-scm.com/docs/gitrepository-layout: one with a file of its own counts, whatever `packed-refs` says of it.

    Arguments:
        root: of the checkout.
        kinds: how their names begin, as in `refs/remotes/`.
    """
    found = git_dir(root)
    if found is None:
        return set()
    common = common_dir(found)
    tips, packed = set(), common / "packed-refs"
    for line in packed.read_text("utf-8", "replace").splitlines() if packed.is_file() else ():
        commit, _, name = line.partition(" ")
        if name.startswith(kinds) and not (common / name).exists():
            tips.add(commit)
    loose = (file for kind in kinds for file in (common / kind).rglob("*") if file.is_file())
    return tips | {file.read_text("utf-8", "replace").strip() for file in loose}
