"""Reads the packages of `uv.lock` 1: https://docs.astral.sh/uv/concepts/resolution/#lockfile-versioning."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from posixpath import normpath
from typing import Any

from helpers.model.poetry_lock import Pinned, normal_name

# Keys of the source of a project in the checkout.
LOCAL = ("editable", "virtual", "directory")


def pinned(data: Mapping[str, Any], own_indexes: Iterable[str]) -> tuple[Pinned, ...]:
    """Return the packages of a parsed lock, without projects of the checkout.

    Arguments:
        data: the lock.
        own_indexes: addresses that the project names; another address of an index stands for the machine's index.
    """
    own = [url.rstrip("/") for url in own_indexes]
    return tuple(_pinned(package, own) for package in data["package"] if not local_path(package))


def _pinned(package: Mapping[str, Any], own: list[str]) -> Pinned:
    ((kind, url), *_) = package["source"].items()
    files = [*([package["sdist"]] if "sdist" in package else []), *package.get("wheels", [])]
    names = tuple(str(file.get("url") or file.get("path")).rpartition("/")[2] for file in files)
    if kind != "registry":
        return Pinned(normal_name(package["name"]), package.get("version", ""), names, kind, str(url))
    is_own = str(url).rstrip("/") in own
    return Pinned(
        normal_name(package["name"]),
        package["version"],
        names,
        "legacy" if is_own else "",
        str(url) if is_own else "",
    )


def extras(data: Mapping[str, Any], path: str) -> set[str]:
    """Return the extras of the project at `path`, relative to the parsed lock."""
    for package in data["package"]:
        if local_path(package) and normpath(local_path(package)) == path:
            return {*package.get("optional-dependencies", {}), *package.get("metadata", {}).get("provides-extras", [])}
    return set()


def local_path(package: Mapping[str, Any]) -> str:
    """Return the path of a package that is a project of the checkout, relative to the lock; otherwise nothing."""
    return next((str(path) for kind, path in package["source"].items() if kind in LOCAL), "")
