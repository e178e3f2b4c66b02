"""Requirements files of pip (https://pip.pypa.io/en/stable/reference/requirements-file-format/)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from helpers import checkout_file
from helpers.errors import ConfigError
from helpers.manifest import requirement, source
from helpers.model.manifest import PathDependency, Stated

_PLACES = ("", "tests/", "test/", "devops/")
_PATTERNS = (*(f"{place}*requirements*.txt" for place in _PLACES), "requirements/*.txt")
_MOST_FILES, _MOST_LINES = 100, 10_000
_OPTION = re.compile(r"(--[a-z-]+(?=[ =]|$)|-[a-zA-Z])[ =]*(\S*)")
_EGG = re.compile(r"#(?:[^#]{0,1000}&)?egg=([A-Za-z0-9._-]{1,200})(?:\[([A-Za-z0-9._, -]{0,1000})\])?")
_WHEEL = re.compile(r"([A-Za-z0-9_.]{1,200})-[^-/]{1,200}(?:-[^-/]{1,200}){3,4}\.whl")
_PATH = re.compile(r"([^\[\];]+?)(?:\[([A-Za-z0-9._, -]{0,1000})\])?(?: ?;(.*))?")


@dataclass
class Content:
    """The content of requirements files.

    Arguments:
        requirements: of the files, PEP 508.
        constraints: of files that are named by `-c`.
        paths: lines with a path; an empty name is to be read from the project at the path.
        own_extras: extras of the project itself, from lines like `.[test]`, with the place.
        indexes: URLs of package indexes.
        unread: places of lines that are no requirements.
    """

    requirements: list[Stated] = field(default_factory=list)
    constraints: list[Stated] = field(default_factory=list)
    paths: list[PathDependency] = field(default_factory=list)
    own_extras: list[Stated] = field(default_factory=list)
    indexes: list[Stated] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)


def find(project: Path) -> list[str]:
    """Return the paths of the requirements files of a project, relative to the project."""
    found = [file.relative_to(project).as_posix() for pattern in _PATTERNS for file in sorted(project.glob(pattern))]
    return list(dict.fromkeys(found))[:_MOST_FILES]


def read(project: Path, name: str) -> Content:
    """Return the content of a requirements file, with the files that it includes; each file counts once per option.

    Arguments:
        project: absolute path; a file outside of it is not read.
        name: path of the file, relative to the project.

    Raises:
        ConfigError: a file is refused by `checkout_file`, or has more than 10,000 lines.
    """
    found = Content()
    queue = [(name, False)]
    seen = {(name, False)}
    while queue:
        current, constrains = queue.pop(0)
        for number, line in _lines(project / current):
            place = f"{current}:{number}"
            option = _OPTION.match(line) if line.startswith("-") else None
            if option and option.group(1) in ("-r", "--requirement", "-c", "--constraint"):
                other = os.path.normpath(os.path.join(os.path.dirname(current), option.group(2)))
                limits = constrains or option.group(1) in ("-c", "--constraint")
                inside = not other.startswith(("../", "/")) and "://" not in option.group(2)
                if not inside or len(seen) > _MOST_FILES or not checkout_file.is_there(project / other):
                    found.unread.append(place)
                elif (other, limits) not in seen:
                    seen.add((other, limits))
                    queue.append((other, limits))
            elif option:
                _take_option(found, option.group(1), line, place)
            elif not line.startswith("-"):
                _take(found.constraints if constrains else found.requirements, found, line, place)
    return found


def of_lines(lines: Iterable[str], place: str) -> Content:
    """Return the content of lines that a tool takes from a table; a line that is no requirement is `unread`."""
    found = Content()
    for line in lines:
        text = " ".join(line.split())
        option = _OPTION.match(text) if text.startswith("-") else None
        if option:
            _take_option(found, option.group(1), text, place)
        else:
            _take(found.requirements, found, text, place)
    return found


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the number and text of each line, continued lines joined, without comments and options."""
    content = checkout_file.read(file)
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    lines = content.decode(encoding, "replace").splitlines()
    if len(lines) > _MOST_LINES:
        raise ConfigError(f"has more than {_MOST_LINES} lines", where=file)
    joined, start = "", 0
    for number, line in enumerate(lines, start=1):
        start = start if joined else number
        if line.endswith("\\"):
            joined += line[:-1] + " "
            continue
        text = " ".join((joined + line).split())
        joined = ""
        text = re.sub(r"(^| )#.*", "", text)
        text = text if text.startswith("-") else text.partition(" --")[0]
        if text:
            yield start, text


def _take_option(found: Content, option: str, line: str, place: str) -> None:
    value = line[len(option) :].lstrip(" =").strip("'\"")
    if option in ("-e", "--editable"):
        _take(found.requirements, found, value, place)
    elif option in ("-i", "--index-url", "--extra-index-url"):
        found.indexes.append(Stated(value, place))


def _take(into: list[Stated], found: Content, line: str, place: str) -> None:
    """Add a line that installs something."""
    url, _, marker = line.partition(" ; ")
    egg = _EGG.search(url)
    wheel = _WHEEL.fullmatch(url.rpartition("/")[2].partition("#")[0])
    name, extras = (egg.group(1), egg.group(2) or "") if egg else (wheel.group(1) if wheel else "", "")
    if path := source.path_of(line):
        _take_path(found, path, name, place)
    elif "://" in url and " @ " not in url:
        if name:
            bare = url[: egg.start()] if egg else url
            into.append(Stated(f"{name}{f'[{extras}]' if extras else ''} @ {bare}{marker and f' ; {marker}'}", place))
        else:
            found.unread.append(place)
    else:
        try:
            into.append(Stated(str(requirement.parse(line)), place))
        except ValueError:
            found.unread.append(place)


def _take_path(found: Content, text: str, name: str, place: str) -> None:
    parts = _PATH.fullmatch(text.partition("#egg=")[0].strip())
    if not parts:
        found.unread.append(place)
        return
    path, marker = os.path.normpath(parts.group(1).strip()), (parts.group(3) or "").strip()
    extras = tuple(item.strip() for item in (parts.group(2) or "").split(",") if item.strip())
    if path == ".":
        found.own_extras += [Stated(extra, place) for extra in extras]
    else:
        found.paths.append(PathDependency(name, path, extras, place, marker=marker))
