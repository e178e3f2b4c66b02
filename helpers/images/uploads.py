"""Says when the files of a lock were uploaded, as far as their package index tells."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from helpers.errors import PolicyError
from helpers.images.index_files import Listed, files_of
from helpers.model.poetry_lock import Pinned

_AT_A_TIME = 8
_NAMED = 10
_DAY = 86400.0
# Files that lie in the checkout: git knows their age.
_LOCAL = ("directory", "file")


def refuse_younger(packages: Sequence[Pinned], days: int, where: Path) -> None:
    """Return when every file of `packages` was uploaded at least `days` days ago.

    Arguments:
        packages: what a lock pins.
        days: how old each of its files must be.
        where: the lock.

    Raises:
        PolicyError: a file is younger, or nobody says how old it is: an unknown age is not an old one.
        InfrastructureError: an index does not answer.
    """
    asked = [package for package in packages if package.source not in _LOCAL]
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        times = list(pool.map(files_of, asked))
    now = time.time()
    wrong = [line for package, known in zip(asked, times, strict=True) for line in _wrong(package, known, now, days)]
    if wrong:
        more = [f"and {len(wrong) - _NAMED} more"] if len(wrong) > _NAMED else []
        raise PolicyError(
            f"{len(wrong)} of its files are not known to be at least {days} days old",
            where=where,
            why="; ".join([*wrong[:_NAMED], *more]),
            fix="wait, or ask for an older version in pyproject.toml",
        )


def _wrong(package: Pinned, known: Mapping[str, Listed], now: float, days: int) -> Iterator[str]:
    if not package.files:
        yield f"{package.name} {package.version}: comes from {package.source or 'nowhere'}, not from an index"
    for file in package.files:
        uploaded = known[file].uploaded if file in known else None
        if uploaded is None:
            yield f"{file}: the index does not say when it was uploaded"
        elif now - uploaded < days * _DAY:
            yield f"{file}: uploaded {(now - uploaded) / _DAY:.1f} days ago"
