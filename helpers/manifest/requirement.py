"""Requirements and markers as text (PEP 508, https://packaging.python.org/specifications/dependency-specifiers/).

The library `packaging` offers no partial evaluation of markers, which the metadata of a distribution needs, and whether
a version is valid is the decision of the resolver: the form of a requirement is all that this module checks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from helpers.model.poetry_lock import normal_name

_MOST_CHARACTERS, _MOST_DEPTH = 10_000, 50
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?")
_VERSION = re.compile(r"(?:~=|===?|!=|<=?|>=?) ?[\w*][^\s,;()\[\]]*")
_TOKEN = re.compile(r"""[ \t]*(\(|\)|'[^']*'|"[^"]*"|[A-Za-z_][A-Za-z0-9_.]*|[<>=!~]=?=?)""")


@dataclass(frozen=True)
class Requirement:
    """A requirement in its parts.

    Arguments:
        name: of the distribution, as written.
        extras: of the distribution.
        specifier: versions, as in `>=1,<2`.
        url: of a direct reference; empty for a distribution of an index.
        marker: the condition, without the semicolon.
    """

    name: str
    extras: tuple[str, ...] = ()
    specifier: str = ""
    url: str = ""
    marker: str = ""

    @property
    def key(self) -> str:
        """The normalised name."""
        return normal_name(self.name)

    def __str__(self) -> str:
        extras = f"[{','.join(self.extras)}]" if self.extras else ""
        where = f" @ {self.url}" if self.url else self.specifier
        # https://packaging.python.org/en/latest/specifications/dependency-specifiers/: a URL ends at a space.
        return f"{self.name}{extras}{where}{f' ; {self.marker}' if self.marker else ''}"

    def when(self, marker: str) -> Requirement:
        """Return the requirement under a further condition."""
        return replace(self, marker=both(self.marker, marker))


def parse(text: str) -> Requirement:
    """Return the parts of a requirement.

    Raises:
        ValueError: the text has not the form of a requirement.
    """
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"has more than {_MOST_CHARACTERS} characters")
    text = " ".join(text.split())
    name = _NAME.match(text)
    if not name:
        raise ValueError("does not begin with the name of a distribution")
    rest = text[name.end() :].lstrip()
    extras = ""
    if rest.startswith("["):
        extras, bracket, rest = rest[1:].partition("]")
        if not bracket:
            raise ValueError("has a bracket that does not end")
        rest = rest.lstrip()
    names = tuple(item.strip() for item in extras.split(",") if item.strip())
    if not all(map(_NAME.fullmatch, names)):
        raise ValueError("has an extra that is no name")
    if rest.startswith("@"):
        url, marker = _url_and_marker(rest[1:].strip())
        return Requirement(name.group(), names, url=url, marker=_checked_marker(marker))
    versions, semicolon, marker = rest.partition(";")
    if semicolon and not marker.strip():
        raise ValueError("has an empty marker")
    return Requirement(name.group(), names, _specifier(versions.strip()), marker=_checked_marker(marker.strip()))


def _url_and_marker(text: str) -> tuple[str, str]:
    url, _, marker = text.partition(" ")
    if url.endswith(";"):
        url, marker = url[:-1], f";{marker}"
    if not url or (marker and not marker.startswith(";")):
        raise ValueError("has a URL with a space")
    return url, marker[1:].strip()


def _specifier(text: str) -> str:
    if text.startswith("(") and text.endswith(")"):
        text = text[1:-1].strip()
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if wrong := [part for part in parts if not _VERSION.fullmatch(part)]:
        raise ValueError(f"has a version without an operator: {wrong[0][:50]}")
    return ",".join(part.replace(" ", "") for part in parts)


def _checked_marker(text: str) -> str:
    if text:
        parse_marker(text)
    return text


def both(one: str, other: str) -> str:
    """Return the marker of two conditions."""
    if not one or not other or one == other:
        return one or other
    return " and ".join(f"({text})" if " or " in text else text for text in (one, other))


