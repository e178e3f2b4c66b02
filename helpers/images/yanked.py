"""Withdrawn releases in a lock (https://peps.python.org/pep-0592/)."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from helpers import host
from helpers.console import printable, say
from helpers.errors import InfrastructureError, PolicyError
from helpers.images.index_files import PATIENT, QUICK, Listed, Patience, files_of
from helpers.images.lock_source import upgrade_command
from helpers.model.poetry_lock import Pinned
from helpers.storage import cache_dir, digest, write_once

_AT_A_TIME = 8
_NAMED = 10


def refuse(packages: Sequence[Pinned], where: Path) -> None:
    """Return if the lock `where` pins no withdrawn release.

    Raises:
        PolicyError: one was.
        InfrastructureError: an index does not answer.
    """
    found = list(_found(packages, PATIENT))
    if found:
        raise PolicyError(
            f"{len(found)} of its releases are yanked",
            where=where,
            why="; ".join(line for _, line in found[:_NAMED]),
            fix=upgrade_command(where, [name for name, _ in found[:_NAMED]]),
        )


def tell(packages: Sequence[Pinned], where: Path, text: str) -> None:
    """Print a note for each withdrawn release in the machine's index; an index without an answer is a note.

    Only the index of this machine is asked. An address in a lock is asked only when the user wants a refusal.

    Arguments:
        packages: the packages in the lock.
        where: the lock.
        text: its content, by which `remembered` finds the answer again.
    """
    try:
        found = [line for _, line in _found([package for package in packages if not package.source], QUICK)]
    except InfrastructureError as error:
        say(f"note: {printable(str(where))}: whether its releases are yanked is not known: {error.what}")
        return
    _say(found, where)
    file = _memory(text)
    file.unlink(missing_ok=True)
    write_once(file, json.dumps({"day": time.strftime("%Y-%m-%d"), "lines": found}))


def tell_remembered(where: Path, text: str) -> None:
    """Print the notes of the last `tell` about a lock of this content; asks no index."""
    try:
        kept = json.loads(_memory(text).read_bytes())
        _say([f"{line} (the index was asked on {kept['day']})" for line in kept["lines"]], where)
    except (OSError, ValueError, KeyError, TypeError):
        return


def _say(lines: Iterable[str], where: Path) -> None:
    for line in lines:
        say(f"note: {printable(str(where))}: {line}; {upgrade_command(where, line.split()[:1])}")


def _memory(text: str) -> Path:
    return cache_dir() / "yanked" / f"{digest(text)}.json"


def _found(packages: Sequence[Pinned], patience: Patience) -> Iterator[tuple[str, str]]:
    """Yield the name of each package with a withdrawn file, and a line about the package."""
    with ThreadPoolExecutor(_AT_A_TIME) as pool:
        try:
            answers = list(pool.map(lambda one: _listed(one, patience, host.pip_index()), packages))
        except BaseException:
            # Further questions would wait for the same index.
            pool.shutdown(wait=False, cancel_futures=True)
            raise
        for package, listed in zip(packages, answers, strict=True):
            reasons = [listed[file].yanked for file in package.files if file in listed]
            if (yanked := [reason for reason in reasons if reason is not None]) and package.files:
                why = next((f": {printable(reason)}" for reason in yanked if reason), "")
                part = "" if len(yanked) == len(reasons) else f" ({len(yanked)} of {len(reasons)} files)"
                yield package.name, f"{package.name} {package.version} is yanked{part}{why}"


@cache
def _listed(package: Pinned, patience: Patience, index: str) -> Mapping[str, Listed]:
    # The locks of several directories hold the same packages.
    return files_of(package, patience)
