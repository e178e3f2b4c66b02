"""`docker_lock`: what it moves, what it refuses, and what it writes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from helpers.images import lock
from helpers.test.unit_fixtures import add_dir, cache, make_repo

__all__ = ["cache"]


@pytest.fixture
def path(tmp_path: Path, cache: Path) -> Path:
    return add_dir(make_repo(tmp_path / "r"), "one")


def test_an_export_of_some_groups_is_kept_beside_that_of_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []

    def poetry(path: Path, arguments: Sequence[str]) -> str:
        asked.append(arguments)
        return f"{arguments}\n"

    monkeypatch.setattr(lock, "_poetry", poetry)
    files = [lock.requirements(path, groups) for groups in ((), ("main",), ("main", "test"), (), ("main",))]
    assert files[:2] == files[3:] and len(set(files)) == 3
    assert [arguments[1:-2] for arguments in asked] == [["--all-groups"], ["--only", "main"], ["--only", "main,test"]]
    assert "main,test" in files[2].read_text()
