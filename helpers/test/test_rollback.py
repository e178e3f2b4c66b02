"""`docker_rollback` from its command on: what it locks."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.errors import LockHeldError
from helpers.release import commands, moving
from helpers.storage import locked
from helpers.test.unit_fixtures import add_dir, cache, make_repo

__all__ = ["cache"]


def test_list_of_versions_does_not_wait_for_a_release(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_repo(tmp_path / "r")
    path = add_dir(root, ".", 'registry = "127.0.0.1:1"', image="tool")
    monkeypatch.setattr(commands, "_LOCK_SECONDS", 0.1)
    monkeypatch.setattr(moving, "versions", lambda registry, stage: [])
    with locked("release-tool.lock", timeout=0.1):
        assert commands.rollback(str(path), "prod", "") == 0
        with pytest.raises(LockHeldError):
            commands.rollback(str(path), "prod", "0.1.0")
    assert "no version is released to prod" in "".join(capsys.readouterr())
