"""Finds the repo and its runnable dirs."""

from __future__ import annotations

import os
import re
import shlex
import stat
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers import checkout_file, pyproject, repo, toolchain_path
from helpers.errors import ConfigError, InfrastructureError, NotCheckedOutError, UsageError
from helpers.model import settings_file
from helpers.model.settings import OF_THE_REPO

# The cutoff of difflib.get_close_matches; the cutoff finds most typing errors and few unrelated words.
_ALIKE = 0.6
_MARKS = ("**/changelog.txt", "**/pyproject.toml", "**/devops", "**/devops/**")
# A directory with one of them is a Python project.
PROJECT_FILES = ("pyproject.toml", "setup.py", "setup.cfg", "PKG-INFO", "requirements.txt")
_DEVOPS = re.compile(r"(?:^|/)devops(?=/|$)")


def is_runnable(path: Path) -> bool:
    """Return whether `path` is a runnable dir with `devops/` and `changelog.txt`, sound or not."""
    return not missing_marks(path)


def lost_marks(path: Path, tracked: Collection[str] | None = None) -> list[str]:
    """Return the missing marks of a directory that settings or git show to be runnable; empty for every other place.

    Arguments:
        path: absolute path of the directory.
        tracked: the marks that git tracks; None asks git.
    """
    missing = missing_marks(path)
    half = len(missing) == 1
    if not missing or not (half or os.path.lexists(path / "pyproject.toml")):
        return []
    # The settings of a root are often settings of the whole repo: they do not show that a root lost both marks.
    if (half or not os.path.lexists(path / ".git")) and _has_settings(path, half=half):
        return missing
    if tracked is None:
        try:
            tracked = _tracked_marks(repo.listed(path, *(mark.removeprefix("**/") for mark in _MARKS))).get("", ())
        except InfrastructureError:
            return []  # no checkout
    return missing if set(missing).issubset(tracked) else []


def _tracked_marks(listed: Mapping[str, bool]) -> dict[str, set[str]]:
    """Return the marks that git tracks, by directory, from git's listing of the files."""
    marks: dict[str, set[str]] = {}
    for name in (name for name, is_tracked in listed.items() if is_tracked):
        folder, _, base = name.rpartition("/")
        if base == "changelog.txt":
            marks.setdefault(folder, set()).add(base)
        for found in _DEVOPS.finditer(name) if "devops" in name else ():
            marks.setdefault(name[: found.start()], set()).add("devops/")
    return marks


