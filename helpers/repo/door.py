"""How git is asked: of which repo, in which environment, and so that nothing that the repo names is run."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from helpers import proc
from helpers.errors import InfrastructureError
from helpers.repo import closed
from helpers.repo.location import common_dir, git_dir, git_in

_MAY_FILTER = re.compile(rb"filter|include", re.IGNORECASE)
_OF_THE_REPO = ("local", "worktree")


def look(root: Path, *arguments: str, more: Sequence[tuple[str, str]] = ()) -> str:
    """Ask the repo that is checked out at `root` and no other one: git is told which, and may not search above.

    Arguments:
        root: of the checkout.
        arguments: those of git.
        more: settings that count more than any configuration.

    Raises:
        InfrastructureError: no repo is checked out there, or git fails.
    """
    return _answer(root, only_of(root, more), arguments)


def only_of(root: Path, more: Sequence[tuple[str, str]] = ()) -> dict[str, str]:
    """Return the environment in which git sees the repo that is checked out at `root`, and no other one.

    Raises:
        InfrastructureError: no repo is checked out there.
    """
    found = git_dir(root)
    if found is None:
        fix = f"{git_in(root.parent)} submodule update --init -- {shlex.quote(root.name)}"
        raise InfrastructureError("no repo is checked out", where=root, fix=fix)
    return closed.only_of(environment(found, more), str(root), str(found))


def git(root: Path, *arguments: str) -> str:
    """Ask the repo that `root` lies in, as git finds it.

    Raises:
        InfrastructureError: git fails.
    """
    above = next((directory for directory in (root, *root.parents) if (directory / ".git").exists()), None)
    try:
        found = git_dir(above) if above else None
    except InfrastructureError:
        found = None  # git says itself what is wrong with it
    return _answer(root, environment(found), arguments)


def _answer(root: Path, env: Mapping[str, str], arguments: Sequence[str]) -> str:
    # Lists of paths: names outside of UTF-8 stay unchanged. Messages are for people.
    names = "-z" in arguments and arguments[0] != "log"
    errors = "surrogateescape" if names else "replace"
    done = proc.run(closed.command(str(root), arguments), env=env, errors=errors)
    if done.code:
        raise InfrastructureError(f"git {arguments[0]} failed: {done.reason}", where=root)
    return done.stdout


def environment(found: Path | None, more: Sequence[tuple[str, str]] = (), *, steady: bool = True) -> dict[str, str]:
    """Return the environment in which git looks at the repo kept at `found`, and runs nothing that this repo names.

    Arguments:
        found: where git keeps the repo; None for none.
        more: settings besides those, which count more than any configuration.
        steady: as in `closed.environment`.
    """
    return closed.environment([*(filters(found).items() if found else []), *more], steady=steady)


def may_filter(found: Path) -> bool:
    """Say whether the configuration of the repo kept at `found` may name a filter, or include a file that does."""
    files = (common_dir(found) / "config", found / "config.worktree")
    # Asking git takes as long as a whole `git status`, and neither word can be written otherwise in its format.
    return any(_MAY_FILTER.search(file.read_bytes()) for file in files if file.is_file())


def filters(found: Path) -> dict[str, str]:
    """Return settings that put the user's own filters, or none, in place of those that the repo kept at `found` names.

    `git status` gives a file to its filter when it may have changed (https://git-scm.com/docs/gitattributes#_filter).
    """
    if not may_filter(found):
        return {}
    from helpers.model import porcelain

    env = {name: value for name, value in os.environ.items() if name not in closed.FOREIGN}
    arguments = ("config", "--show-scope", "--includes", "--null", "--get-regexp", r"^filter\.")
    done = proc.run(["git", *arguments], env={**env, **closed.QUIET, "GIT_DIR": str(found)}, cwd=found)
    # Every entry follows its scope.
    words = done.stdout.split("\0")
    own: dict[str, str] = {}
    replaced: dict[str, str] = {}
    for scope, entry in zip(words[::2], words[1::2], strict=False):
        for key, value in porcelain.parse_config(entry):
            if scope in _OF_THE_REPO:
                # Only these: an empty `process` alone would keep the user's own `clean` from running.
                replaced[key] = "false" if key.endswith(".required") else ""
            else:
                own[key] = value
    return {key: own.get(key, nothing) for key, nothing in replaced.items()}
