"""A registry that says only what a test plans, and the file that Docker keeps logins in."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.test.fault_proxy import Fault, FaultProxy, fault_proxy, status

SECRET = "s3cret-word"


@pytest.fixture
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that Docker keeps logins in; it does not exist yet."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker" / "config.json"


def basic(user: str, password: str) -> str:
    """Return a login as Docker's file and HTTP spell it."""
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def log_in(file: Path, server: FaultProxy, **entry: str) -> None:
    """Write Docker's file with a login for the server; by default that of `u`, with the password `SECRET`."""
    file.write_text(json.dumps({"auths": {server.host: entry or {"auth": basic("u", SECRET)}}}))


@pytest.fixture
def server() -> Iterator[FaultProxy]:
    """A registry that knows nothing but what a test plans."""
    with fault_proxy() as proxy:
        yield proxy


def says(content: object, **headers: str) -> Fault:
    """Return the answer that is this content, in JSON."""
    return status(200, json.dumps(content).encode(), **headers)
