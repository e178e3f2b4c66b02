"""Reads `pdm.lock` 4: https://pdm-project.org/en/latest/usage/lockfile/."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from helpers.model.pinned_line import MAIN, Line, Selection, text
from helpers.model.poetry_lock import Pinned, normal_name

MAIN_GROUP = "default"


def pinned(data: Mapping[str, Any]) -> tuple[Pinned, ...]:
    """Return the packages of a parsed lock, without projects of the checkout."""
    return tuple(
        Pinned(
            normal_name(package["name"]),
            package["version"],
            tuple(str(file.get("file") or file["url"]).rpartition("/")[2] for file in package.get("files", [])),
            "git" if "git" in package else "url" if "url" in package else "",
        )
        for package in _packages(data)
    )


def export(data: Mapping[str, Any], chosen: Selection, extras: Iterable[str]) -> str:
    """Return the requirements file of a parsed lock.

    Arguments:
        data: the lock.
        chosen: groups and extras; pdm keeps both under the name of groups.
        extras: names of all extras of the project.

    Raises:
        ValueError: the lock has no such group, or a package without a hash.
    """
    return text(_lines(data, groups_of(data, chosen, extras)))


def has_groups(data: Mapping[str, Any]) -> bool:
    """Return whether the packages of a parsed lock have groups and markers."""
    return "inherit_metadata" in data["metadata"].get("strategy", [])


def _lines(data: Mapping[str, Any], groups: set[str]) -> Iterator[Line]:
    for package in _packages(data):
        name = package["name"]
        if not groups.intersection(map(normal_name, package["groups"])):
            continue
        if "hg" in package:
            raise ValueError(f"{name} comes from a repository of Mercurial, which helpers does not fetch")
        requirement = f"{name} @ {package['url']}" if "url" in package else f"{name}=={package['version']}"
        if "git" in package:
            place = f"#subdirectory={package['subdirectory']}" if package.get("subdirectory") else ""
            yield Line(f"{name} @ git+{package['git']}@{package['revision']}{place}", (), package.get("marker", ""))
            continue
        yield Line(requirement, tuple(file["hash"] for file in package.get("files", [])), package.get("marker", ""))


def _packages(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    version = str(data["metadata"]["lock_version"])
    if not version.startswith("4."):
        raise ValueError(f"its lock_version is {version}, not 4")
    yield from (package for package in data.get("package", []) if "path" not in package)


def groups_of(data: Mapping[str, Any], chosen: Selection, extras: Iterable[str]) -> set[str]:
    """Return the groups of a lock that a selection names; arguments and errors as for `export`."""
    locked, known = [normal_name(name) for name in data["metadata"].get("groups", [])], set(map(normal_name, extras))
    groups = [name for name in locked if name not in known] if chosen.groups is None else chosen.groups
    names = [MAIN_GROUP if name == MAIN else normal_name(name) for name in (*groups, *chosen.extras)]
    if missing := [name for name in names if name not in locked]:
        raise ValueError(f"{missing[0]!r} is not in the groups of the lock ({', '.join(locked)})")
    return {*names}


def is_stale(data: Mapping[str, Any], project: Mapping[str, Any]) -> bool:
    """Return whether the lock is of another project for pdm; False for a lock without the hash of a project.

    The rule is in `pdm/project/project_file.py`.

    Arguments:
        data: the parsed lock.
        project: the parsed `pyproject.toml`.
    """
    said = str(data["metadata"].get("content_hash", ""))
    # Before dependency groups (PEP 735) pdm had groups only in its own table, and their names as written.
    return said.startswith("sha256:") and said not in {f"sha256:{_hash(project, plain)}" for plain in (False, True)}


def _hash(project: Mapping[str, Any], plain: bool) -> str:
    own, table = project.get("project", {}), project.get("tool", {}).get("pdm", {})
    groups: dict[str, list[Any]] = {}
    for found in (project.get("dependency-groups", {}), table.get("dev-dependencies", {})):
        for name, items in found.items():
            groups.setdefault(normal_name(name), []).extend(items)
    relevant = {
        "sources": table.get("source", []),
        "dependencies": own.get("dependencies", []),
        "dev-dependencies": table.get("dev-dependencies", {}) if plain else groups,
        "optional-dependencies": own.get("optional-dependencies", {}),
        "requires-python": own.get("requires-python", ""),
        "resolution": table.get("resolution", {}),
    }
    if plain:
        relevant["overrides"] = relevant.pop("resolution").get("overrides", {})
    return hashlib.sha256(json.dumps(relevant, sort_keys=True).encode()).hexdigest()
