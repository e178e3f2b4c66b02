"""The metadata that a source distribution has in `PKG-INFO`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.message import Message
from email.parser import Parser
from pathlib import Path

from helpers import checkout_file
from helpers.console import excerpt
from helpers.errors import ConfigError
from helpers.manifest import requirement
from helpers.manifest.requirement import Marker, Requirement, extras_of, for_extra, parse_marker
from helpers.model.poetry_lock import normal_name

_MOST_PAIRS = 1_000_000


@dataclass(frozen=True)
class Metadata:
    """The core metadata of a distribution.

    Arguments:
        name: of the distribution.
        version: as it is written.
        requires_python: PEP 440 specifier, or empty.
        requires: what it needs, PEP 508, without those of extras.
        extras: what each extra needs.
        has_requirements: whether the file states dependencies, if only that there are none.
    """

    name: str = ""
    version: str = ""
    requires_python: str = ""
    requires: tuple[str, ...] = ()
    extras: Mapping[str, tuple[str, ...]] | None = None
    has_requirements: bool = False


def read(path: Path) -> Metadata:
    """Return the content of `PKG-INFO` of the project at `path`; empty without the file.

    Raises:
        ConfigError: the file is refused by `checkout_file`, or a requirement has a wrong form.
    """
    file = path / "PKG-INFO"
    content = checkout_file.read_if_there(file)
    if content is None:
        return Metadata()
    said: Message = Parser().parsestr(content.decode("utf-8", "replace"), headersonly=True)
    names = [str(name).strip() for name in said.get_all("Provides-Extra", [])]
    lines = said.get_all("Requires-Dist", [])
    if len(names) * len(lines) > _MOST_PAIRS:
        raise ConfigError(f"has more than {_MOST_PAIRS} pairs of Requires-Dist and Provides-Extra", where=file)
    requires: list[str] = []
    extras: dict[str, tuple[str, ...]] = dict.fromkeys(names, ())
    for line in lines:
        try:
            _sort(requirement.parse(str(line)), requires, extras)
        except ValueError as error:
            raise ConfigError(f"Requires-Dist {excerpt(str(line))} {error}", where=file) from None
    return Metadata(
        str(said.get("Name", "")),
        str(said.get("Version", "")),
        str(said.get("Requires-Python", "")),
        tuple(requires),
        extras,
        bool(lines) or _is_complete(said),
    )


def _is_complete(said: Message) -> bool:
    """Return whether a missing Requires-Dist means that there are no dependencies; older metadata left it out."""
    version = re.fullmatch(r"(\d{1,4})\.(\d{1,4})", str(said.get("Metadata-Version", "")).strip(), re.ASCII)
    dynamic = {str(name).strip().lower() for name in said.get_all("Dynamic", [])}
    return version is not None and tuple(map(int, version.groups())) >= (2, 2) and "requires-dist" not in dynamic


def _sort(one: Requirement, requires: list[str], extras: dict[str, tuple[str, ...]]) -> None:
    """Add a requirement to the plain ones, or to each extra that its marker names."""
    if "extra" not in one.marker:
        requires.append(str(one))
        return
    marker = parse_marker(one.marker)
    if (plain := for_extra(marker, "")) is not False:
        requires.append(_under(one, plain))
        return
    # Old metadata name an extra only in markers.
    for name in [*extras, *(name for name in extras_of(marker) if name not in map(normal_name, extras))]:
        if (rest := for_extra(marker, name)) is not False:
            extras[name] = (*extras.get(name, ()), _under(one, rest))


def _under(one: Requirement, marker: Marker | bool) -> str:
    return str(replace(one, marker="" if marker is True else str(marker)))
