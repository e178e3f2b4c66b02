"""The same inputs give the same image, and a prod image holds what it is promised to hold."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import config, repo
from helpers.engine.docker import DockerEngine
from helpers.engine.seam import Control, Ingredients
from helpers.engine.specs import ImageSpec
from helpers.images import artifact, attest, scan
from helpers.images import layout as files
from helpers.images.artifact import Artifact
from helpers.images.layers import contents
from helpers.images.recipe import image_chain
from helpers.model.runnable import RunnableDir
from helpers.model.stage import Stage
from helpers.test.conftest import ROOT

pytestmark = [pytest.mark.engine, pytest.mark.slow]

EXAMPLE = "runnable_dirs/forecast"


class Forgetful(DockerEngine):
    """An engine whose builder uses no step of a build before."""

    @staticmethod
    def _build(
        command: list[str], image: ImageSpec, log: Path, control: Control, made_of: Ingredients | None = None
    ) -> None:
        after = command.index("build") + 1
        DockerEngine._build([*command[:after], "--no-cache", *command[after:]], image, log, control, made_of)


class Checkout:
    """A clone of this repo at a path of its own, whose layouts are kept beside it."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = path / "clone"
        self.kept = path / "cache"
        self.monkeypatch = monkeypatch
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(self.root)], check=True)

    def load(self, path: Path) -> RunnableDir:
        return config.load(self.root, path, ())

    def build(self) -> Artifact:
        """Build the prod image of the example, each step anew."""
        with self.monkeypatch.context() as patch:
            patch.setattr(artifact, "cache_dir", lambda: self.kept)
            chain = image_chain(self.load(self.root / EXAMPLE), self.load, Stage.PROD)
            source = artifact.Source(*repo.commit(self.root))
            return artifact.make(Forgetful(), chain, source, Control())


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[tuple[Checkout, Artifact]]]:
    """The same image, built in two clones."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        paths = [tmp_path_factory.mktemp("one"), tmp_path_factory.mktemp("another one, with a longer name")]
        checkouts = [Checkout(path, monkeypatch) for path in paths]
        yield [(checkout, checkout.build()) for checkout in checkouts]


def test_two_clones_at_two_paths_give_one_digest(two: list[tuple[Checkout, Artifact]]) -> None:
    one, other = (made for _, made in two)
    assert one.layout != other.layout, "the second one was not built"
    logs = [made.layout.parent.parent / "builds" / f"layout-{made.layout.name}.log" for made in (one, other)]
    # The base, which both stand on, is the one step that is there.
    assert [log.read_text().count("CACHED") for log in logs] == [1, 1], "the second one is made of steps of the first"
    assert difference(one, other) == []
    assert one.digest == other.digest


def test_a_prod_image_holds_packages_and_code_and_nothing_else(two: list[tuple[Checkout, Artifact]]) -> None:
    checkout, made = two[0]
    runnable = checkout.load(checkout.root / EXAMPLE)
    report = scan.check(made.layout, made.digest, runnable, checkout.load)
    (held,) = report.contents
    groups = scan.outside_os(held)
    assert {name.split()[0] for name in groups} == {"code", "environment", "system", "pydantic", "typing_extensions"}
    sources = {path for path in groups["code"] if "__pycache__" not in path}
    tracked = {path.relative_to(runnable.path).as_posix() for path in repo.tracked(runnable.path / "forecast")}
    assert sources == {f"/app/forecast/{name}" for name in tracked}
    system = {path.split("/")[1] for path in groups["system"]}
    assert system <= {"dev", "etc", "root", "usr", "var"}, groups["system"]


def test_an_artifact_says_what_it_was_made_from_and_what_it_is_made_of(two: list[tuple[Checkout, Artifact]]) -> None:
    made = two[1][1]
    (said,) = attest.attached(made.layout).values()
    assert set(said) == {attest.PROVENANCE, attest.SBOM}
    assert "pkg:pypi/pydantic@1." in json.dumps(said[attest.SBOM])
    materials = [item["digest"] for item in said[attest.PROVENANCE]["materials"]]
    assert {"sha1": made.image.labels["org.opencontainers.image.revision"]} in materials


def difference(one: Artifact, other: Artifact) -> list[str]:
    """Return the files whose entries differ, and the labels; content is told by its layer alone."""
    held = [contents(made.layout, made.digest)[0] for made in (one, other)]
    pairs = zip(*(image.layers for image in held), strict=True)
    named = [
        f"{left.digest[:19]} {path}"
        for left, right in pairs
        if left.digest != right.digest
        for path in sorted({file.path for file in set(left.files) ^ set(right.files)} or {"the content of a file"})
    ]
    configs = [
        json.dumps(files.config(made.layout, image.image)) for made, image in zip((one, other), held, strict=True)
    ]
    return [*named, *(["the configuration"] if configs[0] != configs[1] and not named else [])]
