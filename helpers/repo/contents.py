"""What every file of a checkout holds, by a name for its content: what git knows already is not read again."""

from __future__ import annotations

import os
import re
import stat
import time
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from helpers.errors import HelpersError
from helpers.model.sync_lock import blob_id
from helpers.repo.door import look
from helpers.repo.location import common_dir, git_dir
from helpers.repo.submodules import submodule_at
from helpers.storage import digest

# Settings of a repo by which git would overlook a change (https://git-scm.com/docs/git-config).
_EXACT = (
    *(("core.fileMode", "true"), ("core.checkStat", "default"), ("core.trustctime", "true")),
    *(("core.untrackedCache", "false"), ("core.ignoreStat", "false"), ("core.symlinks", "true")),
    *(("core.autocrlf", "false"), ("core.attributesFile", os.devnull)),
)
# By these a file may be another one than git has, and count as unchanged (https://git-scm.com/docs/gitattributes).
_CONVERTS = re.compile(rb"text|eol|crlf|filter|ident|working-tree-encoding")
_ATTRIBUTES = ".gitattributes"
_LIST = ("ls-files", "-z", "--stage", "-v")
_STATUS = ("status", "-z", "--porcelain=v2", "--untracked-files=all", "--no-renames")
_ENTRY = re.compile(r"(.) ([0-7]{6}) ([0-9a-f]+) \d\t(.*)", re.DOTALL)
_GITLINK = "160000"
# What Python makes of the sources beside it, and compares with them before it takes it.
_MADE_BY_PYTHON = "__pycache__"
# A file that was written this recently may be written again without another time (as git's "racy" entries).
_RACY_SECONDS = 2.0


class Unknown(Exception):
    """What a checkout holds can not be said with certainty; the text says why."""


class Contents:
    """The files of a checkout, those of its submodules and those that git ignores among them.

    Arguments:
        files: a name for the content of each, by its path relative to the root.
    """

    def __init__(self, files: dict[str, str]) -> None:
        self._files = sorted(files.items())
        self._paths = [path for path, _ in self._files]

    def digest(self, path: str, without: Sequence[str] = ()) -> str:
        """Return a name for all that is at and below `path`: it is another one when anything of that is.

        Arguments:
            path: relative to the root, which is `.`.
            without: paths below it that do not count.
        """
        left_out = tuple(f"{name}/" for name in without)
        lines = (
            f"{name}\0{content}\0"
            for name, content in self._below(path)
            if not (left_out and f"{name}/".startswith(left_out))
        )
        return digest("".join(lines))

    def differences(self, other: Contents, path: str, without: Sequence[str] = ()) -> list[str]:
        """Return the paths at and below `path` that do not hold the same in `other`, sorted.

        Arguments:
            other: the same checkout at another time.
            path: relative to the root, which is `.`.
            without: paths below it that do not count.
        """
        left_out = tuple(f"{name}/" for name in without)
        sides = set(self._below(path)) ^ set(other._below(path))
        return sorted({name for name, _ in sides if not (left_out and f"{name}/".startswith(left_out))})

    def _below(self, path: str) -> Iterable[tuple[str, str]]:
        if path == ".":
            return self._files
        at = bisect_left(self._paths, path)
        own = self._files[at : at + 1] if self._paths[at : at + 1] == [path] else []
        first = bisect_left(self._paths, f"{path}/")
        # The character after the slash: all that is below stands before it.
        return [*own, *self._files[first : bisect_left(self._paths, f"{path}0")]]


def contents(root: Path, *, exact: bool = True) -> Contents:
    """Return what all files of the checkout at `root` hold now.

    Arguments:
        root: of the checkout.
        exact: whether that also counts which git ignores, or takes for equal, as line ends can be.

    Raises:
        Unknown: git does not answer, or a name is not UTF-8.
    """
    return Contents(dict(_files(root, exact=exact)))


def contents_of(root: Path, commit: str) -> Contents:
    """Return what all files of a commit hold, and those of the submodules that it records.

    Arguments:
        root: of the checkout.
        commit: its id.

    Raises:
        Unknown: git does not answer, or a name is not UTF-8.
    """
    return Contents(dict(_committed(root, commit)))


def of_directory(path: Path) -> str:
    """Return a name for all that is below a directory, by reading it."""
    return Contents({name: _read(path / name) for name in _walk(path, "")}).digest(".")


