"""The cache directory: what is kept between runs, safely shared by runs at the same time."""

from __future__ import annotations

import fcntl
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from helpers.errors import InfrastructureError, LockHeldError
from helpers.thin_env import lock_holder
from helpers.thin_env.bootstrap import cache_dir

__all__ = [
    "cache_dir",
    "claimed",
    "digest",
    "file_name",
    "forget",
    "is_running",
    "locked",
    "marked",
    "run_directory",
    "scratch",
    "use",
    "use_own_environment",
    "write_once",
]

_LOCK_SECONDS = 1800.0
_RUNS_KEPT = 20


def digest(*parts: bytes | str) -> str:
    """Return the SHA-256 of `parts`, each one told apart from the next, as 64 hexadecimal digits."""
    total = hashlib.sha256()
    for part in parts:
        # The name of a file need not be UTF-8.
        data = part.encode("utf-8", "surrogateescape") if isinstance(part, str) else part
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
    with path.open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if stop() or time.monotonic() > deadline:
                    raise LockHeldError(
                        f"the lock is held by {lock_holder.read(path)}",
                        where=path,
                        why="that process does the same at this moment; its lock is free when it ends, however it does",
                        fix="wait for it, then run the command again",
                    ) from None
                time.sleep(0.1)
        lock_holder.write(file.fileno())
        try:
            yield
        finally:
            lock_holder.clear(file.fileno())


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
        raise _cannot_write(runs, error) from None
    for item in old:
        if not is_running(item):
            shutil.rmtree(item, ignore_errors=True)
    return path


@contextmanager
def scratch() -> Iterator[Path]:
    """Yield a new directory that nobody else may read, and remove it afterwards.

    What a process left that was killed is removed by the next call.

    Raises:
        InfrastructureError: the disk is full or not writable.
    """
    import shutil  # as above
    import tempfile

    parent = cache_dir() / "scratch"
    try:
        parent.mkdir(parents=True, exist_ok=True)
        # Before its mark is made a new directory looks like one that was left.
        with locked("scratch.lock"):
            for left in parent.iterdir():
                if not is_running(left):
                    shutil.rmtree(left, ignore_errors=True)
            path = Path(tempfile.mkdtemp(dir=parent))
            mark = _mark_as_used(path)
    except OSError as error:
        raise _cannot_write(parent, error) from None
    try:
        (path / "files").mkdir()
        yield path / "files"
    finally:
        shutil.rmtree(path, ignore_errors=True)
        _held.remove(mark)
        mark.close()


def use(kind: str, name: str) -> None:
    """Mark something as used now, and hold off its removal as long as this process, or one it becomes, lives.

    Call it before looking whether the thing is there: what is there afterwards stays.

    Arguments:
        kind: `images`, or the directory of the cache that it lies in.
        name: the image's reference, or its name in that directory.
    """
    use_own_environment()
    _hold(kind, name)


def use_own_environment() -> None:
    """Mark the thin environment that this process runs in, if it does, as `use` does."""
    path = os.path.realpath(sys.prefix)
    if os.path.dirname(path) == os.path.realpath(cache_dir() / "envs"):
        # Started by its script, the environment goes by its own directory's name and not by that of the link to it.
        _hold("envs", os.path.basename(path).partition(".")[0])


def _hold(kind: str, name: str) -> None:
    path = _mark(kind, name)
    while path not in _uses:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
        # Whoever removes the thing holds this lock, and removes the mark as well.
        fcntl.flock(file, fcntl.LOCK_SH)
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            os.set_inheritable(file.fileno(), True)
            _uses[path] = file
    os.utime(_uses[path].fileno())


@contextmanager
def claimed(kind: str, name: str) -> Iterator[float | None]:
    """Hold off new users of something, which may be removed meanwhile.

    Yields:
        When it was last used, in seconds since the epoch; 0.0 if that is not known; None while a process uses it.
    """
    path = _mark(kind, name)
    known = path.exists()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield os.fstat(file.fileno()).st_mtime if known else 0.0
        if not known:
            path.unlink(missing_ok=True)


def forget(kind: str, name: str) -> None:
    """Remove the mark of something that is gone; only while it is claimed."""
    _mark(kind, name).unlink(missing_ok=True)


def marked(kind: str) -> list[str]:
    """Return the names of all that has a mark, as they stand in the file system: `%` for `/` and `:`."""
    path = cache_dir() / "used" / kind
    return sorted(os.listdir(path)) if path.is_dir() else []


def file_name(reference: str) -> str:
    """Return an image's reference as the name of a file."""
    return reference.replace("/", "%").replace(":", "%")


def _mark(kind: str, name: str) -> Path:
    return cache_dir() / "used" / kind / file_name(name)


# Marks of what this process uses.
_uses: dict[Path, IO[str]] = {}
# Locks that are held as long as this process lives.
_held: list[IO[str]] = []


def _mark_as_used(path: Path) -> IO[str]:
    file = (path / "lock").open("w")
    fcntl.flock(file, fcntl.LOCK_EX)
    _held.append(file)
    return file


def _cannot_write(path: Path, error: OSError) -> InfrastructureError:
    said = os.strerror(error.errno or 0).lower()
    return InfrastructureError(f"cannot write: {said}", where=path, fix="df -h  (make room, then again)")


def is_running(run: Path) -> bool:
    """Say whether the run, or the process, that the directory `run` was made for is still going."""
    try:
        with (run / "lock").open() as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        pass  # Another process removes it at this moment, or it never came to be used.
    return False
