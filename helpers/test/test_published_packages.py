"""The packages of a published base, and how they limit a lock."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import proc
from helpers.engine import client
from helpers.images import lock, lock_source, published_packages
from helpers.model import base_lock
from helpers.test.unit_fixtures import add_dir, cache, make_repo

__all__ = ["cache"]

RECORD = f"""\
base = "dir:../base"
name = "team.example/base:2026.01.02.1"
digest = "sha256:{64 * "a"}"
recorded = "2026-01-02"
"""
OURS = f'{RECORD}inputs = "1"\n'
SAID = "Attrs-25.1.dist-info\nzope.interface-5.4.dist-info\n*.dist-info\nodd-1 ; x.dist-info\nno suffix\n"


class Engine:
    """An engine that counts its starts of the base."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.code, self.why, self.starts = 0, "", 0
        monkeypatch.setattr(client, "why_not_running", lambda: self.why)
        monkeypatch.setattr(proc, "run", self.run)

    def run(self, command: list[str], **options: object) -> proc.Completed:
        assert f"team.example/base:2026.01.02.1@sha256:{64 * 'a'}" in command
        self.starts += 1
        return proc.Completed((), self.code, SAID, "no such image" if self.code else "")


@pytest.fixture
def engine(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    return Engine(monkeypatch)


def test_packages_of_a_published_base_are_asked_once(engine: Engine) -> None:
    recorded = base_lock.parse(OURS, "base.lock")
    for _ in range(2):
        assert published_packages.of(recorded) == {"attrs": "25.1", "zope-interface": "5.4"}
    assert engine.starts == 1


def test_image_of_another_tool_is_not_asked(engine: Engine) -> None:
    assert published_packages.of(base_lock.parse(RECORD, "base.lock")) == {} and engine.starts == 0


@pytest.mark.parametrize(("why", "code"), [("no engine", 0), ("", 125)])
def test_base_that_cannot_be_asked_is_a_note(
    engine: Engine, capsys: pytest.CaptureFixture[str], why: str, code: int
) -> None:
    engine.why, engine.code = why, code
    assert published_packages.of(base_lock.parse(OURS, "base.lock")) == {}
    assert (
        "note: the lock does not follow the packages of team.example/base:2026.01.02.1: no " in capsys.readouterr().err
    )


def test_lock_is_limited_by_the_published_base_and_not_by_the_directory_of_the_base(
    tmp_path: Path, engine: Engine
) -> None:
    root = make_repo(tmp_path / "r")
    add_dir(root, "base")
    path = add_dir(root, "one", 'base = "dir:../base"')
    (path / "devops" / "base.lock").write_text(OURS)
    limits = lock._constraints(lock_source.of(path))
    assert limits["attrs"] == ("==25.1", "team.example/base:2026.01.02.1 below it has 25.1") and len(limits) == 2
