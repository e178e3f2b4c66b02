"""Reads an OCI layout, a directory that holds an image, and adds to it.

https://github.com/opencontainers/image-spec/blob/main/image-layout.md
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from helpers.errors import InfrastructureError
from helpers.registry.manifest import OCI_INDEX, Manifest, sha256


def blob_path(layout: Path, digest: str) -> Path:
    """Return the file of the blob `digest`."""
    algorithm, _, value = digest.partition(":")
    return layout / "blobs" / algorithm / value


def read(layout: Path, digest: str) -> bytes:
    """Return the blob `digest`.

    Raises:
        InfrastructureError: it is not there, or something else.
    """
    path = blob_path(layout, digest)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _broken(path, (os.strerror(error.errno or 0)).lower()) from None
    if sha256(data) != digest:
        raise _broken(path, "it is not what its name says")
    return data


def top(layout: Path) -> str:
    """Return the digest of what `layout` holds: an index, or the image of one platform.

    Raises:
        InfrastructureError: it is no layout, or one of several images.
    """
    path = layout / "index.json"
    try:
        (entry,) = json.loads(path.read_bytes())["manifests"]
        return str(entry["digest"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        raise _broken(path, "it names no image, or several") from None


def manifest(layout: Path, digest: str) -> Manifest:
    """Return the manifest or index `digest`.

    Raises:
        InfrastructureError: it is not there, or no manifest.
    """
    try:
        return Manifest.of(read(layout, digest))
    except ValueError:
        raise _broken(blob_path(layout, digest), "it is neither a manifest nor an index") from None


def config(layout: Path, image: Manifest) -> dict[str, Any]:
    """Return the configuration of the image of one platform: its labels, its user, when it was made."""
    content: dict[str, Any] = json.loads(read(layout, image.blobs[0].digest))
    return content


def images(layout: Path, digest: str) -> dict[str, Manifest]:
    """Return the image of each platform (`linux/amd64`) that `digest` names, attestations left out.

    Arguments:
        layout: the layout.
        digest: of an index, or of the image of one platform.
    """
    found = manifest(layout, digest)
    if found.is_index:
        return {name: manifest(layout, child) for name, child in sorted(found.platforms.items())}
    built_for = config(layout, found)
    parts = (built_for["os"], built_for["architecture"], built_for.get("variant", ""))
    return {"/".join(part for part in parts if part): found}


def platform(name: str) -> dict[str, str]:
    """Return `linux/arm64` as a descriptor spells it."""
    return dict(zip(("os", "architecture", "variant"), name.split("/"), strict=False))


def add(layout: Path, data: bytes, media_type: str) -> dict[str, Any]:
    """Add a blob to `layout` and return its descriptor."""
    digest = sha256(data)
    path = blob_path(layout, digest)
    if not path.exists():
        aside = path.with_name(f".{path.name}-{os.getpid()}")
        aside.write_bytes(data)
        os.replace(aside, path)
    return {"mediaType": media_type, "digest": digest, "size": len(data)}


def set_top(layout: Path, descriptor: dict[str, Any]) -> None:
    """Make `descriptor` what `layout` holds."""
    text = json_bytes({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [descriptor]})
    aside = layout / f".index.json-{os.getpid()}"
    aside.write_bytes(text)
    os.replace(aside, layout / "index.json")


def json_bytes(value: object) -> bytes:
    """Return `value` as JSON that is the same bytes for the same content."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def _broken(where: Path, why: str) -> InfrastructureError:
    return InfrastructureError(
        f"the image's files on this machine are damaged: {why}", where=where, fix="remove the layout, then again"
    )
