"""What every file of a checkout holds, by a name for its content: what git knows already is not read again."""

from __future__ import annotations

import os
import re
import time
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from threading import Thread

from helpers.errors import HelpersError, InfrastructureError
from helpers.repo import state
from helpers.repo.door import look, may_filter
from helpers.repo.location import common_dir, git_dir
from helpers.repo.seen import EVERYTHING, Seen
from helpers.repo.submodules import submodule_at
from helpers.storage import digest

# By these a file may be another one than git has, and count as unchanged (https://git-scm.com/docs/gitattributes).
# An attribute that is unset, as in `-text`, converts nothing.
_CONVERTS = re.compile(rb"^(?!#).*(?<!-)(?:text|eol|crlf|filter|ident|working-tree-encoding)", re.MULTILINE)
_ATTRIBUTES = ".gitattributes"
_MOST_ATTRIBUTES_BYTES = 100 << 20
_LIST = ("ls-files", "-z", "--stage", "-v")
_ENTRY = re.compile(r"(.) ([0-7]{6}) ([0-9a-f]+) \d\t(.*)", re.DOTALL)
_GITLINK = "160000"
_LINK = "120000 "
# How far behind a clock the times may be that the kernel gives to files.
TICK_SECONDS = 0.02


class Unknown(Exception):
    """What a checkout holds can not be said with certainty; the text says why."""


class Contents:
    """The files of a checkout, those of its submodules and those that git ignores among them.

    Arguments:
        files: a name for the content of each, by its path relative to the root.
        looks: of each checkout, by which all of this can be found the same again; None where it can not be.
        asked_at: when that was asked for, in seconds since the epoch.
        unseen: directories that nobody has looked into.
    """

    def __init__(
        self,
        files: dict[str, str],
        looks: Sequence[state.Look | None] = (None,),
        asked_at: float = 0.0,
        unseen: Iterable[str] = (),
    ) -> None:
        self.asked_at = asked_at
        self._unseen = Seen(unseen)
        self._files = sorted(files.items())
        self._paths = [path for path, _ in self._files]
        self._looks = looks
        # Many directories see the same one, such as our own part inside.
        self._digests: dict[tuple[str, ...], str] = {}

    @property
    def looks(self) -> list[state.Look] | None:
        """By what it can be asked whether all files are still the same; None where only reading them all tells."""
        found = [look for look in self._looks if look]
        return found if len(found) == len(self._looks) else None

    def paths(self) -> Sequence[str]:
        """Return the paths of all files, sorted."""
        return self._paths

    def links(self) -> list[str]:
        """Return the paths of all symlinks."""
        return [path for path, content in self._files if content.startswith(_LINK)]

    def knows(self, path: str) -> bool:
        """Say whether all that is at and below `path`, which is relative to the root, was looked at."""
        return not self._unseen.touches(path)

    def digest(self, path: str, without: Sequence[str] = ()) -> str:
        """Return a name for all that is at and below `path`: it is another one when anything of that is.

        Arguments:
            path: relative to the root, which is `.`.
            without: paths below it that do not count.

        Raises:
            Unknown: something of that was not looked at.
        """
        if not self.knows(path):
            raise Unknown(f"{path}: nobody has looked at all of it")
        left_out = tuple(f"{name}/" for name in without)
        asked = (path, *left_out)
        if asked not in self._digests:
            lines = (
                f"{name}\0{content}\0"
                for name, content in self._below(path)
                if not (left_out and f"{name}/".startswith(left_out))
            )
            self._digests[asked] = digest("".join(lines))
        return self._digests[asked]

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


class Answers:
    """Git's answers about the files of a checkout, asked beside other work.

    `concurrent.futures` would take longer to import than git takes to answer.

    Arguments:
        root: of the checkout.
        exact: as for `contents`.
    """

    def __init__(self, root: Path, *, exact: bool = True) -> None:
        self.at = time.time()
        self.before = _marks(root) if exact else None
        self._said: dict[int, str] = {}
        self._faults: list[BaseException] = []
        questions = enumerate((_LIST, state.status_words(exact=exact)))
        self._threads = [Thread(target=self._ask, args=(root, *question)) for question in questions]
        for thread in self._threads:
            thread.start()

    def _ask(self, root: Path, number: int, words: Sequence[str]) -> None:
        try:
            self._said[number] = _ask(root, *words)
        except BaseException as error:
            self._faults.append(error)

    def wait(self) -> tuple[str, str]:
        """Wait for git's list of tracked files and git's status, and return both.

        Raises:
            Unknown: git does not answer.
        """
        for thread in self._threads:
            thread.join()
        if self._faults:
            raise self._faults[0]
        return self._said[0], self._said[1]


