"""A real registry, a proxy that breaks things before it, and small OCI layouts made by hand."""

from __future__ import annotations

import gzip
import io
import json
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from helpers.registry import connection, http, upload
from helpers.registry.manifest import OCI_INDEX, OCI_MANIFEST, sha256
from helpers.test.fault_proxy import FaultProxy, fault_proxy

# Tests wait for a silent server as long as it takes: the times of `hasty` are a thirtieth of the real ones.
SHORT = 30.0
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def free_port() -> int:
    """Return a port that nobody listens on now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def docker_registry(directory: Path, *, removes: bool = True) -> Iterator[str]:
    """Run Debian's `docker-registry` and yield its host and port.

    Arguments:
        directory: what it keeps.
        removes: whether it obeys DELETE; by default it does not.
    """
    host = f"127.0.0.1:{free_port()}"
    config = directory / "registry.yml"
    settings = {
        "version": "0.1",
        "log": {"level": "error", "accesslog": {"disabled": True}},
        "storage": {
            "filesystem": {"rootdirectory": str(directory / "registry")},
            "delete": {"enabled": removes},
        },
        "http": {"addr": host},
    }
    config.write_text(json.dumps(settings))  # JSON is YAML.
    with (directory / "registry.log").open("wb") as log:
        process = subprocess.Popen(["docker-registry", "serve", str(config)], stdout=log, stderr=log)
    try:
        _wait_for(host, process)
        yield host
    finally:
        process.kill()
        process.wait()


def _wait_for(host: str, process: subprocess.Popen[bytes]) -> None:
    name, _, port = host.partition(":")
    for _ in range(200):
        assert process.poll() is None, "the registry ended"
        try:
            socket.create_connection((name, int(port)), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the registry does not answer")


class Layout:
    """An OCI layout that images are added to."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / "blobs" / "sha256").mkdir(parents=True)
        (path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        """Add a blob and return its descriptor."""
        digest = sha256(data)
        self.file(digest).write_bytes(data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def file(self, digest: str) -> Path:
        """Return the file of a blob."""
        return self.path / "blobs" / "sha256" / digest.partition(":")[2]

    def image(self, text: str, architecture: str = "amd64", **labels: str) -> dict[str, Any]:
        """Add an image with one file that says `text`, and return its descriptor."""
        layer, diff_id = _layer(text)
        config = {
            "architecture": architecture,
            "os": "linux",
            "config": {"Labels": labels},
            "rootfs": {"type": "layers", "diff_ids": [diff_id]},
        }
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.blob(json.dumps(config).encode(), _CONFIG),
            "layers": [self.blob(layer, _LAYER)],
        }
        platform = {"os": "linux", "architecture": architecture}
        return {**self.blob(json.dumps(manifest).encode(), OCI_MANIFEST), "platform": platform}

    def index(self, text: str, *architectures: str) -> str:
        """Add an index of one image for each architecture and return its digest."""
        images = [self.image(f"{text} {architecture}", architecture, said=text) for architecture in architectures]
        index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": images}
        descriptor = self.blob(json.dumps(index).encode(), OCI_INDEX)
        whole = {"schemaVersion": 2, "manifests": [descriptor]}
        (self.path / "index.json").write_text(json.dumps(whole))
        return str(descriptor["digest"])


def _layer(text: str) -> tuple[bytes, str]:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        item = tarfile.TarInfo("said.txt")
        item.size = len(text.encode())
        tar.addfile(item, io.BytesIO(text.encode()))
    return gzip.compress(out.getvalue(), mtime=0), sha256(out.getvalue())


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One registry for all tests of a module; each one has a repository of its own."""
    with docker_registry(tmp_path_factory.mktemp("registry")) as address:
        yield address


@pytest.fixture
def proxy(real: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultProxy]:
    """A proxy before the real registry, and no Docker logins."""
    monkeypatch.setenv("DOCKER_CONFIG", "/nonexistent")
    with fault_proxy(real) as server:
        yield server


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up `SHORT` times as early."""
    monkeypatch.setattr(connection, "SILENCE_SECONDS", connection.SILENCE_SECONDS / SHORT)
    monkeypatch.setattr(http, "CALL_SECONDS", http.CALL_SECONDS / SHORT)
    for module in (http, upload):
        monkeypatch.setattr(module, "_FIRST_WAIT_SECONDS", module._FIRST_WAIT_SECONDS / SHORT)


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An empty layout."""
    return Layout(tmp_path / "layout")


def seconds(begin: float) -> float:
    """Return the seconds since `begin`, a time of `time.monotonic()`."""
    return time.monotonic() - begin


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A repository that no other test has."""
    return f"t{abs(hash(request.node.name)):x}"
