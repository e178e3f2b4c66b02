"""Locks dependencies with poetry, and exports a lock as pinned requirements with hashes for the installer."""

from __future__ import annotations

import json
import os
import shlex
import urllib.parse
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from helpers import config, host, proc
from helpers.errors import ConfigError, HelpersError, InfrastructureError, UsageError
from helpers.images.recipe import lock_text, python_minor
from helpers.images.tool_environment import lock_of, python_of
from helpers.model.poetry_lock import normal_name, pinned
from helpers.storage import cache_dir, digest, write_once

_WRAPPER = Path(__file__).with_name("poetry_for_python.py")
_SECONDS = 900.0
_ENVIRONMENT = {
    "POETRY_NO_INTERACTION": "1",
    "NO_COLOR": "1",
    "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
}
_BROKEN = "git checkout it, or remove it and: invoke docker_lock"
# Poetry's own words when a project says something else than its lock.
_STALE = ("changed significantly", "not up to date", "lock file does not exist")


def lock(path: Path, upgrade: Sequence[str] = (), days: int = 0) -> bool:
    """Write `poetry.lock` of the runnable dir at `path`, for all platforms and the directory's Python.

    What is locked stays as it is where `pyproject.toml` allows it.

    Arguments:
        path: the directory.
        upgrade: packages of the lock that move to their newest version that fits.
        days: how old every file of the lock must be; 0 is any age.

    Returns:
        Whether the file changed.

    Raises:
        ConfigError: poetry finds no solution, or `pyproject.toml` is wrong.
        UsageError: a package to upgrade is not in the lock.
        PolicyError: a file is too young; the lock is then as it was before.
    """
    file = path / "poetry.lock"
    before = file.read_bytes() if file.exists() else None
    if upgrade:
        _check_names(path, upgrade)
    try:
        _poetry(path, ["update", "--lock", "--", *upgrade] if upgrade else ["lock"])
        _check_ages(path, days)
    except BaseException:
        _restore(file, before)
        raise
    return file.read_bytes() != before


def check(path: Path, days: int = 0) -> None:
    """Return when the lock of the runnable dir at `path` is that of its `pyproject.toml`; asks nobody about that.

    Arguments:
        path: the directory.
        days: how old every file of the lock must be, which its package index is asked; 0 is any age.

    Raises:
        ConfigError: they disagree, or there is no lock.
        PolicyError: a file is too young.
    """
    requirements(path)
    _check_ages(path, days)


def read_lock(path: Path) -> dict[str, Any]:
    """Return the parsed lock of the runnable dir at `path`; empty when it has none.

    Raises:
        ConfigError: it is not TOML.
    """
    file = path / "poetry.lock"
    return config.parse_toml(config.read_text(file), file, _BROKEN) if file.exists() else {}


def _check_ages(path: Path, days: int) -> None:
    if days:
        from helpers.images.uploads import refuse_younger  # only this needs a client of the index

        refuse_younger(pinned(read_lock(path)), days, path / "poetry.lock")


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


def _restore(file: Path, before: bytes | None) -> None:
    if before is None:
        file.unlink(missing_ok=True)
    elif file.read_bytes() != before:
        file.write_bytes(before)


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
    config.parse_toml(lock_text(path), path / "poetry.lock", _BROKEN)
    return write_once(file, _poetry(path, _export(groups)))


def export_all(wanted: Iterable[tuple[Path, Sequence[str]]]) -> None:
    """Export several locks at once, so that `requirements` finds them; what goes wrong is said by that.

    Arguments:
        wanted: directories, each with what `requirements` is given for it.
    """
    request = {}
    for path, groups in wanted:
        try:
            file = _exported(path, groups)
            if not file.exists():
                request[str(file)] = _arguments(path, _export(groups))
        except HelpersError:
            continue
    if len(request) < 2:
        return
    (cache_dir() / "requirements").mkdir(parents=True, exist_ok=True)
    with suppress(HelpersError):
        argv = [str(python_of("poetry")), "-I", str(_WRAPPER)]
        env = {**os.environ, **_ENVIRONMENT}
        proc.run(argv, env=env, stdin=json.dumps(list(request.items())), timeout=_SECONDS)


def _exported(path: Path, groups: Sequence[str]) -> Path:
    # The project is a part of the key because the export is also the check that lock and project agree.
    parts = (lock_text(path), config.read_text(path / "pyproject.toml"), lock_of("poetry").read_bytes())
    key = digest(*parts, ",".join(groups)) if groups else digest(*parts)
    return cache_dir() / "requirements" / f"{key}.txt"


def _export(groups: Sequence[str]) -> list[str]:
    return ["export", *(["--only", ",".join(groups)] if groups else ["--all-groups"]), "--format", "requirements.txt"]


def _arguments(path: Path, arguments: Sequence[str]) -> list[str]:
    """Return what the wrapper is given to run poetry with `arguments` for the directory at `path`."""
    minor = python_minor(str(config.read_pyproject(path).get("project", {}).get("requires-python", "")))
    return [minor, "--directory", str(path), "--no-ansi", *arguments]


def _poetry(path: Path, arguments: Sequence[str]) -> str:
    python = python_of("poetry")
    env = {**os.environ, **_ENVIRONMENT}
    # An export asks no index, so pip, which takes a while, is not asked where that is.
    if arguments[0] != "export":
        settings = host.settings()
        env |= settings.environment(str(settings.ca) if settings.ca else None)
        env |= {"POETRY_PYPI_MIRROR_URL": host.pip_index()}
    # -I: the directory of the wrapper holds modules whose names poetry imports from elsewhere.
    argv = [str(python), "-I", str(_WRAPPER), *_arguments(path, arguments)]
    done = proc.run(argv, cwd=path, env=env, timeout=_SECONDS)
    if done.code == 0:
        return done.stdout
    said = "\n".join(line for line in (done.stderr or done.stdout).splitlines() if line.strip())
    # Where the index is, and with which password, is nobody's business who reads a log.
    said = said.replace(host.pip_index(), "INDEX").replace(_host_of(host.pip_index()), "INDEX")
    if any(text in said for text in _STALE):
        raise ConfigError(
            "pyproject.toml says something else than poetry.lock",
            where=path,
            fix=f"invoke docker_lock --dir {shlex.quote(str(path))}",
        )
    if any(text in said for text in ("Connection", "ConnectTimeout", "Max retries", "All attempts to connect")):
        raise InfrastructureError(f"the package index gave no answer: {said.splitlines()[-1]}", fix="invoke doctor")
    raise ConfigError(f"poetry {arguments[0]} failed: {said[-600:]}", where=path / "pyproject.toml")


def _host_of(url: str) -> str:
    return urllib.parse.urlsplit(url).hostname or url
