"""Names of images: bases, references, tags and the labels that we put on what is ours."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache

from helpers.console import excerpt
from helpers.model.archive import meant_suite

# https://github.com/distribution/reference: path components of a repository name.
NAME_PATTERN = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_SUITE_PATTERN = r"[a-z][a-z0-9.-]{0,60}"
_HOST_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_PORT = r":(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
HOST_PATTERN = rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*(?:{_PORT})?"
_REFERENCE = (
    rf"(?:{HOST_PATTERN}/)?{NAME_PATTERN}(?:/{NAME_PATTERN})*"
    r"(?::[\w][\w.-]{0,127})?(?:@[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-f]{32,128})?"
)
# The limit of Docker is 255 with its own prefix, and some names of ours are longer than the image's.
_LONGEST_REPOSITORY = 200

# Labels: every image and container of ours carries OURS; nothing without it is ever stopped or removed.
OURS = "helpers.toolchain"
LABEL_INPUTS = "helpers.inputs"
LABEL_DIR = "helpers.dir"
LABEL_ROOT = "helpers.root"
LABEL_OWNER = "helpers.owner"
LABEL_WITHIN = "helpers.within"
LABEL_VERSION = "org.opencontainers.image.version"
LABEL_TITLE = "org.opencontainers.image.title"
LABEL_BASE_NAME = "org.opencontainers.image.base.name"
LABEL_BASE_DIGEST = "org.opencontainers.image.base.digest"
LABEL_REVISION = "org.opencontainers.image.revision"
LABEL_CREATED = "org.opencontainers.image.created"
LABEL_SUITE = "helpers.suite"

# What a container of ours is told that its image is, as the image's labels say it: `<title>-<version>`.
IMAGE_VARIABLE = "HELPERS_INSIDE"


class BaseKind(Enum):
    """What an image is built on."""

    ARCHIVE = "archive"
    IMAGE = "image"
    DIR = "dir"


@dataclass(frozen=True)
class Base:
    """A base as written in the settings: `archive:bookworm`, `image:python:3.12-slim-bookworm` or `dir:../base`."""

    kind: BaseKind
    value: str

    @classmethod
    @cache
    def parse(cls, text: str) -> Base:
        """Return the base that `text` spells.

        Raises:
            ValueError: unknown kind, or a value that the kind does not allow.
        """
        kind, colon, value = text.partition(":")
        kinds = {member.value: member for member in BaseKind}
        if not colon or kind not in kinds or not value:
            raise ValueError(f"{excerpt(text)} is not a base: write archive:SUITE, image:NAME:TAG or dir:PATH")
        base = cls(kinds[kind], value)
        if base.kind is BaseKind.ARCHIVE and not re.fullmatch(_SUITE_PATTERN, value):
            raise ValueError(f"{excerpt(value)} is not the name of a distribution's suite, like bookworm")
        if base.kind is BaseKind.ARCHIVE and (meant := meant_suite(value)):
            raise ValueError(f"{excerpt(value)} is not a suite of Debian; did you mean {f'archive:{meant}'!r}?")
        if base.kind is BaseKind.IMAGE and (not re.fullmatch(_REFERENCE, value, re.ASCII) or too_long(value)):
            raise ValueError(f"{excerpt(value)} is not an image reference")
        return base

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.value}"


def too_long(name: str) -> bool:
    """Say whether Docker would refuse an image's name, with or without a tag and a digest, for its length."""
    name = name.partition("@")[0]
    name = name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name
    return len(name) > _LONGEST_REPOSITORY


def repository(registry: str, name: str) -> str:
    """Return `<registry>/<name>`, or the name alone where no registry is set."""
    return f"{registry}/{name}" if registry else name


def short_reference(reference: str) -> str:
    """Return the reference as we write it: the engine may put its default registry and `library/` before it."""
    name = reference
    for prefix in ("docker.io/", "library/"):
        name = name.removeprefix(prefix)
    repository, at, digest = name.partition("@")
    if at:
        # A digest says all; the engine leaves out the tag before it.
        return (
            f"{repository.rpartition(':')[0] or repository}@{digest}" if ":" in repository.rpartition("/")[2] else name
        )
    return name if ":" in name.rpartition("/")[2] else f"{name}:latest"


def inputs_tag(inputs: str) -> str:
    """Return the tag that finds an image by the hash of its build's inputs; it stays on this machine."""
    return f"inputs-{inputs[:16]}"


def digest_tag(reference: str, digest: str) -> str:
    """Return a reference to the image `reference` whose tag is made of its digest, so that it is never moved."""
    name = reference.partition("@")[0]
    name = name.rpartition(":")[0] if ":" in name.rpartition("/")[2] else name
    return f"{name}:digest-{digest.rpartition(':')[2][:32]}"


def goes_by_wrong_name(reference: str, labels: Mapping[str, str]) -> bool:
    """Say whether an image is found by the hash of its build's inputs and its own label names another hash."""
    tag = reference.rpartition(":")[2]
    return tag.startswith("inputs-") and tag != inputs_tag(labels.get(LABEL_INPUTS, ""))


# What the kernel calls a machine, and what Docker and Debian call its architecture.
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


def native_platform(machine: str) -> str:
    """Return the platform of a machine, such as `linux/amd64`.

    Arguments:
        machine: the architecture, as the kernel names it.
    """
    return f"linux/{_ARCHITECTURES.get(machine, machine)}"


def architecture(platform: str) -> str:
    """Return the architecture of a platform: `arm64` for `linux/arm64`."""
    return platform.split("/")[1]


def parse_platforms(text: str) -> tuple[str, ...]:
    """Return the platforms that `text` lists, sorted: `linux/arm64,linux/amd64`.

    Raises:
        ValueError: one of them is none that we know how to build for.
    """
    platforms = tuple(sorted({item.strip() for item in text.split(",") if item.strip()}))
    known = sorted(f"linux/{name}" for name in set(_ARCHITECTURES.values()))
    for platform in platforms:
        if platform not in known:
            raise ValueError(f"{excerpt(platform)} is not a platform that images are built for: {', '.join(known)}")
    return platforms
