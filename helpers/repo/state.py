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
# A bigger file is not read: its size and times replace its content.
MOST_READ_BYTES = 64 << 20
# A bigger untracked file outside of the tests of a run is not even looked at.
_MOST_UNSEEN_BYTES = 1 << 20
_ENCODING = ("utf-8", "surrogateescape")
# A file that was written this recently may be written again without another time (as git's "racy" entries).
RACY_SECONDS = 2.0
# An index ends with the hash of all that stands before it (https://git-scm.com/docs/index-format).
_HASH_BYTES = 32
# The permission to list a directory, and to enter it.
_ENTER = 0o5
_ENTERED_BY_ALL = 0o555
_NO_HASH = bytes(20)

# The state of a checkout by git, as plain data: root, git directory, settings that change the answers of git, status of
# changed files, changed files without a look, the names of the remaining changed files, paths searched for unlisted
# files, and the unlisted files.
Look = tuple[str, str, tuple[str, ...], bytes, tuple[str, ...], dict[str, str], tuple[str, ...], dict[str, str]]


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


def untracked(root: str, status: str) -> list[str]:
    """Return the untracked paths that are slow to read: big files, and repos in the checkout with a slash at the end.

    Arguments:
        root: of the checkout.
        status: the output of git.
    """
    paths = [entry[2:] for entry in status.split("\0") if entry.startswith("? ")]
    return [path for path in paths if path.endswith("/") or _size(f"{root}/{path}") > _MOST_UNSEEN_BYTES]


def _size(path: str) -> int:
    try:
        return os.lstat(path).st_size
    except OSError:
        return 0


def named(root: str, status: str, unseen: Sequence[str] = ()) -> dict[str, str]:
    """Return a name for the content of each file in git's status; empty for a missing file.

    Arguments:
        root: of the checkout.
        status: what git said.
        unseen: paths of `ignored_directories` and `untracked` that no test can read.
    """
    found = {}
    left_out = set(unseen)
    for entry in status.split("\0")[:-1]:
        kind, rest = entry[:1], entry[2:]
        if kind in ("1", "u"):
            words = rest.split(" ", 7 if kind == "1" else 9)
            if words[0][1] != "." or kind == "u":
                found[words[-1]] = by_size(f"{root}/{words[-1]}")
        elif kind in ("?", "!") and rest not in left_out:
            name_of = by_size if kind == "?" else by_looking
            paths = walk(f"{root}/{rest}", rest) if rest.endswith("/") else [rest]
            found |= {path: name_of(f"{root}/{path}") for path in paths}
    return found


def walk(directory: str, name: str) -> Iterator[str]:
    """Yield the paths of all files below a directory, behind `name`, which ends with a slash or is empty."""
    for parent, folders, files in os.walk(directory):
        links = [folder for folder in folders if os.path.islink(os.path.join(parent, folder))]
        for file in (*files, *links):
            yield name + os.path.relpath(os.path.join(parent, file), directory)


def unlisted(root: str, paths: Sequence[str]) -> dict[str, str]:
    """Return the paths that git does not list: FIFOs, sockets, devices and some directories, each with its kind.

    The directories are empty, or the caller may not list or enter the directory. Tests run as the caller without
    capabilities, and so the rights of root do not count. No file is looked at. The content of a `.git` is left out.

    Arguments:
        root: of the checkout.
        paths: directories in it, none below another; `.` is all of it.
    """
    found = {}
    todo = ["" if path == "." else f"{path}/" for path in paths]
    while todo:
        here = todo.pop()
        path = f"{root}/{here}"
        try:
            mine = _rights(os.stat(path))
            with os.scandir(path) as listed:
                entries = list(listed)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            found[here[:-1]] = "unreadable"
            continue
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != ".git":
                    todo.append(f"{here}{entry.name}/")
            elif not entry.is_symlink() and not entry.is_file(follow_symlinks=False):
                found[here + entry.name] = by_reading(f"{root}/{here}{entry.name}")
        if not entries or mine != _ENTER:
            found[here[:-1]] = f"{stat.S_IFDIR:o} {mine}"
    return found


def _rights(found: os.stat_result) -> int:
    """Return the bits by which the caller, without capabilities, may list and enter a directory."""
    mode = found.st_mode
    if mode & _ENTERED_BY_ALL != _ENTERED_BY_ALL:
        mode >>= 6 if found.st_uid == os.getuid() else 3 if found.st_gid == os.getgid() else 0
    return mode & _ENTER


def by_reading(path: str) -> str:
    """Return the mode and the name that git has or would have for a file; empty when it is not there.

    An unreadable file, or a file with a concurrent writer, gets a new name each time.
    """
    from helpers.model.blob import blob_id, blob_id_of  # where all is as git has it no file is read

    try:
        found = os.lstat(path)
        if stat.S_ISLNK(found.st_mode):
            return f"120000 {blob_id(os.fsencode(os.readlink(path)))}"
        if stat.S_ISREG(found.st_mode):
            with open(path, "rb") as file:
                name = blob_id_of(file, found.st_size)
            return f"{'100755' if found.st_mode & stat.S_IXUSR else '100644'} {name}" if name else unsure()
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError:
        return unsure()
    return f"{stat.S_IFMT(found.st_mode):o} {found.st_rdev}"


def unsure() -> str:
    """Return a name that no file has twice, for content that cannot be told."""
    return f"not known at {time.time_ns()}"


def by_size(path: str) -> str:
    """Return the name of a file `by_reading`, or of a big file `by_looking`."""
    return by_looking(path) if _size(path) > MOST_READ_BYTES else by_reading(path)


def by_looking(path: str) -> str:
    """Return a name for a file unknown to git, without a read: there may be many big files."""
    try:
        found = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except OSError:
        return unsure()
    if not stat.S_ISREG(found.st_mode):
        return by_reading(path)
    if time.time() - max(found.st_mtime, found.st_ctime) < RACY_SECONDS:
        return by_reading(path) if found.st_size <= MOST_READ_BYTES else unsure()
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
            OSError: git gives no answer.
        """
        root, found, seen, status, unseen, files, below, more = self._look
        # While git looks.
        if unlisted(root, below) != more:
            return False
        # After git has looked: what changes from here on has changed after this run began.
        said = self._asked.answer()
        if said != status or marks(root, found) != seen:
            return False
        return named(root, status.decode(*_ENCODING), unseen) == files

    def stop(self) -> None:
        """Ask no more."""
        self._asked.stop()
