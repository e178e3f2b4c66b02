"""The package indexes of a lock besides the indexes of the machine, with the names of their logins."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from helpers import host, pyproject
from helpers.images import lock_source
from helpers.images.lock_source import LockSource
from helpers.manifest import tool_sources
from helpers.manifest.table import Table
from helpers.model import package_index
from helpers.model.lock_kind import LockKind
from helpers.model.package_index import PackageIndex
from helpers.model.poetry_lock import Pinned

_OPTION = re.compile(r"(?m)^(?:-i|--index-url|--extra-index-url)[\s=]\s*(\S+)")


def of(path: Path) -> tuple[PackageIndex, ...]:
    """Return the indexes that the lock of the runnable dir at `path` takes packages from; none without a lock.

    Raises:
        ConfigError: the lock or the manifest is wrong.
    """
    source = lock_source.find(path)
    if source is None or not source.is_there():
        return ()
    stated = named(source)
    if source.kind is LockKind.REQUIREMENTS:
        return package_index.merged((*stated, *map(PackageIndex, _OPTION.findall(source.text()))))
    if source.kind not in (LockKind.POETRY, LockKind.UV):
        return stated  # the lock does not say where a package comes from
    used = {PackageIndex(pin.url).bare for pin in source.pins() if pin.source == "legacy"}
    known = {index.bare for index in stated}
    return (*(one for one in stated if one.bare in used), *map(PackageIndex, sorted(used - known)))


def login_variables(source: LockSource) -> Mapping[str, str]:
    """Return the variables by which poetry gets the login of each index that the project of a lock names.

    Raises:
        ConfigError: the manifest is wrong.
    """
    found: dict[str, str] = {}
    for index in named(source):
        if login := host.settings().login_of(index):
            for user, password in index.variables_of_poetry():
                found |= {user: login.user, password: login.password}
    return found


def with_logins(source: LockSource, packages: Sequence[Pinned]) -> list[Pinned]:
    """Return packages of a lock whose addresses of indexes hold the logins, for questions to these indexes.

    Raises:
        ConfigError: the manifest is wrong.
    """
    logins = {index.bare: host.settings().login_of(index) for index in named(source)}
    return [
        replace(one, url=login.into(bare)) if (login := logins.get(bare := _bare(one))) else one for one in packages
    ]


def named(source: LockSource) -> tuple[PackageIndex, ...]:
    """Return the indexes that the project of a lock names; errors as for `with_logins`."""
    return package_index.merged(_all_named(source))


def _bare(package: Pinned) -> str:
    return PackageIndex(package.url).bare


def _all_named(source: LockSource) -> Iterator[PackageIndex]:
    own = source.directory / "pyproject.toml"
    yield from tool_sources.named_indexes(source.directory, Table(pyproject.read_if_there(source.directory), own))
    if source.is_derived:
        made = pyproject.parse_toml(source.manifest(), own)
        yield from tool_sources.named_indexes(source.directory, Table(made, own))
