"""What an image is made of, as a CycloneDX document (https://cyclonedx.org/specification/overview)."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from helpers import config, discover, proc
from helpers.engine import client
from helpers.engine.choose import docker_engine
from helpers.errors import InfrastructureError, PolicyError
from helpers.images import layers
from helpers.images import layout as files
from helpers.images.recipe import image_chain
from helpers.images.tool_environment import python_of
from helpers.model import image as names
from helpers.model.stage import BUILD_STAGES, Stage, parse_stage
from helpers.storage import scratch, use

_WRITER = Path(__file__).with_name("write_sbom.py")
_SECONDS = 120.0
# What an image that does not say when it was made is dated: a document must have a date, and not today's.
_UNKNOWN = "1970-01-01T00:00:00"


def of_directory(directory: str | None, stage: str) -> str:
    """Return the document of a runnable dir's image in the engine.

    Arguments:
        directory: the runnable dir; None is the one that encloses the current directory.
        stage: `local` or `prod`.

    Raises:
        UsageError: the stage is none of these.
        PolicyError: the image has not been built.
        InfrastructureError: no engine answers.
    """
    kind = parse_stage(stage, BUILD_STAGES)
    root, path = discover.nearest(directory)
    load = config.loader(root)
    image = image_chain(load(path), load, kind)[-1]
    docker_engine()  # Without one no image is found, and its absence would be blamed.
    use("images", image.reference)
    found = client.find_image(image.reference)
    if not found:
        more = "" if kind is Stage.LOCAL else f" --stage {stage}"
        raise PolicyError(
            "its image is not there as its files say it now",
            where=path,
            fix=f"invoke docker_build --dir {shlex.quote(str(path))}{more}",
        )
    with scratch() as aside:
        layout = aside / "layout"
        client.save(found.id, layout)
        (text,) = of_layout(layout, files.top(layout)).values()
    return text


def of_layout(layout: Path, digest: str) -> dict[str, str]:
    """Return the document of each platform's image, by the digest of its manifest.

    Arguments:
        layout: the OCI layout.
        digest: of an index, or of the image of one platform.

    Raises:
        InfrastructureError: the image can not be read.
    """
    return {held.image.digest: _write(layout, held) for held in layers.contents(layout, digest)}


def _write(layout: Path, held: layers.Contents) -> str:
    said = files.config(layout, held.image)
    labels = said.get("config", {}).get("Labels") or {}
    name, version = labels.get(names.LABEL_TITLE, "image"), labels.get(names.LABEL_VERSION, "")
    facts = {
        "name": name,
        "version": version,
        "purl": f"pkg:docker/{name}@{version}" if version else f"pkg:docker/{name}",
        "created": labels.get(names.LABEL_CREATED) or said.get("created") or _UNKNOWN,
        "digest": held.image.digest,
        "code": held.code,
        "system": held.system,
        "distributions": [(one.name, one.version, one.licence) for one in held.distributions],
        "packages": held.packages,
    }
    done = proc.run([str(python_of("layers")), "-I", str(_WRITER)], stdin=json.dumps(facts), timeout=_SECONDS)
    if done.code:
        raise InfrastructureError(f"the list of what is in the image was not written: {done.reason}", where=layout)
    return done.stdout
