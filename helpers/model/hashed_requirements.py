"""Reads a requirements file in which each requirement has hashes.

The format is at https://pip.pypa.io/en/stable/reference/requirements-file-format/.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator

from helpers.model.pinned_line import Line, text

_OTHER = re.compile(r"(?:-r\s*|--requirement[\s=]\s*)(\S+)")
_HASH = re.compile(r"\s--hash[=\s](\S+)")
# The installer reads these lines; hashes make the place of a file harmless.
_INDEX = re.compile(r"(-i|--index-url|--extra-index-url)[\s=]\s*\S+")
# A project of the checkout: `-e PATH`, `NAME @ file:PATH` or a path alone.
_PATH = re.compile(r"(?:-e|--editable)\b|(?:[\w.-]+(?:\[[^]]*\])?\s*@\s*)?(?:file:|\.{1,2}/|/)")


def export(name: str, read: Callable[[str], str]) -> str:
    """Return the requirements file with the lines of all included files.

    Arguments:
        name: the file.
        read: returns the content of a file by its path relative to the directory of the first file.

    Raises:
        ValueError: a line is no pinned requirement with hashes; the message starts with file and line.
    """
    options: list[str] = []
    lines = list(_lines(name, read, options, ()))
    return "".join(f"{option}\n" for option in dict.fromkeys(options)) + text(lines)


def _lines(name: str, read: Callable[[str], str], options: list[str], seen: tuple[str, ...]) -> Iterator[Line]:
    for number, line in logical_lines(read(name)):
        if other := _OTHER.fullmatch(line):
            inner = posixpath.normpath(posixpath.join(posixpath.dirname(name), other[1]))
            if inner in (*seen, name) or inner.startswith(("/", "../")) or not inner.endswith(".txt"):
                raise ValueError(f"{name}:{number}: {other[1]!r} is not another .txt file of the directory")
            yield from _lines(inner, read, options, (*seen, name))
        elif _INDEX.fullmatch(line):
            options.append(line)
        elif line != "--require-hashes":
            bare, _, marker = _HASH.sub("", line).partition(";")
            if _PATH.match(bare):
                others = "a poetry.lock, uv.lock, pdm.lock or pylock.toml names it by its path"
                raise ValueError(f"{name}:{number}: {bare.strip()!r} is a path, which has no hash: {others}")
            try:
                yield Line(bare.strip(), tuple(_HASH.findall(line)), marker.strip())
            except ValueError as error:
                raise ValueError(f"{name}:{number}: {error}") from None


def logical_lines(content: str) -> Iterator[tuple[int, str]]:
    """Yield the number of the first line, and the joined text, of each logical line without comments."""
    joined, first = "", 0
    for number, line in enumerate(content.splitlines(), 1):
        first = first or number
        bare = re.sub(r"(^|\s)#.*", "", line)
        if bare.endswith("\\"):
            joined += f"{bare[:-1]} "
            continue
        if joined.strip() or bare.strip():
            yield first, f"{joined}{bare}".strip()
        joined, first = "", 0
