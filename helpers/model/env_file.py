"""The file of variables that the setting `env_file` names, as data: no shell reads it, and no value is replaced."""

from __future__ import annotations

import re
from collections.abc import Collection

from helpers.console import excerpt
from helpers.errors import ConfigError
from helpers.model.settings import is_ours

# Docker Compose and python-dotenv read these lines in the same way, and others in their own: they replace variables,
# and differ about comments behind a value and about a backslash before another or before a quote.
_SINGLE = r"'((?:[^'\\\r]|\\(?!['\\]))*)'"
_DOUBLE = r'"([^"$\\\r]*)"'
_BARE = r"""((?!.*[ \t]#)(?![ \t])[^'"$\\\r]*)"""
_LINE = rf"(?!.*\$\{{)(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)=(?:{_SINGLE}|{_DOUBLE}|{_BARE})"
_MOST_CHARACTERS, _MOST_LINES = 4096, 1000


def as_docker_reads(text: str) -> dict[str, str]:
    """Return the variables of a file as the docker client reads them: quotes and blanks are a part of the value.

    https://docs.docker.com/reference/cli/docker/container/run/#env

    Arguments:
        text: the content of a file that `parse` takes.
    """
    lines = (line.removesuffix("\r").lstrip() for line in text.split("\n"))
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def parse(text: str, where: str, taken: Collection[str]) -> dict[str, str]:
    """Return the variables of a file, by their names.

    Arguments:
        text: its content, a `NAME=VALUE` a line; `#` begins a line that is a comment.
        where: its path.
        taken: names of the setting `env`.

    Raises:
        ConfigError: a line is something else, or names a variable that it may not; the message holds no value.
    """
    found: dict[str, str] = {}
    lines = text.split("\n")
    if len(lines) > _MOST_LINES:
        raise ConfigError(f"has more than {_MOST_LINES} lines", where=where, fix="name a file with variables alone")
    for number, line in enumerate(lines, 1):
        stripped = line.strip(" \t\r")
        if not stripped or stripped.startswith("#"):
            continue
        place = f"{where}:{number}"
        match = re.fullmatch(_LINE, stripped, re.ASCII) if len(line) <= _MOST_CHARACTERS and "\0" not in line else None
        if not match:
            why = "a value is replaced or cut by some readers of such files, and not by others"
            fix = "write NAME='VALUE' with neither ${ nor a comment behind it"
            raise ConfigError("the line is no NAME=VALUE", where=place, why=why, fix=fix)
        name = match[1]
        if name in found or name in taken:
            first = "env of [tool.helpers]" if name in taken else "a line above"
            raise ConfigError(f"{excerpt(name)} is in {first} too", where=place, fix="remove one of the two")
        if is_ours(name):
            raise ConfigError(f"helpers sets the value of {excerpt(name)}", where=place, fix="remove the line")
        found[name] = match[2] or match[3] or match[4] or ""
    return found
