"""What a source distribution says of itself in `PKG-INFO`, and how Python finds that at run time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path
from typing import Any

from helpers import checkout_file

_EXTRA = re.compile(r"""\s*(?:and\s*)?\(?\s*extra\s*==\s*['"]([^'"]+)['"]\s*\)?\s*""")


@dataclass(frozen=True)
class Metadata:
    """The core metadata of a distribution.

    Arguments:
        name: of the distribution.
        version: as it is written.
        requires_python: PEP 440 specifier, or empty.
        requires: what it needs, PEP 508, without those of extras.
        extras: what each extra needs.
    """

    name: str = ""
    version: str = ""
    requires_python: str = ""
    requires: tuple[str, ...] = ()
    extras: Mapping[str, tuple[str, ...]] | None = None


def read(path: Path) -> Metadata:
    """Return what `PKG-INFO` of the project at `path` says; all is empty when it has none."""
    file = path / "PKG-INFO"
    content = checkout_file.read_if_there(file)
    if content is None:
        return Metadata()
    said: Message = Parser().parsestr(content.decode("utf-8", "replace"), headersonly=True)
    requires: list[str] = []
    extras: dict[str, tuple[str, ...]] = {}
    for line in said.get_all("Requires-Dist", []):
        # The time of the pattern grows with the square of a run of spaces.
        requirement, _, marker = " ".join(str(line).split()).partition(";")
        extra = _EXTRA.search(marker)
        if not extra:
            requires.append(" ".join(str(line).split()))
            continue
        rest = (marker[: extra.start()] + marker[extra.end() :]).strip()
        text = requirement.strip() + (f" ; {rest}" if rest else "")
        extras[extra.group(1)] = (*extras.get(extra.group(1), ()), text)
    return Metadata(
        str(said.get("Name", "")),
        str(said.get("Version", "")),
        str(said.get("Requires-Python", "")),
        tuple(requires),
        extras,
    )


def install(path: Path, said: Metadata, project: Mapping[str, Any]) -> Path | None:
    """Write what `importlib.metadata` reads, beside the packages of the project at `path`.

    Arguments:
        path: absolute path of the project.
        said: its metadata.
        project: its `[project]`, for entry points.

    Returns:
        The directory that was written; None when the project brings one, or has no `PKG-INFO`.
    """
    place = path / "src" if (path / "src").is_dir() else path
    there = [
        *path.glob("*.egg-info"),
        *path.glob("src/*.egg-info"),
        *path.glob("*.dist-info"),
        *path.glob("src/*.dist-info"),
    ]
    if there or not said.name or not said.version:
        return None
    folder = place / f"{re.sub(r'[-_.]+', '_', said.name).lower()}-{said.version}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_bytes((path / "PKG-INFO").read_bytes())
    if points := "\n".join(_entry_points(project)):
        (folder / "entry_points.txt").write_text(f"{points}\n", encoding="utf-8")
    return folder


def _entry_points(project: Mapping[str, Any]) -> Iterator[str]:
    groups = {
        "console_scripts": project.get("scripts", {}),
        "gui_scripts": project.get("gui-scripts", {}),
        **project.get("entry-points", {}),
    }
    for group, points in groups.items():
        if points:
            yield f"[{group}]"
            yield from (f"{name} = {target}" for name, target in points.items())
