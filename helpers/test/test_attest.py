"""Attestations of an image: in BuildKit's form, of its inputs only, the same bytes for the same inputs."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.engine.specs import ImageSpec
from helpers.errors import InfrastructureError
from helpers.images import attest
from helpers.images import layout as files
from helpers.model.image import Base
from helpers.model.stage import Stage
from helpers.test.registry_fixtures import Layout

REVISION = "0123456789abcdef0123456789abcdef01234567"
LABELS = {
    "org.opencontainers.image.title": "tool",
    "org.opencontainers.image.version": "1.2.3",
    "org.opencontainers.image.revision": REVISION,
    "org.opencontainers.image.created": "2026-01-02T03:04:05Z",
    "org.opencontainers.image.base.digest": f"sha256:{'b' * 64}",
}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """An empty layout."""
    return Layout(tmp_path / "layout")


def spec(path: Path, base: str = "archive:bookworm") -> ImageSpec:
    """Return an image of a directory at `path`, with the shared recipe."""
    path.mkdir(exist_ok=True)
    (path / "poetry.lock").write_text("# a lock\n")
    return ImageSpec(
        key="tool",
        reference="tool:inputs",
        inputs="1" * 64,
        base=Base.parse(base),
        directory=path,
        labels=LABELS,
        dockerfile=Path(attest.__file__).with_name("Dockerfile"),
        stage=Stage.PROD,
    )


def test_each_platform_gets_its_attestation_in_the_form_of_buildkit(layout: Layout, tmp_path: Path) -> None:
    layout.index("x", "amd64", "arm64")
    built = files.images(layout.path, files.top(layout.path))
    digest = attest.attach_provenance(layout.path, spec(tmp_path / "tool"))
    assert files.top(layout.path) == digest
    entries = files.manifest(layout.path, digest).content["manifests"]
    assert [entry["platform"]["architecture"] for entry in entries] == ["amd64", "arm64", "unknown", "unknown"]
    for entry, image in zip(entries[2:], built.values(), strict=True):
        assert entry["platform"] == {"architecture": "unknown", "os": "unknown"}
        assert entry["annotations"] == {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": image.digest,
        }
        (layer,) = files.manifest(layout.path, entry["digest"]).content["layers"]
        assert layer["mediaType"] == "application/vnd.in-toto+json"
        assert layer["annotations"] == {"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"}
        (about,) = json.loads(files.read(layout.path, layer["digest"]))["subject"]
        assert f"sha256:{about['digest']['sha256']}" == image.digest
    assert files.images(layout.path, digest) == built


def test_the_image_of_one_platform_becomes_an_index(layout: Layout, tmp_path: Path) -> None:
    image = layout.image("x", "arm64")
    files.set_top(layout.path, image)
    digest = attest.attach_provenance(layout.path, spec(tmp_path / "tool"))
    assert files.manifest(layout.path, digest).platforms == {"linux/arm64": image["digest"]}
    said = attest.attached(layout.path)[str(image["digest"])][attest.PROVENANCE]
    assert said["invocation"]["environment"] == {"platform": "linux/arm64"}


def test_the_same_inputs_at_two_paths_give_one_digest_and_another_lock_another(layout: Layout, tmp_path: Path) -> None:
    layout.index("x", "amd64")
    other = tmp_path / "other"
    shutil.copytree(layout.path, other)
    one, two = spec(tmp_path / "one"), spec(tmp_path / "two")
    digest = attest.attach_provenance(layout.path, one)
    assert attest.attach_provenance(other, two) == digest
    assert attest.attach_provenance(layout.path, one) == digest, "said twice is said once"
    (tmp_path / "two" / "poetry.lock").write_text("# another lock\n")
    assert attest.attach_provenance(other, two) != digest


def test_provenance_names_the_commit_the_base_the_lock_and_the_recipe(tmp_path: Path) -> None:
    said = attest.provenance(spec(tmp_path / "tool"), "linux/amd64")
    materials = {item["uri"]: item["digest"] for item in said["materials"]}
    assert materials["pkg:generic/tool@1.2.3"] == {"sha1": REVISION}
    assert materials["archive:bookworm"] == {"sha256": "b" * 64}
    assert set(materials) >= {"pkg:generic/tool@1.2.3#poetry.lock", "pkg:generic/helpers#images/Dockerfile"}
    assert "2026-01-02T03:04:05Z" in json.dumps(said["metadata"])
    assert str(tmp_path) not in json.dumps(said)


def test_a_directorys_own_recipe_is_named_as_its_own(tmp_path: Path) -> None:
    image = spec(tmp_path / "tool")
    own = tmp_path / "tool" / "devops" / "Dockerfile"
    own.parent.mkdir()
    own.write_text("FROM scratch\n")
    said = attest.provenance(replace(image, dockerfile=own), "linux/amd64")
    assert "pkg:generic/tool@1.2.3#devops/Dockerfile" in {item["uri"] for item in said["materials"]}


def test_a_recipe_that_is_a_link_out_of_the_directory_is_named_as_the_directory_has_it(tmp_path: Path) -> None:
    image = spec(tmp_path / "tool")
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    link = tmp_path / "tool" / "devops" / "Dockerfile"
    link.parent.mkdir()
    link.symlink_to(tmp_path / "Dockerfile")
    said = attest.provenance(replace(image, dockerfile=link), "linux/amd64")
    assert "pkg:generic/tool@1.2.3#devops/Dockerfile" in {item["uri"] for item in said["materials"]}


@pytest.mark.parametrize("commit, kind", [(REVISION, "sha1"), ("ab" * 32, "sha256")])
def test_the_digest_of_a_tree_with_changes_is_that_of_its_commit(tmp_path: Path, commit: str, kind: str) -> None:
    image = spec(tmp_path / "tool")
    dirty = {**LABELS, "org.opencontainers.image.revision": f"{commit}-dirty"}
    source = attest.provenance(replace(image, labels=dirty), "linux/amd64")["materials"][0]
    assert source == {"uri": f"pkg:generic/tool@1.2.3?revision={commit}-dirty", "digest": {kind: commit}}


@pytest.mark.parametrize(
    "stage, packages, locked, expected",
    [
        (Stage.PROD, (), "", True),
        (Stage.PROD, ("graphviz",), "", False),
        (Stage.PROD, ("graphviz",), "[amd64]\n", True),
        (Stage.DEV, (), "", False),
    ],
)
def test_only_what_is_pinned_to_the_last_is_called_reproducible(
    tmp_path: Path, stage: Stage, packages: tuple[str, ...], locked: str, expected: bool
) -> None:
    image = replace(spec(tmp_path / "tool"), stage=stage, system_packages=packages, system_lock=locked)
    assert attest.provenance(image, "linux/amd64")["metadata"]["reproducible"] is expected


@pytest.mark.parametrize(
    "base, uri",
    [
        ("image:python:3.12-slim", "pkg:docker/python@3.12-slim"),
        ("image:team/tool", "pkg:docker/team/tool"),
        ("image:registry.example:5000/team/tool:1", "pkg:docker/team/tool@1?repository_url=registry.example%3A5000"),
        ("image:localhost/tool", "pkg:docker/tool?repository_url=localhost"),
        ("dir:../base", "dir:../base"),
    ],
)
def test_a_base_is_named_as_others_know_it(tmp_path: Path, base: str, uri: str) -> None:
    said = attest.provenance(spec(tmp_path / "tool", base), "linux/amd64")
    assert said["materials"][1]["uri"] == uri


def test_a_damaged_layout_is_named(layout: Layout) -> None:
    digest = layout.index("x", "amd64")
    layout.file(digest).write_bytes(b"{}")
    with pytest.raises(InfrastructureError, match="not what its name says"):
        files.images(layout.path, digest)
    (layout.path / "index.json").write_text('{"manifests": []}')
    with pytest.raises(InfrastructureError, match="names no image"):
        files.top(layout.path)
