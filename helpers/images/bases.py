"""The command `docker_bases`: which base each runnable dir is built on, how old it is, and how it is moved on."""

from __future__ import annotations

import datetime
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers import checkout_file, config, discover, repo
from helpers.console import print_rows, printable, say
from helpers.errors import DIFFERENT, OK, ConfigError, HelpersError, UsageError, worst
from helpers.images import newest
from helpers.images.recipe import image_chain
from helpers.model import base_lock
from helpers.model.base_lock import BaseLock
from helpers.model.image import BaseKind, parse_platforms
from helpers.model.runnable import RunnableDir
from helpers.registry.manifest import short

_HEAD = ("directory", "base", "recorded", "digest", "age", "newest", "state")


@dataclass(frozen=True)
class Standing:
    """How the base of one runnable dir stands.

    Arguments:
        directory: its path relative to the root.
        base: the setting.
        recorded: what it is built on, if that is recorded.
        newest: what the registry has today.
        state: in words.
        exit_code: what is wrong with it.
    """

    directory: str
    base: str = "-"
    recorded: BaseLock | None = None
    newest: str = "-"
    state: str = ""
    exit_code: int = OK


def show(directory: str, *, due: int | None = None) -> int:
    """Print the bases of runnable dirs and return the exit code.

    Arguments:
        directory: one of them; empty is all of the repo.
        due: only those older than so many days, without asking a registry; the code is then 1 if there are any.

    Raises:
        UsageError: `due` is negative.
    """
    if due is not None and due < 0:
        raise UsageError(f"--due {due} is not a number of days")
    load, paths = _selected(directory)
    found = [standing(load, path, ask=due is None) for path in paths]
    today = _today()
    if due is None:
        print_rows(_rows(found, today))
        return worst([OK, *(item.exit_code for item in found)])
    late = [item for item in found if item.recorded and item.recorded.age(today) > due]
    wrong = [item for item in found if item.exit_code]
    if late or wrong:
        print_rows(_rows([*late, *wrong], today))
    return worst([OK, *(item.exit_code for item in wrong), *(DIFFERENT for _ in late)])


def update(directory: str, *, dry_run: bool) -> int:
    """Record the newest bases, say what that changes, and return the exit code.

    Arguments:
        directory: one runnable dir, whatever its base is; empty is all that have a record or need one.
        dry_run: only say it.
    """
    load, paths = _selected(directory)
    codes = [OK]
    recorded = False
    for path in paths:
        try:
            if directory or _has_record(load(path)):
                recorded = True
                say(record(load, path, dry_run=dry_run))
        except HelpersError as error:
            if len(paths) == 1:
                raise
            say(str(error))
            codes.append(error.exit_code)
    if not recorded and codes == [OK]:
        say("no directory has a record or needs one, nothing to do (the first record of a `dir:` base: with --dir)")
    return worst(codes)


def record(load: config.Loader, path: Path, *, dry_run: bool = False) -> str:
    """Record the newest base of the runnable dir at `path`, and return what changed.

    Arguments:
        load: reads the runnable dir at a path.
        path: the directory.
        dry_run: only say it.

    Raises:
        ConfigError: there is no registry to ask, or it has no such image.
        InfrastructureError: the registry does not answer.
        UsageError: its digest is in the settings.
    """
    runnable = load(path)
    old = _old_record(runnable)
    new = _newest_record(runnable, load)
    if old and (old.digest, old.prod, old.name) == (new.digest, new.prod, new.name) and old.base == new.base:
        if old.age(_today()) == new.age(_today()):
            return f"{runnable.name}: {old.name} is the newest"
        what = f"{new.name} is still {short(new.digest)}"
    elif old:
        what = f"{old.name} {short(old.digest)} -> {new.name} {short(new.digest)}"
    else:
        what = f"nothing -> {new.name} {short(new.digest)}"
    if not dry_run:
        checkout_file.write(path / base_lock.PATH, str(new).encode())
    return f"{runnable.name}: {'would record' if dry_run else 'recorded'} {what}"


def record_at(path: Path) -> str:
    """Record the newest base of the runnable dir at `path`, and return what changed; `record` says what is raised."""
    return record(config.loader(repo.find_root(path)), path)


