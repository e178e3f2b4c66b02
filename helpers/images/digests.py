"""Which image a reference stood for when it was last seen here, remembered so that the engine need not be asked."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from helpers.storage import cache_dir, file_name

_FOLDER = "digests"


def remember(reference: str, digest: str) -> None:
    """Keep the digest of an image that was made, or found.

    Arguments:
        reference: its name, whose tag holds the hash of its inputs.
        digest: what the engine calls it.
    """
    if known(reference) == digest:
        return
    file = file_of(reference)
    # Without it tests run again, and nothing else.
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(f".{os.getpid()}-{file.name}")
        aside.write_text(digest, encoding="utf-8")
        os.replace(aside, file)


def known(reference: str) -> str:
    """Return the digest that was last seen for a reference; empty if there was none."""
    try:
        return file_of(reference).read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return ""


def file_of(reference: str) -> Path:
    """Return the file that holds it."""
    return cache_dir() / _FOLDER / file_name(reference)
