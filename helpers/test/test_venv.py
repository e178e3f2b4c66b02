"""What the venv engine gives to a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers import proc
from helpers.engine import venv
from helpers.engine.seam import Control
from helpers.test.test_again import SPEC


def test_variables_of_the_run_win_over_those_of_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[dict[str, str]] = []
    monkeypatch.setattr(proc, "Child", lambda command, cwd, env: given.append(env))
    monkeypatch.setattr(venv, "run_here", lambda *_: None)
    of_settings: dict[str, Any] = {"values": {"HOME": "/mine", "MODE": "test"}, "file_values": {"TMPDIR": "/mine"}}
    spec = replace(SPEC, image="/venv", inherit=("VIRTUAL_ENV",), **of_settings)
    monkeypatch.setenv("VIRTUAL_ENV", "/another")
    venv.VenvEngine().run(spec, tmp_path / "log", 1.0, Control())
    (env,) = given
    assert env["HOME"] == env["TMPDIR"] and "helpers-home-" in env["HOME"]
    assert (env["VIRTUAL_ENV"], env["MODE"]) == ("/venv", "test")
