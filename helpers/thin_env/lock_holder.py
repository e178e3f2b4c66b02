"""The process that holds a lock, as a line in the lock's file, for the messages of waiting processes."""

from __future__ import annotations

import os
import sys
import time

_MOST_BYTES = 300


def write(lock: int) -> None:
    """Write the line of this process into the file of a lock just after taking the lock.

    Arguments:
        lock: file descriptor of the file, open for writing.
    """
    command = " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])
    since = time.strftime("%Y-%m-%d %H:%M:%S")
    line = f"process {os.getpid()} on {os.uname().nodename} since {since}: {command}"
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, line.encode("utf-8", "backslashreplace")[:_MOST_BYTES], 0)
    except OSError:
        return  # the lock is held all the same, on a full disk too


def clear(lock: int) -> None:
    """Remove the line before the lock is free."""
    try:
        os.ftruncate(lock, 0)
    except OSError:
        return


def read(path: str | os.PathLike[str]) -> str:
    """Return the line of the process that holds a lock.

    Arguments:
        path: the lock's file.
    """
    try:
        with open(path, "rb") as file:
            text = file.read(_MOST_BYTES).decode("utf-8", "replace")
    except OSError:
        text = ""
    line = "".join(letter if letter.isprintable() else "?" for letter in text.strip())
    return line or "a process that has not written its name yet"
