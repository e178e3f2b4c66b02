"""Locks dependencies with poetry, and exports a lock as pinned requirements with hashes for the installer."""

from __future__ import annotations

import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from helpers import config, host, proc
from helpers.errors import ConfigError, InfrastructureError, LockHeldError
from helpers.images.recipe import lock_text, python_minor
from helpers.storage import cache_dir, digest, use, write_once
from helpers.thin_env import ThinEnvError
from helpers.thin_env.bootstrap import ensure_tool_env

_POETRY_REQUIREMENTS = Path(__file__).parent.parent / "thin_env" / "poetry.txt"
_WRAPPER = Path(__file__).with_name("poetry_for_python.py")
_SECONDS = 900.0
# Poetry's own words when a project says something else than its lock.
_STALE = ("changed significantly", "not up to date", "lock file does not exist")


def lock(path: Path) -> bool:
    """Write `poetry.lock` of the runnable dir at `path`, for all platforms and the directory's Python.

    Returns:
        Whether the file changed.

    Raises:
        ConfigError: poetry finds no solution, or `pyproject.toml` is wrong.
    """
    file = path / "poetry.lock"
    before = file.read_bytes() if file.exists() else None
    _poetry(path, ["lock"])
    return file.read_bytes() != before


def requirements(path: Path, groups: Sequence[str] = ()) -> Path:
    """Return a file with what the lock of the runnable dir at `path` pins, hashes included.

    Arguments:
        path: the directory.
        groups: only what these groups of dependencies need; `main` is that of `[project] dependencies`. Empty is all.

    Raises:
        ConfigError: there is no lock, or `pyproject.toml` says something else than it.
    """
    # The project is a part of the key because the export is also the check that lock and project agree.
    parts = (lock_text(path), config.read_text(path / "pyproject.toml"), _POETRY_REQUIREMENTS.read_bytes())
    key = digest(*parts, ",".join(groups)) if groups else digest(*parts)
    file = cache_dir() / "requirements" / f"{key}.txt"
    if file.exists():
        return file
    config.parse_toml(lock_text(path), path / "poetry.lock", "git checkout it, or remove it and: invoke docker_lock")
    which = ["--only", ",".join(groups)] if groups else ["--all-groups"]
    return write_once(file, _poetry(path, ["export", *which, "--format", "requirements.txt"]))


def _poetry(path: Path, arguments: Sequence[str]) -> str:
    python = _poetry_environment() / "bin" / "python"
    minor = python_minor(str(config.read_pyproject(path).get("project", {}).get("requires-python", "")))
    settings = host.settings()
    env = {**os.environ, **settings.environment(str(settings.ca) if settings.ca else None)}
    env |= {"POETRY_PYPI_MIRROR_URL": host.pip_index(), "POETRY_NO_INTERACTION": "1", "NO_COLOR": "1"}
    env |= {"PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring"}
    # -I: the directory of the wrapper holds modules whose names poetry imports from elsewhere.
    argv = [str(python), "-I", str(_WRAPPER), minor, "--directory", str(path), "--no-ansi", *arguments]
    done = proc.run(argv, cwd=path, env=env, timeout=_SECONDS)
    if done.code == 0:
        return done.stdout
    said = "\n".join(line for line in (done.stderr or done.stdout).splitlines() if line.strip())
    if any(text in said for text in _STALE):
        raise ConfigError(
            "pyproject.toml says something else than poetry.lock",
            where=path,
            fix=f"invoke docker_lock --dir {shlex.quote(str(path))}",
        )
    if any(text in said for text in ("Connection", "ConnectTimeout", "Max retries", "All attempts to connect")):
        raise InfrastructureError(f"the package index gave no answer: {done.reason}", fix="invoke doctor")
    raise ConfigError(f"poetry {arguments[0]} failed: {said[-600:]}", where=path / "pyproject.toml")


def _poetry_environment() -> Path:
    try:
        env = ensure_tool_env(_POETRY_REQUIREMENTS)
    except ThinEnvError as error:
        kind = LockHeldError if error.exit_code == LockHeldError.exit_code else InfrastructureError
        raise kind(f"poetry's tool environment could not be made: {error}") from None
    use("envs", env.name)
    return env
