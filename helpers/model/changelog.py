"""The format of `changelog.txt`: where a runnable dir's image gets its name and version from."""

from __future__ import annotations

import datetime
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePath

from helpers.console import cut, excerpt
from helpers.errors import ConfigError
from helpers.model.image import NAME_PATTERN
from helpers.model.version import Version

_DATE = re.compile(r"- \d{4}-\d{2}-\d{2}", re.ASCII)


@dataclass(frozen=True)
class Entry:
    """One release in a changelog."""

    name: str
    version: Version
    date: datetime.date
    notes: tuple[str, ...]
    line: int


@dataclass(frozen=True)
class Changelog:
    """A parsed changelog; `entries` are newest first and never empty."""

    entries: tuple[Entry, ...]

    @property
    def name(self) -> str:
        """The name of the image."""
        return self.entries[0].name

    @property
    def version(self) -> Version:
        """The version of the code that the changelog lies beside."""
        return self.entries[0].version


def parse(text: str, where: str) -> Changelog:
    """Return the changelog that `text` spells.

    Arguments:
        text: the file's content.
        where: the file's path, for messages.

    Raises:
        ConfigError: with file and line of the first thing that is wrong.
    """
    if text.startswith("\ufeff"):
        raise ConfigError("starts with a byte order mark", where=f"{where}:1", fix="save the file as plain UTF-8")
    blocks: list[tuple[int, str, list[tuple[int, str]]]] = []
    for number, line in enumerate(map(str.strip, text.splitlines()), start=1):
        if line.startswith("#"):
            blocks.append((number, line, []))
        elif line and not blocks:
            raise ConfigError(
                f"expected an entry like '{_example(where)}', not {excerpt(line)}",
                where=f"{where}:{number}",
                fix="put it below the entry that it belongs to, or remove it",
            )
        elif line:
            blocks[-1][2].append((number, line))
    if not blocks:
        raise ConfigError("has no entry", where=f"{where}:1", fix=f"begin it with '{_example(where)}'")
    entries = tuple(_parse_entry(number, head, body, where) for number, head, body in blocks)
    for newer, older in pairwise(entries):
        _check_order(newer, older, where)
    return Changelog(entries)


def _example(where: str) -> str:
    """Return the first line of an entry for the directory of a changelog."""
    directory = PurePath(where).parent.name.lower()
    return f"# {directory if re.fullmatch(NAME_PATTERN, directory) else 'forecast'}-1.2.0"


def _parse_entry(number: int, head: str, body: list[tuple[int, str]], where: str) -> Entry:
    name, _, version_text = head.lstrip("#").strip().rpartition("-")
    at = f"{where}:{number}"
    if not re.fullmatch(NAME_PATTERN, name):
        raise ConfigError(
            f"{excerpt(head)} does not name an image and version like '{_example(where)}'",
            where=at,
            fix="write it '# NAME-X.Y.Z', the name in lower case",
        )
    try:
        version = Version.parse(version_text)
    except ValueError as error:
        raise ConfigError(str(error), where=at, fix=f"write it like '{_example(where)}'") from None
    if not body:
        raise ConfigError(f"{cut(name)}-{version} has no date", where=at, fix="add a line '- YYYY-MM-DD' below it")
    date_line, date_text = body[0]
    try:
        date = datetime.date.fromisoformat(date_text[2:] if _DATE.fullmatch(date_text) else "")
    except ValueError:
        raise ConfigError(
            f"expected a date '- YYYY-MM-DD', not {excerpt(date_text)}",
            where=f"{where}:{date_line}",
            fix=f"let the line below '{cut(head)}' be the day of that version, as in '- 2026-01-31'",
        ) from None
    notes = tuple(text.removeprefix("- ") for _, text in body[1:] if text != "-")
    if not notes:
        raise ConfigError(
            f"{cut(name)}-{version} says nothing of what changed", where=at, fix="add a line '- what a user notices'"
        )
    return Entry(name, version, date, notes, number)


def _check_order(newer: Entry, older: Entry, where: str) -> None:
    at = f"{where}:{older.line}"
    if newer.name != older.name:
        raise ConfigError(
            f"names the image {excerpt(older.name)}, the newest entry {excerpt(newer.name)}",
            where=at,
            fix="give both the same name",
        )
    if newer.version <= older.version:
        raise ConfigError(
            f"version {older.version} stands below {newer.version}",
            where=at,
            why="the newest entry comes first",
            fix="put the entries in order, or correct the version",
        )
    if newer.date < older.date:
        raise ConfigError(
            f"date {older.date} is later than {newer.date} of the newer entry above",
            where=at,
            fix="correct one of the dates",
        )
