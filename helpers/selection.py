"""Selects the runnable dirs of a command line."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from helpers import discover, repo
from helpers.console import as_argument
from helpers.discover import Listing, is_runnable, listing, lost_marks, nearest_path
from helpers.errors import HelpersError, NothingSelectedError, UsageError


@dataclass(frozen=True)
class Selection:
    """The selected runnable dirs of a command line.

    Arguments:
        paths: absolute paths of the selected runnable dirs, sorted.
        every: absolute paths of all runnable dirs of the repo, and of each checkout in `checkouts`.
        checkouts: absolute paths of the submodules whose runnable dirs are in `every`.
        faults: why the runnable dirs of a submodule are unknown, by its absolute path.
        named: absolute paths of the directories that the command line names.
        listings: git's listings of the repo and of each checkout in `checkouts`.
    """

    paths: list[Path]
    every: list[Path]
    checkouts: tuple[Path, ...] = ()
    faults: Mapping[Path, HelpersError] = field(default_factory=dict)
    named: tuple[Path, ...] = ()
    listings: tuple[Listing, ...] = ()


def choose(
    root: Path,
    names: Sequence[str],
    cwd: Path,
    *,
    only_this: bool = False,
    submodules: bool = False,
    more: Sequence[str] = (),
) -> Selection:
    """Return the selection of `--dir`, `--only-this` and `--submodules`; errors as for `select`.

    Arguments:
        root: absolute path of the repo's root.
        names: as given, absolute or relative to `cwd`; empty selects the whole repo.
        cwd: where the command was given.
        only_this: leave out the runnable dirs below each name.
        submodules: add the runnable dirs of submodules; runnable dirs of the toolchain only if a name lies inside.
        more: as for `listing`.
    """
    if only_this and not names:
        raise UsageError("--only-this needs --dir", fix="add --dir DIR, or leave out --only-this")
    named = [path for name in names if name and (path := Path(os.path.realpath(cwd / name))).is_relative_to(root)]
    own = {home: None for path in named if path.is_dir() and (home := repo.find_root(path)) != root}
    listings, checkouts = [listing(root, more)], list(own)
    faults: dict[Path, HelpersError] = {}
    if submodules:
        for path, fault in _submodules(root):
            if fault:
                faults[path] = fault
            elif path not in own and not _is_toolchain(path):
                checkouts.append(path)
    for checkout in checkouts:
        try:
            listings.append(listing(checkout, more))
        except HelpersError as error:
            faults[checkout] = error
    if named:
        faults = {path: error for path, error in faults.items() if any(path.is_relative_to(name) for name in named)}
    every = [path for one in listings for path in one.runnable]
    try:
        paths = select(root, names, cwd, every, only_this=only_this, homes=() if submodules else checkouts)
    except NothingSelectedError:
        if not faults:
            raise
        paths = []
    return Selection(paths, sorted(every), tuple(checkouts), faults, tuple(named), tuple(listings))


def _submodules(root: Path) -> Iterator[tuple[Path, HelpersError | None]]:
    """Yield the path of each submodule, nested ones too, and the reason if the submodule cannot be entered."""
    from helpers.repo import submodules  # few commands enter them

    for name in submodules.gitlinks(root):
        path = root / name
        try:
            there = submodules.submodule_at(root, name)
        except HelpersError as error:
            yield path, error
            continue
        if there is None:
            yield (
                path,
                discover.not_checked_out(root, path, "the submodule is not checked out, so its tests do not run"),
            )
            continue
        yield path, None
        yield from _submodules(path)


def _is_toolchain(path: Path) -> bool:
    return Path(os.path.realpath(__file__)).is_relative_to(path)


def select(
    root: Path,
    names: Iterable[str],
    cwd: Path,
    every: list[Path],
    *,
    only_this: bool = False,
    homes: Sequence[Path] = (),
) -> list[Path]:
    """Return the runnable dirs named with `--dir`, or every runnable dir of the repo without `--dir`.

    A name selects the runnable dirs at and below it.

    Arguments:
        root: absolute path of the repo's root.
        names: as given, absolute or relative to `cwd`.
        cwd: where the command was given.
        every: all runnable dirs of the repo.
        only_this: a name of a runnable dir selects that directory alone.
        homes: submodules whose runnable dirs are in `every`, and are selected only by a name in the submodule.

    Raises:
        UsageError: a name leads out of the repo or does not exist.
        NotCheckedOutError: a name lies in a submodule that is not checked out.
        NothingSelectedError: the repo, or a named directory, has no runnable dir.
    """
    names = list(names)
    if not names and not every:
        raise NothingSelectedError("no runnable dir in this repo", where=root, fix="invoke dir_create NAME")
    if not names:
        return every
    found: set[Path] = set()
    for name in names:
        path = _place(root, name, cwd, every)
        here = is_runnable(path) or bool(lost_marks(path))
        if only_this and not here:
            raise UsageError(
                f"--only-this: --dir {name!r} is not a runnable dir",
                where=path,
                why="a runnable dir has both devops/ and changelog.txt",
                fix="leave out --only-this, or: invoke dir_list",
            )
        below = [] if only_this else [other for other in every if other.is_relative_to(path)]
        if homes:
            home = repo.find_root(path)
            below = [other for other in below if repo.find_root(other) == home]
        if not below and not here:
            raise _nothing_below(root, name, path, cwd)
        found.update(below, [path] if here else [])
    return sorted(found)


def _nothing_below(root: Path, name: str, path: Path, cwd: Path) -> HelpersError:
    from helpers.repo import submodules  # only an error needs it

    if absent := discover.absent_submodule(root, path):
        return discover.not_checked_out(root, absent, f"--dir {name!r} is in a submodule that is not checked out")
    inside = any((root / link).is_relative_to(path) and root / link != path for link in submodules.gitlinks(root))
    fix = "invoke dir_list"
    around = next((above for above in path.parents if is_runnable(above) and above.is_relative_to(root)), None)
    if inside:
        fix = "add --submodules, for the runnable dirs of the submodules below it"
    elif around and path.is_dir():
        directory = shlex.quote(as_argument(os.path.relpath(around, cwd)))
        fix = (
            f"--dir {directory} -- {shlex.quote(as_argument(os.path.relpath(path, around)))}  (to run the tests in it)"
        )
    elif project := discover.project_at(path, root):
        directory = shlex.quote(as_argument(os.path.relpath(project, cwd)))
        fix = f"invoke dir_create {directory} --from {directory}  (makes it a runnable dir)"
    return NothingSelectedError(
        f"--dir {name!r} is not a runnable dir and has none below it",
        where=path,
        why="a runnable dir has both devops/ and changelog.txt",
        fix=fix,
    )


def _meant(root: Path, path: Path, cwd: Path, every: list[Path]) -> str:
    """Return the fix for a missing path: the place with the most similar name, or the command to list the places."""
    from helpers.repo import submodules  # only an error needs it

    places = {*every, *(root / link for link in submodules.gitlinks(root))}
    places |= {above for other in places for above in other.parents if above != root and above.is_relative_to(root)}
    names = [other.relative_to(root).as_posix() for other in places - {root, *path.parents}]
    if near := nearest_path(path.relative_to(root).as_posix(), names):
        return f"did you mean --dir {shlex.quote(as_argument(os.path.relpath(root / near, cwd)))}?"
    return "invoke dir_list"


def _place(root: Path, name: str, cwd: Path, every: list[Path]) -> Path:
    if not name:
        raise UsageError("--dir '' names no directory", where=cwd, fix="leave it out for all, or say --dir .")
    path = Path(os.path.realpath(cwd / name))
    if not path.is_relative_to(root):
        raise UsageError(f"--dir {name!r} leads out of the repo", where=path, why=f"the repo is {root}")
    if not path.is_dir():
        raise UsageError(f"--dir {name!r} is not a directory", where=path, fix=_meant(root, path, cwd, every))
    return path
