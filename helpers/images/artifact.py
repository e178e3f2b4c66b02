"""Builds an image into an OCI layout, the bytes that a registry will hold, and gives it to the engine to be tried."""

from __future__ import annotations

import datetime
import os
import shutil
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from helpers.console import say
from helpers.engine.seam import Control, Engine, Ingredients, Layout
from helpers.engine.specs import ImageSpec
from helpers.errors import InfrastructureError
from helpers.images import attest, build
from helpers.images import layout as files
from helpers.model import image as names
from helpers.model.stage import Stage
from helpers.storage import cache_dir, digest, locked, use
from helpers.thin_env.slow_steps import shown


class LayoutEngine(Engine, Protocol):
    """An engine that builds what a registry can hold."""

    def build_layout(
        self, image: ImageSpec, ingredients: Ingredients, layout: Layout, log: Path, control: Control
    ) -> None:
        """Build `image` into an OCI layout."""

    def build_directory(
        self, image: ImageSpec, ingredients: Ingredients, target: str, directory: Path, control: Control
    ) -> None:
        """Write the files of a stage of the recipe of `image` to a directory."""

    def load(self, archive: Path, digest: str, names: Sequence[str]) -> None:
        """Read an image from an archive of an OCI layout, and give it names."""


@dataclass(frozen=True)
class Source:
    """The commit that an image is built from.

    Arguments:
        revision: its id.
        epoch: when it was made, in seconds since 1970; nothing in the image is newer.
    """

    revision: str
    epoch: int

    @property
    def created(self) -> str:
        """When it was made, as RFC 3339 writes it."""
        return datetime.datetime.fromtimestamp(self.epoch, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass(frozen=True)
class Artifact:
    """An image as an OCI layout.

    Arguments:
        image: what it was built as, with all its labels.
        below: what it is built on.
        layout: its directory.
        digest: of its index, the same in the layout, in the engine and in a registry.
    """

    image: ImageSpec
    below: ImageSpec
    layout: Path
    digest: str


def make(engine: LayoutEngine, chain: Sequence[ImageSpec], source: Source, control: Control) -> Artifact:
    """Return the last image of `chain` as an OCI layout, after building what is missing.

    Arguments:
        engine: builds it, and has or builds what it is built on.
        chain: images, each one built on the one before it.
        source: the commit that it is built from.
        control: stops a build.

    Raises:
        BuildError: one of them can not be built.
    """
    below = chain[-2]
    base = build.ensure(engine, chain[:-1], control)
    image, kept = _kept(chain[-1], source, base)
    use("layouts", kept.name)
    with locked(f"layout-{kept.name}.lock", stop=lambda: bool(control.level)):
        if not kept.exists():
            platforms = f" for {', '.join(image.platforms)}" if image.platforms else ""
            say(f"building {image.key}, stage {image.stage.value}{platforms}")
            if image.entrypoint == ("python",):
                say(
                    f"note: {image.key} has no package with a __main__.py: its container starts Python and nothing else"
                )
            ingredients = build.ingredients([*chain[:-1], image], below.reference)
            log = cache_dir() / "builds" / f"layout-{kept.name}.log"
            log.parent.mkdir(parents=True, exist_ok=True)

            def make_layout(aside: Path) -> None:
                engine.build_layout(image, ingredients, Layout(aside, source.epoch), log, control)
                # The engine took what stood under the tag: the same base, built by somebody else at this moment, has
                # another digest, and the labels would name the wrong one.
                if engine.find([below.reference]) != {below.reference: base}:
                    raise InfrastructureError("its base was replaced during the build", where=image.key, fix="again")
                attest.attach_all(aside, image)

            put_aside(kept, make_layout)
    return Artifact(image, below, kept, files.top(kept))


def find(engine: LayoutEngine, chain: Sequence[ImageSpec], source: Source) -> Artifact | None:
    """Return what `make` would, if it is there already and nothing needs to be built."""
    below = chain[-2]
    base = engine.find([below.reference]).get(below.reference)
    if not base:
        return None
    image, kept = _kept(chain[-1], source, base)
    use("layouts", kept.name)
    return Artifact(image, below, kept, files.top(kept)) if kept.exists() else None


def _kept(image: ImageSpec, source: Source, base: str) -> tuple[ImageSpec, Path]:
    """Return the image with the labels of what is released, and where its layout is kept."""
    labelled = _labelled(image, source, base)
    labels = (f"{name}={value}" for name, value in sorted(labelled.labels.items()))
    return labelled, cache_dir() / "layouts" / digest(image.inputs, *labels)[:32]


def load(engine: LayoutEngine, artifact: Artifact, reference: str) -> None:
    """Give an artifact to the engine, as `reference`; its id there is its digest."""
    if engine.find([reference]).get(reference) == artifact.digest:
        return
    archive = artifact.layout.with_name(f"{artifact.layout.name}.{os.getpid()}.tar")
    try:
        with shown(f"loading {artifact.image.reference} into the engine", key="loading an image", usual=5.0):
            with tarfile.open(archive, "w") as file:
                file.add(artifact.layout, arcname=".")
            engine.load(archive, artifact.digest, [reference])
    finally:
        archive.unlink(missing_ok=True)


def _labelled(image: ImageSpec, source: Source, base: str) -> ImageSpec:
    more = {names.LABEL_REVISION: source.revision, names.LABEL_CREATED: source.created, names.LABEL_BASE_DIGEST: base}
    return replace(
        image, labels={**image.labels, **more}, stage=image.stage if image.stage is Stage.PROD else Stage.DEV
    )


def put_aside(kept: Path, make: Callable[[Path], None]) -> None:
    """Make a directory beside where it will be kept, and move it there: one that was cut off is never taken for whole.

    Arguments:
        kept: where it goes.
        make: makes it at the path that it is given.
    """
    kept.parent.mkdir(parents=True, exist_ok=True)
    aside = kept.with_name(f".{kept.name}-{os.getpid()}-{os.urandom(4).hex()}")
    try:
        make(aside)
        shutil.rmtree(aside / "ingest", ignore_errors=True)
        os.replace(aside, kept)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