def restore_command(root: Path, path: Path, missing: Iterable[str]) -> str:
    """Return the command that restores the marks of a directory, from the commit if possible, else as new files.

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
    # A sparse checkout leaves the file out again unless git is told to ignore that.
    option = "--ignore-skip-worktree-bits "
    git = [f"git -C {there} checkout {option}HEAD -- {' '.join(kept)}"] if kept else []
    return " && ".join([*git, *(new[mark] for mark in missing if mark not in kept)])


def missing_marks(path: Path) -> list[str]:
    """Return the missing marks of the directory `path`, of `devops/` and `changelog.txt`."""
    # A link, a special file and an unreadable mark count: the reader of the directory refuses them, and so names them.
    return [mark for mark in ("devops/", "changelog.txt") if not _has_mark(path, mark)]


def _has_mark(path: Path, mark: str) -> bool:
    try:
        mode = os.lstat(f"{path}/{mark}".rstrip("/")).st_mode
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return not mark.endswith("/") or stat.S_ISDIR(mode) or stat.S_ISLNK(mode)


def _has_settings(path: Path, *, half: bool) -> bool:
    """Return whether a directory has settings of its own besides the settings of the whole repo.

    Arguments:
        path: absolute path of the directory.
        half: whether one of the two marks is there: then a file that cannot be read is taken for settings.
    """
    try:
        file = pyproject.settings_file(path)
        text = checkout_file.read_text_if_there(file)
        shared = settings_file.table_of(file)
        # An escape in a quoted key can spell any name.
        if text is None or (shared and not ("helpers" in text or "\\" in text)):
            return False
        parsed = pyproject.remembered_toml(text, file)
        table = pyproject.helpers_table(parsed) if shared else parsed
    except ConfigError:
        return half
    return table is not None and bool(table.keys() - OF_THE_REPO or (half and not table))


@dataclass(frozen=True)
class Listing:
    """The files listed by git in a checkout, without files of submodules and nested repos.

    Arguments:
        root: absolute path of the checkout.
        runnable: absolute paths of its runnable dirs, sorted; `runnable_paths` says which.
        absent: paths of the tracked runnable dirs without files in the checkout, relative to the root.
        python: paths of the tracked Python files, relative to the root, if they were asked for.
        settings: paths of the other files that were asked for, relative to the root.
    """

    root: Path
    runnable: tuple[Path, ...] = ()
    absent: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    settings: tuple[str, ...] = ()


def listing(root: Path, more: Sequence[str] = ()) -> Listing:
    """Return the listing of the checkout at `root` by a single call of git.

    Arguments:
        root: absolute path of the checkout.
        more: patterns of files that are listed besides the marks of runnable dirs.
    """
    listed = repo.listed(root, *dict.fromkeys((*_MARKS, *more)))
    folders = {os.path.dirname(name) for name in listed if name.endswith(("changelog.txt", "pyproject.toml"))}
    tracked = _tracked_marks(listed)
    wanted = {os.path.basename(pattern) for pattern in (_MARKS[1], *more)}

    def counts(folder: str) -> bool:
        lost = lost_marks(root / folder, tracked.get(folder, ()))
        # Without both marks only a tracked directory counts: `dir_create` writes the marks last.
        known = folder in tracked or listed.get(os.path.join(folder, "pyproject.toml"), False)
        return len(lost) == 1 or (bool(lost) and known)

    runnable = {folder for folder in folders if is_runnable(root / folder) or counts(folder)}
    others = (folder for folder, marks in tracked.items() if len(marks) > 1 and folder not in runnable)

    return Listing(
        root,
        tuple(sorted(root / folder for folder in runnable)),
        tuple(sorted(folder or "." for folder in others if len(missing_marks(root / folder)) > 1)),
        tuple(name for name, tracked in listed.items() if tracked and name.endswith(".py")),
        tuple(name for name in listed if os.path.basename(name) in wanted),
    )


def runnable_paths(root: Path) -> list[Path]:
    """Return the absolute paths of all runnable dirs of the repo, sorted; those of submodules are theirs.

    A directory that has lost its `devops/` or `changelog.txt` is among them: it must not leave a green run unnoticed.
    """
    return list(listing(root).runnable)


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
        if not _is_absent(path) or not path.is_relative_to(root):
            continue
        if absent := absent_submodule(root, path):
            name = absent.relative_to(root).as_posix()
            raise not_checked_out(root, absent, f"needs the submodule {name}, which is not checked out")


def _is_absent(path: Path) -> bool:
    try:
        with os.scandir(path) as entries:
            return not any(entries)
    except (NotADirectoryError, PermissionError):
        return False
    except OSError:
        return True


def not_checked_out(root: Path, absent: Path, what: str) -> NotCheckedOutError:
    """Return the error about `absent`, a submodule without a checkout in the repo at `root`."""
    name = shlex.quote(absent.relative_to(root).as_posix())
    return NotCheckedOutError(
        what,
        where=root,
        fix=f"git submodule update --init --recursive -- {name}  (no access? invoke repo_status says so)",
    )


def absent_submodule(root: Path, path: Path) -> Path | None:
    """Return the submodule without a checkout, maybe nested, around `path`; None without a submodule like this."""
    from helpers.repo import submodules  # only something that is missing needs it

    for name in submodules.gitlinks(root):
        if path.is_relative_to(root / name):
            there = submodules.submodule_at(root, name)
            return absent_submodule(root / name, path) if there else root / name
    return None


def nested_in(root: Path, path: Path, every: Iterable[Path], tests: Iterable[str] = ()) -> tuple[Path, ...]:
    """Return what lies in the runnable dir at `path` and is not of it: other runnable dirs, and the submodule helpers.

    The repo that helpers is made in, taken apart, tests helpers itself, and says so.

    Arguments:
        root: absolute path of the repo's root.
        path: absolute path of the directory.
        every: absolute paths of all runnable dirs of the repo.
        tests: what holds the directory's tests, relative to it.
    """
    tools = root / toolchain_path.stated(root)
    tests_tools = any((path / name).is_relative_to(tools) for name in tests)
    ours = [tools] if tools.is_relative_to(path) and (tools / ".git").exists() and not tests_tools else []
    return (*(other for other in every if other != path and other.is_relative_to(path)), *ours)


def project_at(path: Path, root: Path) -> Path | None:
    """Return the nearest directory at or above `path`, below `root`, with a file of a Python project; None if none."""
    for directory in (path, *path.parents):
        if directory == root or not directory.is_relative_to(root):
            return None
        if any((directory / name).is_file() for name in PROJECT_FILES):
            return directory
    return None


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


def nearest_path(wanted: str, known: Iterable[str], fits: Callable[[str], bool] = bool) -> str:
    """Return the path of `known` most similar to `wanted`, or empty; common directories do not count as similar.

    Arguments:
        wanted: a relative path.
        known: relative paths.
        fits: whether a path may be returned; called for paths similar to `wanted`.
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
