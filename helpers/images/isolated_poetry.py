"""Starts poetry on the host: on copies of a project's two files, away from the checkout and from our variables."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from helpers import config, host, proc
from helpers.errors import ConfigError
from helpers.images import local_sources, package_indexes
from helpers.images.lock_source import LockSource
from helpers.images.tool_environment import python_of
from helpers.model.python_specifier import lowest_minor
from helpers.repo.remotes import network_environment
from helpers.storage import scratch

_WRAPPER = Path(__file__).with_name("poetry_for_python.py")
_SECONDS = 900.0
_MANY_BYTES = 64 << 20
# The wrapper's own exit codes.
_NEEDS_BACKEND, _CONFLICT = 3, 4
# By the name of a package, the versions that fit, and the place that decides so.
Constraints = Mapping[str, tuple[str, str]]
_SETTINGS = {
    "POETRY_NO_INTERACTION": "1",
    "NO_COLOR": "1",
    "PYTHON_KEYRING_BACKEND": "keyring.backends.null.Keyring",
}
# The user's own settings of poetry for a lock with private indexes. A lock needs no token for publication.
_OF_THE_USER = (
    *("POETRY_CACHE_DIR", "POETRY_CONFIG_DIR", "POETRY_REQUESTS_", "POETRY_REPOSITORIES_"),
    *("POETRY_HTTP_BASIC_", "POETRY_CERTIFICATES_", "SSH_AUTH_SOCK"),
)


@contextmanager
def copies(source: LockSource, constraints: Constraints | None = None) -> Iterator[Path]:
    """Yield a new directory with copies of the project of a lock: its `pyproject.toml`, and its `poetry.lock`.

    Arguments:
        source: the lock.
        constraints: limits of a new lock.

    Raises:
        ConfigError: `pyproject.toml`, or that of a local source, is missing or not a sound file.
    """
    project = source.manifest()
    if not source.is_derived:
        local_sources.of_project(source.directory)
    with scratch() as directory:
        (directory / "pyproject.toml").write_bytes(project.encode())
        if constraints:
            (directory / "constraints.json").write_text(json.dumps(constraints), encoding="utf-8")
        if os.path.lexists(source.file):
            (directory / "poetry.lock").write_bytes(source.text().encode())
        yield directory


def words(source: LockSource, directory: Path, arguments: Sequence[str]) -> list[str]:
    """Return the arguments of the wrapper: Python, project, copies, and the arguments of poetry."""
    project = config.parse_toml(source.manifest(), source.directory / "pyproject.toml").get("project", {})
    minor = lowest_minor(str(project.get("requires-python", "")))
    return [minor, os.path.realpath(source.directory), os.path.realpath(directory), *arguments]


def run(source: LockSource, directory: Path, arguments: Sequence[str], *, online: bool) -> proc.Completed:
    """Run poetry on copies, and return the ended process.

    Arguments:
        source: the lock of the project.
        directory: the copies of its files.
        arguments: the arguments of poetry.
        online: whether poetry may ask the package index; an export needs neither the index nor settings of the user.
    """
    env = _online_environment(source) if online else _offline_environment(directory)
    return proc.run([*_command(), *words(source, directory, arguments)], cwd=directory, env=env, timeout=_SECONDS)


def run_all(request: Sequence[tuple[str, Sequence[str]]]) -> None:
    """Export several locks by one start of poetry; the wrapper documents `request`."""
    with scratch() as directory:
        env = _offline_environment(directory)
        proc.run(_command(), cwd=directory, env=env, stdin=json.dumps(request), timeout=_SECONDS)


def needed_backend(done: proc.Completed, directory: Path) -> str:
    """Return the source whose build backend the ended run of poetry needs; empty without a needed backend.

    The source is a directory of this machine, or the name of a fetched archive or clone.
    """
    if done.code != _NEEDS_BACKEND:
        return ""
    source = Path(json.loads(done.stderr.splitlines()[-1])["needs_backend"])
    fetched = source.is_relative_to(os.path.realpath(directory)) or not source.is_dir()
    return source.name if fetched else str(source)


def conflicts(done: proc.Completed) -> dict[str, str]:
    """Return the packages of which no version fits the constraints, with the reason; empty after another end."""
    if done.code != _CONFLICT:
        return {}
    *said, last = done.stderr.splitlines()
    # Poetry also tries versions that its explanation leaves out in the end.
    return {str(name): str(why) for name, why in json.loads(last)["conflicts"].items() if name in "\n".join(said)}


def written(directory: Path) -> str:
    """Return the lock written by poetry beside the copies.

    Raises:
        ConfigError: it is missing, or not a regular file of text: a build backend may have replaced it.
    """
    file = directory / "poetry.lock"
    if file.is_symlink() or not file.is_file() or file.stat().st_size > _MANY_BYTES:
        raise ConfigError("poetry left no lock: it is missing, too large, or not a regular file", where=file)
    return config.read_text(file)


def _command() -> list[str]:
    # -I: the directory of the wrapper holds modules whose names poetry imports from elsewhere.
    return [str(python_of("poetry")), "-I", str(_WRAPPER)]


def _offline_environment(directory: Path) -> Mapping[str, str]:
    return {**host.tool_environment(), **_SETTINGS, "POETRY_CONFIG_DIR": str(directory / "no-settings")}


def _online_environment(source: LockSource) -> Mapping[str, str]:
    settings = host.settings()
    found = settings.environment(str(settings.ca) if settings.ca else None)
    # Only this place asks pip for the address: an export asks no index, and pip is slow.
    # Poetry starts the user's git and ssh for a git dependency, without a question to the user.
    network = network_environment()
    git = {name: network[name] for name in ("GIT_SSH_COMMAND", "GIT_TERMINAL_PROMPT", "GIT_ASKPASS", "SSH_ASKPASS")}
    mirror = {"POETRY_PYPI_MIRROR_URL": host.pip_index()}
    return {
        **host.tool_environment(*_OF_THE_USER),
        **_SETTINGS,
        **found,
        **mirror,
        **git,
        **package_indexes.login_variables(source),
    }
