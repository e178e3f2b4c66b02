"""Records of bases of whose registry only the engine's client is asked, without a network."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.errors import InfrastructureError
from helpers.images import bases
from helpers.model.base_lock import PATH
from helpers.test.unit_fixtures import add_dir, cache, make_repo

__all__ = ["cache"]

HERE, RECORDED = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"


def offline(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program in the client's place that has an image and reaches no registry."""
    program = folder / "docker"
    answer = f"""case "$1" in buildx) echo "no route to host" >&2; exit 1 ;; *) echo '[{{"Id": "{HERE}"}}]' ;; esac"""
    program.write_text(f"#!/bin/sh\n{answer}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


@pytest.mark.parametrize("name", ["python:3.12", "docker.io/library/python:3.12"])
def test_without_a_network_the_engine_s_image_is_recorded_once_and_a_record_stays_as_it_is(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    offline(tmp_path, monkeypatch)
    root = make_repo(tmp_path / "r")
    add_dir(root, ".")
    file = add_dir(root, "one", f'base = "image:{name}"') / PATH
    monkeypatch.chdir(root)
    assert bases.update("one", dry_run=False) == 0
    assert HERE in file.read_text() and "no registry says" in capsys.readouterr().err
    old = f'base = "image:{name}"\nname = "{name}"\ndigest = "{RECORDED}"\nrecorded = "2026-01-02"\n'
    for digest in (RECORDED, HERE):
        file.write_text(old.replace(RECORDED, digest))
        with pytest.raises(InfrastructureError, match="no route to host"):
            bases.update("one", dry_run=False)
        assert file.read_text() == old.replace(RECORDED, digest)
    assert bases.show("one") == 6


def test_an_update_of_nothing_says_so(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    root = make_repo(tmp_path / "r")
    add_dir(root, "one", 'base = "archive:bookworm"')
    monkeypatch.chdir(root)
    assert bases.update("", dry_run=False) == 0
    assert "nothing to do" in capsys.readouterr().err
