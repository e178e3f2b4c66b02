"""Brings a registry to the state that a checkout describes: looks, plans, does what is left, and looks again."""

from __future__ import annotations

from dataclasses import replace

from helpers import config, repo
from helpers.console import say
from helpers.engine.choose import docker_engine
from helpers.engine.seam import Control
from helpers.engine.specs import ImageSpec
from helpers.errors import InfrastructureError, PolicyError
from helpers.images import artifact, scan
from helpers.images.artifact import Artifact, Source
from helpers.images.recipe import image_chain
from helpers.model.image import LABEL_INPUTS
from helpers.model.release import Action, Published, State, actions
from helpers.model.runnable import RunnableDir
from helpers.model.stage import Stage, candidate_tag, withdrawn_tag
from helpers.model.version import Version
from helpers.registry.repository import Registry
from helpers.release import testing, trial
from helpers.release.committed import check_unchanged


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

    def __init__(
        self, runnable: RunnableDir, load: config.Loader, platforms: tuple[str, ...], control: Control
    ) -> None:
        self._runnable = runnable
        self._load = load
        self._platforms = platforms
        self._control = control
        self._registry = Registry(runnable.repository, control)
        self._engine = docker_engine()
        self._source = Source(*repo.commit(runnable.root))

    def state(self, stage: Stage) -> State:
        """Return how far the release to `stage` has come."""
        return self._state(stage, self._chain(stage))

    def _state(self, stage: Stage, chain: list[ImageSpec]) -> State:
        version = self._runnable.version
        found = [known for tag in self._registry.tags() if (known := stage.version_of(tag))]
        published = self._published(stage.version_tag(version)) if version in found else None
        withdrawn = self._registry.resolve(withdrawn_tag(stage)) if published else None
        built = artifact.find(self._engine, chain, self._source)
        return State(
            name=self._runnable.name,
            stage=stage,
            version=version,
            inputs=chain[-1].inputs,
            changes=tuple(repo.changes(self._runnable.root)),
            newest=max(found, default=None),
            published=published,
            moving=self._registry.resolve(stage.value),
            withdrawn=bool(published and withdrawn == published.digest),
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
        chain = self._chain(stage)
        todo = actions(self._state(stage, chain))
        if todo and todo != (Action.MOVE,):
            # One image for all steps: what is tested is what is pushed and tagged, whatever is edited meanwhile.
            made = artifact.make(self._engine, chain, self._source, self._control)
            check_unchanged(self._runnable.root, self._source)
            actions(self._state(stage, chain))
            for action in todo:
                self._check_stop()
                self._do(action, stage, made)
        if Action.MOVE in todo:
            self._move(stage)
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

    def _do(self, action: Action, stage: Stage, made: Artifact) -> None:
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
        inputs: hash of what its `prod` image would be built from now; empty takes any.
        version: the version.

    Raises:
        PolicyError: there is no such candidate, a newer version is released, or this one with other content.
        ValueError: `version` is none.
    """
    tags = registry.tags()
    released = {known for tag in tags if (known := Stage.PROD.version_of(tag))}
    wanted = Version.parse(version)
    if wanted not in released and (newer := max(released, default=wanted)) > wanted:
        raise PolicyError(
            f"{newer} is released already",
            where=runnable.repository,
            why=f"{version} would be released after it",
            fix=f"invoke docker_rollback --version {newer}  (if that is what should be in use)",
        )
    waiting = sorted(
        digest for tag in tags if tag.startswith(f"candidate-{version}-") if (digest := registry.resolve(tag))
    )
    fitting = [digest for digest in dict.fromkeys(waiting) if not inputs or _inputs_of(registry, digest) == inputs]
    if len(fitting) != 1:
        raise PolicyError(
            f"{len(fitting) or 'no'} tested builds of {version} wait for a promotion",
            where=runnable.repository,
            why=f"candidates: {', '.join(waiting)}" if waiting else None,
            fix="invoke docker_release --stage prod",
        )
    (digest,) = fitting
    tag = Stage.PROD.version_tag(wanted)
    registry.put_once(tag, digest)
    registry.tag(digest, Stage.PROD.value)
    return tag, digest


def _inputs_of(registry: Registry, digest: str) -> str:
    labels = registry.config(digest).get("config", {}).get("Labels") or {}
    return str(labels.get(LABEL_INPUTS, ""))
