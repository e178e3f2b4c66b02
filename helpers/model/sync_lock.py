"""The record of common files: which template each one was merged with last, and what came out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from helpers.console import excerpt
from helpers.errors import ConfigError

PATH = "dev_scripts/sync.lock"
# Stands in place of the result's id until somebody has resolved the conflicts.
CONFLICT = "conflict"
_HEAD = (
    "# The common files of this repo, as `invoke sync_update` left them: path, blob id of the template of helpers, "
    "blob id of the file.\n"
)
_ID = r"[0-9a-f]{40}|[0-9a-f]{64}"
_LINE = re.compile(rf"(\S+)  ({_ID})  ({_ID}|{CONFLICT})")


@dataclass(frozen=True)
class Merged:
    """What is recorded of one file.

    Arguments:
        base: blob id of the template that it was merged with.
        result: blob id of the file afterwards; `CONFLICT` when conflicts were left in it.
    """

    base: str
    result: str


def parse(text: str, where: str) -> dict[str, Merged]:
    """Return the record of each file, by its path.

    Arguments:
        text: the content of the lock.
        where: its path, for messages.

    Raises:
        ConfigError: a line is not in this format, or stands there twice, as after a merge of two branches.
    """
    found: dict[str, Merged] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("#") or not line.strip():
            continue
        match = _LINE.fullmatch(line.rstrip())
        if not match or match[1] in found:
            raise ConfigError(
                f"{excerpt(line)} {'is there twice' if match else 'is no record of a common file'}",
                where=f"{where}:{number}",
                why="this file is written by sync_update, one line a file",
                fix=f"git checkout HEAD -- {PATH} && invoke sync_update",
            )
        found[match[1]] = Merged(match[2], match[3])
    return found


def text(entries: Mapping[str, Merged]) -> str:
    """Return the content of the lock: sorted, so that two branches rarely touch the same line."""
    lines = (f"{path}  {item.base}  {item.result}\n" for path, item in sorted(entries.items()))
    return _HEAD + "".join(lines)