def contents(root: Path, *, exact: bool = True, seen: Seen = EVERYTHING, asked: Answers | None = None) -> Contents:
    """Return what all files of the checkout at `root` hold now.

    Arguments:
        root: of the checkout.
        exact: whether that also counts which git ignores, or takes for equal, as line ends can be.
        seen: what will be asked for; a directory that git ignores as a whole may be big, and count for nothing else.
        asked: git's answers, if git was asked before; with the same `exact`.

    Raises:
        Unknown: git does not answer.
    """
    checkout = _Checkout(exact, seen)
    asked = asked or Answers(root, exact=exact)
    return Contents(checkout.files(root, asked), checkout.looks, asked.at, checkout.unseen)


def is_still(then: Contents) -> bool:
    """Say whether a checkout holds what it held `then`; that is asked in half of the time that `contents` takes.

    Arguments:
        then: what it held; where that can not be asked for, nothing is said to be the same.

    Raises:
        Unknown: a file can not be read.
    """
    asked: list[state.Question] = []
    try:
        asked.extend(map(state.Question, then.looks or ()))
        return bool(asked) and all(question.is_same() for question in asked)
    except OSError as error:
        raise Unknown(f"{error.filename} can not be read: {error.strerror}") from None
    finally:
        for question in asked:
            question.stop()


def contents_of(root: Path, commit: str) -> Contents:
    """Return what all files of a commit hold, and those of the submodules that it records.

    Arguments:
        root: of the checkout.
        commit: its id.

    Raises:
        Unknown: git does not answer.
    """
    return Contents(dict(_committed(root, commit)))


def uncommitted(root: Path, commit: str) -> dict[str, str]:
    """Return the tracked files, those of submodules among them, that do not hold what a commit has, and what they hold.

    On every machine where they hold the same the names are the same; what is not tracked does not count.

    Arguments:
        root: of the checkout.
        commit: its id; empty for a repo that has none yet.

    Raises:
        Unknown: git does not answer.
    """
    before = dict(_committed(root, commit)) if commit else {}
    now = _Checkout(exact=False).files(root, Answers(root, exact=False))
    differ = (path for path in {*before, *_tracked(root)} if before.get(path) != now.get(path))
    # Git was told not to look at some: only reading them tells.
    read = {path: state.by_reading(str(root / path)) for path in sorted(differ)}
    return {path: name for path, name in read.items() if name != before.get(path, "")}


def _tracked(root: Path) -> Iterator[str]:
    for entry in _ask(root, *_LIST).split("\0")[:-1]:
        about, _, path = entry.partition("\t")
        if f" {_GITLINK} " not in about:
            yield path
        elif submodule_at(root, path):
            yield from (f"{path}/{inside}" for inside in _tracked(root / path))


def of_directory(path: Path) -> str:
    """Return a name for all that is below a directory, by reading it."""
    files = {name: state.by_reading(str(path / name)) for name in state.walk(str(path), "")}
    return Contents({**files, **state.unlisted(str(path), ["."])}).digest(".")


def changed_at(path: Path) -> float:
    """Return when something was done to a file last, or to the entries of a directory, as the kernel noted it.

    That can not be set back, as a modification time can (https://man7.org/linux/man-pages/man7/inode.7.html).

    Returns:
        Seconds since the epoch; 0.0 if there is nothing.
    """
    try:
        return path.lstat().st_ctime
    except OSError:
        return 0.0


def is_untouched(path: Path, since: float, without: Collection[Path] = ()) -> bool:
    """Say whether nothing at and below a path was changed since a time, not even for a while.

    Arguments:
        path: a file or directory.
        since: seconds since the epoch; a change within TICK_SECONDS after it may be missed.
        without: what does not count, and all below it.
    """
    if changed_at(path) > since:
        return False
    for parent, folders, files in os.walk(path):
        here = Path(parent)
        folders[:] = [name for name in folders if here / name not in without]
        if any(changed_at(here / name) > since for name in (*folders, *files)):
            return False
    return True


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