# `~=` has no opposite: PEP 440 has no operator for "below this release or in a later series".
_OPPOSITE = {"==": "!=", "!=": "==", "===": "!=", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_OPPOSITE |= {"in": "not in", "not in": "in"}


@dataclass(frozen=True)
class Comparison:
    """A leaf of a marker: `left op right`, as written."""

    left: str
    op: str
    right: str

    def extra(self, name: str) -> bool | None:
        """Return whether the comparison is true for an extra; None for a comparison of something else."""
        sides = (self.left, self.right)
        if "extra" not in sides or self.op not in ("==", "!="):
            return None
        value = next(side for side in sides if side != "extra").strip("'\"")
        return (normal_name(value) == normal_name(name)) is (self.op == "==")

    def __str__(self) -> str:
        return f"{self.left} {self.op} {self.right}"


@dataclass(frozen=True)
class Joined:
    """A node of a marker: parts joined by `and` or `or`."""

    word: str
    parts: tuple[Marker, ...]

    def __str__(self) -> str:
        inner = (f"({part})" if isinstance(part, Joined) and part.word == "or" else str(part) for part in self.parts)
        return f" {self.word} ".join(inner)


Marker = Comparison | Joined


def parse_marker(text: str) -> Marker:
    """Return the tree of a marker.

    Raises:
        ValueError: the text is no marker.
    """
    tokens, end = [], 0
    text = text.rstrip()
    while end < len(text):
        token = _TOKEN.match(text, end)
        if not token:
            raise ValueError(f"has a marker that cannot be read: {text[:50]}")
        tokens.append(token.group(1))
        end = token.end()
    reader = iter([*tokens, ""])
    tree, last = _any_of(reader, next(reader), 0)
    if last:
        raise ValueError(f"has a marker that cannot be read: {text[:50]}")
    return tree


def negated(text: str) -> str:
    """Return the marker that is true where another marker is not.

    Raises:
        ValueError: the text is no marker, or compares by `~=`.
    """
    return str(_negated(parse_marker(text)))


def _negated(marker: Marker) -> Marker:
    if isinstance(marker, Joined):
        return Joined("or" if marker.word == "and" else "and", tuple(map(_negated, marker.parts)))
    if marker.op not in _OPPOSITE:
        raise ValueError(f"has a marker without an opposite: {str(marker)[:50]}")
    return Comparison(marker.left, _OPPOSITE[marker.op], marker.right)


def _any_of(tokens: Iterator[str], token: str, depth: int) -> tuple[Marker, str]:
    parts, token = _parts(tokens, token, depth)
    groups = [parts]
    while token == "or":
        parts, token = _parts(tokens, next(tokens), depth)
        groups.append(parts)
    return _join("or", [_join("and", group) for group in groups]), token


def _parts(tokens: Iterator[str], token: str, depth: int) -> tuple[list[Marker], str]:
    parts: list[Marker] = []
    while True:
        if token == "(":
            if depth > _MOST_DEPTH:
                raise ValueError("has a marker with too many parentheses")
            part, token = _any_of(tokens, next(tokens), depth + 1)
            if token != ")":
                raise ValueError("has a marker with a parenthesis that does not end")
        else:
            part = _comparison(tokens, token)
        parts.append(part)
        token = next(tokens)
        if token != "and":
            return parts, token
        token = next(tokens)


def _comparison(tokens: Iterator[str], left: str) -> Comparison:
    op = next(tokens, "")
    if op == "not":
        op = f"not {next(tokens, '')}"
    right = next(tokens, "")
    sides = [side for side in (left, right) if side[:1] in ("'", '"') or re.fullmatch(r"[A-Za-z_][\w.]*", side)]
    if len(sides) < 2 or not re.fullmatch(r"in|not in|~=|===?|!=|<=?|>=?", op):
        raise ValueError("has a marker with an incomplete comparison")
    return Comparison(left, op, right)


def _join(word: str, parts: list[Marker]) -> Marker:
    return parts[0] if len(parts) == 1 else Joined(word, tuple(parts))


def extras_of(marker: Marker) -> list[str]:
    """Return the names of extras in a marker, normalised."""
    if isinstance(marker, Joined):
        return list(dict.fromkeys(name for part in marker.parts for name in extras_of(part)))
    known = marker.extra("") is not None
    return [normal_name(side.strip("'\"")) for side in (marker.left, marker.right) if known and side != "extra"]


def for_extra(marker: Marker, name: str) -> Marker | bool:
    """Return the rest of a marker for an extra, empty for a plain installation; True or False if no rest is left."""
    if isinstance(marker, Comparison):
        known = marker.extra(name)
        return marker if known is None else known
    rest: list[Marker] = []
    decides = marker.word == "or"
    for part in marker.parts:
        value = for_extra(part, name)
        if value is decides:
            return decides
        if not isinstance(value, bool):
            rest.append(value)
    return _join(marker.word, rest) if rest else not decides
