from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.engine import client_config
from helpers.test.test_live_client_proxies import SETTINGS, settings

__all__ = ["settings"]


def test_the_copy_of_the_settings_keeps_logins_and_plugins(
    settings: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_CONFIG", str(settings))
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    (settings / "cli-plugins").mkdir()
    option, copy = client_config.without_proxies()
    assert option == "--config" and client_config.without_proxies() == [option, copy]
    assert json.loads((Path(copy) / "config.json").read_text()) == {"auths": SETTINGS["auths"]}
    assert (Path(copy) / "config.json").stat().st_mode & 0o777 == 0o600
    assert (Path(copy) / "cli-plugins").resolve() == settings / "cli-plugins"
    (settings / "config.json").write_text("{}")
    assert client_config.without_proxies() == [] and not Path(copy).exists()
