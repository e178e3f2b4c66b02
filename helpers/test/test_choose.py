from __future__ import annotations

from pathlib import Path

import pytest

from helpers.engine.choose import choose
from helpers.errors import InfrastructureError


@pytest.mark.parametrize(
    ("address", "first"),
    [("", "dev_scripts/install_engine.sh"), ("tcp://ann:secret@far.example:1", "unset DOCKER_HOST")],
)
def test_without_an_engine_the_first_thing_to_do_is_what_would_help(
    address: str, first: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("DOCKER_HOST", address)
    with pytest.raises(InfrastructureError) as caught:
        choose("docker")
    assert (caught.value.fix or "").startswith(first)
    assert "secret" not in str(caught.value)
    assert caught.value.exit_code == 6