class _Checkout:
    """Finds the files of a checkout and its submodules, and what is told of them; the arguments are of `contents`."""

    def __init__(self, exact: bool, seen: Seen = EVERYTHING) -> None:
        self._exact = exact
        self._seen = seen
        self.looks: list[state.Look | None] = []
        self.unseen: list[str] = []

    def files(self, root: Path, asked: Answers, at: str = "") -> dict[str, str]:
        """Return the names of all files of the checkout at `root`, which lies `at` a path of another one."""
        before = asked.before
        listed, changed = asked.wait()
        big = [*state.ignored_directories(changed), *state.untracked(str(root), changed)]
        unseen = [name for name in big if not self._seen.touches(at + name.rstrip("/"))]
        self.unseen += [at + name.rstrip("/") for name in unseen]
        named = state.named(str(root), changed, unseen)
        found: dict[str, str] = {}
        converted = self._exact and _converts(root, listed, named)
        vouched = not converted
        for entry in listed.split("\0")[:-1]:
            parts = _ENTRY.fullmatch(entry)
            if parts is None:
                raise Unknown(f"git lists {entry!r}")
            tag, mode, name, path = parts.groups()
            if mode == _GITLINK:
                found |= self._of_submodule(root, path, at)
            elif tag == "H" and not converted:
                found[path] = f"{mode} {name}"
            else:
                # Git was told not to look at them, or they are in conflict.
                found[path] = state.by_looking(str(root / path))
                vouched = False
        found |= named
        # The paths of a submodule are found with the paths of the checkout around it.
        below = self._seen.tops() if self._exact and not at else ()
        unlisted = state.unlisted(str(root), below)
        found |= unlisted
        if self._exact and os.path.isfile(root / ".git"):
            found[".git"] = state.by_reading(str(root / ".git"))
        # The very words that these names come from: who finds the same again has the same files.
        same = vouched and before is not None and before == _marks(root)
        said = changed.encode("utf-8", "surrogateescape")
        look = (str(root), *before[:2], said, tuple(unseen), named, below, unlisted) if same and before else None
        self.looks.append(look)
        return {path: content for path, content in found.items() if content}

    def _of_submodule(self, root: Path, path: str, at: str) -> dict[str, str]:
        try:
            there = submodule_at(root, path)
        except InfrastructureError:
            # The fault concerns only the directories around it.
            self.looks.append(None)
            return {path: state.unsure()}
        except HelpersError as error:
            raise Unknown(f"{path}: {error.what}") from None
        if there is None:
            # What somebody has put there counts all the same.
            self.looks.append(None)
            return {name: state.by_size(str(root / name)) for name in state.walk(str(root / path), f"{path}/")}
        inside = self.files(root / path, Answers(root / path, exact=self._exact), f"{at}{path}/")
        found = {f"{path}/{name}": content for name, content in inside.items()}
        if self._exact and (root / path / ".git").is_dir():
            self.looks.append(None)
            found[f"{path}/.git"] = state.unsure()
        return found


def _marks(root: Path) -> tuple[str, tuple[str, ...], tuple[int, int]] | None:
    """Return where git keeps a repo, and what decides how git sees it; None where that does not tell all of it."""
    try:
        kept = git_dir(root)
        if kept is None or may_filter(kept):
            return None
        index = os.stat(kept / "index")
        seen = state.marks(str(root), str(kept))
    except (HelpersError, OSError):
        return None
    return (str(kept), seen, (index.st_ino, index.st_ctime_ns)) if state.index_is_hashed(seen) else None


def _converts(root: Path, listed: str, named: Iterable[str]) -> bool:
    """Say whether some file of the checkout may hold something else than what git compares it with."""
    tracked = [root / entry.partition("\t")[2] for entry in listed.split("\0") if entry.endswith(_ATTRIBUTES)]
    if not all(file.is_file() for file in tracked):
        return True  # then git takes the one of its index
    files = [*tracked, *(root / path for path in named if path.endswith(_ATTRIBUTES))]
    own = git_dir(root)
    if own:
        files.append(common_dir(own) / "info" / "attributes")
    # git ignores a larger file, and the file must not fill the memory here.
    try:
        sizes = (file.stat().st_size for file in files if file.is_file())
        return any(size > _MOST_ATTRIBUTES_BYTES for size in sizes) or any(
            _CONVERTS.search(file.read_bytes()) for file in files if file.is_file()
        )
    except OSError:
        return True


def _ask(root: Path, *words: str) -> str:
    try:
        return look(root, *words, more=state.EXACT)
    except HelpersError as error:
        raise Unknown(error.what) from None
