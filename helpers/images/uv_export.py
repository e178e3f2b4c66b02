"""Exports `uv.lock` by uv, on copies of the manifests: uv reads no other file of a checkout, and builds nothing."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from helpers import checkout_file, host, proc, repo
from helpers.engine.tools import uv
from helpers.errors import ConfigError
from helpers.images.lock_source import LockSource
from helpers.model.hashed_requirements import logical_lines
from helpers.model.pinned_line import GIT, MAIN, Selection
from helpers.model.poetry_lock import normal_name
from helpers.model.uv_lock import extras, local_path
from helpers.storage import scratch

_SECONDS = 120.0
_SETTINGS = {"UV_NO_CONFIG": "1", "UV_NO_CACHE": "1", "UV_OFFLINE": "1", "UV_PYTHON_DOWNLOADS": "never"}
_PLAIN = ("--no-build", "--no-emit-local", "--no-header", "--no-annotate", "--format", "requirements.txt")
# uv ends with this code for a lock that it would change, and with another code if it cannot compare.
_STALE = 1


def manifests(source: LockSource) -> list[Path]:
    """Return the manifests that decide about the lock: those of the directory, of the lock's place and its projects.

    Raises:
        ConfigError: the lock is not one of uv.
    """
    paths = source.read(lambda data: [local_path(package) for package in data["package"]])
    root = repo.find_root(source.directory)
    places = [source.directory, source.file.parent, *(source.file.parent / path for path in paths if path)]
    found = {Path(os.path.normpath(place)) / "pyproject.toml" for place in places}
    return sorted(file for file in found if file.is_relative_to(root) and os.path.lexists(file))


def export(source: LockSource, chosen: Selection) -> tuple[str, bool]:
    """Return the requirements file of the lock, and whether uv could compare the lock with the manifests.

    uv cannot compare without a Python that the project accepts, or if a manifest names its dependencies only by a
    build backend.

    Raises:
        StaleError: the lock does not match the manifests.
        ConfigError: uv refuses the lock, or it has no such group or extra.
    """
    place = os.path.relpath(source.directory, source.file.parent)
    known = source.read(lambda data: extras(data, place))
    if missing := [name for name in chosen.extras if normal_name(name) not in known]:
        raise ConfigError(f"has no extra {missing[0]!r}", where=source.file, fix=f"the extras are: {', '.join(known)}")
    with scratch() as copies:
        root = repo.find_root(source.directory)
        for file in (*manifests(source), source.file):
            copy = copies / file.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(checkout_file.read(file))
        project = copies / source.directory.relative_to(root)
        done = _uv(project, ["--locked", *_chosen(chosen)])
        if done.code == _STALE:
            raise source.stale()
        compared = done.code == 0
        if not compared:
            done = _uv(project, ["--frozen", *_chosen(chosen)])
        if done.code:
            said = done.stderr.replace(str(copies), str(root)).strip()
            raise ConfigError(f"uv cannot export it: {said[-600:]}", where=source.file, fix=source.command())
    for _, line in logical_lines(done.stdout):
        if not line.startswith("-") and " --hash=" not in line and not re.search(f"@ *{GIT}", line):
            name, why = re.split(r"[ =@;[]", line)[0], "an installer compares each file with the hash in the lock"
            what = f"{name} comes from a place without hashes"
            raise ConfigError(what, where=source.file, why=why, fix="take a release of it")
    return done.stdout, compared


def _uv(place: Path, words: Sequence[str]) -> proc.Completed:
    env = {**host.tool_environment(), **_SETTINGS}
    command = [str(uv()), "export", "--project", str(place), *words, *_PLAIN]
    return proc.run(command, cwd=place, env=env, timeout=_SECONDS)


def _chosen(chosen: Selection) -> list[str]:
    wanted = [word for name in chosen.extras for word in ("--extra", name)]
    if chosen.groups is None:
        return [*wanted, "--all-groups"]
    groups = [word for name in chosen.groups if name != MAIN for word in ("--group", name)]
    return [*wanted, "--no-default-groups", *groups]
