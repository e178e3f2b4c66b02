"""Brings a registry to the state that a checkout describes: looks, plans, does what is left, and looks again."""

from __future__ import annotations

from dataclasses import replace

from helpers import repo
from helpers.console import say
from helpers.engine.choose import docker_engine
from helpers.engine.seam import Control
from helpers.engine.specs import ImageSpec
from helpers.errors import InfrastructureError, PolicyError
from helpers.images import artifact, scan
from helpers.images.artifact import Artifact, Source
from helpers.images.recipe import Loader, image_chain
from helpers.model.image import LABEL_INPUTS
from helpers.model.release import Action, Published, State, actions
from helpers.model.runnable import RunnableDir
from helpers.model.stage import Stage, candidate_tag
from helpers.registry.repository import Registry
from helpers.release import testing, trial


class Releasing:
    """The release of one runnable dir.

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

    def __init__(self, runnable: RunnableDir, load: Loader, platforms: tuple[str, ...], control: Control) -> None:
        self._runnable = runnable
        self._load = load
        self._platforms = platforms
        self._control = control
        self._registry = Registry(runnable.repository, control)
        self._engine = docker_engine()
        self._source = Source(*repo.commit(runnable.root))

    def state(self, stage: Stage) -> State:
        """Return how far the release to `stage` has come."""
        chain = self._chain(stage)
        version = self._runnable.version
        found = [known for tag in self._registry.tags() if (known := stage.version_of(tag))]
        tag = stage.version_tag(version)
        built = artifact.find(self._engine, chain, self._source)
        return State(
            name=self._runnable.name,
            stage=stage,
            version=version,
            inputs=chain[-1].inputs,
            changes=tuple(repo.changes(self._runnable.root)),
            newest=max(found, default=None),
            published=self._published(tag) if version in found else None,
            moving=self._registry.resolve(stage.value),
            built=built.digest if built else None,
            tested=bool(built and testing.is_tested(built.digest)),
        )

    def converge(self, stage: Stage) -> tuple[Action, ...]:
        """Do what is left of the release to `stage` and return what was done.

        Raises:
            PolicyError: it would break a rule of releases; nothing that is released was changed.
            BuildError: the image can not be built, or does not work.
            TestsFailedError: its tests did not pass.
            InfrastructureError: engine or registry did not do their part; the next call goes on from there.
        """
        todo = actions(self.state(stage))
        for action in todo:
            self._check_stop()
            self._do(action, stage)
        if todo and (left := actions(self.state(stage))):
            raise InfrastructureError(
                f"not done: {', '.join(action.value for action in left)}", where=self._runnable.name, fix="again"
            )
        return todo

    def push(self) -> tuple[str, str]:
        """Build the image of the stage `local`, try it, push it and return its reference and digest."""
        from helpers.host import user

        source = self._source
        if repo.changes(self._runnable.root):
            # As `git describe --dirty` marks what no commit holds.
            source = replace(source, revision=f"{source.revision}-dirty")
        made = artifact.make(self._engine, self._chain(Stage.LOCAL), source, self._control)
        self._try(made)
        self._registry.push(made.layout, made.digest)
        tag = Stage.LOCAL.version_tag(self._runnable.version, user().name)
        self._registry.tag(made.digest, tag)
        return f"{self._runnable.repository}:{tag}", made.digest

    def _chain(self, stage: Stage) -> list[ImageSpec]:
        built_as = Stage.PROD if stage is Stage.PROD else Stage.LOCAL
        return image_chain(self._runnable, self._load, built_as, self._platforms)

    def _published(self, tag: str) -> Published | None:
        digest = self._registry.resolve(tag)
        return Published(digest, _inputs_of(self._registry, digest)) if digest else None

    def _do(self, action: Action, stage: Stage) -> None:
        made = artifact.make(self._engine, self._chain(stage), self._source, self._control)
        if action is Action.TRY:
            if stage is Stage.PROD:
                for line in scan.check(made.layout, made.digest, self._runnable, self._load).lines:
                    say(line)
            self._try(made)
        elif action is Action.TEST:
            testing.test(self._engine, made, self._runnable, self._control)
        elif action is Action.PUSH:
            say(f"pushing {self._runnable.repository}@{made.digest[:19]}")
            say(str(self._registry.push(made.layout, made.digest)))
            if stage is Stage.PROD:
                self._registry.put_once(candidate_tag(self._runnable.version, made.digest), made.digest)
        elif action is Action.TAG:
            self._registry.put_once(stage.version_tag(self._runnable.version), made.digest)
        elif action is Action.MOVE:
            self._move(stage)

    def _try(self, made: Artifact) -> None:
        reference = testing.reference_of(self._runnable, made.digest)
        artifact.load(self._engine, made, reference)
        trial.try_all(self._engine, made, self._runnable, self._control)

    def _move(self, stage: Stage) -> None:
        tag = stage.version_tag(self._runnable.version)
        digest = self._registry.resolve(tag)
        if not digest:
            raise InfrastructureError(f"the registry lost the tag {tag}", where=self._runnable.repository, fix="again")
        self._registry.tag(digest, stage.value)

    def _check_stop(self) -> None:
        if self._control.level:
            raise InfrastructureError("stopped by the user", where=self._runnable.name)


def promote(registry: Registry, runnable: RunnableDir, inputs: str, version: str) -> tuple[str, str]:
    """Give a tested `prod` build its version tag, move `prod` to it, and return the tag and the digest.

    Nothing is built: the candidate's very bytes, all its platforms, get another name.

    Arguments:
        registry: where its images are.
        runnable: the directory.
        inputs: hash of what its `prod` image would be built from now; chooses among several candidates.
        version: the version.

    Raises:
        PolicyError: there is no such candidate, or the version is released with other content.
    """
    prefix = candidate_tag(version)
    digests = {digest for tag in registry.tags() if tag.startswith(prefix) and (digest := registry.resolve(tag))}
    fitting = [digest for digest in digests if len(digests) == 1 or _inputs_of(registry, digest) == inputs]
    if not fitting:
        raise PolicyError(
            f"no tested build of {version} waits for its promotion",
            where=runnable.repository,
            why=f"{len(digests)} candidates, none of what this checkout holds" if digests else None,
            fix="invoke docker_release --stage prod",
        )
    (digest,) = fitting[:1]
    tag = f"{Stage.PROD.value}-{version}"
    registry.put_once(tag, digest)
    registry.tag(digest, Stage.PROD.value)
    return tag, digest


def _inputs_of(registry: Registry, digest: str) -> str:
    labels = registry.config(digest).get("config", {}).get("Labels") or {}
    return str(labels.get(LABEL_INPUTS, ""))
