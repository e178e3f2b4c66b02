"""`[tool.poetry]` of poetry 1 and 2 (https://python-poetry.org/docs/pyproject/)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from helpers.console import cut, excerpt
from helpers.errors import ConfigError
from helpers.manifest import poetry_version
from helpers.manifest.requirement import Requirement
from helpers.manifest.source import Source, of_table
from helpers.manifest.table import Table
from helpers.model.manifest import IndexChoice, Manifest, PathDependency, Stated
from helpers.model.poetry_lock import normal_name

_MOST_GROUPS = 100
# The name that poetry itself has for the public index.
_PUBLIC = "pypi"


@dataclass(frozen=True)
class Dependency:
    """One dependency of a table of poetry.

    Arguments:
        what: a requirement with its place, or a path.
        optional: whether only an extra installs the dependency.
    """

    what: Stated | PathDependency
    optional: bool = False


def is_there(top: Table) -> bool:
    """Return whether `[tool.poetry]` describes a project."""
    poetry = top.table("tool").table("poetry")
    return any(key in poetry for key in ("name", "version", "dependencies", "group", "dev-dependencies"))


def read(top: Table) -> Manifest:
    """Return the project that `[tool.poetry]` describes.

    Raises:
        ConfigError: a field has a wrong type, or is no constraint of poetry.
    """
    poetry = top.table("tool", "poetry")
    table = poetry.table("dependencies")
    unknown = set[str]()
    try:
        python = poetry_version.specifier(_python(table), python=True)
    except ValueError:
        python = ""
        unknown.add("requires_python")
    if top.table("tool", "poetry-dynamic-versioning").flag("enable"):
        unknown.add("version")
    plain = {name: list(_dependencies(table, name)) for name in table.data if name != "python"}
    everything = [item for items in plain.values() for item in items if not item.optional]
    extras, paths = _extras(poetry, plain)
    return Manifest(
        kind="poetry",
        name=poetry.stated("name"),
        version=None if "version" in unknown else poetry.stated("version"),
        requires_python=Stated(python, table.source("python")) if python else None,
        dependencies=tuple(item.what for item in everything if isinstance(item.what, Stated)),
        extras=extras,
        paths=tuple(dict.fromkeys([*(i.what for i in everything if isinstance(i.what, PathDependency)), *paths])),
        unknown=frozenset(unknown),
    )


def groups(top: Table) -> tuple[dict[str, tuple[Stated, ...]], list[PathDependency]]:
    """Return the dependency groups of `[tool.poetry]`, and their dependencies on paths; errors as for `read`."""
    found: dict[str, tuple[Stated, ...]] = {}
    paths: list[PathDependency] = []
    for name, items in _groups(top.table("tool", "poetry")).items():
        found[name] = tuple(item.what for item in items if isinstance(item.what, Stated))
        paths += [_in_group(item.what, name) for item in items if isinstance(item.what, PathDependency)]
    return found, paths


def indexes(top: Table) -> Iterator[Stated]:
    """Yield the package indexes that `[[tool.poetry.source]]` names for all dependencies."""
    poetry = top.table("tool", "poetry")
    for inner in poetry.inner_tables("source"):
        if (url := inner.text("url")) and inner.text("priority") != "explicit":
            yield Stated(url, poetry.source("source"))


def chosen_indexes(top: Table) -> Iterator[IndexChoice]:
    """Yield the package indexes that poetry's tables name for single dependencies.

    Raises:
        ConfigError: `[[tool.poetry.source]]` has no index of the name, or a field has a wrong type.
    """
    poetry = top.table("tool", "poetry")
    urls = {inner.text("name").lower(): inner.text("url") for inner in poetry.inner_tables("source")}
    groups = (table.table("dependencies") for _, table in poetry.table("group").tables())
    for table in (poetry.table("dependencies"), poetry.table("dev-dependencies"), *groups):
        for name in table.data:
            for inner in _tables(table, name):
                index = inner.text("source").lower()
                if index and (url := _url_of(index, urls, inner)):
                    marker = _conditional(table, name, inner).marker
                    yield IndexChoice(normal_name(name), url, inner.source(), marker)


def _url_of(index: str, urls: dict[str, str], inner: Table) -> str:
    if index not in urls and index != _PUBLIC:
        wrong = f"[{cut(inner.name)}] takes the index {excerpt(index)}, which [[tool.poetry.source]] does not name"
        raise ConfigError(wrong, where=inner.file)
    return urls.get(index, "")


def sources(top: Table) -> dict[str, list[Source]]:
    """Return the paths, repositories and archives of `[tool.poetry.dependencies]`, which enrich `[project]`."""
    table = top.table("tool", "poetry", "dependencies")
    found: dict[str, list[Source]] = {}
    for name in table.data:
        for inner in _tables(table, name):
            if source := of_table(inner):
                marker = _conditional(table, name, inner).marker
                found.setdefault(normal_name(name), []).append(replace(source, marker=marker))
    return found


def _python(table: Table) -> str:
    value = table.data.get("python", "")
    return table.table("python").text("version") if isinstance(value, dict) else table.text("python")


def _tables(table: Table, name: str) -> Iterator[Table]:
    """Yield the tables of a dependency; a version alone is a table with this version."""
    value = table.data[name]
    for item in table.items(name) if isinstance(value, list) else [value]:
        inner = {"version": table.checked(name, item)} if isinstance(item, str) else item
        if not isinstance(inner, dict):
            raise table.wrong(name, item, "a version or a table")
        yield Table(inner, table.file, f"{table.name}.{name}")


def _dependencies(table: Table, name: str) -> Iterator[Dependency]:
    for inner in _tables(table, name):
        yield Dependency(_dependency(table, name, inner), inner.flag("optional"))


def _dependency(table: Table, name: str, inner: Table) -> Stated | PathDependency:
    source, one = of_table(inner), _conditional(table, name, inner)
    if source and source.path:
        return PathDependency(name, source.path, one.extras, source.place, marker=one.marker)
    if source:
        one = replace(one, url=source.url)
    else:
        with _named(table, name):
            one = replace(one, specifier=poetry_version.specifier(inner.text("version") or "*"))
    return Stated(str(one), table.source(name))


def _conditional(table: Table, name: str, inner: Table) -> Requirement:
    """Return a dependency with its extras and its condition, which poetry has three keys for."""
    with _named(table, name):
        one = Requirement(name, inner.texts("extras")).when(inner.text("markers"))
        one = one.when(poetry_version.python_marker(inner.text("python") or "*"))
    platform = inner.text("platform")
    return one.when(f'sys_platform == "{platform}"') if platform else one


@contextmanager
def _named(table: Table, name: str) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise ConfigError(f"[{table.name}] {cut(name)}: {error}", where=table.file) from None


def _extras(
    poetry: Table, plain: dict[str, list[Dependency]]
) -> tuple[dict[str, tuple[Stated, ...]], list[PathDependency]]:
    table = poetry.table("extras")
    known = {normal_name(name): items for name, items in plain.items()}
    extras: dict[str, tuple[Stated, ...]] = {}
    paths: list[PathDependency] = []
    for extra in table.data:
        found = [item.what for name in table.texts(extra) for item in known.get(normal_name(name), ())]
        extras[extra] = tuple(item for item in found if isinstance(item, Stated))
        paths += [_in_extra(item, extra) for item in found if isinstance(item, PathDependency)]
    return extras, paths


def _in_extra(path: PathDependency, extra: str) -> PathDependency:
    return PathDependency(path.name, path.path, path.extras, path.source, extra=extra, marker=path.marker)


def _in_group(path: PathDependency, group: str) -> PathDependency:
    return PathDependency(path.name, path.path, path.extras, path.source, group=group, marker=path.marker)


def _groups(poetry: Table) -> dict[str, list[Dependency]]:
    """Return the dependencies of each group, included groups resolved."""
    tables = dict(poetry.table("group").tables())
    if len(tables) > _MOST_GROUPS:
        raise ConfigError(f"[tool.poetry.group] has more than {_MOST_GROUPS} groups", where=poetry.file)
    own = {name: _all(table.table("dependencies")) for name, table in tables.items()}
    if old := _all(poetry.table("dev-dependencies")):
        own["dev"] = [*own.get("dev", ()), *old]
    found: dict[str, list[Dependency]] = {}
    for name in own:
        order, waiting = [name], [name]
        while waiting:
            table = tables.get(waiting.pop())
            for inner in table.texts("include-groups") if table else ():
                if inner not in own:
                    wrong = f"[tool.poetry.group.{cut(name)}] includes {excerpt(inner)}, which is no group"
                    raise ConfigError(wrong, where=poetry.file)
                if inner not in order:
                    order.append(inner)
                    waiting.append(inner)
        found[name] = [item for each in order for item in own[each]]
    return found


def _all(table: Table) -> list[Dependency]:
    return [item for name in table.data for item in _dependencies(table, name)]
