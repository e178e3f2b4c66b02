"""Attestations: what an image was made from, stored in its index the way BuildKit stores them.

https://docs.docker.com/build/metadata/attestations/attestation-storage/

Nothing here depends on the machine or on the clock: the same inputs give the same index.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from helpers import checkout_file
from helpers.engine.specs import SCRIPTS, ImageSpec
from helpers.images import layout as files
from helpers.images import lock_source, sbom
from helpers.model import image as names
from helpers.model.image import BaseKind
from helpers.model.stage import Stage
from helpers.registry.manifest import OCI_INDEX, OCI_MANIFEST, REFERENCE_TYPE, sha256

# The version that `docker buildx imagetools inspect` reads: https://slsa.dev/spec/v0.2/provenance
PROVENANCE = "https://slsa.dev/provenance/v0.2"
# https://cyclonedx.org/specification/overview: in-toto's name of it.
SBOM = "https://cyclonedx.org/bom"

_STATEMENT = "https://in-toto.io/Statement/v0.1"
_IN_TOTO = "application/vnd.in-toto+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
# BuildKit's own name of what it does: https://docs.docker.com/build/metadata/attestations/slsa-definitions/
_BUILD_TYPE = "https://mobyproject.org/buildkit@v1"
_TOOLCHAIN = "pkg:generic/helpers"
_PACKAGE = Path(__file__).resolve().parent.parent
# What a directory's image is made from, besides its code.
_OWN_FILES = ("pyproject.toml", "devops/system-packages.lock")

# By the digest of a platform's image: its predicates by their types.
Predicates = Mapping[str, Mapping[str, Any]]


def attach_all(layout: Path, image: ImageSpec) -> str:
    """Add to the image in `layout` what it was made from and what it is made of, and return the digest of its index.

    Arguments:
        layout: the OCI layout; it is changed.
        image: what it was built as, with all labels.
    """
    documents = sbom.of_layout(layout, files.top(layout))
    return attach(
        layout,
        subject(image),
        {
            one.digest: {PROVENANCE: provenance(image, platform), SBOM: json.loads(documents[one.digest])}
            for platform, one in files.images(layout, files.top(layout)).items()
        },
    )


def attach_provenance(layout: Path, image: ImageSpec) -> str:
    """As `attach_all`, without reading the layers for what it is made of."""
    built = files.images(layout, files.top(layout))
    said = {one.digest: {PROVENANCE: provenance(image, platform)} for platform, one in built.items()}
    return attach(layout, subject(image), said)


def attach(layout: Path, subject: str, predicates: Predicates) -> str:
    """Add attestations to the image in `layout` and return the digest of its index, which names them.

    The image of one platform without an index becomes an index of one. Attestations that it had are replaced.

    Arguments:
        layout: the OCI layout; it is changed.
        subject: package URL of the image, without a platform.
        predicates: what is said, for each platform's image.
    """
    built = files.images(layout, files.top(layout))
    entries: list[dict[str, Any]] = []
    notes: list[dict[str, Any]] = []
    for platform, image in built.items():
        size = len(image.raw)
        where = files.platform(platform)
        entries.append({"mediaType": OCI_MANIFEST, "digest": image.digest, "size": size, "platform": where})
        if said := predicates.get(image.digest):
            name = f"{subject}?platform={quote(platform, safe='')}"
            notes.append(_attestation(layout, name, image.digest, said))
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [*entries, *notes]}
    descriptor = files.add(layout, files.json_bytes(index), OCI_INDEX)
    files.set_top(layout, descriptor)
    return str(descriptor["digest"])


def attached(layout: Path) -> Predicates:
    """Return what is said of the image in `layout`."""
    found: dict[str, dict[str, Any]] = {}
    whole = files.manifest(layout, files.top(layout))
    for entry in whole.content.get("manifests", []):
        notes = entry.get("annotations", {})
        if notes.get(REFERENCE_TYPE) == "attestation-manifest":
            about = found.setdefault(notes["vnd.docker.reference.digest"], {})
            for layer in files.manifest(layout, entry["digest"]).content["layers"]:
                statement = json.loads(files.read(layout, layer["digest"]))
                about[statement["predicateType"]] = statement["predicate"]
    return found


def subject(image: ImageSpec) -> str:
    """Return the package URL of an image (https://github.com/package-url/purl-spec), the same wherever it is pushed."""
    return f"pkg:docker/{image.labels[names.LABEL_TITLE]}@{image.labels[names.LABEL_VERSION]}"


def provenance(image: ImageSpec, platform: str) -> dict[str, Any]:
    """Return what an image was made from, as SLSA's predicate.

    Arguments:
        image: what it was built as, with all labels.
        platform: what it was built for.
    """
    labels = image.labels
    # Without a lock the distribution's packages are those of the day.
    reproducible = image.stage is Stage.PROD and bool(image.system_lock or not image.system_packages)
    parameters = {
        "frontend": "dockerfile.v0",
        "args": {"target": image.target, **{f"label:{name}": value for name, value in sorted(labels.items())}},
    }
    return {
        "builder": {"id": _TOOLCHAIN},
        "buildType": _BUILD_TYPE,
        "invocation": {
            "configSource": {"entryPoint": "Dockerfile"},
            "parameters": parameters,
            "environment": {"platform": platform},
        },
        "materials": _materials(image),
        "metadata": {
            "buildFinishedOn": labels[names.LABEL_CREATED],
            "completeness": {"parameters": True, "environment": True, "materials": False},
            "reproducible": reproducible,
        },
    }


def _materials(image: ImageSpec) -> list[dict[str, Any]]:
    """Return the commit, the base, and the files that say what is installed, each with its digest."""
    labels = image.labels
    source = f"pkg:generic/{labels[names.LABEL_TITLE]}@{labels[names.LABEL_VERSION]}"
    revision = labels[names.LABEL_REVISION]
    # A digest is hex digits: that the tree had more than the commit is told beside it.
    commit = revision.removesuffix("-dirty")
    more = "" if commit == revision else f"?revision={revision}"
    found = [
        {"uri": f"{source}{more}", "digest": {"sha1" if len(commit) == 40 else "sha256": commit}},
        {"uri": _base(image), "digest": _digest(labels[names.LABEL_BASE_DIGEST])},
    ]
    locked = lock_source.find(image.directory) if image.directory else None
    for name in sorted([*_OWN_FILES, *([locked.name] if locked else [])], reverse=True):
        content = checkout_file.read_if_there(image.directory / name) if image.directory else None
        if content is not None:
            found.append({"uri": f"{source}#{name}", "digest": _digest(sha256(content))})
    for file in (*([image.dockerfile] if image.dockerfile else []), *SCRIPTS):
        if image.directory and file.is_relative_to(image.directory):
            # By the name that the directory has it under: a link may lead out of it.
            uri = f"{source}#{file.relative_to(image.directory).as_posix()}"
        else:
            uri = f"{_TOOLCHAIN}#{file.resolve().relative_to(_PACKAGE).as_posix()}"
        found.append({"uri": uri, "digest": _digest(sha256(file.read_bytes()))})
    return found


def _base(image: ImageSpec) -> str:
    """Return how the base is named: a package URL where others know it by that name too."""
    base = image.base
    if base.kind is not BaseKind.IMAGE:
        return str(base)
    name, _, tag = base.value.partition("@")[0].rpartition(":")
    if not name or "/" in tag:
        name, tag = base.value.partition("@")[0], ""
    host, slash, rest = name.partition("/")
    if slash and re.search(r"[.:]|^localhost$", host):
        more = f"?repository_url={quote(host, safe='')}"
        name = rest
    else:
        more = ""
    return f"pkg:docker/{name}{f'@{tag}' if tag else ''}{more}"


def _digest(digest: str) -> dict[str, str]:
    algorithm, _, value = digest.partition(":")
    return {algorithm: value}


def _attestation(layout: Path, name: str, digest: str, predicates: Mapping[str, Any]) -> dict[str, Any]:
    """Add the attestation manifest of one platform's image and return its descriptor."""
    layers = []
    for kind, predicate in sorted(predicates.items()):
        about = [{"name": name, "digest": _digest(digest)}]
        statement = {"_type": _STATEMENT, "predicateType": kind, "subject": about, "predicate": predicate}
        descriptor = files.add(layout, files.json_bytes(statement), _IN_TOTO)
        layers.append({**descriptor, "annotations": {"in-toto.io/predicate-type": kind}})
    nowhere = {"architecture": "unknown", "os": "unknown"}
    # It is there because every manifest has one; its "layers" are the statements.
    config = {**nowhere, "config": {}, "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in layers]}}
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": files.add(layout, files.json_bytes(config), _CONFIG),
        "layers": layers,
    }
    notes = {"vnd.docker.reference.digest": digest, REFERENCE_TYPE: "attestation-manifest"}
    return {**files.add(layout, files.json_bytes(manifest), OCI_MANIFEST), "annotations": notes, "platform": nowhere}
