"""Writes the memo of a run that had all its verdicts from the cache; `memo.py` says what it is, and why it is sound."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TextIO

from helpers import pytest_settings, toolchain_path
from helpers.containers import rights
from helpers.driver import memo, plan_files, report, uncollected
from helpers.driver.events import Event, Ran
from helpers.driver.plan import DirPlan, Plan
from helpers.driver.verdict import Status, Verdict
from helpers.driver.verdict_cache import VerdictCache
from helpers.driver.ways import links, ways
from helpers.errors import OK
from helpers.images import digests
from helpers.model import base_lock, system_lock
from helpers.model.lock_kind import kind_of
from helpers.model.runnable import RunnableDir
from helpers.repo.contents import TICK_SECONDS, Contents, changed_at
from helpers.repos import own_version

_MOST = 32
# Options under which a run in which nothing changed depends on nothing else; any other one may.
_FREE = {
    *("argv", "asked", "asked_at", "begun", "lost"),
    *("dir", "only_this", "submodules", "strict_tests", "tier", "jobs", "exitfirst", "policy", "timeout"),
    *("allow_empty", "verbose", "quiet"),
}
_AS_USUAL = {"engine": ("auto", "docker"), "stage": ("local",)}
# What a plan is made of: read here, and not only by the tests.
_READ_FOR_PLANS = {
    *("changelog.txt", "devops", "Dockerfile", "compose.yaml"),
    *(os.path.basename(path) for path in (base_lock.PATH, system_lock.NAME)),
    *pytest_settings.FILES,
}
# Observers that only print; what others do would have to be done again.
_PRINTING = {"Lines", "Quiet", "OnTerminal", "GitHub", "Table"}
# Stands for the time that a run took, which is another one each time.
_SECONDS = 987654321.0
# What a verdict from the cache says of itself every time; one that the team has says otherwise the first time.
_CACHED = "cached"


def keep(
    options: argparse.Namespace, root: Path, plan: Plan, kept: VerdictCache | None, verdicts: Sequence[Verdict]
) -> None:
    """Write the memo of a run, if it may have one.

    Arguments:
        options: of the command line, with all its words as `argv`, given at `asked_at`.
        root: of the repo.
        plan: all that was asked for.
        kept: where the verdicts were found; None for nowhere.
        verdicts: on all directories of the plan, in its order.
    """
    now = kept.now if kept else None
    if now is None or now.looks is None or not verdicts or not _may_have_one(options, root, plan, verdicts):
        return
    leads = _leads(options, root, plan, now)
    if not _is_known(root, plan, now, leads):
        return
    known = {
        str(digests.file_of(item.chain[-1].reference)): verdict.image
        for item, verdict in zip(plan.dirs, verdicts, strict=True)
    }
    said = _said(options, root, plan, verdicts)
    if said is None:
        return
    kinds = _kinds(options, root, plan, now)
    made_of = {Path(path).parent for path in kinds} | {root / path for path in now.paths() if _is_read_for_plans(path)}
    made_of |= {path for item in plan.dirs for path in plan_files.of_distributions(item)}
    made_of |= {Path(end) for end in leads.values()}
    made_of |= {Path(link) for path in leads for link in links(os.path.join(os.getcwd(), path), str(root))}
    if any(changed_at(path) > options.asked_at - TICK_SECONDS for path in made_of):
        return  # the plan may have been made before that
    # A full disk only costs the next run its time.
    with suppress(OSError):
        write(memo.path_of(str(root), options.argv), memo.as_bytes((now.looks, kinds, leads, known, said)))


def _may_have_one(options: argparse.Namespace, root: Path, plan: Plan, verdicts: Sequence[Verdict]) -> bool:
    chosen = vars(options)
    given = {name for item in plan.dirs if item.runnable for name in item.runnable.settings.env}
    package = Path(memo.PACKAGE)
    return (
        plan.lost.exit_code == OK
        and uncollected.find(root, plan.lost, verdicts).exit_code == OK
        and all(value in _AS_USUAL.get(name, (None, False)) for name, value in chosen.items() if name not in _FREE)
        and all(verdict.status is Status.PASS and verdict.why == _CACHED for verdict in verdicts)
        and given.isdisjoint(memo.PASSING)
        # A policy may be in a file, and a memo does not read the file.
        and "@" not in rights.text_of(options.policy)
        and package.is_relative_to(root)
        # Then the repo around this one has a say in which versions of helpers work with it (own_version.py).
        and all(path.is_relative_to(root) for path in own_version.super_repos(package))
    )


def _leads(options: argparse.Namespace, root: Path, plan: Plan, now: Contents) -> dict[str, str]:
    """Return where the paths lead that a plan is read by: links, and what the settings and the command line name."""
    tools = f"{Path(memo.PACKAGE).relative_to(root).as_posix()}/"
    # All links in a project, too: a build follows them.
    read = [tools, *(f"{place.relative_to(root).as_posix()}/" for item in plan.dirs for place in _projects(item, root))]
    paths = [str(root / path) for path in now.links() if _is_read_for_plans(path) or path.startswith(tuple(read))]
    # Git tells of a directory itself, unless there is a link on the way to it.
    paths += [path for item in plan.dirs for path in ways(item) if os.path.realpath(path) != path]
    return {path: os.path.realpath(path) for path in (*options.dir, *paths)}


def _projects(item: DirPlan, root: Path) -> list[Path]:
    return [one.place for image in item.chain for one in image.distributions if one.place.is_relative_to(root)]


def _is_known(root: Path, plan: Plan, now: Contents, leads: Mapping[str, str]) -> bool:
    """Say whether all that this plan is made of lies where somebody has looked."""
    found = leads.keys() & {str(root / path) for path in now.links()}
    own = [str(item.runnable.path) for item in plan.dirs if item.runnable]
    made_of = {part for item in plan.dirs for part in plan_files.of_images(item, root)}
    read = [path / "pyproject.toml" if path.is_dir() else path for path, _ in made_of]
    there = (str(path) for path in read if path.exists())
    for path in map(Path, map(os.path.realpath, (*found, *own, *there))):
        if not path.is_relative_to(root) or path.is_relative_to(root / ".git"):
            return False
        if not now.knows(path.relative_to(root).as_posix()):
            return False
    return True


def _kinds(options: argparse.Namespace, root: Path, plan: Plan, now: Contents) -> dict[str, int]:
    """Return what is at the paths that decide a plan and may be no files, of which git does not tell."""
    folders = {
        os.path.dirname(path)
        for path in now.paths()
        # Where a runnable dir is, or would be (discover.py).
        if path.endswith(("changelog.txt", "pyproject.toml"))
    }
    paths = [os.path.join(root, folder, "devops") for folder in folders]
    for item in plan.dirs:
        paths += _probed(item.runnable, *ways(item)) if item.runnable else []
    tools = root / toolchain_path.stated(root) / ".git"
    return {path: memo.kind_of(path) for path in (*paths, str(tools), *options.dir)}


def _is_read_for_plans(path: str) -> bool:
    name = os.path.basename(path)
    if name in _READ_FOR_PLANS or plan_files.is_manifest(path):
        return True
    return path.split("/")[-2:-1] == ["devops"] or kind_of(name) is not None


def _probed(runnable: RunnableDir, path: str, *others: str) -> list[str]:
    """Return the paths that may be empty directories; `others` are what a directory uses and stands on."""
    below = [os.path.join(one, name) for one in (path, *others) for name in ("src", ".git")]
    return [*(os.path.join(path, name) for name in runnable.settings.tests), *below, *others]


class _Like(io.StringIO):
    """Takes what is printed, for a stream that it is like."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream

    def isatty(self) -> bool:
        """Say whether the stream is a terminal."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Return the number of the stream, by which a terminal says how wide it is."""
        return self._stream.fileno()


