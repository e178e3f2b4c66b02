"""What a release and a publication share: where the images of a runnable dir go, and what is done with each of them."""

from __future__ import annotations

from collections.abc import Sequence

from helpers import config, repo
from helpers.console import say
from helpers.engine.choose import docker_engine
from helpers.engine.seam import Control
from helpers.engine.specs import ImageSpec
from helpers.images import artifact, scan, trial
from helpers.images.artifact import Artifact, Source
from helpers.images.recipe import image_chain
from helpers.model.runnable import RunnableDir
from helpers.model.stage import Stage
from helpers.registry.repository import Registry
from helpers.release import testing


class Job:
    """One runnable dir whose images go from the commit that is checked out, through an engine, to a registry.

    Arguments:
        runnable: the directory.
        load: reads the runnable dir at a path, for bases of the kind `dir:`.
        platforms: what its images are for; empty is this machine's own.
        control: stops what is under way.

    Raises:
        InfrastructureError: no docker engine answers.
        UsageError: the checkout has no commit.
        ConfigError: no registry is set.
    """

    def __init__(
        self, runnable: RunnableDir, load: config.Loader, platforms: tuple[str, ...], control: Control
    ) -> None:
        self.runnable = runnable
        self.control = control
        self.registry = Registry(runnable.repository, control)
        self.engine = docker_engine()
        self.source = Source(*repo.commit(runnable.root))
        self._load = load
        self._platforms = platforms

    def chain(self, stage: Stage) -> list[ImageSpec]:
        """Return the images for a stage, bases first; `dev` is built as `local` is."""
        built_as = Stage.PROD if stage is Stage.PROD else Stage.LOCAL
        return image_chain(self.runnable, self._load, built_as, self._platforms)

    def make(self, chain: Sequence[ImageSpec], source: Source | None = None) -> Artifact:
        """Return the last image of `chain` as an OCI layout, after building what is missing.

        Arguments:
            chain: images, each one built on the one before it.
            source: what its labels say it is from; None is the commit that is checked out.

        Raises:
            BuildError: one of them can not be built.
        """
        return artifact.make(self.engine, chain, source or self.source, self.control)

    def scan(self, made: Artifact) -> None:
        """Look for what must not be in a `prod` image.

        Raises:
            PolicyError: it is in there.
        """
        for line in scan.check(made.layout, made.digest, self.runnable, self._load).lines:
            say(line)

    def try_image(self, made: Artifact) -> None:
        """Start an image on each of its platforms, as the engine has it under its digest.

        Raises:
            PolicyError: it does not work on one of them.
        """
        artifact.load(self.engine, made, testing.reference_of(self.runnable, made.digest))
        trial.all_platforms(self.engine, trial.Tried(made.image, made.digest, self.runnable), self.control)

    def push(self, made: Artifact) -> None:
        """Upload an image by its digest, without a tag.

        Raises:
            InfrastructureError: the registry did not take all of it; the next call goes on from there.
        """
        say(f"pushing {self.runnable.repository}@{made.digest[:19]}")
        say(str(self.registry.push(made.layout, made.digest)))
