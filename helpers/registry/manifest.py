"""Manifests and image indexes.

https://github.com/opencontainers/image-spec/blob/main/manifest.md
https://github.com/opencontainers/image-spec/blob/main/image-index.md
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from helpers.registry.answer_json import digest_at, list_at, object_at, read_object, size_at, text_at

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_DOCKER = "application/vnd.docker.distribution.manifest"
# All that a registry may answer with; one that is not asked for an index may answer with one of its parts.
ACCEPT = ", ".join((OCI_INDEX, OCI_MANIFEST, f"{_DOCKER}.list.v2+json", f"{_DOCKER}.v2+json"))
# BuildKit marks with it what is no image: https://docs.docker.com/build/metadata/attestations/attestation-storage/
REFERENCE_TYPE = "vnd.docker.reference.type"


def sha256(data: bytes) -> str:
    """Return the digest of `data`."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def short(digest: str) -> str:
    """Return the beginning of a digest, enough to tell it from others in a message."""
    return digest[:19]


@dataclass(frozen=True)
class Blob:
    """What a manifest says of a blob: its digest and its size in bytes."""

    digest: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """A manifest or an index, byte for byte.

    Arguments:
        raw: its bytes, which its digest is made of.
        media_type: its media type.
    """

    raw: bytes
    media_type: str

    @classmethod
    def of(cls, raw: bytes, media_type: str = "") -> Manifest:
        """Return the manifest `raw`; its own word on its media type counts for more than `media_type`.

        Raises:
            ValueError: it is neither a manifest nor an index.
        """
        manifest = cls(raw, media_type)
        try:
            named = text_at(manifest.content, "mediaType") or media_type
            _ = manifest.children, manifest.blobs, manifest.platforms
        except ValueError as error:
            raise ValueError(f"no manifest and no index: {error}") from None
        return cls(raw, named or (OCI_INDEX if manifest.is_index else OCI_MANIFEST))

    @cached_property
    def digest(self) -> str:
        """The sha256 of its bytes."""
        return sha256(self.raw)

    @cached_property
    def content(self) -> dict[str, Any]:
        """What it says."""
        return read_object(self.raw)

    @property
    def is_index(self) -> bool:
        """Whether it names images, one a platform, and is none itself."""
        return "manifests" in self.content

    @property
    def children(self) -> list[Blob]:
        """The manifests that an index names, attestations too; none for an image."""
        return [_blob(item) for item in list_at(self.content, "manifests", dict)]

    @property
    def blobs(self) -> list[Blob]:
        """Configuration and layers of an image; none for an index."""
        config = object_at(self.content, "config")
        return [_blob(item) for item in [*([config] if config else []), *list_at(self.content, "layers", dict)]]

    @property
    def platforms(self) -> dict[str, str]:
        """The digest of each platform's image (`linux/amd64`, `linux/arm/v7`), without attestations."""
        found = {}
        for item in list_at(self.content, "manifests", dict):
            platform = object_at(item, "platform")
            parts = [text_at(platform, key) for key in ("os", "architecture", "variant")]
            if REFERENCE_TYPE not in object_at(item, "annotations"):
                found["/".join(part for part in parts if part)] = digest_at(item, "digest")
        return found


def _blob(item: dict[str, Any]) -> Blob:
    return Blob(digest_at(item, "digest"), size_at(item, "size"))
