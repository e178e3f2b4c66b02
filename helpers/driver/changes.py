"""Tells that files of a checkout changed: the kernel says so, or where it can not they are looked at once a second.

What is told only wakes whoever waits: what a change means is decided by what the files hold then.
"""

from __future__ import annotations

import ctypes
import os
import select
import struct
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from helpers.console import say
from helpers.repo.contents import Contents, Unknown, contents
from helpers.repo.ignored import ignored, ignored_directories
from helpers.repo.location import git_dir

# https://man7.org/linux/man-pages/man7/inotify.7.html, and linux/inotify.h for the numbers.
_MODIFY, _ATTRIB, _CLOSE_WRITE, _MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 2, 4, 8, 0x40, 0x80, 0x100, 0x200
_OVERFLOW, _IS_DIRECTORY = 0x4000, 0x4000_0000
_ONLY_DIRECTORY, _DO_NOT_FOLLOW = 0x100_0000, 0x200_0000
_WANTED = _MODIFY | _ATTRIB | _CLOSE_WRITE | _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
_EVENT = struct.Struct("iIII")
_READ_BYTES = 1 << 18
# What programs keep for themselves beside the files of a person.
_NOT_WATCHED = frozenset((".git", "__pycache__", ".pytest_cache"))
# An editor saves in several steps, a program several files: they count as one change when they follow this closely.
_QUIET_SECONDS = 0.03
_LONGEST_SECONDS = 1.0
# git is changing many files while it holds its index; what holds that for longer waits for something else.
_GIT_SECONDS = 5.0
_LOOK_SECONDS = 1.0


class Changes:
    """The changes of a checkout's files, but for those that git ignores.

    Arguments:
        root: of the checkout.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._wake_end, self._woken_by = os.pipe()
        os.set_blocking(self._wake_end, False)
        os.set_blocking(self._woken_by, False)
        self._source: _Inotify | _Looking = _source_of(root)

    def wait(self, seconds: float) -> set[str]:
        """Wait for changes and return the paths, relative to the root, when no more follow; none when time is over.

        Arguments:
            seconds: how long to wait for the first one; `wake` ends the wait as well.
        """
        try:
            ready, _, _ = select.select([self._wake_end, *self._source.files], [], [], self._source.at_most(seconds))
            if self._wake_end in ready:
                with suppress(BlockingIOError):
                    os.read(self._wake_end, _READ_BYTES)
            found = self._source.changed()
            began = time.monotonic()
            while found and (self._git_is_busy() or time.monotonic() - began < _LONGEST_SECONDS):
                select.select(self._source.files, [], [], _QUIET_SECONDS)
                more = self._source.changed()
                found |= more
                if not more and not self._git_is_busy():
                    break
            return found - ignored(self._root, found)
        except _TooMany:
            say("too many directories to be told of every change: looking once a second (fs.inotify.max_user_watches)")
            self._source.close()
            self._source = _Looking(self._root)
            return {"."}

    def wake(self) -> None:
        """End a `wait`, now or the next one; safe to call from another thread."""
        with suppress(BlockingIOError):
            os.write(self._woken_by, b"w")

    def close(self) -> None:
        """Wait for nothing any more."""
        self._source.close()
        os.close(self._wake_end)
        os.close(self._woken_by)

    def _git_is_busy(self) -> bool:
        found = git_dir(self._root)
        try:
            return bool(found) and time.time() - os.stat(f"{found}/index.lock").st_mtime < _GIT_SECONDS
        except OSError:
            return False


class _TooMany(Exception):
    """The kernel watches no more directories for this user."""


def _source_of(root: Path) -> _Inotify | _Looking:
    if sys.platform == "linux":
        with suppress(_TooMany):
            return _Inotify(root)
        say("too many directories to be told of every change: looking once a second (fs.inotify.max_user_watches)")
    return _Looking(root)


class _Inotify:
    """Is told by the kernel (Linux): one watch a directory, but for those that git ignores."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._library = ctypes.CDLL(None, use_errno=True)
        # The numbers of IN_NONBLOCK and IN_CLOEXEC.
        self._file: int = self._library.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._file < 0:
            raise _TooMany
        self.files = [self._file]
        self._paths: dict[int, str] = {}
        self._left_out = ignored_directories(root)
        try:
            self._add(".")
        except _TooMany:
            self.close()
            raise

    def at_most(self, seconds: float) -> float:
        """Return how long to wait."""
        return seconds

    def changed(self) -> set[str]:
        """Return the paths that the kernel has told of since the last time; `.` where it lost count."""
        found: set[str] = set()
        while data := self._read():
            for number, mask, name in _events(data):
                if mask & _OVERFLOW:
                    self._add(".")
                    found.add(".")
                parent = self._paths.get(number)
                if parent is None or name in _NOT_WATCHED:
                    continue
                path = os.path.normpath(os.path.join(parent, name))
                found.add(path)
                if mask & _IS_DIRECTORY and mask & (_CREATE | _MOVED_TO):
                    self._add(path)
        return found

    def close(self) -> None:
        """Ask for nothing more."""
        os.close(self._file)

    def _read(self) -> bytes:
        try:
            return os.read(self._file, _READ_BYTES)
        except BlockingIOError:
            return b""

    def _add(self, path: str) -> None:
        """Watch a directory and all below; first it and then those in it, so that none that is made now is missed."""
        todo = [path]
        while todo:
            path = todo.pop()
            if path in self._left_out:
                continue
            where = os.path.join(self._root, path)
            flags = _WANTED | _ONLY_DIRECTORY | _DO_NOT_FOLLOW
            number = self._library.inotify_add_watch(self._file, os.fsencode(where), flags)
            if number >= 0:
                self._paths[number] = path
                todo += [os.path.normpath(os.path.join(path, name)) for name in _directories(where)]
            elif ctypes.get_errno() == 28:  # ENOSPC: of watches, not of the disk
                raise _TooMany


def _events(data: bytes) -> Iterator[tuple[int, int, str]]:
    at = 0
    while at < len(data):
        number, mask, _, length = _EVENT.unpack_from(data, at)
        at += _EVENT.size
        yield number, mask, os.fsdecode(data[at : at + length].rstrip(b"\0"))
        at += length


def _directories(path: str) -> list[str]:
    try:
        with os.scandir(path) as entries:
            return [one.name for one in entries if one.name not in _NOT_WATCHED and one.is_dir(follow_symlinks=False)]
    except OSError:  # gone meanwhile, or not for us to read: then not for the tests either
        return []


class _Looking:
    """Asks git once a second what the files hold."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.files: list[int] = []
        self._before = self._now()
        self._next = time.monotonic() + _LOOK_SECONDS

    def at_most(self, seconds: float) -> float:
        """Return how long to wait."""
        return max(0.0, min(seconds, self._next - time.monotonic()))

    def changed(self) -> set[str]:
        """Return the paths that hold something else than the last time; `.` where that can not be said."""
        if time.monotonic() < self._next:
            return set()
        before, self._before = self._before, self._now()
        self._next = time.monotonic() + _LOOK_SECONDS
        return set(self._before.differences(before, ".")) if before and self._before else {"."}

    def close(self) -> None:
        """Do nothing: nothing is open."""

    def _now(self) -> Contents | None:
        try:
            return contents(self._root, exact=False)
        except Unknown:
            return None
