"""Compares a lock that notes no hash of its manifest with the requirements in the manifest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from helpers import pyproject
from helpers.errors import ConfigError
from helpers.images.lock_source import LockSource
from helpers.images.recipe import python_minor
from helpers.model.pinned_line import MAIN, Selection
from helpers.model.poetry_lock import normal_name


def check(source: LockSource, chosen: Selection) -> None:
    """Return if each requirement of the manifest has a package in the lock, in a version that fits.

    Arguments:
        source: the lock.
        chosen: the groups and extras that the lock must hold; without groups the main dependencies only.

    Raises:
        StaleError: a requirement has none.
        ConfigError: a requirement is not one of PEP 508.
    """
    from packaging.requirements import InvalidRequirement, Requirement  # only these locks need a parser of versions

    versions: dict[str, list[str]] = {}
    for package in source.pins():
        versions.setdefault(package.name, []).append(package.version)
    data = pyproject.read_if_there(source.directory)
    project = data.get("project", {})
    environment = _environment(python_minor(str(project.get("requires-python", ""))))
    for text in _wanted(data, chosen):
        try:
            wanted = Requirement(text)
        except InvalidRequirement as error:
            raise ConfigError(
                f"{text!r} is no requirement: {error}", where=source.directory / "pyproject.toml"
            ) from None
        name = normal_name(wanted.name)
        if name == normal_name(str(project.get("name", ""))) or (
            wanted.marker and not wanted.marker.evaluate(environment)
        ):
            continue
        there = versions.get(name, [])
        if not any(not one or wanted.specifier.contains(one, prereleases=True) for one in there):
            raise source.stale(f"the lock has {name} {', '.join(there)}" if there else f"the lock has no {name}")


def _wanted(data: Mapping[str, Any], chosen: Selection) -> Iterator[str]:
    project, groups = data.get("project", {}), data.get("dependency-groups", {})
    yield from project.get("dependencies", [])
    for name in chosen.extras:
        yield from project.get("optional-dependencies", {}).get(name, [])
    for name in chosen.groups or ():
        if name != MAIN:
            yield from (item for item in groups.get(name, []) if isinstance(item, str))


def _environment(python: str) -> dict[str, str]:
    return {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
