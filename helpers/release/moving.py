"""Moves the tags `dev` and `prod` among the images that a registry has: promotion and rollback. Nothing is built."""

from __future__ import annotations

from helpers.errors import InfrastructureError, PolicyError
from helpers.model.image import LABEL_INPUTS, LABEL_VERSION
from helpers.model.stage import Stage, candidate_tag, withdrawn_tag
from helpers.model.version import Version
from helpers.registry.repository import Registry


def versions(registry: Registry, stage: Stage) -> list[Version]:
    """Return the versions that are released to `stage`, newest first."""
    return sorted((known for tag in registry.tags() if (known := stage.version_of(tag))), reverse=True)


def version_of(registry: Registry, stage: Stage, digest: str) -> Version | None:
    """Return the version that is released to `stage` as `digest`, if one is."""
    known = versions(registry, stage)
    return next((version for version in known if registry.resolve(stage.version_tag(version)) == digest), None)


def digest_of(registry: Registry, tag: str) -> str:
    """Return the digest of a tag that the registry has listed, or taken.

    Raises:
        InfrastructureError: it has it no more.
    """
    digest = registry.resolve(tag)
    if not digest:
        raise InfrastructureError(f"the registry lost the tag {tag}", where=registry.http.address, fix="again")
    return digest


def labels_of(registry: Registry, digest: str) -> dict[str, str]:
    """Return the labels of an image."""
    return registry.image(digest).labels


def inputs_of(registry: Registry, digest: str) -> str:
    """Return the hash of what an image was built from, from its label; empty if it does not say so."""
    return labels_of(registry, digest).get(LABEL_INPUTS, "")


def promote(registry: Registry, inputs: str, version: Version, there: str = "") -> tuple[str, str]:
    """Give a tested `prod` build its version tag, move `prod` to it, and return the tag and the digest.

    The candidate's very bytes, all its platforms, get another name.

    Arguments:
        registry: where its images are.
        inputs: hash of what its `prod` image would be built from now; empty takes any.
        version: the version.
        there: option that names the directory, for the next command in an error.

    Raises:
        PolicyError: there is no such candidate, a newer version is released, or this one with other content.
    """
    released = versions(registry, Stage.PROD)
    if version not in released and released and released[0] > version:
        raise PolicyError(
            f"{released[0]} is released already",
            where=registry.http.address,
            why=f"{version} would be released after it",
            fix=f"invoke docker_rollback --version {released[0]}{there}  (if that is what should be in use)",
        )
    digest = _candidate(registry, inputs, version, there)
    tag = Stage.PROD.version_tag(version)
    registry.put_once(tag, digest)
    registry.tag(digest, Stage.PROD.value)
    return tag, digest


def _candidate(registry: Registry, inputs: str, version: Version, there: str) -> str:
    """Return the digest of the one tested build of `version` that was built from `inputs`."""
    tags = [tag for tag in registry.tags() if tag.startswith(candidate_tag(version))]
    waiting = [digest for tag in tags if (digest := registry.resolve(tag))]
    fitting = [digest for digest in waiting if not inputs or inputs_of(registry, digest) == inputs]
    if len(fitting) != 1:
        raise PolicyError(
            f"{len(fitting) or 'no'} tested builds of {version} wait for a promotion",
            where=registry.http.address,
            why=f"candidates: {', '.join(waiting)}" if waiting else None,
            fix=f"invoke docker_release --stage prod{there}",
        )
    return fitting[0]


def roll_back(registry: Registry, stage: Stage, version: Version, there: str = "") -> tuple[str, str | None]:
    """Move `dev` or `prod` to a released version; return the digest that it has then, and the one that it had.

    Arguments:
        registry: where the images are.
        stage: `dev` or `prod`.
        version: the version; the newest one is the way forward again.
        there: option that names the directory, for the next command in an error.

    Raises:
        PolicyError: it is not released, or its tag was written over.
    """
    released = versions(registry, stage)
    if version not in released:
        raise PolicyError(
            f"{stage.version_tag(version)} is not released",
            where=registry.http.address,
            why=f"released are {', '.join(map(str, released)) or 'no versions'}",
            fix=f"invoke docker_rollback --stage {stage.value}{there}  (lists them)",
        )
    digest = digest_of(registry, stage.version_tag(version))
    holds = labels_of(registry, digest).get(LABEL_VERSION)
    if holds != str(version):
        raise PolicyError(
            f"{stage.version_tag(version)} was written over",
            where=registry.http.address,
            why=f"it is {digest}, whose label says version {holds or 'nothing'}",
            fix="another version, or give the tag back what it was",
        )
    before = registry.resolve(stage.value)
    if before != digest and version != released[0]:
        # So that the next release does not undo this: it would move the tag to the newest version.
        registry.tag(digest_of(registry, stage.version_tag(released[0])), withdrawn_tag(stage))
    registry.tag(digest, stage.value)
    return digest, before
