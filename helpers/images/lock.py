"""Locks dependencies with poetry, and exports a lock as pinned requirements with hashes for the installer."""

from __future__ import annotations

import os
import shlex
import urllib.parse
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from typing import Any, NoReturn

from helpers import checkout_file, config, host, proc, repo
from helpers.console import counted
from helpers.errors import ConfigError, HelpersError, InfrastructureError, StaleError, UsageError
from helpers.images import isolated_poetry as poetry
from helpers.images.recipe import lock_text
from helpers.images.tool_environment import lock_of
from helpers.merge_conflict import relock, shown
from helpers.model.poetry_lock import is_lock, is_of_a_project, normal_name, pinned
from helpers.storage import cache_dir, digest, write_once
from helpers.thin_env import slow_steps

# Poetry's own words when a project says something else than its lock.
_STALE = ("changed significantly", "not up to date", "lock file does not exist")


def lock(path: Path, upgrade: Sequence[str] = (), days: int = 0, *, no_yanked: bool = False) -> bool:
    """Write `poetry.lock` of the runnable dir at `path`, for all platforms and the directory's Python.

    What is locked stays as it is where `pyproject.toml` allows it.

    Arguments:
        path: the directory.
        upgrade: packages of the lock that move to their newest version that fits.
        days: how old every file of the lock must be; 0 is any age.
        no_yanked: refuse a lock with a release that its index has withdrawn.

    Returns:
        Whether the file changed.

    Raises:
        ConfigError: poetry finds no solution, or `pyproject.toml` is wrong.
        UsageError: a package to upgrade is not in the lock.
        PolicyError: a file is too young, or a release withdrawn; the lock is then as it was before.
    """
    file = path / "poetry.lock"
    before = checkout_file.read_text_if_there(file)
    if upgrade:
        _check_names(path, upgrade)
    with _shown("locking", path, 20.0):
        after = _poetry(path, ["update", "--lock", "--", *upgrade] if upgrade else ["lock"])
        _check_index(config.parse_toml(after, file), file, days, no_yanked=no_yanked)
    if after == before:
        return False
    checkout_file.write(file, after.encode())
    return True


def check(path: Path, days: int = 0, *, no_yanked: bool = False) -> None:
    """Return when the lock of the runnable dir at `path` is that of its `pyproject.toml`; asks nobody about that.

    Arguments:
        path: the directory.
        days: how old every file of the lock must be, which its package index is asked; 0 is any age.
        no_yanked: refuse a release that its index, which is asked, has withdrawn.

    Raises:
        StaleError: they disagree, or there is no lock.
        PolicyError: a file is too young, or a release withdrawn.
    """
    requirements(path)
    _check_index(read_lock(path), path / "poetry.lock", days, no_yanked=no_yanked)


def tell_yanked(path: Path) -> None:
    """Print a note for each withdrawn release in the lock of the runnable dir at `path`."""
    from helpers.images import yanked  # only this needs a client of the index

    yanked.tell(pinned(read_lock(path)), path / "poetry.lock", lock_text(path))


def tell_remembered(path: Path) -> None:
    """Print the last findings of `tell_yanked` about the lock of the runnable dir at `path`, without an index."""
    from helpers.images import yanked  # as above

    with suppress(ConfigError):
        yanked.tell_remembered(path / "poetry.lock", lock_text(path))


def read_lock(path: Path) -> dict[str, Any]:
    """Return the parsed lock of the runnable dir at `path`; empty when it has none.

    Raises:
        ConfigError: it is not a lock of poetry.
    """
    file = path / "poetry.lock"
    text = checkout_file.read_text_if_there(file)
    found = {} if text is None else _parsed(text, file)
    if not is_lock(found):
        raise ConfigError("is not a lock of poetry", where=file, fix=mend(file))
    return found


def _parsed(text: str, file: Path) -> dict[str, Any]:
    try:
        return config.parse_toml(text, file)
    except ConfigError as error:
        raise ConfigError(error.what, where=error.where, fix=mend(file)) from None


def mend(file: Path) -> str:
    """Return the command that replaces `file` by a sound lock: the committed lock, or a new lock."""
    try:
        committed = config.parse_toml(repo.git(file.parent, "cat-file", "blob", f"HEAD:./{file.name}"), file)
    except HelpersError:
        committed = {}
    if not (is_lock(committed) and is_of_a_project(committed)):
        return f"rm {shown(file)} && {relock(file.parent)}"
    return f"git -C {shown(file.parent)} checkout HEAD -- {file.name}"


def _check_index(parsed: Mapping[str, Any], file: Path, days: int, *, no_yanked: bool) -> None:
    if days:
        from helpers.images.uploads import refuse_younger  # only this needs a client of the index

        refuse_younger(pinned(parsed), days, file)
    if no_yanked:
        from helpers.images import yanked  # as above

        yanked.refuse(pinned(parsed), file)


