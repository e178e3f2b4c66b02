from __future__ import annotations

import os
from pathlib import Path

import pytest

from helpers.engine.choose import choose
from helpers.engine.install import install_command
from helpers.errors import InfrastructureError
from helpers.test.conftest import ROOT


@pytest.mark.parametrize(
    ("address", "first"),
    [("", "helpers/engine/install_engine.sh"), ("tcp://ann:secret@far.example:1", "unset DOCKER_HOST")],
)
def test_without_an_engine_the_first_thing_to_do_is_what_would_help(
    address: str, first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(InfrastructureError) as caught:
        choose("docker")
    assert (caught.value.fix or "").startswith(first)
    assert "secret" not in str(caught.value)
    assert caught.value.exit_code == 6


def test_the_command_that_gets_an_engine_is_there_wherever_the_user_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for directory in (ROOT, ROOT / "helpers", tmp_path):
        monkeypatch.chdir(directory)
        assert os.access(install_command(), os.X_OK)
        assert install_command().endswith("engine/install_engine.sh") and not install_command().startswith("..")
