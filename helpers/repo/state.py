"""The state of a checkout: what git is asked for it, and what files are called that git does not vouch for.

With few imports: the memo of a whole run asks the same by it, before anything else is started (`driver/memo.py`).
"""

from __future__ import annotations

import os
import stat
import time

from helpers.model import git_status
from helpers.repo import closed
from helpers.spawn import Asked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# Settings of a repo by which git would overlook a change (https://git-scm.com/docs/git-config).
EXACT = (
    *(("core.fileMode", "true"), ("core.checkStat", "default"), ("core.trustctime", "true")),
    *(("core.untrackedCache", "false"), ("core.ignoreStat", "false"), ("core.symlinks", "true")),
    *(("core.autocrlf", "false"), closed.NO_ATTRIBUTES),
)
_STATUS = ("status", "-z", "--porcelain=v2", "--untracked-files=all", "--no-renames", "--ignore-submodules=all")
# What Python makes of the sources beside it, and compares with them before it takes it.
MADE_BY_PYTHON = "__pycache__"
# A file that was written this recently may be written again without another time (as git's "racy" entries).
RACY_SECONDS = 2.0
# An index ends with the hash of all that stands before it (https://git-scm.com/docs/index-format).
_HASH_BYTES = 32
_NO_HASH = bytes(20)

# What git said of a checkout, as plain data: its root, where git keeps it, what decides how git sees it, what git said
# of changed files, the directories of those that are not looked into, and the names of all others.
Look = tuple[str, str, tuple[str, ...], bytes, tuple[str, ...], dict[str, str]]


def status_words(*, exact: bool) -> tuple[str, ...]:
    """Return the arguments by which git says what is not as the index has it.

    Arguments:
        exact: whether that also counts which git ignores.
    """
    return (*_STATUS, f"--ignored={'matching' if exact else 'no'}")


def ignored_directories(status: str) -> list[str]:
    """Return the directories that git ignores as a whole, each with a slash at its end.

    Arguments:
        status: what git said.
    """
    return [path for kind, _, path in git_status.entries(status) if kind == "!" and path.endswith("/")]


def named(root: str, status: str, unseen: Sequence[str] = ()) -> dict[str, str]:
    """Return a name for the content of each file that git's status speaks of; empty for one that is not there.

    Arguments:
        root: of the checkout.
        status: what git said.
        unseen: those of its `ignored_directories` in which nobody sees a file.

    Raises:
        OSError: a file can not be read.
    """
    found = {}
    left_out = set(unseen)
    for kind, fields, name in git_status.entries(status):
        if kind in ("1", "u"):
            if fields[0][1] != "." or kind == "u":
                found[name] = by_reading(f"{root}/{name}")
        elif kind in ("?", "!") and name not in left_out:
            name_of = by_reading if kind == "?" else by_looking
            paths = walk(f"{root}/{name}", name) if name.endswith("/") else [name]
            found |= {path: name_of(f"{root}/{path}") for path in paths if not _is_made(path)}
    return found


def _is_made(path: str) -> bool:
    return path.endswith(".pyc") and MADE_BY_PYTHON in path.split("/")


def walk(directory: str, name: str) -> Iterator[str]:
    """Yield the paths of all files below a directory, behind `name`, which ends with a slash or is empty."""
    for parent, folders, files in os.walk(directory):
        links = [folder for folder in folders if os.path.islink(os.path.join(parent, folder))]
        for file in (*files, *links):
            yield name + os.path.relpath(os.path.join(parent, file), directory)


def by_reading(path: str) -> str:
    """Return the mode and the name that git has or would have for a file; empty when it is not there.

    Raises:
        OSError: it can not be read.
    """
    from helpers.model.blob import blob_id  # where all is as git has it no file is read

    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            return f"120000 {blob_id(os.fsencode(os.readlink(path)))}"
        if stat.S_ISREG(found.st_mode):
            with open(path, "rb") as file:
                return f"{'100755' if found.st_mode & stat.S_IXUSR else '100644'} {blob_id(file.read())}"
    except (FileNotFoundError, NotADirectoryError):
        return ""
    return f"{stat.S_IFMT(found.st_mode):o}"


def by_looking(path: str) -> str:
    """Return a name for a file that git can not vouch for, of which there may be many and big ones: it is not read.

    Raises:
        OSError: it was written just now, and can not be read.
    """
    try:
        found = os.lstat(path)
    except OSError:
        return ""
    if not stat.S_ISREG(found.st_mode) or time.time() - max(found.st_mtime, found.st_ctime) < RACY_SECONDS:
        return by_reading(path)
    return f"{found.st_mode:o} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"


def marks(root: str, found: str) -> tuple[str, ...]:
    """Return what decides how git sees a checkout, apart from its files and the configuration outside of it.

    The index by its own hash, which is one of the names, modes, content and times of all files that git knows.

    Arguments:
        root: of the checkout.
        found: where git keeps the repo.

    Raises:
        OSError: no repo is kept there.
    """
    mark = f"{root}/.git"
    pointer = _content(f"{found}/commondir")
    common = os.path.join(found, os.fsdecode(pointer).rstrip("\r\n")) if pointer else found
    files = (f"{common}/config", f"{found}/config.worktree", f"{common}/info/attributes")
    said = b"" if os.path.isdir(mark) else _content(mark)
    with open(f"{found}/index", "rb") as index:
        size = index.seek(0, os.SEEK_END)
        index.seek(max(0, size - _HASH_BYTES))
        end = index.read()
    words = (str(size), end.hex(), os.path.realpath(mark), os.fsdecode(said), os.fsdecode(pointer))
    return (*words, str(os.stat(found).st_uid), *(fingerprint(_content(file)) for file in files))


def index_is_hashed(seen: tuple[str, ...]) -> bool:
    """Say whether `marks` tells one index from another: one may have no hash (index.skipHash in git-config)."""
    return not bytes.fromhex(seen[1]).endswith(_NO_HASH)


def _content(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return b""


def fingerprint(data: bytes | memoryview) -> str:
    """Return a hash of `data`, for which nothing big is imported."""
    try:
        from _blake2 import blake2b
    except ImportError:
        from hashlib import blake2b
    return str(blake2b(data, digest_size=32).hexdigest())


class Question:
    """Whether a checkout is still as it was; git is asked beside what goes on until the answer is read.

    Arguments:
        look: how it was.

    Raises:
        OSError: git can not be started.
    """

    def __init__(self, look: Look) -> None:
        self._look = look
        root, found = look[:2]
        env = closed.only_of(closed.environment(EXACT), root, found)
        self._asked = Asked(closed.command(root, status_words(exact=True)), env)

    def is_same(self) -> bool:
        """Say whether it is.

        Raises:
            OSError: a file can not be read.
        """
        root, found, seen, status, unseen, files = self._look
        # After git has looked: what changes from here on has changed after this run began.
        said = self._asked.answer()
        return said == status and marks(root, found) == seen and named(root, status.decode(), unseen) == files

    def stop(self) -> None:
        """Ask no more."""
        self._asked.stop()
