"""The cache directory: what is kept between runs, safely shared by runs at the same time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from helpers.errors import InfrastructureError, LockHeldError
from helpers.thin_env.bootstrap import cache_dir

__all__ = ["cache_dir", "digest", "locked", "run_directory", "write_once"]

_LOCK_SECONDS = 1800.0
_RUNS_KEPT = 20


def digest(*parts: bytes | str) -> str:
    """Return the SHA-256 of `parts`, each one told apart from the next, as 64 hexadecimal digits."""
    total = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        total.update(b"%d:" % len(data) + data)
    return total.hexdigest()


def write_once(path: Path, text: str) -> Path:
    """Write `text` to `path` unless it is there already; another process sees the whole file or none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}-{os.getpid()}-{os.urandom(4).hex()}")
        aside.write_text(text, encoding="utf-8")
        aside.chmod(0o644)
        os.replace(aside, path)
    return path


@contextmanager
def locked(name: str, timeout: float = _LOCK_SECONDS, stop: Callable[[], bool] = lambda: False) -> Iterator[None]:
    """Hold the lock `name`; the system lets go of it when this process ends, however that happens.

    Arguments:
        name: a file name.
        timeout: seconds to wait for another holder.
        stop: ends the wait when it says so.

    Raises:
        LockHeldError: another process holds it for longer than `timeout`, or `stop` said so.
    """
    path = cache_dir() / "locks" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + timeout
    with path.open("w") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if stop() or time.monotonic() > deadline:
                    raise LockHeldError("another process holds the lock", where=path) from None
                time.sleep(0.1)
        yield


def run_directory(run_id: str) -> Path:
    """Make and return the directory that holds the logs and results of one run; old ones are removed.

    Raises:
        InfrastructureError: the disk is full or not writable.
    """
    import shutil  # a start that only reads the cache does without it

    runs = cache_dir() / "runs"
    path = runs / run_id
    try:
        path.mkdir(parents=True)
        _mark_as_used(path)
        old = sorted(item for item in runs.iterdir() if item.is_dir())[:-_RUNS_KEPT]
    except OSError as error:
        raise InfrastructureError(
            f"cannot write: {os.strerror(error.errno or 0).lower()}", where=runs, fix="df -h  (make room, then again)"
        ) from None
    for item in old:
        if not _is_used(item):
            shutil.rmtree(item, ignore_errors=True)
    return path


# Locks that are held as long as this process lives.
_held: list[IO[str]] = []


def _mark_as_used(path: Path) -> None:
    file = (path / "lock").open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    _held.append(file)


def _is_used(path: Path) -> bool:
    try:
        with (path / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass  # Another process removes it at this moment, or it never came to be used.
    return False
