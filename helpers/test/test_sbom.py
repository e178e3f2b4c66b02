"""What an image is made of: every package with its package URL, valid CycloneDX, the same text for the same image."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from helpers import proc
from helpers.errors import InfrastructureError, UsageError
from helpers.images import sbom
from helpers.images.layers import contents
from helpers.images.tool_environment import python_of
from helpers.registry.manifest import Manifest
from helpers.test.conftest import Scratch, docker
from helpers.test.registry_fixtures import Layout
from helpers.test.test_scan import SITE, STATUS, image, tar
from helpers.test.unit_fixtures import add_dir, cache, make_repo

__all__ = ["cache"]

DIGEST = f"sha256:{'0' * 64}"
LABELS = {
    "org.opencontainers.image.title": "tool",
    "org.opencontainers.image.version": "1.2.3",
    "org.opencontainers.image.created": "2026-01-02T03:04:05Z",
}


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, str]:
    """A layout with a small image, and its digest."""
    info = f"{SITE}/Zope.Interface-26.1.0.dist-info"
    blob = tar(
        **{
            "usr/lib/os-release": b'ID=debian\nVERSION_ID="12"\n',
            "var/lib/dpkg/status": STATUS,
            f"{info}/METADATA": b"Name: Zope.Interface\nVersion: 26.1.0\nLicense-Expression: MIT\n",
            "app/tool/a.py": b"1",
        }
    )
    layout = Layout(tmp_path / "layout")
    return layout.path, image(layout, {"Labels": LABELS}, blob)


def component(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = (item for item in document["components"] if item["name"] == name)
    return dict(found)


@pytest.mark.host
@pytest.mark.slow
def test_every_package_has_its_package_url_and_the_code_is_what_it_is_about(made: tuple[Path, str]) -> None:
    layout, digest = made
    (text,) = sbom.of_layout(layout, digest).values()
    document = json.loads(text)
    assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
    assert component(document, "Zope.Interface")["purl"] == "pkg:pypi/zope.interface@26.1.0"
    assert component(document, "Zope.Interface")["licenses"] == [{"expression": "MIT"}]
    assert (
        component(document, "libc6")["purl"] == "pkg:deb/debian/libc6@2.36-9?arch=amd64&distro=debian-12&upstream=glibc"
    )
    assert component(document, "debian")["type"] == "operating-system"
    about = document["metadata"]["component"]
    assert (about["name"], about["version"], about["purl"]) == ("tool", "1.2.3", "pkg:docker/tool@1.2.3")
    assert about["hashes"] == [{"alg": "SHA-256", "content": digest.removeprefix("sha256:")}]
    assert [file["name"] for file in about["components"]] == ["/app/tool/a.py"]
    assert document["metadata"]["timestamp"].startswith("2026-01-02T03:04:05")
    assert sbom.of_layout(layout, digest) == {digest: text}


@pytest.mark.host
@pytest.mark.slow
def test_what_is_not_cyclonedx_is_not_written(made: tuple[Path, str]) -> None:
    layout, digest = made
    (held,) = contents(layout, digest)
    wrong = Manifest(held.image.raw, held.image.media_type)
    wrong.__dict__["digest"] = "sha256:no-hash"
    with pytest.raises(InfrastructureError, match=r"not CycloneDX 1\.6"):
        sbom._write(layout, replace(held, image=wrong))


@pytest.mark.host
@pytest.mark.slow
def test_grammars_that_check_nothing_are_not_compiled() -> None:
    facts = {"name": "a", "version": "1", "purl": "pkg:docker/a@1", "created": "2026-01-02T03:04:05", "digest": DIGEST}
    holds: dict[str, Any] = {"code": {}, "system": {}, "distributions": [], "packages": []}
    argv = [str(python_of("layers")), "-I", "-X", "importtime", str(sbom._WRITER)]
    done = proc.run(argv, stdin=json.dumps({**facts, **holds}))
    assert done.code == 0 and "jsonschema" in done.stderr, done.reason
    assert "lark" not in done.stderr


@pytest.mark.engine
@pytest.mark.slow
def test_the_task_prints_what_is_in_the_image_and_asks_for_one_that_is_not_there(scratch: Scratch) -> None:
    scratch.add("tool", "def test_it():\n    pass\n", image="sbom")
    before = scratch.invoke("docker_images", "--sbom", "--dir", "tool")
    assert before.returncode == 4 and "invoke docker_build --dir" in before.stderr, before.stderr
    assert scratch.invoke("docker_images", "--sbom", "--stage", "dev", "--dir", "tool").returncode == 2
    assert scratch.invoke("docker_build", "--dir", "tool").returncode == 0
    first, second = (scratch.invoke("docker_images", "--sbom", "--dir", "tool") for _ in range(2))
    assert first.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    document = json.loads(first.stdout)
    assert component(document, "pytest")["purl"].startswith("pkg:pypi/pytest@")
    assert component(document, "python3")["purl"].startswith("pkg:deb/debian/python3@")
    id = docker("image", "inspect", "--format", "{{.Id}}", f"{scratch.prefix}-sbom:local-root-0.1.0").strip()
    assert document["metadata"]["component"]["hashes"][0]["content"] == id.removeprefix("sha256:")


def test_without_an_engine_it_is_not_the_image_that_is_missing(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = add_dir(make_repo(tmp_path / "r"), "a")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-socket")
    with pytest.raises(InfrastructureError, match="no docker engine answers"):
        sbom.of_directory(str(path), "local")


def test_stages_that_the_engine_does_not_hold_are_bad_usage() -> None:
    with pytest.raises(UsageError, match="is not local or prod"):
        sbom.of_directory(None, "dev")
