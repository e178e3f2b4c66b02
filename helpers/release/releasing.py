"""Brings a registry to the state that a checkout describes: looks, plans, does what is left, and looks again."""

from __future__ import annotations

from dataclasses import replace

from helpers import repo
from helpers.engine.specs import ImageSpec
from helpers.errors import InfrastructureError
from helpers.host import user
from helpers.images import artifact
from helpers.images.artifact import Artifact
from helpers.model.release import Action, Published, State, actions
from helpers.model.stage import Stage, candidate_tag, withdrawn_tag
from helpers.release import moving, testing
from helpers.release.committed import check_unchanged
from helpers.release.job import Job


class Releasing:
    """The release of one runnable dir.

    Arguments:
        job: the directory, and where its images go.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._runnable = job.runnable
        self._registry = job.registry

    def state(self, stage: Stage) -> State:
        """Return how far the release to `stage` has come."""
        return self._state(stage, self._job.chain(stage))

    def converge(self, stage: Stage) -> State:
        """Do what is left of the release to `stage` and return how far it had come before.

        Raises:
            PolicyError: it would break a rule of releases; nothing that is released was changed.
            BuildError: the image can not be built, or does not work.
            TestsFailedError: its tests did not pass.
            InfrastructureError: engine or registry did not do their part; the next call goes on from there.
        """
        chain = self._job.chain(stage)
        before = self._state(stage, chain)
        todo = actions(before)
        if todo and todo != (Action.MOVE,):
            # One image for all steps: what is tested is what is pushed and tagged, whatever is edited meanwhile.
            made = self._job.make(chain)
            check_unchanged(self._runnable.root, self._job.source)
            actions(self._state(stage, chain))
            for action in todo:
                self._check_stop()
                self._do(action, stage, made)
        if Action.MOVE in todo:
            version_tag = stage.version_tag(self._runnable.version)
            self._registry.tag(moving.digest_of(self._registry, version_tag), stage.value)
        return before

    def push(self) -> tuple[str, str]:
        """Build the image of the stage `local`, try it, push it and return its reference and digest."""
        source = self._job.source
        if repo.changes(self._runnable.root):
            # As `git describe --dirty` marks what no commit holds.
            source = replace(source, revision=f"{source.revision}-dirty")
        made = self._job.make(self._job.chain(Stage.LOCAL), source)
        self._job.try_image(made)
        self._job.push(made)
        tag = Stage.LOCAL.version_tag(self._runnable.version, user().name)
        self._registry.tag(made.digest, tag)
        return f"{self._runnable.repository}:{tag}", made.digest

    def _state(self, stage: Stage, chain: list[ImageSpec]) -> State:
        version = self._runnable.version
        released = moving.versions(self._registry, stage)
        published = self._published(stage.version_tag(version)) if version in released else None
        withdrawn = bool(published and self._registry.resolve(withdrawn_tag(stage)) == published.digest)
        now = self._registry.resolve(stage.value)
        built = artifact.find(self._job.engine, chain, self._job.source)
        return State(
            name=self._runnable.name,
            stage=stage,
            version=version,
            inputs=chain[-1].inputs,
            changes=tuple(repo.changes(self._runnable.root)),
            newest=max(released, default=None),
            published=published,
            moving=now,
            withdrawn=withdrawn,
            in_use=moving.version_of(self._registry, stage, now) if now and withdrawn else None,
            built=built.digest if built else None,
            tested=bool(built and testing.is_tested(built.digest)),
        )

    def _published(self, tag: str) -> Published | None:
        digest = self._registry.resolve(tag)
        return Published(digest, moving.inputs_of(self._registry, digest)) if digest else None

    def _do(self, action: Action, stage: Stage, made: Artifact) -> None:
        if action is Action.TRY:
            if stage is Stage.PROD:
                self._job.scan(made)
            self._job.try_image(made)
        elif action is Action.TEST:
            testing.test(self._job.engine, made, self._runnable, self._job.control)
        elif action is Action.PUSH:
            self._job.push(made)
            if stage is Stage.PROD:
                self._registry.put_once(candidate_tag(self._runnable.version, made.digest), made.digest)
        elif action is Action.TAG:
            self._registry.put_once(stage.version_tag(self._runnable.version), made.digest)

    def _check_stop(self) -> None:
        if self._job.control.level:
            raise InfrastructureError("stopped by the user", where=self._runnable.name)
