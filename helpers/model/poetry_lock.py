"""What a `poetry.lock` pins, as data."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

# The keys that change a lock, in [tool.poetry] and in [project].
_LEGACY = ("dependencies", "source", "extras", "dev-dependencies")
_OF_PROJECT = ("requires-python", "dependencies", "optional-dependencies")
# Any text counts: poetry compares it, also if it is no hash.
_HASH = re.compile(r"""^[ \t]*content-hash[ \t]*=[ \t]*["']([^"'\n]*)["']""", re.MULTILINE)


@dataclass(frozen=True)
class Pinned:
    """One package of a lock.

    Arguments:
        name: its normalised name (PEP 503).
        version: its version.
        files: names of the files that may be installed for it.
        source: kind of the place it comes from: `legacy` is an index of the project's own, empty the machine's index.
        url: address of that place; empty for the machine's index.
    """

    name: str
    version: str
    files: tuple[str, ...] = ()
    source: str = ""
    url: str = ""


# At the begin of a requirement (PEP 508).
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def normal_name(name: str) -> str:
    """Return `name` as package indexes spell it (https://peps.python.org/pep-0503/#normalized-names)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def is_lock(data: Mapping[str, Any]) -> bool:
    """Return whether the tables of a parsed lock have the types for `pinned`."""
    packages = data.get("package", [])
    return isinstance(packages, list) and all(
        isinstance(package, dict) and _is_package(package) for package in packages
    )


def _is_package(package: Mapping[str, Any]) -> bool:
    files = package.get("files", [])
    return (
        all(isinstance(package.get(key), str) for key in ("name", "version"))
        and all(isinstance(package.get(key, {}), dict) for key in ("source", "dependencies"))
        and isinstance(files, list)
        and all(isinstance(file, dict) and "file" in file for file in files)
    )


def pinned(lock: Mapping[str, Any]) -> tuple[Pinned, ...]:
    """Return the packages of the parsed `lock`, in its order."""
    return tuple(_pinned(package) for package in lock.get("package", []))


def _pinned(package: Mapping[str, Any]) -> Pinned:
    source = package.get("source", {})
    files = tuple(str(file["file"]) for file in package.get("files", []))
    name, version = normal_name(str(package["name"])), str(package["version"])
    return Pinned(name, version, files, str(source.get("type", "")), str(source.get("url", "")))


def moves(before: Iterable[Pinned], after: Iterable[Pinned]) -> Iterator[str]:
    """Yield a line for each package whose versions differ between two locks, by name."""
    old, new = _versions(before), _versions(after)
    for name in sorted({*old, *new}):
        was, now = old.get(name, []), new.get(name, [])
        if was != now:
            yield f"{name}  {', '.join(was) or '(new)'} -> {', '.join(now) or '(gone)'}"


def _versions(packages: Iterable[Pinned]) -> dict[str, list[str]]:
    # A lock holds a package twice where its version depends on the platform.
    found: dict[str, list[str]] = {}
    for package in packages:
        found.setdefault(package.name, []).append(package.version)
    return {name: sorted(versions) for name, versions in found.items()}


def is_of_a_project(data: Mapping[str, Any]) -> bool:
    """Return whether a parsed lock holds the hash of a project; poetry refuses a lock without a hash."""
    metadata = data.get("metadata")
    return isinstance(metadata, dict) and isinstance(metadata.get("content-hash"), str)


def holes(data: Mapping[str, Any], project: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (package, dependency) for each dependency that a parsed lock lacks, as after a bad merge.

    A dependency with a marker may be of another platform or Python, and an optional dependency of an extra: their
    absence says nothing.

    Arguments:
        data: the lock.
        project: the parsed `pyproject.toml`; its own dependencies are those of the package `pyproject.toml`.
    """
    there = {normal_name(str(package["name"])) for package in data.get("package", [])}
    there.add(normal_name(str(project.get("project", {}).get("name", ""))))
    groups = project.get("dependency-groups", {}).values()
    lists = (project.get("project", {}).get("dependencies"), *groups)
    for text in (item for one in lists if isinstance(one, list) for item in one if isinstance(item, str)):
        name = _NAME.match(text)
        if name and ";" not in text and normal_name(name[0]) not in there:
            yield "pyproject.toml", name[0]
    for package in data.get("package", []):
        for name, wanted in package.get("dependencies", {}).items():
            is_needed = isinstance(wanted, str) or (
                isinstance(wanted, dict) and not {"markers", "optional"} & {*wanted}
            )
            if is_needed and normal_name(name) not in there:
                yield str(package["name"]), name


def has_hash(lock: str) -> bool:
    """Return whether the text of a lock holds the hash of a project, as poetry writes it."""
    return bool(_HASH.search(lock))


def is_stale(lock: str, project: Mapping[str, Any]) -> bool:
    """Return whether the lock is of another project for poetry; False if the lock holds no hash of a project.

    The rule is in `poetry/packages/locker.py` of the poetry in helpers.

    Arguments:
        lock: the text of `poetry.lock`.
        project: the parsed `pyproject.toml`.
    """
    # Packages hold no hash line: the line is in the last table, [metadata].
    found: list[str] = _HASH.findall(lock)
    if not found:
        return False
    before_groups = re.match(r".*Poetry (\d{1,4})\.(\d{1,4})(?!\d)", lock)
    if before_groups and (int(before_groups[1]), int(before_groups[2])) < (2, 3):
        return found[-1] not in (content_hash(project), content_hash(project, groups=False))
    return found[-1] != content_hash(project)


def content_hash(project: Mapping[str, Any], *, groups: bool = True) -> str:
    """Return poetry's hash of the parts of `pyproject.toml` that decide a lock.

    Arguments:
        project: the parsed `pyproject.toml`.
        groups: whether `[dependency-groups]` counts, as it does since poetry 2.3.
    """
    own, grouped = project.get("project", {}), project.get("dependency-groups", {}) if groups else {}
    table = project.get("tool", {}).get("poetry", {})
    content = {key: own[key] for key in _OF_PROJECT if own.get(key) is not None}
    # Without anything in [project] and in groups, the older keys count even where they are missing.
    legacy = () if content or grouped else _LEGACY
    poetry = {key: table.get(key) for key in (*_LEGACY, "group") if table.get(key) is not None or key in legacy}
    relevant: dict[str, Any] = {"project": content} if content else {}
    if grouped:
        relevant["dependency-groups"] = grouped
    whole = {**relevant, "tool": {"poetry": poetry}} if relevant else poetry
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()
