"""Groups and markers for the packages of a `pdm.lock` whose strategy leaves them out (it lacks `inherit_metadata`)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from helpers.manifest import requirement
from helpers.manifest.requirement import Requirement
from helpers.model.manifest import Manifest
from helpers.model.pdm_lock import MAIN_GROUP
from helpers.model.poetry_lock import normal_name

# Conditions that all hold; a package is needed under any of several of these.
_Path = frozenset[str]


def annotated(data: Mapping[str, Any], found: Manifest, chosen: Iterable[str]) -> dict[str, Any]:
    """Return a parsed lock with the groups and markers that its packages have because other packages need them.

    Arguments:
        data: the lock.
        found: the manifest, whose requirements lead to the packages.
        chosen: names of groups of the lock; the others do not count.

    Raises:
        ValueError: a requirement in the lock has not the form of PEP 508.
    """
    packages = data.get("package", [])
    by_name: dict[str, list[int]] = {}
    for number, package in enumerate(packages):
        by_name.setdefault(normal_name(package["name"]), []).append(number)
    starts = {normal_name(name): stated for table in (found.groups, found.extras) for name, stated in table.items()}
    starts[MAIN_GROUP] = found.dependencies
    groups: dict[int, list[str]] = {}
    paths: dict[int, list[_Path]] = {}
    for group in chosen:
        wanted = [requirement.parse(stated.value) for stated in starts.get(group, ())]
        for number, found_paths in _reached(packages, by_name, wanted).items():
            groups.setdefault(number, []).append(group)
            paths.setdefault(number, []).extend(found_paths)
    return {
        **data,
        "package": [
            {**package, "groups": groups[number], "marker": _marker(paths[number])}
            for number, package in enumerate(packages)
            if number in groups
        ],
    }


def _reached(
    packages: list[Mapping[str, Any]], by_name: Mapping[str, list[int]], wanted: Iterable[Requirement]
) -> dict[int, list[_Path]]:
    found: dict[int, list[_Path]] = {}
    waiting = [(one, _Path()) for one in wanted]
    while waiting:
        one, above = waiting.pop()
        path = above | {one.marker} if one.marker else above
        for number in by_name.get(one.key, ()):
            package, known = packages[number], found.setdefault(number, [])
            is_wanted = {*package.get("extras", ())} <= {*one.extras}
            if is_wanted and not any(other <= path for other in known):
                known.append(path)
                waiting += [(requirement.parse(text), path) for text in package.get("dependencies", [])]
    return {number: known for number, known in found.items() if known}


def _marker(paths: Iterable[_Path]) -> str:
    texts = dict.fromkeys(" and ".join(f"({one})" for one in sorted(path)) for path in paths)
    return "" if "" in texts else " or ".join(texts)
