"""Finds the repo and its runnable dirs."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from helpers import checkout_file, pyproject, repo
from helpers.errors import ConfigError, HelpersError, NotCheckedOutError, NothingSelectedError, UsageError
from helpers.model.settings import OF_THE_REPO

# The cutoff of difflib.get_close_matches, which finds most slips of the pen and few other words.
_ALIKE = 0.6


def is_runnable(path: Path) -> bool:
    """Return whether `path` is a runnable dir: it has `devops/` and `changelog.txt`, sound or not."""
    return not _missing_marks(path)


def lost_marks(path: Path) -> list[str]:
    """Return what makes `path` no runnable dir any more although it has settings of one; none for all other places."""
    missing = _missing_marks(path)
    # The settings of a root are often those of the whole repo: without both marks it is a plain root.
    if not missing or (len(missing) > 1 and os.path.lexists(path / ".git")):
        return []
    return missing if _has_settings(path, half=len(missing) == 1) else []


def restore_command(root: Path, path: Path, missing: Iterable[str]) -> str:
    """Return the command that gives a directory its marks back: as committed, or new where no commit has them.

    Arguments:
        root: absolute path of the repo's root.
        path: absolute path of the directory.
        missing: of `devops/` and `changelog.txt`.
    """
    from helpers.repo import history  # only something that is missing needs it

    there = shlex.quote(str(path))
    name = re.sub(r"[^a-z0-9]+", "-", path.name.lower()).strip("-") or "image"
    day = '"$(date +%F)"'
    new = {
        "devops/": f"mkdir -p {there}/devops && touch {there}/devops/.gitkeep",
        "changelog.txt": f"printf '# {name}-0.1.0\\n- %s\\n- first version\\n' {day} > {there}/changelog.txt",
    }
    kept = [mark for mark in missing if history.is_committed(root, (path / mark).relative_to(root).as_posix())]
    git = [f"git -C {there} checkout HEAD -- {' '.join(kept)}"] if kept else []
    return " && ".join([*git, *(new[mark] for mark in missing if mark not in kept)])


def _missing_marks(path: Path) -> list[str]:
    devops, log = path / "devops", path / "changelog.txt"
    # A link and a special file count: the reader of the directory refuses them, and so names them.
    marks = {"devops/": devops.is_dir() or devops.is_symlink(), "changelog.txt": os.path.lexists(log)}
    return [mark for mark, there in marks.items() if not there]


def _has_settings(path: Path, *, half: bool) -> bool:
    """Return whether a directory has settings, and not only those of the whole repo.

    Arguments:
        path: absolute path of the directory.
        half: whether one of the two marks is there: then a file that cannot be read is taken for settings.
    """
    try:
        file = path / "pyproject.toml"
        text = checkout_file.read_text_if_there(file)
        # An escape in a quoted key can spell any name.
        if text is None or not ("helpers" in text or "\\" in text):
            return False
        table = pyproject.helpers_table(pyproject.remembered_toml(text, file))
    except ConfigError:
        return half
    return table is not None and bool(table.keys() - OF_THE_REPO or (half and not table))


def runnable_paths(root: Path) -> list[Path]:
    """Return the absolute paths of all runnable dirs of the repo, sorted; those of submodules are theirs.

    A directory that has lost its `devops/` or `changelog.txt` is among them: it must not leave a green run unnoticed.
    """
    found = {file.parent for file in repo.files(root, "**/changelog.txt", "**/pyproject.toml")}
    return sorted(path for path in found if is_runnable(path) or lost_marks(path))


def check_checked_out(root: Path, paths: Iterable[Path]) -> None:
    """Return when each of `paths` is there, or is missing for another reason than that its submodule is not there.

    Arguments:
        root: absolute path of the repo's root.
        paths: absolute paths, resolved, that something of this repo needs.

    Raises:
        NotCheckedOutError: one of them lies in a submodule, maybe a nested one, that is not checked out.
    """
    for path in paths:
        # The directory of a submodule that is not checked out is there, and empty.
        if path.is_file() or (path.is_dir() and any(path.iterdir())) or not path.is_relative_to(root):
            continue
        if absent := _absent_submodule(root, path):
            name = absent.relative_to(root).as_posix()
            raise _not_checked_out(root, absent, f"needs the submodule {name}, which is not checked out")


def _not_checked_out(root: Path, absent: Path, what: str) -> NotCheckedOutError:
    name = shlex.quote(absent.relative_to(root).as_posix())
    return NotCheckedOutError(
        what,
        where=root,
        fix=f"git submodule update --init --recursive -- {name}  (no access? invoke repo_status says so)",
    )


def _absent_submodule(root: Path, path: Path) -> Path | None:
    from helpers.repo import submodules  # only something that is missing needs it

    for name in submodules.gitlinks(root):
        if path.is_relative_to(root / name):
            there = submodules.submodule_at(root, name)
            return _absent_submodule(root / name, path) if there else root / name
    return None


def nested_in(root: Path, path: Path, every: Iterable[Path], tests: Iterable[str] = ()) -> tuple[Path, ...]:
    """Return what lies in the runnable dir at `path` and is not of it: other runnable dirs, and helpers in the root.

    The repo that helpers is made in, taken apart, tests helpers itself, and says so.

    Arguments:
        root: absolute path of the repo's root.
        path: absolute path of the directory.
        every: absolute paths of all runnable dirs of the repo.
        tests: what holds the directory's tests, relative to it.
    """
    tools = [root / "helpers"] if path == root and (root / "helpers" / ".git").exists() else []
    if any((path / name).is_relative_to(root / "helpers") for name in tests):
        tools = []
    return (*(other for other in every if other != path and other.is_relative_to(path)), *tools)


def enclosing(start: Path) -> tuple[Path, Path]:
    """Return (root of the repo, nearest runnable dir at or above `start` inside it).

    Raises:
        UsageError: `start` is not in a checkout, or no runnable dir encloses it.
    """
    start = Path(os.path.realpath(start))
    root = repo.find_root(start)
    for directory in (start, *start.parents):
        if is_runnable(directory) or lost_marks(directory):
            return root, directory
        if directory == root:
            break
    raise UsageError(
        "is not inside a runnable dir",
        where=start,
        why="no directory from here up to the root of the repo has both devops/ and changelog.txt",
        fix="cd into one, or name it by --dir (invoke dir_list lists them), or make one (invoke dir_create NAME)",
    )


def nearest(directory: str | None) -> tuple[Path, Path]:
    """Return (root of the repo, the runnable dir that a command acts on).

    Arguments:
        directory: as given with `--dir`; without it the runnable dir that encloses the current directory is meant.

    Raises:
        UsageError: what was named is no runnable dir: a slip of the pen must not act on the one that encloses it.
    """
    if not directory:
        return enclosing(Path.cwd())
    path = Path(os.path.realpath(directory))
    if not path.is_dir():
        raise UsageError(f"--dir {directory!r} is not a directory", where=path, fix="invoke dir_list")
    if not (is_runnable(path) or lost_marks(path)):
        raise UsageError(
            f"--dir {directory!r} is not a runnable dir",
            where=path,
            why="a runnable dir has both devops/ and changelog.txt",
            fix="invoke dir_list",
        )
    return repo.find_root(path), path


@dataclass(frozen=True)
class Selection:
    """The runnable dirs that a command line selects.

    Arguments:
        paths: absolute paths of the selected runnable dirs, sorted.
        every: absolute paths of all runnable dirs of the repo, and of each checkout in `checkouts`.
        checkouts: absolute paths of the submodules whose runnable dirs are in `every`.
        faults: why the runnable dirs of a submodule are unknown, by its absolute path.
    """

    paths: list[Path]
    every: list[Path]
    checkouts: tuple[Path, ...] = ()
    faults: Mapping[Path, HelpersError] = field(default_factory=dict)


def choose(
    root: Path, names: Sequence[str], cwd: Path, *, only_this: bool = False, submodules: bool = False
) -> Selection:
    """Return what `--dir`, `--only-this` and `--submodules` select; `select` says what is raised.

    Arguments:
        root: absolute path of the repo's root.
        names: as given, absolute or relative to `cwd`; empty selects the whole repo.
        cwd: where the command was given.
        only_this: leave out the runnable dirs below each name.
        submodules: add the runnable dirs of submodules; those of the toolchain only where a name lies in it.
    """
    if only_this and not names:
        raise UsageError("--only-this needs --dir", fix="add --dir DIR, or leave out --only-this")
    named = [path for name in names if name and (path := Path(os.path.realpath(cwd / name))).is_relative_to(root)]
    own = {home: None for path in named if path.is_dir() and (home := repo.find_root(path)) != root}
    every, checkouts = runnable_paths(root), list(own)
    faults: dict[Path, HelpersError] = {}
    if submodules:
        for path, fault in _submodules(root):
            if fault:
                faults[path] = fault
            elif path not in own and not _is_toolchain(path):
                checkouts.append(path)
    for checkout in checkouts:
        try:
            every += runnable_paths(checkout)
        except HelpersError as error:
            faults[checkout] = error
    if named:
        faults = {path: error for path, error in faults.items() if any(path.is_relative_to(name) for name in named)}
    try:
        paths = select(root, names, cwd, every, only_this=only_this, homes=() if submodules else checkouts)
    except NothingSelectedError:
        if not faults:
            raise
        paths = []
    return Selection(paths, sorted(every), tuple(checkouts), faults)


def _submodules(root: Path) -> Iterator[tuple[Path, HelpersError | None]]:
    """Yield the path of each submodule, nested ones too, and why it can not be entered."""
    from helpers.repo import submodules  # few commands enter them

    for name in submodules.gitlinks(root):
        path = root / name
        try:
            there = submodules.submodule_at(root, name)
        except HelpersError as error:
            yield path, error
            continue
        if there is None:
            yield path, _not_checked_out(root, path, "the submodule is not checked out, so its tests do not run")
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
    """Return the runnable dirs that the user named with `--dir`, or all of the repo when he named none.

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
            raise _nothing_below(root, name, path)
        found.update(below, [path] if here else [])
    return sorted(found)


