"""Proxies in the docker client's settings, passwords included, stay out of every container and build."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.test.conftest import Scratch
from helpers.test.test_live_services import WEB

pytestmark = [pytest.mark.engine, pytest.mark.slow]

SETTINGS = {
    "proxies": {"default": {"httpProxy": "http://u:very-secret@127.0.0.1:1", "noProxy": "x"}},
    "auths": {"registry.invalid": {"auth": "bm9ib2R5OnNlY3JldA=="}},
}
NO_PROXY = "import os\ndef test_it():\n    assert not [name for name in os.environ if 'proxy' in name.lower()]\n"
ASKS_SERVICE = """
import os, urllib.request
def test_it():
    url = f"http://{os.environ['WEB_HOST']}:{os.environ['WEB_PORT']}/env"
    page = urllib.request.urlopen(url, timeout=5).read().decode()
    assert "PATH=" in page and "proxy" not in page.lower()
"""


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """A directory of settings of the client, with a proxy."""
    made = tmp_path / "docker"
    made.mkdir()
    (made / "config.json").write_text(json.dumps(SETTINGS))
    return made


def test_no_container_and_no_build_has_variables_of_the_client(scratch: Scratch, settings: Path) -> None:
    scratch.add("plain", NO_PROXY)
    served = scratch.add("served", ASKS_SERVICE, image="served")
    writes = WEB.replace("echo serving;", "env > /srv/env;")
    (served / "devops" / "compose.yaml").write_text(writes)
    built = scratch.add("built", NO_PROXY, image="built")
    fails = f"RUN if env | grep -i proxy; then exit 1; fi  # {scratch.prefix}\n"
    (built / "devops" / "Dockerfile").write_text(f"ARG BASE\nFROM ${{BASE}}\n{fails}")
    result = scratch.run("--engine", "docker", DOCKER_CONFIG=str(settings))
    assert (result.of("plain"), result.of("served")) == (("PASS", 0), ("PASS", 0)), result.stderr
    assert result.verdicts["built"]["verdict"] != "BUILD", result.stderr
    done = scratch.invoke("docker_cmd", "--dir", "plain", "--", "env", DOCKER_CONFIG=str(settings))
    assert done.returncode == 0 and "HOME=" in done.stdout and "proxy" not in done.stdout.lower(), done.stderr
