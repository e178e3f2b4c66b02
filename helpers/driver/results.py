"""Reads what tests left in the directory of their results.

They may leave there what they like: a link to a file of this machine, a FIFO that nobody writes to, a file of any size.
The directory itself is ours: tests can not put another one in its place.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

# What pytest writes of a directory's tests; a longer one is left where it is.
JUNIT = "junit.xml"
MOST_JUNIT_BYTES = 64 << 20
# A link is not followed, and neither a FIFO nor a device is waited for.
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def read_result(path: Path, most: int) -> bytes | None:
    """Return what a file of results holds; None where there is none, it is no regular file, or it holds more.

    Arguments:
        path: the file; only its last part is of the tests' making.
        most: how many bytes it may hold.
    """
    data = _read(path, 0, most + 1)
    return None if data is None or len(data) > most else data


def read_more(path: Path, at: int, most: int) -> bytes:
    """Return what was written to a file of results behind the byte `at`; nothing where `read_result` says None.

    Arguments:
        path: the file; only its last part is of the tests' making.
        at: how many bytes of it are known.
        most: where it counts as ended; what is behind that is left.
    """
    return _read(path, at, most) or b""


def _read(path: Path, start: int, end: int) -> bytes | None:
    try:
        with open(path, "rb", opener=lambda name, _: os.open(name, _FLAGS)) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            file.seek(start)
            return file.read(max(0, end - start))
    except OSError:
        return None
