"""Compares a lock that notes no hash of its manifest with the requirements in the manifest."""

from __future__ import annotations

from collections.abc import Iterator

from helpers.errors import ConfigError
from helpers.images.lock_source import LockSource
from helpers.manifest import read as manifest
from helpers.manifest.target import environment as target_environment
from helpers.model.manifest import Manifest, Stated
from helpers.model.pinned_line import Selection
from helpers.model.poetry_lock import normal_name
from helpers.model.python_specifier import lowest_minor


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
    found = manifest.read(source.directory)
    own = normal_name(found.name.value) if found.name else ""
    target = target_environment(lowest_minor(found.requires_python.value if found.requires_python else ""))
    for stated in _wanted(found, chosen):
        try:
            wanted = Requirement(stated.value)
        except InvalidRequirement as error:
            where = source.directory
            raise ConfigError(
                f"{stated.value!r} is no requirement", where=where, why=f"{stated.source}: {error}"
            ) from None
        name = normal_name(wanted.name)
        if name == own or (wanted.marker and not wanted.marker.evaluate(target)):
            continue
        there = versions.get(name, [])
        if not any(not one or wanted.specifier.contains(one, prereleases=True) for one in there):
            has = f"{name} {', '.join(there)}" if there else f"no {name}"
            raise source.stale(f"{stated.source} has {stated.value}, the lock has {has}")


def _wanted(found: Manifest, chosen: Selection) -> Iterator[Stated]:
    yield from found.dependencies
    for table, names in ((found.extras, chosen.extras), (found.groups, chosen.groups or ())):
        known = {normal_name(name): items for name, items in table.items()}
        for name in names:
            yield from known.get(normal_name(name), ())
