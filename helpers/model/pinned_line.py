"""Lines of exported requirements: one pinned package each, with hashes, for an installer that requires hashes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from helpers.model import git_url
from helpers.model.poetry_lock import Pinned, normal_name

# The group of the dependencies of a plain installation, as poetry calls the group.
MAIN = "main"
# https://pip.pypa.io/en/stable/topics/secure-installs/#hash-checking-mode
# A commit of a repository (https://packaging.python.org/specifications/direct-url/): the commit stands for a hash.
GIT = r"git\+(?P<url>\S+?)@(?P<commit>[0-9a-f]{40})(?:#subdirectory=(?P<subdirectory>[\w./-]+))?"
_OF_GIT = re.compile(rf"[^@]+@ *{GIT}")
_HASHES = re.compile(r"sha(256:[0-9a-f]{64}|384:[0-9a-f]{96}|512:[0-9a-f]{128})")


@dataclass(frozen=True)
class Selection:
    """The dependency groups and extras of an export.

    Arguments:
        groups: names; `main` is the group of a plain installation. None is every group.
        extras: names.
    """

    groups: tuple[str, ...] | None = None
    extras: tuple[str, ...] = ()


@dataclass(frozen=True)
class Line:
    """One package of an export.

    Arguments:
        requirement: `NAME==VERSION` or `NAME @ URL`.
        hashes: of its files, as in `sha256:DIGEST`.
        marker: PEP 508; empty for every environment.
    """

    requirement: str
    hashes: tuple[str, ...]
    marker: str = ""

    def __post_init__(self) -> None:
        """Refuse a line that is no requirement, or that an installer cannot compare with a hash."""
        if not re.fullmatch(r"[A-Za-z0-9][\w.-]*(\[[\w., -]*\])? *(===? *[\w.+!-]+|@ *\S+)", self.requirement):
            raise ValueError(f"{git_url.masked(self.requirement)!r} is not NAME==VERSION")
        if "\n" in self.marker or "#" in self.marker:
            raise ValueError(f"{self.marker!r} is no marker")
        if not self.hashes and _OF_GIT.fullmatch(self.requirement):
            return
        if not self.hashes or not all(map(_HASHES.fullmatch, self.hashes)):
            raise ValueError(f"{self.requirement} has a file without a hash (sha256, sha384 or sha512)")

    def __str__(self) -> str:
        """Return the line of a requirements file."""
        marker = f" ; {self.marker}" if self.marker else ""
        return " \\\n    ".join([self.requirement + marker, *(f"--hash={one}" for one in sorted(set(self.hashes)))])


def text(lines: Iterable[Line]) -> str:
    """Return the requirements file of `lines`, sorted; lines of one requirement become one line."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.requirement, []).append(line)
    return "".join(f"{_joined(found[requirement])}\n" for requirement in sorted(found))


def _joined(lines: list[Line]) -> Line:
    markers = list(dict.fromkeys(line.marker for line in lines))
    marker = "" if "" in markers else " or ".join(f"({one})" for one in markers) if len(markers) > 1 else markers[0]
    return Line(lines[0].requirement, tuple(one for line in lines for one in line.hashes), marker)


def pins(requirements: str) -> Iterator[tuple[str, str]]:
    """Yield the name and version of each line of exported requirements; no version for a line with an URL."""
    for line in requirements.splitlines():
        if found := re.match(r"([A-Za-z0-9][\w.-]*)(?:\[[^]]*\])?\s*(?:===?\s*([^\s;\\]+)|@)", line):
            yield normal_name(found[1]), found[2] or ""


def pinned(requirements: str) -> tuple[Pinned, ...]:
    """Return the packages of exported requirements."""
    return tuple(Pinned(name, version, source="" if version else "url") for name, version in pins(requirements))
