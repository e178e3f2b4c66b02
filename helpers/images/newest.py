"""Says what a base is today: what its registry has under the tag that it is followed by."""

from __future__ import annotations

import json
from dataclasses import dataclass

from helpers import proc
from helpers.console import say
from helpers.engine import argv
from helpers.errors import InfrastructureError
from helpers.model import image as names
from helpers.model.base_lock import BaseLock, prod_tag
from helpers.model.image import BaseKind
from helpers.model.runnable import RunnableDir
from helpers.model.stage import LATEST, date_tags
from helpers.registry.address import is_docker_s_own, names_host
from helpers.registry.repository import Registry

_SECONDS = 60.0
# `latest` is one of the newest of them, also after somebody moved it back by a few.
_MOST_ASKED = 20


@dataclass(frozen=True)
class Published:
    """An image that can be built on.

    Arguments:
        name: `REPOSITORY:TAG`.
        digest: of the image, or of the index of one for each platform.
        prod: digest of what images of the stage `prod` are built on; empty if nothing of its own is published for it.
        inputs: hash of what it was built from; empty if it is none of ours.
        suite: suite of the distribution at its bottom, if that is an `archive:`.
        platforms: what it was built for, with commas.
    """

    name: str
    digest: str
    prod: str = ""
    inputs: str = ""
    suite: str = ""
    platforms: str = ""


def followed(runnable: RunnableDir, parent: RunnableDir | None) -> str:
    """Return what the base of `runnable` is followed by, `REPOSITORY:TAG`; empty if there is nothing to follow.

    Arguments:
        runnable: the directory.
        parent: the runnable dir that it stands on, for a base of the kind `dir:`.
    """
    base = runnable.base
    if base.kind is BaseKind.IMAGE:
        if "@" in base.value:
            return ""
        return base.value if ":" in base.value.rpartition("/")[2] else f"{base.value}:{LATEST}"
    if not parent or not runnable.registry:
        return ""
    return f"{parent.repository}:{LATEST}"


def find(reference: str, *, first: bool = False) -> Published | None:
    """Return what `reference`, `REPOSITORY:TAG`, is today; None if it is not there.

    Arguments:
        reference: the image.
        first: whether nothing is known of it yet, so that what this machine's engine has is better than nothing.

    Raises:
        InfrastructureError: its registry does not say it.
    """
    repository, _, tag = reference.rpartition(":")
    if not names_host(repository) or is_docker_s_own(repository):
        return _ask_engine(reference, first=first)
    registry = Registry(repository)
    digest = registry.resolve(tag)
    if not digest:
        return None
    dated = _date_tag(registry, digest) if tag == LATEST else tag
    image = registry.image(digest)
    platforms = registry.manifest(digest).platforms or [image.platform]
    return Published(
        name=f"{repository}:{dated}",
        digest=digest,
        prod=registry.resolve(prod_tag(dated)) or "",
        inputs=image.labels.get(names.LABEL_INPUTS, ""),
        suite=image.labels.get(names.LABEL_SUITE, ""),
        platforms=",".join(sorted(platforms)),
    )


def layers_of(recorded: BaseLock) -> frozenset[str]:
    """Return the layers that images of the stage `prod` are built on by a record: the diff ids of every platform.

    A diff id is that of what a layer holds, however it is compressed:
    https://github.com/opencontainers/image-spec/blob/main/config.md#layer-diffid

    Raises:
        InfrastructureError: its registry does not say it.
    """
    registry = Registry(recorded.repository)
    digest = recorded.prod or recorded.digest
    images = [registry.image(digest, platform) for platform in registry.manifest(digest).platforms or [""]]
    return frozenset(layer for image in images for layer in image.layers)


def _date_tag(registry: Registry, digest: str) -> str:
    """Return the date tag of what `latest` is; `latest` itself if it has none."""
    dated = [str(tag) for tag in reversed(date_tags(registry.tags()))]
    return next((tag for tag in dated[:_MOST_ASKED] if registry.resolve(tag) == digest), LATEST)


def _ask_engine(reference: str, *, first: bool) -> Published | None:
    """Return what the registry of an image whose name has no host says, by the engine's own client."""
    done = proc.run(argv.inspect_remote(reference), timeout=_SECONDS)
    if done.code == 0:
        return Published(reference, str(json.loads(done.stdout)["digest"]))
    # What was pulled once says nothing of today: a record is not moved or renewed by it.
    found = json.loads(proc.run(argv.inspect_images([reference])).stdout or "[]") if first else []
    if not found:
        raise InfrastructureError(f"no registry says what {reference} is: {done.reason}", fix="invoke doctor")
    say(f"no registry says what {reference} is, so it is what this machine's engine has: {done.reason}")
    return Published(reference, str(found[0]["Id"]))