def _check_names(path: Path, upgrade: Sequence[str]) -> None:
    known = sorted({package.name for package in pinned(read_lock(path))})
    for name in upgrade:
        if normal_name(name) not in known:
            import difflib  # only a mistake needs it

            near = difflib.get_close_matches(normal_name(name), known, n=1)
            raise UsageError(
                f"--upgrade {name!r} is not in its lock",
                where=path / "poetry.lock",
                fix=f"did you mean {near[0]!r}?" if near else "add it to pyproject.toml, then: invoke docker_lock",
            )


def requirements(path: Path, groups: Sequence[str] = ()) -> Path:
    """Return a file with what the lock of the runnable dir at `path` pins, hashes included.

    Arguments:
        path: the directory.
        groups: only what these groups of dependencies need; `main` is that of `[project] dependencies`. Empty is all.

    Raises:
        ConfigError: there is no lock, or `pyproject.toml` says something else than it.
    """
    file = _exported(path, groups)
    if file.exists():
        return file
    _parsed(lock_text(path), path / "poetry.lock")
    with _shown("exporting the lock of", path, 3.0):
        return write_once(file, _poetry(path, _export(groups)))


def export_all(wanted: Iterable[tuple[Path, Sequence[str]]]) -> None:
    """Export locks by one start of poetry, so that `requirements` finds them; what goes wrong is said by that.

    Arguments:
        wanted: directories, each with what `requirements` is given for it.
    """
    with suppress(HelpersError), ExitStack() as stack:
        request = {}
        for path, groups in wanted:
            with suppress(HelpersError):
                file = _exported(path, groups)
                if not file.exists():
                    copies = stack.enter_context(poetry.copies(path, lock_text(path)))
                    request[str(file)] = poetry.words(path, copies, _export(groups))
        if request:
            (cache_dir() / "requirements").mkdir(parents=True, exist_ok=True)
            with slow_steps.shown(f"exporting {counted(len(request), 'lock')}", usual=2.0 + len(request)):
                poetry.run_all(list(request.items()))


def _shown(doing: str, path: Path, usual: float) -> AbstractContextManager[None]:
    return slow_steps.shown(f"{doing} {os.path.relpath(path)}", key=f"{doing} {path}", usual=usual)


def _exported(path: Path, groups: Sequence[str]) -> Path:
    # The project is a part of the key because the export is also the check that lock and project agree.
    parts = (lock_text(path), config.read_text(path / "pyproject.toml"), lock_of("poetry").read_bytes())
    key = digest(*parts, ",".join(groups)) if groups else digest(*parts)
    return cache_dir() / "requirements" / f"{key}.txt"


def _export(groups: Sequence[str]) -> list[str]:
    return ["export", *(["--only", ",".join(groups)] if groups else ["--all-groups"]), "--format", "requirements.txt"]


def _poetry(path: Path, arguments: Sequence[str]) -> str:
    """Return poetry's export, or poetry's lock, of the project at `path`."""
    file = path / "poetry.lock"
    locked = config.read_text(file) if file.exists() else None
    with poetry.copies(path, locked) as copies:
        online = arguments[0] != "export"
        done = poetry.run(path, copies, arguments, online=online)
        if source := poetry.needed_backend(done, copies):
            from helpers.images import lock_container  # most locks do without an engine

            done = lock_container.run(path, copies, poetry.words(path, copies, arguments), source)
        if done.code == 0:
            return poetry.written(copies) if online else done.stdout
        _explain(path, arguments[0], done, os.path.realpath(copies))


def _explain(path: Path, command: str, done: proc.Completed, copies: str) -> NoReturn:
    said = "\n".join(line for line in (done.stderr or done.stdout).splitlines() if line.strip())
    # Where the index is, and with which password, is nobody's business who reads a log.
    said = (
        said.replace(copies, str(path)).replace(host.pip_index(), "INDEX").replace(_host_of(host.pip_index()), "INDEX")
    )
    if any(text in said for text in _STALE):
        raise StaleError(
            "pyproject.toml says something else than poetry.lock",
            where=path,
            fix=f"invoke docker_lock --dir {shlex.quote(str(path))}",
        )
    if any(text in said for text in ("Connection", "ConnectTimeout", "Max retries", "All attempts to connect")):
        raise InfrastructureError(f"the package index gave no answer: {said.splitlines()[-1]}", fix="invoke doctor")
    raise ConfigError(f"poetry {command} failed: {said[-600:]}", where=path / "pyproject.toml")


def _host_of(url: str) -> str:
    return urllib.parse.urlsplit(url).hostname or url
