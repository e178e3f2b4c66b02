"""Sources and groups of uv and pdm: `[tool.uv.sources]`, `[tool.uv.workspace]`, `[tool.pdm.dev-dependencies]`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from glob import has_magic
from pathlib import Path
from typing import Any

from helpers import pyproject
from helpers.console import cut
from helpers.manifest import requirements_file
from helpers.manifest.source import Source, of_table
from helpers.manifest.table import Table
from helpers.model.manifest import PathDependency, Stated
from helpers.model.poetry_lock import normal_name

_MOST_MEMBERS, _MOST_ABOVE = 500, 20


def uv(project: Path, top: Table) -> dict[str, list[Source]]:
    """Return the paths, repositories and archives of `[tool.uv.sources]`, by normalised name.

    Arguments:
        project: absolute path.
        top: `pyproject.toml`.

    Raises:
        ConfigError: a field has a wrong type.
    """
    table = top.table("tool", "uv", "sources")
    found: dict[str, list[Source]] = {}
    members: dict[str, str] | None = None
    for name, value in table.data.items():
        for item in table.items(name) if isinstance(value, list) else [value]:
            inner = Table(item, table.file, f"{table.name}.{cut(name)}") if isinstance(item, dict) else None
            if inner is None:
                raise table.wrong(name, item, "a table")
            source = of_table(inner)
            if not source and inner.flag("workspace"):
                members = _members(project) if members is None else members
                path = members.get(normal_name(name), "")
                source = Source(f"{table.file.name} [{inner.name}]", path=path, is_member=True)
            if source:
                source = replace(
                    source, marker=inner.text("marker"), group=inner.text("group"), extra=inner.text("extra")
                )
                found.setdefault(normal_name(name), []).append(source)
    return found


def _members(project: Path) -> dict[str, str]:
    """Return the path of each member of the workspace around the project, by normalised name."""
    for above in (project, *project.parents[:_MOST_ABOVE]):
        top = Table(pyproject.read_if_there(above), above / "pyproject.toml")
        workspace = top.table("tool", "uv").data.get("workspace")
        if isinstance(workspace, dict):
            places = {above, *_expanded(above, top.table("tool", "uv", "workspace").texts("members"))}
            names = ((name_of(place), os.path.relpath(place, project)) for place in sorted(places))
            return {normal_name(name): path for name, path in names if name}
        if (above / ".git").exists():
            break
    return {}


def _expanded(root: Path, patterns: tuple[str, ...]) -> Iterator[Path]:
    count = 0
    for pattern in patterns:
        if Path(pattern).is_absolute() or ".." in Path(pattern).parts or "**" in pattern or not pattern:
            continue
        for place in root.glob(pattern) if has_magic(pattern) else [root / pattern]:
            if (place / "pyproject.toml").is_file() and count < _MOST_MEMBERS:
                count += 1
                yield place


def name_of(project: Path) -> str:
    """Return the name that `pyproject.toml` of a directory gives to a distribution; empty without a name."""
    data = pyproject.read_if_there(project)
    poetry = data.get("tool", {}).get("poetry", {})
    tables: tuple[dict[str, Any], ...] = (data.get("project", {}), poetry)
    return next((name for table in tables if isinstance(name := table.get("name"), str) and name), "")


@dataclass(frozen=True)
class Groups:
    """Development groups, their dependencies on paths, and the names of groups with items that are no requirements."""

    groups: dict[str, tuple[Stated, ...]]
    paths: list[PathDependency]
    unread: frozenset[str]


def groups(top: Table) -> Groups:
    """Return the development groups of pdm and of older uv."""
    found: dict[str, tuple[Stated, ...]] = {}
    paths: list[PathDependency] = []
    unread: set[str] = set()
    table = top.table("tool", "pdm", "dev-dependencies")
    for name in table.data:
        content = requirements_file.of_lines(table.texts(name), table.source(name))
        found[name] = tuple(content.requirements)
        unread |= {name} if content.unread else set()
        paths += [PathDependency(p.name, p.path, p.extras, p.source, name, marker=p.marker) for p in content.paths]
    if old := top.table("tool", "uv").list_stated("dev-dependencies"):
        found["dev"] = (*found.get("dev", ()), *old)
    return Groups(found, paths, frozenset(unread))


def constraints(top: Table) -> tuple[Stated, ...]:
    """Return the requirements by which uv only limits versions."""
    return top.table("tool", "uv").list_stated("constraint-dependencies")


def indexes(top: Table) -> Iterator[Stated]:
    """Yield the package indexes that uv and pdm are told to ask."""
    for tool, key in (("uv", "index"), ("pdm", "source")):
        table = top.table("tool", tool)
        for item in table.items(key) if isinstance(table.data.get(key), list) else ():
            if isinstance(item, dict) and (url := Table(item, top.file, f"tool.{tool}.{key}").text("url")):
                yield Stated(url, table.source(key))
