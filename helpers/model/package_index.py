"""A package index as a project or a machine names it, and the variables that hold its login."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

# By the tools that define them: https://docs.astral.sh/uv/concepts/indexes/#authentication and
# https://python-poetry.org/docs/repositories/#configuring-credentials
_UV, _POETRY = "UV_INDEX_{}_", "POETRY_HTTP_BASIC_{}_"
_NAMED = re.compile(r"([A-Za-z0-9_.-]+)=(.+)")


@dataclass(frozen=True)
class PackageIndex:
    """A package index.

    Arguments:
        url: as written; it may hold an account and a password.
        names: by which its user knows it.
    """

    url: str
    names: tuple[str, ...] = ()

    @property
    def bare(self) -> str:
        """The URL without account and password."""
        parts = _split(self.url)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl().rstrip("/")

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        parts = _split(self.bare)
        return f"{parts.scheme}://{parts.netloc}".lower()

    @property
    def host(self) -> str:
        """The host; empty for a URL without a host."""
        return _split(self.url).hostname or ""

    def variables(self) -> Iterator[tuple[str, str]]:
        """Yield the variables of account and password, for each name and each tool."""
        yield from (pair for name in self.names for pair in (_pair(_UV, name), _pair(_POETRY, name)))

    def variables_of_poetry(self) -> Iterator[tuple[str, str]]:
        """Yield the variables from which poetry takes account and password, for each name."""
        yield from (_pair(_POETRY, name) for name in self.names)


def written(text: str) -> PackageIndex:
    """Return the index that a variable of uv names: `URL`, or `NAME=URL`."""
    named = _NAMED.fullmatch(text)
    return PackageIndex(named[2], (named[1],)) if named else PackageIndex(text)


def merged(indexes: Iterable[PackageIndex]) -> tuple[PackageIndex, ...]:
    """Return the indexes with one entry for each address, in the order of their first entries."""
    found: dict[str, PackageIndex] = {}
    for index in indexes:
        before = found.get(index.bare, PackageIndex(index.url))
        found[index.bare] = PackageIndex(before.url, tuple(dict.fromkeys((*before.names, *index.names))))
    return tuple(found.values())


def _pair(spelling: str, name: str) -> tuple[str, str]:
    stem = spelling.format(re.sub(r"[^A-Z0-9]", "_", name.upper()))
    return f"{stem}USERNAME", f"{stem}PASSWORD"


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port, parts.hostname
        return parts
    except ValueError:  # a file of a checkout may hold any text
        return SplitResult("", "", "", "", "")
