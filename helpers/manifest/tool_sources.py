"""Sources and groups of uv and pdm: `[tool.uv.sources]`, `[tool.uv.workspace]`, `[tool.pdm.dev-dependencies]`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from glob import has_magic
from pathlib import Path
from typing import Any

from helpers import pyproject
from helpers.console import cut, excerpt
from helpers.errors import ConfigError
from helpers.manifest import requirements_file
from helpers.manifest.source import Source, of_table
from helpers.manifest.table import Table
from helpers.model.manifest import IndexChoice, PathDependency, Stated
from helpers.model.package_index import PackageIndex
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
    found: dict[str, list[Source]] = {}
    members: dict[str, str] | None = None
    for name, inner in _sources(project, top):
        source = of_table(inner)
        if source and source.path and inner.file.parent != project:
            source = replace(source, path=os.path.relpath(inner.file.parent / source.path, project))
        if not source and inner.flag("workspace"):
            members = _members(project) if members is None else members
            path = members.get(normal_name(name), "")
            source = Source(f"{inner.file.name} [{inner.name}]", path=path, is_member=True)
        if source:
            marker, group, extra = inner.text("marker"), inner.text("group"), inner.text("extra")
            source = replace(source, marker=marker, group=group, extra=extra)
            found.setdefault(normal_name(name), []).append(source)
    return found


def _sources(project: Path, top: Table) -> Iterator[tuple[str, Table]]:
    """Yield the sources of a project, then the sources of its workspace for names without a source of the project."""
    yield from _own_sources(top)
    own = {normal_name(name) for name in top.table("tool", "uv", "sources").data}
    above = _workspace(project)
    if above and above.file != top.file and "." in _members(project).values():
        yield from ((name, inner) for name, inner in _own_sources(above) if normal_name(name) not in own)


def _own_sources(top: Table) -> Iterator[tuple[str, Table]]:
    table = top.table("tool", "uv", "sources")
    for name, value in table.data.items():
        for item in table.items(name) if isinstance(value, list) else [value]:
            if not isinstance(item, dict):
                raise table.wrong(name, item, "a table")
            yield name, Table(item, table.file, f"{table.name}.{cut(name)}")


def _workspace(project: Path) -> Table | None:
    """Return `pyproject.toml` of the workspace around the project; None without a workspace."""
    for above in (project, *project.parents[:_MOST_ABOVE]):
        top = Table(pyproject.read_if_there(above), above / "pyproject.toml")
        if isinstance(top.table("tool", "uv").data.get("workspace"), dict):
            return top
        if (above / ".git").exists():
            break
    return None


def _members(project: Path) -> dict[str, str]:
    """Return the path of each member of the workspace around the project, by normalised name."""
    top = _workspace(project)
    if top is None:
        return {}
    above = top.file.parent
    places = {above, *_expanded(above, top.table("tool", "uv", "workspace").texts("members"))}
    names = ((name_of(place), os.path.relpath(place, project)) for place in sorted(places))
    return {normal_name(name): path for name, path in names if name}


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
    """Yield the package indexes that uv and pdm are told to ask for all dependencies."""
    for tool, key in (("uv", "index"), ("pdm", "source")):
        table = top.table("tool", tool)
        for inner in table.inner_tables(key):
            if (url := inner.text("url")) and not inner.flag("explicit"):
                yield Stated(url, table.source(key))


def named_indexes(project: Path, top: Table) -> Iterator[PackageIndex]:
    """Yield all package indexes with a name that the project, or the workspace of uv around it, tells its tools.

    Raises:
        ConfigError: a field has a wrong type.
    """
    workspace = _workspace(project)
    above = [(workspace, "uv", "index")] if workspace and workspace.file != top.file else []
    for table, tool, key in (*above, (top, "uv", "index"), (top, "poetry", "source"), (top, "pdm", "source")):
        for inner in table.table("tool", tool).inner_tables(key):
            if url := inner.text("url"):
                yield PackageIndex(url, tuple(filter(None, (inner.text("name"),))))


def chosen_indexes(project: Path, top: Table) -> Iterator[IndexChoice]:
    """Yield the package indexes that `[tool.uv.sources]` names for single dependencies.

    Raises:
        ConfigError: neither the project nor its workspace has an index of the name, or a field has a wrong type.
    """
    urls: dict[str, str] | None = None
    for name, inner in _sources(project, top):
        if index := inner.text("index"):
            urls = _index_urls(project, top) if urls is None else urls
            if index not in urls:
                wrong = f"[{inner.name}] takes the index {excerpt(index)}, which [[tool.uv.index]] does not name"
                raise ConfigError(wrong, where=inner.file)
            yield IndexChoice(normal_name(name), urls[index], inner.source(), inner.text("marker"))


def _index_urls(project: Path, top: Table) -> dict[str, str]:
    tables = [one.table("tool", "uv") for one in (_workspace(project), top) if one]
    return {inner.text("name"): inner.text("url") for table in tables for inner in table.inner_tables("index")}