def _committed(root: Path, commit: str) -> Iterator[tuple[str, str]]:
    for entry in _ask(root, "ls-tree", "-r", "-z", "--full-tree", commit).split("\0")[:-1]:
        about, _, path = entry.partition("\t")
        mode, _, name = about.split(" ")
        if mode != _GITLINK:
            yield path, f"{mode} {name}"
            continue
        try:
            below = dict(_committed(root / path, name)) if submodule_at(root, path) else {}
        except (Unknown, HelpersError):
            below = {".": name}  # that commit is not here: all of it counts as changed
        yield from ((f"{path}/{inside}", content) for inside, content in below.items())


def _files(root: Path, *, exact: bool) -> Iterator[tuple[str, str]]:
    status = (*_STATUS, "--ignore-submodules=all", f"--ignored={'matching' if exact else 'no'}")
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(_ask, root, *words) for words in (_LIST, status)]
        listed, changed = (one.result() for one in asked)
    found: dict[str, str] = {}
    converted = exact and _converts(root, listed)
    for entry in listed.split("\0")[:-1]:
        parts = _ENTRY.fullmatch(entry)
        if parts is None:
            raise Unknown(f"git lists {entry!r}")
        tag, mode, name, path = parts.groups()
        if mode == _GITLINK:
            found |= _of_submodule(root, path, exact=exact)
        else:
            # Of the others git was told not to look at them, or they are in conflict.
            as_git_has_it = tag == "H" and not converted
            found[path] = f"{mode} {name}" if as_git_has_it else _seen(root / path)
    for entry in changed.split("\0")[:-1]:
        kind, rest = entry[:1], entry[2:]
        if kind in ("1", "u"):
            words = rest.split(" ", 7 if kind == "1" else 9)
            if words[0][1] != "." or kind == "u":
                found[words[-1]] = _read(root / words[-1])
        elif kind in ("?", "!"):
            name_of = _read if kind == "?" else _seen
            paths = _walk(root / rest, rest) if rest.endswith("/") else [rest]
            found |= {path: name_of(root / path) for path in paths if not _is_made(path)}
    yield from ((path, content) for path, content in found.items() if content)


def _converts(root: Path, listed: str) -> bool:
    """Say whether some file of the checkout may hold something else than what git compares it with."""
    files = [root / entry.partition("\t")[2] for entry in listed.split("\0") if entry.endswith(_ATTRIBUTES)]
    own = git_dir(root)
    if own:
        files.append(common_dir(own) / "info" / "attributes")
    return any(_CONVERTS.search(file.read_bytes()) for file in files if file.is_file())


def _ask(root: Path, *words: str) -> str:
    try:
        said = look(root, *words, more=_EXACT)
    except HelpersError as error:
        raise Unknown(error.what) from None
    if "\ufffd" in said:
        raise Unknown("a file's name is not UTF-8")
    return said


def _of_submodule(root: Path, path: str, *, exact: bool) -> dict[str, str]:
    try:
        there = submodule_at(root, path)
    except HelpersError as error:
        raise Unknown(f"{path}: {error.what}") from None
    if there is None:
        # What somebody has put there counts all the same.
        return {name: _read(root / name) for name in _walk(root / path, f"{path}/")}
    found = {f"{path}/{name}": content for name, content in _files(root / path, exact=exact)}
    if exact and (root / path / ".git").is_dir():
        found[f"{path}/.git"] = f"changes at any time {time.time_ns()}"
    return found


def _is_made(path: str) -> bool:
    return path.endswith(".pyc") and _MADE_BY_PYTHON in path.split("/")


def _walk(directory: Path, name: str) -> Iterator[str]:
    """Yield the paths of all files below a directory, behind `name`, which ends with a slash or is empty."""
    for parent, folders, files in os.walk(directory):
        links = [folder for folder in folders if os.path.islink(os.path.join(parent, folder))]
        for file in (*files, *links):
            yield name + os.path.relpath(os.path.join(parent, file), directory)


def _read(path: Path) -> str:
    """Return the mode and the name that git has or would have for a file; empty when it is not there."""
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            return f"120000 {blob_id(os.fsencode(os.readlink(path)))}"
        if stat.S_ISREG(found.st_mode):
            return f"{'100755' if found.st_mode & stat.S_IXUSR else '100644'} {blob_id(path.read_bytes())}"
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError as error:
        raise Unknown(f"{path} can not be read: {error.strerror}") from None
    return f"{stat.S_IFMT(found.st_mode):o}"


def _seen(path: Path) -> str:
    """Return a name for a file that git can not vouch for, of which there may be many and big ones: it is not read."""
    try:
        found = path.lstat()
    except OSError:
        return ""
    if not stat.S_ISREG(found.st_mode) or time.time() - max(found.st_mtime, found.st_ctime) < _RACY_SECONDS:
        return _read(path)
    return f"{found.st_mode:o} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"
