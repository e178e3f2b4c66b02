"""The name that git gives to a file's content."""

from __future__ import annotations

import hashlib
from typing import IO

_PIECE_BYTES = 1 << 20


def blob_id(content: bytes) -> str:
    """Return it: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def blob_id_of(file: IO[bytes], size: int) -> str:
    """Return the name of the content of a file, read in pieces; empty if the file does not hold `size` bytes.

    Arguments:
        file: open at its begin.
        size: in bytes.
    """
    total = hashlib.sha1(b"blob %d\0" % size, usedforsecurity=False)
    left = size
    while piece := file.read(min(_PIECE_BYTES, left + 1)):
        total.update(piece)
        left -= len(piece)
        if left < 0:
            return ""
    return "" if left else total.hexdigest()