def standing(load: config.Loader, path: Path, *, ask: bool) -> Standing:
    """Return how the base of the runnable dir at `path` stands.

    Arguments:
        load: reads the runnable dir at a path.
        path: the directory.
        ask: whether registries are asked for what is newest.
    """
    name, base, recorded = path.relative_to(repo.find_root(path)).as_posix(), "-", None
    try:
        runnable = load(path)
        base = runnable.settings.base
        recorded = config.read_base_lock(runnable)
        if not recorded:
            return Standing(name, base, state=_without_record(runnable))
        if not ask:
            return Standing(name, base, recorded)
        found = newest.find(newest.followed(runnable, _parent(runnable, load)) or f"{recorded.repository}:latest")
        state = "newest" if found and found.digest == recorded.digest else "behind" if found else "gone"
        if runnable.base.kind is BaseKind.DIR and not _is_source(recorded, _parent(runnable, load), load):
            state += ", source differs"
        return Standing(name, base, recorded, found.name.rpartition(":")[2] if found else "-", state)
    except HelpersError as error:
        return Standing(name, base, recorded, "?", f"error: {error.summary}", error.exit_code)


def _rows(found: Sequence[Standing], today: datetime.date) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [_HEAD]
    for item in found:
        lock = item.recorded
        facts = (lock.name, short(lock.digest), f"{lock.age(today)} d") if lock else ("-", "-", "-")
        rows.append((printable(item.directory), printable(item.base), *facts, item.newest, printable(item.state)))
    return rows


def _without_record(runnable: RunnableDir) -> str:
    if runnable.base.kind is BaseKind.IMAGE:
        return "pinned in the settings" if "@" in runnable.base.value else "not recorded"
    return "built from source" if runnable.base.kind is BaseKind.DIR else "assembled here"


def _is_source(recorded: BaseLock, parent: RunnableDir | None, load: config.Loader) -> bool:
    """Say whether a recorded base was built from what is in the checkout now."""
    assert parent
    return image_chain(parent, load, platforms=parse_platforms(recorded.platforms))[-1].inputs == recorded.inputs


def _parent(runnable: RunnableDir, load: config.Loader) -> RunnableDir | None:
    if runnable.base.kind is not BaseKind.DIR:
        return None
    return load(Path(os.path.realpath(runnable.path / runnable.base.value)))


def _has_record(runnable: RunnableDir) -> bool:
    by_tag = runnable.base.kind is BaseKind.IMAGE and "@" not in runnable.base.value
    return by_tag or os.path.lexists(runnable.path / base_lock.PATH)


def _old_record(runnable: RunnableDir) -> BaseLock | None:
    file = runnable.path / base_lock.PATH
    try:
        text = checkout_file.read_text_if_there(file)
        return None if text is None else base_lock.parse(text, str(file))
    except ConfigError:
        return None  # It is written anew.


def _newest_record(runnable: RunnableDir, load: config.Loader) -> BaseLock:
    where = runnable.settings_file
    reference = newest.followed(runnable, _parent(runnable, load))
    if not reference and runnable.base.kind is BaseKind.IMAGE:
        raise UsageError(f"the digest of {runnable.settings.base!r} is in the settings", where=where, fix="edit `base`")
    if runnable.base.kind is BaseKind.ARCHIVE:
        raise UsageError(
            f"the base {runnable.settings.base!r} is assembled here, and follows nothing",
            where=where,
            fix="to pin one: publish a directory that stands on it, and stand on that (see docs/how-to/bases.md)",
        )
    if not reference:
        raise ConfigError(
            f"the base {runnable.settings.base!r} is built from source: there is no registry to take another from",
            where=where,
            fix="set [tool.helpers] registry in the root's pyproject.toml, then: invoke docker_bases --publish",
        )
    found = newest.find(reference, first=not os.path.lexists(runnable.path / base_lock.PATH))
    if not found:
        fix = "check the name" if runnable.base.kind is BaseKind.IMAGE else "invoke docker_bases --publish"
        raise ConfigError(f"the registry has no {reference}", where=where, fix=fix)
    return BaseLock(
        base=runnable.settings.base,
        name=found.name,
        digest=found.digest,
        recorded=_today(),
        prod=found.prod,
        inputs=found.inputs,
        suite=found.suite,
        platforms=found.platforms,
    )


def _selected(directory: str) -> tuple[config.Loader, list[Path]]:
    start = Path(os.path.realpath(directory or "."))
    root = repo.find_root(start)
    every = discover.runnable_paths(root)
    return config.loader(root, every), [discover.nearest(directory)[1]] if directory else every


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.timezone.utc).date()
