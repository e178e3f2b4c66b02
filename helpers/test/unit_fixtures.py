"""Real git repos with small runnable dirs, for tests that need neither network nor engine."""

from __future__ import annotations

import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import config, host
from helpers.images import lock

# The lock of no project in particular, so that a test may change the project: the quoted key is not compared.
LOCK = '[metadata]\n"content-hash" = "any"\n'
# The lock of a project that names no requirement: helpers adds pytest.
DERIVED_LOCK = f'[[package]]\nname = "pytest"\nversion = "8.0"\n\n{LOCK}'
PROJECT = '[project]\nname = "{name}"\nrequires-python = ">=3.11"\n\n[tool.poetry]\npackage-mode = false\n'


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty cache directory of the test's own, and no memory of files that were read before."""
    path = tmp_path / "cache"
    monkeypatch.setenv("HELPERS_CACHE", str(path))
    forget()
    yield path
    forget()


@pytest.fixture
def no_poetry(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Export every lock as nothing to install: poetry itself needs a network for its tool environment."""
    monkeypatch.setattr(lock, "_poetry", lambda path, arguments: "")
    monkeypatch.setattr(lock, "export_all", lambda wanted: None)
    return cache


def forget() -> None:
    """Forget what was read of files and of the machine."""
    config.forget()
    host.settings.cache_clear()


def git(cwd: Path, *arguments: str) -> str:
    """Run git as somebody who has an identity and whose own settings do not matter."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid", "-c", "protocol.file.allow=always"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=cwd, check=True, capture_output=True, encoding="utf-8").stdout


def make_repo(root: Path) -> Path:
    """Make an empty git repo and return its real path."""
    root.mkdir(parents=True)
    git(root, "init", "--quiet", "--initial-branch", "main")
    return root.resolve()


def add_dir(
    root: Path, name: str, settings: str = "", *, version: str = "0.1.0", image: str = "", locked: bool = True
) -> Path:
    """Make a runnable dir in the repo at `root`.

    Arguments:
        root: the repo.
        name: path of the directory; `.` is the root itself.
        settings: lines of `[tool.helpers]`.
        version: version of its one changelog entry.
        image: name of its image; empty takes one that no other directory has.
        locked: whether it has a lock.
    """
    path = root / name
    image = image or f"image-{zlib.crc32(name.encode()):08x}"
    (path / "devops").mkdir(parents=True)
    (path / "test").mkdir()
    (path / "test" / "test_it.py").write_text("def test_it():\n    pass\n")
    (path / "changelog.txt").write_text(f"# {image}-{version}\n- 2026-01-02\n- first\n")
    (path / "pyproject.toml").write_text(f"{PROJECT.format(name=image)}\n[tool.helpers]\n{settings}\n")
    if locked:
        (path / "poetry.lock").write_text(f"# a lock\n{LOCK}")
    return path