def _nothing_below(root: Path, name: str, path: Path) -> HelpersError:
    from helpers.repo import submodules  # only an error needs it

    if absent := _absent_submodule(root, path):
        return _not_checked_out(root, absent, f"--dir {name!r} is in a submodule that is not checked out")
    inside = any((root / link).is_relative_to(path) and root / link != path for link in submodules.gitlinks(root))
    return NothingSelectedError(
        f"--dir {name!r} is not a runnable dir and has none below it",
        where=path,
        why="a runnable dir has both devops/ and changelog.txt",
        fix="add --submodules, for the runnable dirs of the submodules below it" if inside else "invoke dir_list",
    )


def _meant(root: Path, path: Path, cwd: Path, every: list[Path]) -> str:
    """Return the fix for a path that does not exist: the place with almost that name, or how to list them."""
    from helpers.repo import submodules  # only an error needs it

    places = {*every, *(root / link for link in submodules.gitlinks(root))}
    places |= {above for other in places for above in other.parents if above != root and above.is_relative_to(root)}
    names = [other.relative_to(root).as_posix() for other in places - {root, *path.parents}]
    if near := nearest_path(path.relative_to(root).as_posix(), names):
        return f"did you mean --dir {shlex.quote(os.path.relpath(root / near, cwd))}?"
    return "invoke dir_list"


