"""Repos with runnable dirs for the tests of `dir_create`, `dir_check` and `dir_list`; only the lock is made up."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from helpers import config, pyproject
from helpers.dirs import check, create
from helpers.images import lock_source
from helpers.model import base_lock, poetry_lock
from helpers.model.base_lock import BaseLock
from helpers.test.unit_fixtures import make_repo

# As in `unit_fixtures`, the lock of no project in particular.
LOCK = '[[package]]\nname = "pytest"\nversion = "8.0.0"\n\n[metadata]\nlock-version = "2.1"\n"content-hash" = "any"\n'
GOOD = """\
[project]
name = "NAME"
requires-python = ">=3.11,<3.12"
dynamic = ["version"]

[tool.poetry]
package-mode = false

[tool.helpers]
base = "archive:bookworm"
"""
TODAY = datetime.date(2026, 11, 21)


def make_lock(path: Path, named: Path) -> bool:
    """Lock a directory as `docker_lock` does: in a file of ours beside settings of ours."""
    config.forget()
    source = lock_source.to_write(path)
    source.file.write_text(packages_of(source.manifest()) + LOCK)
    return True


def packages_of(manifest: str) -> str:
    """Return the packages of a lock that has what a `pyproject.toml` asks for."""
    wanted = {name for _, name in poetry_lock.holes({}, pyproject.parse_toml(manifest, Path("pyproject.toml")))}
    return "".join(f'[[package]]\nname = "{name}"\nversion = "1"\n\n' for name in sorted(wanted - {"pytest"}))


def agreed(path: Path) -> Path:
    """Find that the lock says what `pyproject.toml` says."""
    return path / "poetry.lock"


def recorded(path: Path) -> str:
    """Record the digest of the base as a registry tells it."""
    (path / base_lock.PATH).write_text(
        str(BaseLock("image:python:3.12-slim-bookworm", "python:3.12-slim-bookworm", f"sha256:{'1' * 64}", TODAY))
    )
    return "recorded"


DOORS = create.Doors(lock=make_lock, requirements=agreed, record=recorded)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty git repo with a place for runnable dirs."""
    path = make_repo(tmp_path / "a repo")
    (path / "runnable_dirs").mkdir()
    return path


def sound(root: Path, name: str, settings: str = "") -> Path:
    """A runnable dir with nothing wrong in it."""
    path = root / name
    for file, text in {
        "devops/.gitkeep": "",
        "changelog.txt": f"# {path.name}-0.1.0\n- 2024-05-06\n- first version\n",
        "pyproject.toml": GOOD.replace("NAME", path.name) + settings,
        "poetry.lock": LOCK,
        "test/test_it.py": "def test_it():\n    assert True\n",
    }.items():
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        (path / file).write_text(text)
    return path


def tree(path: Path) -> dict[str, bytes]:
    """Return every file below a path with its content."""
    return {str(file.relative_to(path)): file.read_bytes() for file in sorted(path.rglob("*")) if file.is_file()}


def new(root: Path, name: str, *, source: str = "", base: str = "", python: str = "") -> int:
    """Make a runnable dir without a network."""
    return create.main(name, source=source, base=base, python=python, cwd=root, doors=DOORS)


def findings(root: Path, path: Path) -> list[str]:
    """Return what is wrong with a directory, a line each."""
    return [finding.text(path) for finding in check.check(root, path, agreed)]
