"""The commands `docker_build` and `docker_lock`: one runnable dir or all of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from helpers import config, discover, pyproject, repo
from helpers.console import report_error, say
from helpers.engine import client
from helpers.engine.choose import choose
from helpers.engine.seam import Control
from helpers.engine.specs import ImageSpec
from helpers.engine.supervise import obey_signals
from helpers.errors import DIFFERENT, OK, HelpersError, PolicyError, StaleError, UsageError, worst
from helpers.images import build as builder
from helpers.images import dirs_below, lock_source, system_lock
from helpers.images import lock as locker
from helpers.images.recipe import image_chain
from helpers.model import poetry_lock
from helpers.model import system_lock as system_locks
from helpers.model.image import goes_by_wrong_name
from helpers.model.stage import BUILD_STAGES, Stage, parse_stage
from helpers.storage import use

# A build waits for the network, the disk and the engine as much as for a core.
_JOBS = max(4, os.cpu_count() or 1)


def build(directory: str | None, *, everything: bool, stage: str = "local", stream: TextIO | None = None) -> int:
    """Build the images that are missing, several at a time, and return the exit code.

    A fault of one directory does not stop the others.

    Arguments:
        directory: the runnable dir; None is the one that encloses the current directory.
        everything: all of the repo instead.
        stage: `local` or `prod`.
        stream: where the names of the images go; None is standard output.
    """
    kind = parse_stage(stage, BUILD_STAGES)
    root, paths = _selected(directory, everything)
    chains, codes = _chains(paths, config.loader(root), kind)
    digests = {chain[-1].key: _image_id(chain) for chain in chains}
    if not all(digests.values()):
        digests, more = _build_missing(chains)
        codes += more
    if kind is Stage.PROD:
        codes += _try_all(root, chains, digests)
    for chain in chains:
        if digest := digests.get(chain[-1].key):
            print(f"{chain[-1].reference}  {digest}", file=stream or sys.stdout)
    return worst(codes)


def _chains(paths: Sequence[Path], load: config.Loader, stage: Stage) -> tuple[list[list[ImageSpec]], list[int]]:
    """Return the images of each directory whose files are right, and an exit code for each whose files are wrong."""
    chains, codes = [], [OK]
    for path in paths:
        try:
            chain = image_chain(load(path), load, stage)
            # Before the minutes that a base may take.
            for image in chain:
                if image.directory:
                    lock_source.check(image.directory)
            chains.append(chain)
        except HelpersError as error:
            codes.append(report_error(error))
    return chains, codes


def _build_missing(chains: Sequence[Sequence[ImageSpec]]) -> tuple[dict[str, str], list[int]]:
    """Build what is missing; return the digests of all that is there then, by key, and an exit code for each fault."""
    from helpers.images.parallel import Images, follow  # a start that finds its images does without threads

    control = Control()
    obey_signals(control)
    images = Images(choose("docker"), chains, builder.logs(), control, builder.told)
    follow(images.graph, lambda key: None if control.level else images.get(key), _JOBS)
    if control.level:
        return images.digests, [control.exit_code]
    # What stands on an image that could not be had has the very fault of that one.
    faults = {id(fault): fault for key in images.graph if (fault := images.faults.get(key))}
    return images.digests, [report_error(fault) for fault in faults.values()]


def _try_all(root: Path, chains: Sequence[Sequence[ImageSpec]], digests: dict[str, str]) -> list[int]:
    """Try images of `prod`; forget the digest of each that does not work, and return an exit code for each fault."""
    from helpers.images import trial  # other stages start no container

    control, codes = Control(), []
    obey_signals(control)
    engine, load = choose("docker"), config.loader(root)
    for chain in chains:
        image, digest = chain[-1], digests.get(chain[-1].key)
        if not digest or not image.directory:
            continue
        try:
            trial.once(engine, trial.Tried(image, digest, load(image.directory)), control)
        except HelpersError as error:
            digests[image.key] = ""
            codes.append(report_error(error))
    engine.finish()
    return codes


def _image_id(chain: Sequence[ImageSpec]) -> str:
    """Return the id of the last image of `chain`, which has all below it; empty if it is not there."""
    for image in chain:
        use("images", image.reference)
    reference = chain[-1].reference
    client.reach()
    found = client.find_image(reference)
    # One that goes by a wrong name is not what was asked for: it is built, and gets its name back.
    return found.id if found and not goes_by_wrong_name(reference, found.labels) else ""


@dataclass(frozen=True)
class LockOptions:
    """What `docker_lock` is asked for.

    Arguments:
        check: write nothing; only say which locks are not as they should be: not those of their `pyproject.toml`, or
            with files that `cooldown` and `no_yanked` do not want.
        upgrade: packages that move to their newest version that fits; each text may name several with commas.
        upgrade_system: move the distribution's packages to what its archive has now.
        cooldown: days that every file of `poetry.lock` must be old; 0 is any age.
        no_yanked: refuse releases that their index has withdrawn; otherwise a note names them.
    """

    check: bool = False
    upgrade: Sequence[str] = ()
    upgrade_system: bool = False
    cooldown: int = 0
    no_yanked: bool = False

    @property
    def names(self) -> list[str]:
        """The packages to upgrade, one by one."""
        return [name.strip() for text in self.upgrade for name in text.split(",") if name.strip()]


def lock(directory: str | None, options: LockOptions, *, everything: bool) -> int:
    """Write the locks of a runnable dir, or of all, or only compare them, and return the exit code.

    A fault of one directory does not stop the others.

    Arguments:
        directory: the runnable dir; None is the one that encloses the current directory.
        options: what is asked for.
        everything: all of the repo instead.

    Raises:
        UsageError: options that contradict each other.
    """
    names = options.names
    if options.check and (names or options.upgrade_system):
        raise UsageError("--check writes nothing, so there is nothing to upgrade", fix="leave one of them out")
    if options.cooldown < 0:
        raise UsageError(f"--cooldown {options.cooldown} is not a number of days")
    root, paths = _selected(directory, everything)
    if names and everything:
        # Each one is moved where it is locked; a name that nobody has is a mistake.
        paths = [path for path in paths if _may_know(path, names)] or paths[:1]
    codes = [OK]
    # The lock of a directory depends on the locks below.
    for path in sorted(paths, key=lambda path: len(dirs_below.of(path))):
        try:
            if options.check:
                _check_locks(root, path, options)
            else:
                _write_locks(root, path, options, (everything and _known(path, names)) or names)
        except HelpersError as error:
            code = report_error(error)
            codes.append(DIFFERENT if options.check and isinstance(error, (StaleError, PolicyError)) else code)
    return worst(codes)


def _check_locks(root: Path, path: Path, options: LockOptions) -> None:
    locker.check(path, options.cooldown, no_yanked=options.no_yanked)
    if _has_system_packages(path):
        load = config.loader(root)
        system_lock.check(load(path), load)
        if not os.path.lexists(path / system_locks.NAME):
            say(f"note: {path} has no {system_locks.NAME}: builds take what the distribution has (invoke docker_lock)")
    say(f"{lock_source.of(path).file} is that of its pyproject.toml")
    if not options.no_yanked:
        locker.tell_yanked(path)


def _write_locks(root: Path, path: Path, options: LockOptions, upgrade: Sequence[str]) -> None:
    say(f"locking {path}")
    if not _is_of_another_tool(path, upgrade):
        _write_lock(path, options, upgrade)
    if not options.no_yanked:
        locker.tell_yanked(path)
    if _has_system_packages(path):
        load = config.loader(root)
        moved = system_lock.lock(load(path), load, upgrade=options.upgrade_system)
        if moved:
            say(f"{path / system_locks.NAME} written")
            print("\n".join(moved))


def _write_lock(path: Path, options: LockOptions, upgrade: Sequence[str]) -> None:
    source = lock_source.to_write(path)
    before = lock_source.pins(path)
    changed = locker.lock(path, upgrade=upgrade, days=options.cooldown, no_yanked=options.no_yanked)
    say(f"{source.file} {'written' if changed else 'is up to date'}")
    if moved := list(poetry_lock.moves(before, lock_source.pins(path))):
        print("\n".join(moved))


def _is_of_another_tool(path: Path, upgrade: Sequence[str]) -> bool:
    """Return whether only the distribution's packages of a directory are locked here."""
    try:
        lock_source.to_write(path)
    except UsageError as error:
        if upgrade or not _has_system_packages(path):
            raise
        say(f"note: {path}: {error.what}; to lock it: {error.fix}")
        return True
    return False


def _has_system_packages(path: Path) -> bool:
    """Say whether the directory at `path` asks its distribution for packages, or did so when it was locked."""
    return bool(pyproject.settings_table(path).get("system_packages")) or os.path.lexists(path / system_locks.NAME)


def _known(path: Path, names: Sequence[str]) -> list[str]:
    """Return those of `names` that the directory at `path` has locked."""
    there = {package.name for package in lock_source.pins(path)}
    return [name for name in names if poetry_lock.normal_name(name) in there]


def _may_know(path: Path, names: Sequence[str]) -> bool:
    """Return whether a directory has locked one of `names`; True also for a wrong lock, which is reported later."""
    try:
        return bool(_known(path, names))
    except HelpersError:
        return True


def _selected(directory: str | None, everything: bool) -> tuple[Path, list[Path]]:
    if everything:
        root = repo.find_root(Path(os.path.realpath(directory or ".")))
        return root, discover.runnable_paths(root)
    root, path = discover.nearest(directory)
    return root, [path]