def nearest_path(wanted: str, known: Iterable[str], fits: Callable[[str], bool] = bool) -> str:
    """Return the path of `known` that is almost `wanted`, or empty; directories in common make no two paths alike.

    Arguments:
        wanted: a relative path.
        known: relative paths.
        fits: whether one of them may be returned; it is called for those that are almost `wanted`.
    """
    from difflib import SequenceMatcher  # only an error needs it

    matcher = SequenceMatcher()

    def likeness(other: str) -> float:
        ours, theirs = wanted.split("/"), other.split("/")
        while len(ours) > 1 and len(theirs) > 1 and ours[0] == theirs[0]:
            del ours[0], theirs[0]
        matcher.set_seq2("/".join(ours))
        matcher.set_seq1("/".join(theirs))
        return matcher.ratio()

    near = [(likeness(other), other) for other in known]
    return next((other for ratio, other in sorted(near, reverse=True) if ratio >= _ALIKE and fits(other)), "")


def _place(root: Path, name: str, cwd: Path, every: list[Path]) -> Path:
    if not name:
        raise UsageError("--dir '' names no directory", where=cwd, fix="leave it out for all, or say --dir .")
    path = Path(os.path.realpath(cwd / name))
    if not path.is_relative_to(root):
        raise UsageError(f"--dir {name!r} leads out of the repo", where=path, why=f"the repo is {root}")
    if not path.is_dir():
        raise UsageError(f"--dir {name!r} is not a directory", where=path, fix=_meant(root, path, cwd, every))
    return path
