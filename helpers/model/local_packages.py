"""The packages of a lock that are projects of the checkout."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helpers.model import uv_lock
from helpers.model.lock_kind import LockKind


def paths(kind: LockKind, data: Mapping[str, Any]) -> set[str] | None:
    """Return the paths of local packages in a parsed lock, relative to the lock; None if the lock cannot say.

    Arguments:
        kind: of the lock; a requirements file never has local packages.
        data: the lock; nothing is known of a lock with another form than its format.
    """
    try:
        if kind is LockKind.POETRY:
            sources = [package.get("source", {}) for package in data.get("package", [])]
            return {str(one["url"]) for one in sources if one.get("type") == "directory"}
        if kind is LockKind.UV:
            return {path for package in data["package"] if (path := uv_lock.local_path(package))}
        if kind is LockKind.PDM:
            return {str(package["path"]) for package in data.get("package", []) if "path" in package}
        if kind is LockKind.PYLOCK:
            return {str(package["directory"]["path"]) for package in data["packages"] if "directory" in package}
    except (KeyError, TypeError, AttributeError):
        pass
    return None
