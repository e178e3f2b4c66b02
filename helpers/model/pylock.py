"""Reads `pylock.toml` (PEP 751): https://packaging.python.org/en/latest/specifications/pylock-toml/."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from helpers.model.pinned_line import MAIN, Line, Selection, text
from helpers.model.poetry_lock import Pinned, normal_name

# `'NAME' in extras`; no other marker has these two variables.
_CHOICE = re.compile(r"""(?:"([^"]*)"|'([^']*)')\s+(not\s+)?in\s+(extras|dependency_groups)\b""")
_TRUE, _FALSE = "python_full_version >= '0'", "python_full_version < '0'"


def pinned(data: Mapping[str, Any]) -> tuple[Pinned, ...]:
    """Return the packages of a parsed lock, without projects of the checkout."""
    return tuple(
        Pinned(
            normal_name(package["name"]),
            package.get("version", ""),
            tuple(_file_name(file) for file in _files(package)),
            "git" if "vcs" in package else "url" if "archive" in package else "",
        )
        for package in _packages(data)
    )


def export(data: Mapping[str, Any], chosen: Selection) -> str:
    """Return the requirements file of a parsed lock.

    Arguments:
        data: the lock.
        chosen: groups and extras; a lock without groups of its own is one set of packages.

    Raises:
        ValueError: the lock has no such group or extra, or a package without a hash.
    """
    return text(_lines(data, chosen))


def _lines(data: Mapping[str, Any], chosen: Selection) -> Iterator[Line]:
    allowed = {"extras": _known(data, "extras", chosen.extras), "dependency_groups": _groups(data, chosen)}
    for package in _packages(data):
        name, version = package["name"], package.get("version", "")
        requirement = f"{name} @ {package['archive']['url']}" if "archive" in package else f"{name}=={version}"
        if vcs := package.get("vcs"):
            if vcs["type"] != "git":
                raise ValueError(f"{name} comes from a repository of {vcs['type']}, which helpers does not fetch")
            place = f"#subdirectory={vcs['subdirectory']}" if vcs.get("subdirectory") else ""
            requirement = f"{name} @ git+{vcs['url']}@{vcs['commit-id']}{place}"
        hashes = [f"{kind}:{value}" for file in _files(package) for kind, value in file["hashes"].items()]
        known = [one for one in hashes if one.startswith(("sha256:", "sha384:", "sha512:"))]
        marker = _CHOICE.sub(lambda found: _chosen(found, allowed), package.get("marker", ""))
        yield Line(requirement, tuple(known), marker)


def _packages(data: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    if str(data["lock-version"]).split(".")[0] != "1":
        raise ValueError(f"its lock-version is {data['lock-version']}, not 1.0")
    yield from (package for package in data["packages"] if "directory" not in package)


def _files(package: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    archives = [package[key] for key in ("archive", "sdist") if key in package]
    return [*archives, *package.get("wheels", [])]


def _file_name(file: Mapping[str, Any]) -> str:
    return str(file.get("name") or file.get("url") or file.get("path", "")).rpartition("/")[2]


def _groups(data: Mapping[str, Any], chosen: Selection) -> set[str]:
    usual = [normal_name(name) for name in data.get("default-groups", [])]
    if chosen.groups is None:
        return {*usual, *map(normal_name, data.get("dependency-groups", []))}
    named = [name for name in chosen.groups if name != MAIN]
    return {*usual, *_known(data, "dependency-groups", named)}


def _known(data: Mapping[str, Any], key: str, names: Iterable[str]) -> set[str]:
    if not data.get("extras") and not data.get("dependency-groups"):
        return set()  # the tool that wrote the lock has chosen
    there = [normal_name(name) for name in data.get(key, [])]
    if missing := [name for name in names if normal_name(name) not in there]:
        raise ValueError(f"{missing[0]!r} is not in {key} of the lock ({', '.join(there) or 'it has none'})")
    return {normal_name(name) for name in names}


def _chosen(found: re.Match[str], allowed: Mapping[str, set[str]]) -> str:
    is_in = normal_name(found[1] or found[2] or "") in allowed[found[4]]
    return _TRUE if is_in != bool(found[3]) else _FALSE
