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

from helpers import repo
from helpers.engine import client
from helpers.errors import InfrastructureError, PolicyError
from helpers.images import artifact
from helpers.images.artifact import Artifact
from helpers.model.base_lock import prod_tag
from helpers.model.image import LABEL_BASE_DIGEST, LABEL_INPUTS
from helpers.model.release import check_committed
from helpers.model.stage import LATEST, DateTag, Stage, date_tags, next_date_tag
from helpers.registry.once import TagTakenError
from helpers.release import moving
from helpers.release.committed import check_unchanged
from helpers.release.job import Job

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
        job: the directory, and where its images go.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._runnable = job.runnable
        self._registry = job.registry

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
        check_committed(str(self._runnable.root), repo.changes(self._runnable.root))
        base = self._build()
        check_unchanged(self._runnable.root, self._job.source)
        tag = self._published(base)
        is_new = not tag
        if not tag:
            self._job.push(base.dev)
            tag = self._take_number(base.dev.digest)
        if not self._registry.resolve(prod_tag(tag)):
            self._job.push(base.prod)
            self._registry.put_once(prod_tag(tag), base.prod.digest)
        if is_new:
            # The engine keeps the numbers that were given, whatever is removed from the registry.
            for made, name in ((base.dev, tag), (base.prod, prod_tag(tag))):
                artifact.load(self._job.engine, made, f"{self._runnable.repository}:{name}")
        self._move_latest()
        return tag, is_new

    def like_source(self) -> str:
        """Return the newest number if it was built from the inputs that the checkout has now, whatever it stood on."""
        tag = self._newest_number()
        digest = self._registry.resolve(tag) if tag else None
        same = digest and moving.inputs_of(self._registry, digest) == self._job.chain(Stage.LOCAL)[-1].inputs
        return tag if same else ""

    def _build(self) -> Base:
        dev, prod = (self._job.make(self._job.chain(stage)) for stage in (Stage.LOCAL, Stage.PROD))
        base = Base(dev, prod)
        self._job.scan(base.prod)
        for made in (base.dev, base.prod):
            self._job.try_image(made)
        return base

    def _published(self, base: Base) -> str:
        """Return the newest number if it is this very base already; the second of its names may still be missing."""
        tag = self._newest_number()
        is_it = tag and self._holds(tag, base.dev) and self._holds(prod_tag(tag), base.prod) is not False
        return tag if is_it else ""

    def _newest_number(self) -> str:
        newest = max(date_tags(self._registry.tags()), default=None)
        return str(newest) if newest else ""

    def _holds(self, tag: str, made: Artifact) -> bool | None:
        """Say whether `tag` is what was made, but for the commit in its labels; None if there is no such tag."""
        digest = self._registry.resolve(tag)
        if not digest:
            return None
        there = moving.labels_of(self._registry, digest)
        return all(there.get(label) == made.image.labels.get(label) for label in (LABEL_INPUTS, LABEL_BASE_DIGEST))

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
