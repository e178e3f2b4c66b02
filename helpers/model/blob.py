"""The name that git gives to a file's content."""

from __future__ import annotations

import hashlib


def blob_id(content: bytes) -> str:
    """Return it: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
