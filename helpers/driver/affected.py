"""Which directories of a plan can come out otherwise than at an earlier commit, and why."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from helpers import config, pyproject
from helpers.driver import plan_files
from helpers.driver.container import INSIDE
from helpers.driver.plan import DirPlan, Plan, without
from helpers.driver.ways import links, ways
from helpers.errors import ConfigError, InfrastructureError, NothingSelectedError, UsageError
from helpers.model import settings_file
from helpers.model.runnable import RunnableDir
from helpers.repo import history, merging
from helpers.repo.contents import Contents, Unknown, contents, contents_of
from helpers.repo.location import boundaries, git_in

_USUAL = ("main", "master")
_SHOWN = 3


def base_of(root: Path, ref: str) -> str:
    """Return the commit that changes are counted from.

    Arguments:
        root: absolute path of the repo.
        ref: a commit as the user names it; empty is where the branch left the default branch of its remote.

    Raises:
        UsageError: there is no such commit.
        InfrastructureError: git fails.
    """
    if ref:
        return history.named_commit(root, ref)
    head = history.commit_of(root, "HEAD")
    if not head:
        raise UsageError("there is no commit to count changes from", where=root, fix="git commit, then again")
    remote = history.remote(root).name
    known = history.default_branch(root, remote)
    heads = [f"refs/remotes/{remote}/{known}"] if known else []
    heads += [f"{where}/{usual}" for where in (f"refs/remotes/{remote}", "refs/heads") for usual in _USUAL]
    for name in heads:
        tip = history.commit_of(root, name)
        if tip and (found := history.merge_base(root, head, tip)):
            return found
        if tip and boundaries(root):
            # The branch may seem to start at another branch.
            raise UsageError(
                f"no commit is known that the branch and {name} share",
                where=root,
                why="this is a shallow clone: the commit may be in the part of the history that is not here",
                fix=f"{git_in(root)} fetch --unshallow  (in CI: check out the whole history)",
            )
    raise UsageError("no default branch to count changes from", where=root, fix="name a commit: --affected REF")


def nothing(root: Path, ref: str, since: str) -> NothingSelectedError:
    """Return the error that says that nothing has changed.

    Arguments:
        root: absolute path of the repo.
        ref: as in `base_of`, whose answer is `since`.
        since: id of the commit that changes are counted from.

    Raises:
        InfrastructureError: git fails.
    """
    what, fix = f"nothing is affected by what changed since {since[:10]}", "--allow-empty, where that is no error"
    if not ref and since == history.commit_of(root, "HEAD"):
        what += ", the commit that is checked out: the default branch has it, too"
        fix = f"name the commit to count from: --affected REF, as in --affected HEAD~1; or {fix}"
    return NothingSelectedError(what, fix=fix)


def only(root: Path, plan: Plan, since: str) -> Plan:
    """Return the plan without the directories that can not come out otherwise than at a commit; the others say why.

    Arguments:
        root: absolute path of the repo.
        plan: the whole plan.
        since: id of the commit.

    Raises:
        InfrastructureError: what the checkout holds can not be said.
    """
    try:
        before, now = contents_of(root, since), contents(root, exact=False)
    except Unknown as error:
        raise InfrastructureError(f"what has changed can not be said: {error}", where=root) from None
    package = _below(INSIDE.parent, root)
    everywhere = now.differences(before, package, [f"{package}/test", f"{package}/templates"]) if package else []
    everywhere = everywhere or _registry_moved(root, before, now, since)
    every = [item.name for item in plan.dirs]
    changed = {
        item.name: everywhere or list(dict.fromkeys(_changes(root, item, before, now, every))) for item in plan.dirs
    }
    left = without(plan, [name for name, paths in changed.items() if not paths])
    return replace(left, dirs=tuple(replace(item, changed=_told(changed[item.name])) for item in left.dirs))


def _changes(root: Path, item: DirPlan, before: Contents, now: Contents, every: Sequence[str]) -> Iterator[str]:
    if item.runnable is None:
        yield f"{item.name}: its files are wrong"
        return

    def differences(paths: Iterable[str]) -> Iterator[str]:
        for path in paths:
            if below := _below(Path(path), root):
                yield from now.differences(before, below)

    nested = [path for path in (_below(path, root) for path in item.runnable.nested) if path]
    for way in ways(item):
        yield from differences(links(way, str(root)))
    for path in _seen(item.runnable):
        # What is nested in the directory counts only where it is named.
        left_out = nested if path == item.runnable.path else []
        yield from now.differences(before, _below(path, root), left_out)
    made_of = plan_files.of_images(item, root)
    # They may change the bytes of every file below them (https://git-scm.com/docs/gitattributes).
    yield from differences(_attributes({*_seen(item.runnable), *(path for path, _ in made_of)}))
    for path, names in made_of:
        below = _below(path, root)
        is_workspace = names is plan_files.WORKSPACE
        seen = _is_in(below, item.name) and not any(_is_in(below, name) for name in nested)
        if not below or (seen and not is_workspace):
            continue
        left_out = [] if is_workspace else [name for name in every if name != below and _is_in(name, below)]
        found = now.differences(before, below, left_out)
        yield from (name for name in found if names.fullmatch(os.path.basename(name)))
    for file in {*(path for path, _ in made_of), *plan_files.of_distributions(item)}:
        if os.path.islink(file):
            end = os.path.realpath(file)
            yield from differences([*links(str(file), str(root)), end, *_attributes([Path(end).parent])])


def _attributes(directories: Iterable[Path]) -> list[str]:
    """Return where attributes of the files in some directories may be, in the directories and above them."""
    return sorted({str(above / ".gitattributes") for path in directories for above in (path, *path.parents)})


def _seen(runnable: RunnableDir) -> list[Path]:
    used = [Path(os.path.realpath(runnable.path / name)) for name in runnable.uses]
    return [runnable.path, *(path for path in used if path.is_relative_to(runnable.root))]


def _registry_moved(root: Path, before: Contents, now: Contents, since: str) -> list[str]:
    """Return the root's settings if they name another registry now: every image of a stage is another one then."""
    files = (settings_file.NAME, "pyproject.toml")
    moved = [file for file in files if now.differences(before, file)]
    if not moved:
        return []
    own, shared = (merging.text_at(root, since, file) for file in files)
    try:
        was = pyproject.settings_in(shared or "", own, root).get("registry", "")
    except ConfigError:
        return moved
    return [] if was == config.repo_settings(root).registry else [f"{moved[0]} (registry)"]


def _below(path: Path, root: Path) -> str:
    """Return a path relative to the root; empty for one that is not in the repo."""
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else ""


def _is_in(path: str, directory: str) -> bool:
    return directory == "." or f"{path}/".startswith(f"{directory}/")


def _told(paths: Sequence[str]) -> str:
    shown = ", ".join(paths[:_SHOWN])
    return f"{shown} and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else shown