def _said(options: argparse.Namespace, root: Path, plan: Plan, verdicts: Sequence[Verdict]) -> memo.Said | None:
    """Return what a run with these verdicts prints; None where it does not say just once how long it took."""
    out, err = _Like(sys.stdout), _Like(sys.stderr)
    with redirect_stdout(out), redirect_stderr(err):
        plan.lost.show()
        observers = report.choose(verbose=options.verbose, quiet=options.quiet)
        if not {type(member).__name__ for member in observers.members} <= _PRINTING:
            return None
        for verdict in verdicts:
            observers.event(Event("done", verdict.name, verdict=verdict))
        observers.close()
        uncollected.report(root, plan.lost, verdicts)
        observers.end(Ran(list(verdicts), seconds=_SECONDS))
    parts = out.getvalue().split(f"{_SECONDS:.1f}")
    return (err.getvalue(), parts[0], parts[1]) if len(parts) == 2 else None


def write(path: str, data: bytes) -> None:
    """Write a file as a whole or not at all, and remove all but the newest of its kind that lie beside it.

    Arguments:
        path: of the file; its ending is its kind.
        data: its content.

    Raises:
        OSError: the disk is full or not writable.
    """
    folder, kind = os.path.dirname(path), os.path.splitext(path)[1]
    os.makedirs(folder, exist_ok=True)
    aside = f"{path}-{os.getpid()}-{os.urandom(4).hex()}"
    with open(aside, "wb") as file:
        file.write(data)
    os.replace(aside, path)
    others = (os.path.join(folder, name) for name in os.listdir(folder) if kind in name)
    for oldest in sorted(others, key=lambda path: changed_at(Path(path)))[:-_MOST]:
        with suppress(FileNotFoundError):
            os.unlink(oldest)
