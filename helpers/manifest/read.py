"""Reads the manifest of the project in a directory; each value carries the place that states the value."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from helpers import pyproject, repo
from helpers.errors import UsageError
from helpers.manifest import (
    dynamic_version,
    flit,
    metadata,
    pep621,
    poetry,
    requirements_file,
    setuptools_project,
    tool_sources,
)
from helpers.manifest import source as sources
from helpers.manifest.metadata import Metadata
from helpers.manifest.source import Sources
from helpers.manifest.table import Table
from helpers.model.manifest import BuildSystem, Manifest, PathDependency, Stated
from helpers.model.poetry_lock import normal_name

_PLAIN_FILE = "requirements.txt"
# A file of ours: it states the dependencies of a project that computes them.
STATED = "devops/requirements.txt"


def read(path: Path) -> Manifest:
    """Return the manifest of the project in a directory; nothing of the project runs.

    Arguments:
        path: absolute path of the directory.

    Returns:
        The fields that files state as plain values; `unknown` names the fields that only the build backend can compute.

    Raises:
        ConfigError: a file is refused by `checkout_file`, is not TOML, or has a field with a wrong value; the message
            names file and field.
    """
    top = Table(pyproject.read_if_there(path), path / "pyproject.toml")
    has_script, has_config = (path / "setup.py").is_file(), setuptools_project.is_named(path)
    build = pep621.build_system(top, has_script=has_script, has_config=has_config)
    found = _stated(path, top, build, is_setuptools=has_script or has_config)
    of_poetry, paths = poetry.groups(top)
    of_tools = tool_sources.groups(top)
    found = replace(
        found,
        groups=_joined(found.groups, of_poetry, of_tools.groups, pep621.groups(top)),
        paths=tuple(dict.fromkeys((*found.paths, *paths, *of_tools.paths))),
        build=build,
        constraints=(*found.constraints, *tool_sources.constraints(top)),
        indexes=(*found.indexes, *poetry.indexes(top), *tool_sources.indexes(top)),
        chosen_indexes=(*poetry.chosen_indexes(top), *tool_sources.chosen_indexes(path, top)),
        unknown=found.unknown | of_tools.unread,
    )
    found = _with_metadata(found, metadata.read(path))
    enriched = poetry.sources(top) if found.kind == "pep621" else {}
    found = _with_sources(found, {**enriched, **tool_sources.uv(path, top)})
    return _with_requirements_files(path, found)


def _stated(path: Path, top: Table, build: BuildSystem | None, *, is_setuptools: bool) -> Manifest:
    if "name" in top.table("project"):
        return _with_dynamic(path, top, pep621.read(top), build.backend if build else "")
    if poetry.is_there(top):
        return poetry.read(top)
    if flit.is_there(top):
        found = flit.read(top)
        version = dynamic_version.read(path, top, "flit", found.name)
        return replace(found, version=version, unknown=found.unknown - ({"version"} if version else set()))
    if is_setuptools:
        return setuptools_project.read(path, top)
    has_project = "project" in top
    return pep621.read(top) if has_project else Manifest(kind="requirements")


def _with_dynamic(path: Path, top: Table, found: Manifest, backend: str) -> Manifest:
    """Add the dynamic fields of `[project]` that the build backend takes from a table or file."""
    if not found.unknown:
        return found
    if backend.partition(".")[0] in ("poetry", "poetry_dynamic_versioning"):
        return _filled(found, poetry.read(top))
    if backend.partition(".")[0] == "setuptools" or not backend:
        return _filled(found, setuptools_project.read(path, top))
    version = dynamic_version.read(path, top, backend, found.name) if "version" in found.unknown else None
    return _filled(found, Manifest("", version=version, unknown=found.unknown - ({"version"} if version else set())))


def _filled(found: Manifest, other: Manifest) -> Manifest:
    """Return a manifest with the fields that are unknown in `found` and known in `other`."""
    known = found.unknown - other.unknown
    return replace(
        found,
        version=other.version if "version" in known else found.version,
        requires_python=other.requires_python if "requires_python" in known else found.requires_python,
        dependencies=other.dependencies if "dependencies" in known else found.dependencies,
        extras=other.extras if "extras" in known else found.extras,
        groups=_joined(other.groups, found.groups),
        paths=(*found.paths, *(item for item in other.paths if item.group or "dependencies" in known)),
        indexes=(*found.indexes, *other.indexes),
        unknown=found.unknown - known,
    )


def _joined(*tables: Mapping[str, tuple[Stated, ...]]) -> dict[str, tuple[Stated, ...]]:
    """Return the groups of several tables; tools merge groups of the same name, whatever its spelling."""
    found: dict[str, tuple[Stated, ...]] = {}
    written: dict[str, str] = {}
    for table in tables:
        for name, items in table.items():
            known = written.setdefault(normal_name(name), name)
            found[known] = tuple(dict.fromkeys((*found.get(known, ()), *items)))
    return found


def _with_metadata(found: Manifest, said: Metadata) -> Manifest:
    """Add the fields of `PKG-INFO` that no other file states, if it is about the same distribution."""
    place = "PKG-INFO"
    if not said.name or (found.name and normal_name(found.name.value) != normal_name(said.name)):
        return found
    if not found.name and found.kind == "requirements":
        found = replace(found, kind="sdist", unknown=frozenset(pep621.FIELDS.values()))
    other = Manifest(
        kind="sdist",
        version=Stated(said.version, f"{place} Version") if said.version else None,
        requires_python=Stated(said.requires_python, f"{place} Requires-Python") if said.requires_python else None,
        dependencies=_stated_all(said.requires, f"{place} Requires-Dist"),
        extras={name: _stated_all(items, f"{place} extra {name}") for name, items in (said.extras or {}).items()},
        unknown=frozenset() if said.has_requirements else frozenset({"dependencies", "extras"}),
    )
    filled = _filled(found, other)
    return replace(filled, name=found.name or Stated(said.name, f"{place} Name"), unknown=filled.unknown - {"name"})


def _stated_all(values: Iterable[str], place: str) -> tuple[Stated, ...]:
    return tuple(Stated(value, place) for value in values)


def _with_sources(found: Manifest, named: Sources) -> Manifest:
    """Move dependencies on paths to `paths`, and give the others the sources that the project's tools name."""
    plain = sources.sort(found.dependencies, named)
    extras = {name: sources.sort(items, named, extra=name) for name, items in found.extras.items()}
    groups = {name: sources.sort(items, named, group=name) for name, items in found.groups.items()}
    paths = [path for part in (plain, *extras.values(), *groups.values()) for path in part.paths]
    return replace(
        found,
        dependencies=plain.requirements,
        extras={name: part.requirements for name, part in extras.items()},
        groups={name: part.requirements for name, part in groups.items()},
        paths=tuple(dict.fromkeys([*found.paths, *paths])),
    )


