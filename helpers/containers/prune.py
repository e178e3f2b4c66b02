"""Removes what no checkout has used for a while: our images, and what the cache directory holds.

The rule: every use of an image or of an environment touches a mark in the cache (`storage.use`), and locks it as long
as the user lives. What has not been used for 30 days goes. These stay:

- what a running process or a container uses, always;
- environments that `setenv.sh` has put on the PATH of a checkout's shells, always;
- images and environments that the runnable dirs of a checkout name now: of this checkout, and of all that `setenv.sh`
  was sourced in (this one's toolchain says what they name);
- images without a mark: another user's, or made with another cache.

`everything` sets aside the age and the last two.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from helpers import config, discover, proc, repo, storage
from helpers.console import say
from helpers.engine import argv, client
from helpers.errors import HelpersError, InfrastructureError, LockHeldError
from helpers.images.recipe import image_chain

_DAY = 86400.0
_DAYS = 30
# The directories of the cache whose users mark what they use.
_KINDS = ("archives", "envs", "git-sources", "layers", "layouts", "test-packages", "tools", "venvs")
_FOR_GOOD = re.compile(r".*\.sources\.list")
# What a process that was killed has left half-made or half-removed; nothing takes a day to make.
_LEFTOVER = re.compile(r".*\.new(\.tar)?|.*\.link|\.gone-.*|\.[0-9a-f]{32}-.*|[0-9a-f]{32}\.\d+\.tar|.*\.json\.\d+")


@dataclass(frozen=True)
class Dropped:
    """Something that was removed, or would be.

    Arguments:
        name: the image's names, or the path in the cache directory.
        size: bytes; of an image also those that it shares with others.
        used: when it was last used, in seconds since the epoch; 0.0 if that is not known.
        is_image: whether the engine has it, and not the cache.
    """

    name: str
    size: int
    used: float
    is_image: bool = False


def prune(*, everything: bool, dry_run: bool) -> list[Dropped]:
    """Remove what has not been used for a while, by the rule above, and return it.

    Arguments:
        everything: all that is not in use now.
        dry_run: only say what would be removed.

    Raises:
        InfrastructureError: a runnable dir of this repo is wrong, so that what it needs is not known.
    """
    storage.use_own_environment()
    before = time.time() - (0 if everything else _DAYS * _DAY)
    needed: set[str] = set() if everything else needed_images()
    dropped = []
    if why := client.why_not_running():
        say(f"only the cache is looked at, no docker engine answers: {why}")
    else:
        if not dry_run:
            client.reap()
        dropped = list(prune_images(needed, before, everything=everything, dry_run=dry_run))
    dropped += prune_cache({storage.file_name(name) for name in needed}, before, dry_run=dry_run)
    return dropped


def rows(dropped: list[Dropped]) -> list[tuple[str, str, str]]:
    """Return a row for each thing that was removed: its name, size and when it was last used."""
    head = ("what", "size", "last used")
    return [head, *((item.name, _megabytes(item.size), _ago(item.used)) for item in dropped)]


def total(dropped: list[Dropped]) -> str:
    """Return how much disk the removal of `dropped` frees."""
    images = [item.size for item in dropped if item.is_image]
    cache = [item.size for item in dropped if not item.is_image]
    return (
        f"{len(cache)} things of the cache: {_megabytes(sum(cache))}; "
        f"{len(images)} images: up to {_megabytes(sum(images))}, less what they share with images that stay"
    )


def needed_images() -> set[str]:
    """Return the references of the images that the runnable dirs of all known checkouts need now."""
    own = repo.find_root(Path.cwd().resolve())
    try:
        needed = _needed_in(own)
    except HelpersError as error:
        raise InfrastructureError(
            f"nothing is removed while a runnable dir is wrong: {error.summary}", fix="invoke dir_check --all"
        ) from None
    for line in _remembered():
        if line != str(own) and _is_checkout(line):
            try:
                needed |= _needed_in(Path(line))
            except HelpersError:
                say(f"the runnable dirs of {line} can not be read: what they need is told by its age alone")
    return needed


def _needed_in(root: Path) -> set[str]:
    paths = discover.runnable_paths(root)
    load = config.loader(root)
    chains = [image_chain(load(path), load) for path in paths]
    return {name for chain in chains for image in chain for name in (image.reference, *image.tags)}


def _remembered() -> set[str]:
    """Return what `setenv.sh` keeps about the checkouts that are still there: their roots and thin environments."""
    pointers = storage.cache_dir() / "checkouts"
    texts = [path.read_text(errors="replace") for path in pointers.iterdir()] if pointers.is_dir() else []
    lines = [{line for line in text.splitlines() if line.startswith("/")} for text in texts]
    return set().union(*(group for group in lines if any(map(_is_checkout, group))))


def _is_checkout(path: str) -> bool:
    return os.path.exists(os.path.join(path, ".git"))


def prune_images(needed: set[str], before: float, *, everything: bool, dry_run: bool) -> Iterator[Dropped]:
    """Remove images of ours and yield them.

    Arguments:
        needed: references that stay.
        before: what was used later stays, in seconds since the epoch.
        everything: those without a mark as well.
        dry_run: only say what would be removed.
    """
    names: dict[str, list[str]] = {}
    for row in client.rows(argv.list_images()):
        names.setdefault(row["id"], []).append(f"{row['repository']}:{row['tag']}")
    if not dry_run:
        _forget_gone("images", {storage.file_name(name) for known in names.values() for name in known}, before)
    sizes = client.sizes(list(names))
    for image in [image for image, known in names.items() if needed.isdisjoint(known)]:
        with ExitStack() as held:
            uses = [held.enter_context(storage.claimed("images", name)) for name in names[image]]
            used = max(use or 0.0 for use in uses)
            if None in uses or used >= before or not (used or everything) or client.is_in_use(image):
                continue
            if dry_run or _remove_image(image, names[image]):
                yield Dropped(f"image {' '.join(names[image])}", sizes.get(image, 0), used, is_image=True)


def _remove_image(image: str, names: list[str]) -> bool:
    done = proc.run(argv.remove_images([image if "<none>" in name else name for name in names]), timeout=120)
    if done.code:
        say(f"still in use, kept: {' '.join(names)}")
        return False
    for name in names:
        storage.forget("images", name)
    return True


def prune_cache(needed: set[str], before: float, *, dry_run: bool) -> Iterator[Dropped]:
    """Remove what lies in the cache directory and yield it.

    Arguments:
        needed: names of environments that stay.
        before: what was used later stays, in seconds since the epoch.
        dry_run: only say what would be removed.
    """
    shells = {Path(line).name.partition(".")[0] for line in _remembered()}
    keep = {"envs": shells, "venvs": needed}
    for kind in _KINDS:
        there = _entries(kind)
        links = {path.resolve().name for path in there if path.is_symlink()}
        for path in there:
            if _LEFTOVER.fullmatch(path.name) or (kind == "envs" and not path.is_symlink() and path.name not in links):
                yield from _drop(path, time.time() - _DAY, dry_run)
            elif path.name not in links and path.name not in keep.get(kind, ()):
                yield from _drop_unused(kind, path, before, dry_run)
        if not dry_run:
            _forget_gone(kind, {path.name for path in _entries(kind)}, before)
    for path in _entries("runs"):
        if not storage.is_running(path):
            yield from _drop(path, before, dry_run)
    for path in _entries("builds"):
        # A build, which may take an hour, still writes to it.
        yield from _drop(path, min(before, time.time() - 3600), dry_run)


def _entries(kind: str) -> list[Path]:
    path = storage.cache_dir() / kind
    return sorted(item for item in path.iterdir() if not _FOR_GOOD.fullmatch(item.name)) if path.is_dir() else []


def _drop_unused(kind: str, path: Path, before: float, dry_run: bool) -> Iterator[Dropped]:
    """Remove something whose users mark it."""
    with storage.claimed(kind, path.name) as used:
        if used is None:
            return
        try:
            with storage.locked(f"{path.name}.lock", timeout=0):
                dropped = list(_drop(path, before, dry_run, used))
        except LockHeldError:
            return
        if dropped and not dry_run:
            storage.forget(kind, path.name)
    yield from dropped


def _drop(path: Path, before: float, dry_run: bool, used: float = 0.0) -> Iterator[Dropped]:
    """Remove a file, a directory, or a link and the directory that it leads to, if it is old.

    Arguments:
        path: what to remove.
        before: what was used later stays.
        dry_run: only say so.
        used: when it was last used; 0.0 if that is not known, then when it was made counts.
    """
    try:
        used = used or path.lstat().st_mtime
        real = path.resolve()
        if used >= before:
            return
        size = _size(real)
        if not dry_run:
            # One step, so that nobody sees a half of it.
            aside = real.with_name(f".gone-{os.getpid()}-{os.urandom(4).hex()}")
            real.rename(aside)
            if path.is_symlink():
                path.unlink()
            shutil.rmtree(aside, ignore_errors=True) if aside.is_dir() else aside.unlink()
    except FileNotFoundError:
        # Somebody else removes it at this moment.
        return
    yield Dropped(str(path.relative_to(storage.cache_dir())), size, used)


def _forget_gone(kind: str, there: set[str], before: float) -> None:
    """Remove the old marks of what is not there any more."""
    for name in storage.marked(kind):
        if name not in there:
            with storage.claimed(kind, name) as used:
                if used is not None and used < before:
                    storage.forget(kind, name)


def _size(path: Path) -> int:
    """Return the bytes on disk that go with `path`; a file with another name elsewhere, as uv links them, stays."""
    found = [path, *(Path(top) / name for top, _, names in os.walk(path) for name in names)]
    facts = [item.lstat() for item in found]
    return sum(fact.st_blocks * 512 for item, fact in zip(found, facts, strict=True) if fact.st_nlink == 1)


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _ago(used: float) -> str:
    return f"{(time.time() - used) / _DAY:.0f} days ago" if used else "not known"
