"""Publishes the image of a runnable dir as a base that others are built on: `YYYY.MM.DD.P`, and `latest`.

A child is built twice: its image for work stands on all that is in its base, test packages too; its `prod` image must
not. So a base is published twice under one number, each time an index of all its platforms:

- `YYYY.MM.DD.P` for images of the stages `local` and `dev`,
- `YYYY.MM.DD.P-prod` for images of the stage `prod`.

The number is taken by writing the first of them, which only one of several publishers can do; who finds it taken takes
the next. A publisher that is killed before the second leaves a number that nothing follows: `latest` is moved last.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from helpers import config, repo
from helpers.console import say
from helpers.engine import client
from helpers.engine.choose import docker_engine
from helpers.engine.seam import Control
from helpers.errors import InfrastructureError, PolicyError
from helpers.images import artifact, scan
from helpers.images.artifact import Artifact, Source
from helpers.images.recipe import image_chain
from helpers.model.base_lock import prod_tag
from helpers.model.runnable import RunnableDir
from helpers.model.stage import LATEST, DateTag, Stage, date_tags, next_date_tag
from helpers.registry.once import TagTakenError
from helpers.registry.repository import Registry
from helpers.release import testing, trial
from helpers.release.committed import check_committed, check_unchanged

# So many others would have to publish at the same moment.
_TRIES = 20


@dataclass(frozen=True)
class Base:
    """A base that is built and tried.

    Arguments:
        dev: what images for work are built on.
        prod: what images of the stage `prod` are built on.
    """

    dev: Artifact
    prod: Artifact


class Publishing:
    """The publication of one runnable dir's image as a base.

    Arguments:
        runnable: the directory.
        load: reads the runnable dir at a path, for bases of the kind `dir:`.
        platforms: what the base is for; empty is this machine's own.
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

    def next_tag(self) -> DateTag:
        """Return the date tag that a publication would get now."""
        return next_date_tag(self._known(), _today())

    def publish(self) -> tuple[str, bool]:
        """Build the base, try it, push it, and return its date tag, and whether that is new.

        Raises:
            PolicyError: the checkout has changes that no commit holds, or the image holds what must not be there.
            BuildError: it can not be built, or does not work.
            InfrastructureError: engine or registry did not do their part; nothing follows a tag that is there by half.
        """
        check_committed(self._runnable.root, repo.changes(self._runnable.root))
        source = Source(*repo.commit(self._runnable.root))
        base = self._build(source)
        check_unchanged(self._runnable.root, source)
        for made in (base.dev, base.prod):
            say(f"pushing {self._runnable.repository}@{made.digest[:19]}")
            say(str(self._registry.push(made.layout, made.digest)))
        tag, is_new = self._tag(base)
        self._move_latest()
        return tag, is_new

    def _build(self, source: Source) -> Base:
        made = []
        for stage in (Stage.LOCAL, Stage.PROD):
            chain = image_chain(self._runnable, self._load, stage, self._platforms)
            made.append(artifact.make(self._engine, chain, source, self._control))
        base = Base(*made)
        scan.check(base.prod.layout, base.prod.digest, self._runnable, self._load)
        for one in made:
            artifact.load(self._engine, one, testing.reference_of(self._runnable, one.digest))
            trial.try_all(self._engine, one, self._runnable, self._control)
        return base

    def _tag(self, base: Base) -> tuple[str, bool]:
        """Give the base the next free number, unless the newest one is it already."""
        newest = max(date_tags(self._registry.tags()), default=None)
        tag = str(newest) if newest and self._is(base, str(newest)) else ""
        is_new = not tag
        tag = tag or self._take_number(base.dev.digest)
        self._registry.put_once(prod_tag(tag), base.prod.digest)
        # The engine keeps the numbers that were given, whatever is removed from the registry.
        for made, name in ((base.dev, tag), (base.prod, prod_tag(tag))):
            artifact.load(self._engine, made, f"{self._runnable.repository}:{name}")
        return tag, is_new

    def _is(self, base: Base, tag: str) -> bool:
        """Say whether `tag` is this very base; the second of its names may still be missing."""
        resolve = self._registry.resolve
        return resolve(tag) == base.dev.digest and resolve(prod_tag(tag)) in (None, base.prod.digest)

    def _take_number(self, digest: str) -> str:
        taken: set[str] = set()
        for _ in range(_TRIES):
            tag = str(next_date_tag({*self._known(), *taken}, _today()))
            try:
                self._registry.put_once(tag, digest)
                return tag
            except TagTakenError:
                taken.add(tag)
        raise InfrastructureError(f"{_TRIES} numbers were taken by others at once", where=self._runnable.repository)

    def _known(self) -> Iterable[str]:
        return {*self._registry.tags(), *client.tags(self._runnable.repository)}

    def _move_latest(self) -> None:
        """Move `latest` to the highest date tag; another publisher may give one meanwhile, and moves it then."""
        for _ in range(_TRIES):
            newest = self._newest()
            try:
                self._registry.tag(newest[1], LATEST)
            except PolicyError:
                continue  # Moved by another publisher at this moment: look again.
            if self._newest() == newest:
                return
        raise InfrastructureError(
            f"the tag {LATEST} is moved by others all the time", where=self._runnable.repository, fix="again"
        )

    def _newest(self) -> tuple[str, str]:
        """Return the highest date tag that is there as a whole, and its digest."""
        tags = set(self._registry.tags())
        whole = [str(tag) for tag in date_tags(tags) if prod_tag(str(tag)) in tags]
        digest = self._registry.resolve(whole[-1]) if whole else None
        if not digest:
            raise InfrastructureError("the registry lost its date tags", where=self._runnable.repository, fix="again")
        return whole[-1], digest


def _today() -> datetime.date:
    return datetime.datetime.now(datetime.timezone.utc).date()