def _with_requirements_files(path: Path, found: Manifest) -> Manifest:
    """Add each requirements file as a group; `requirements.txt` of a project without a manifest is the dependencies."""
    groups: dict[str, tuple[Stated, ...]] = dict(found.groups)
    paths, unknown = list(found.paths), set(found.unknown)
    constraints, indexes = list(found.constraints), list(found.indexes)
    plain = _PLAIN_FILE if found.kind == "requirements" else STATED if "dependencies" in unknown else ""
    for name in requirements_file.find(path):
        content = requirements_file.read(path, name)
        groups[name] = (*content.requirements, *_own(found.name, content.own_extras))
        paths += [_placed(path, item, "" if name == plain else name) for item in content.paths]
        constraints += content.constraints
        indexes += content.indexes
        unknown -= {"dependencies"} if name == plain else set()
        unknown |= {"dependencies" if name == plain else name} if content.unread else set()
    return replace(
        found,
        dependencies=groups.pop(plain, found.dependencies),
        groups=groups,
        paths=tuple(dict.fromkeys(paths)),
        constraints=tuple(dict.fromkeys(constraints)),
        indexes=tuple(dict.fromkeys(indexes)),
        unknown=frozenset(unknown),
    )


def _own(name: Stated | None, extras: Iterable[Stated]) -> tuple[Stated, ...]:
    """Return a requirement on the project itself for lines like `.[test]`."""
    return tuple(Stated(f"{name.value}[{extra.value}]", extra.source) for extra in extras) if name else ()


def _placed(project: Path, item: PathDependency, group: str) -> PathDependency:
    name = item.name or (tool_sources.name_of(project / item.path) if _is_in_repo(project, item.path) else "")
    return replace(item, name=name or Path(item.path).name, group=group)


def _is_in_repo(project: Path, path: str) -> bool:
    """Return whether a path ends in the checkout of the project; without a checkout, in the project."""
    try:
        root = repo.find_root(project)
    except UsageError:
        root = project
    return Path(os.path.realpath(project / path)).is_relative_to(os.path.realpath(root))
