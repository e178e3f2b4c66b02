"""Attestations as others read them: the docker client from a registry, and the engine that an image is loaded into."""

from __future__ import annotations

import json
import subprocess
import tarfile
from pathlib import Path

import pytest

from helpers.engine.docker import DockerEngine
from helpers.images import attest
from helpers.registry.repository import Registry
from helpers.test.conftest import docker
from helpers.test.registry_fixtures import Layout, docker_registry
from helpers.test.test_attest import REVISION, spec

pytestmark = [pytest.mark.engine, pytest.mark.slow]


def test_the_docker_client_reads_the_provenance_of_each_platform(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.index("x", "amd64", "arm64")
    digest = attest.attach_provenance(layout.path, spec(tmp_path / "tool"))
    with docker_registry(tmp_path) as host:
        registry = Registry(f"{host}/tool")
        registry.push(layout.path, digest)
        registry.tag(digest, "dev")
        said = docker("buildx", "imagetools", "inspect", f"{host}/tool:dev", "--format", "{{json .Provenance}}")
    found = json.loads(said)
    assert set(found) == {"linux/amd64", "linux/arm64"}
    slsa = found["linux/arm64"]["SLSA"]
    assert slsa["builder"]["id"] == "pkg:generic/helpers"
    assert {"sha1": REVISION} in [item["digest"] for item in slsa["materials"]]


def test_the_engine_takes_an_image_with_attestations_under_the_same_digest(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "layout")
    layout.index(str(tmp_path), "amd64")
    digest = attest.attach_provenance(layout.path, spec(tmp_path / "tool"))
    with tarfile.open(tmp_path / "layout.tar", "w") as file:
        file.add(layout.path, arcname=".")
    reference = f"helpers-test-attest:{digest[-12:]}"
    try:
        DockerEngine().load(tmp_path / "layout.tar", digest, [reference])
        assert docker("image", "inspect", "--format", "{{.Id}}", reference).strip() == digest
    finally:
        subprocess.run(["docker", "image", "rm", "--force", reference], check=False, capture_output=True)
