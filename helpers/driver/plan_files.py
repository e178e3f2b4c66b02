"""The files that the images of a plan are made of; a run in which one of them changed needs another plan."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from helpers import pyproject
from helpers.driver.plan import DirPlan
from helpers.engine.specs import ImageSpec
from helpers.errors import ConfigError
from helpers.images import lock_source
from helpers.model import lock_kind

_OF_AN_IMAGE = ("devops", "pyproject.toml", "changelog.txt", "setup.py", "setup.cfg", "PKG-INFO")
_ANY = re.compile(r".*", re.DOTALL)
# A manifest names files with requirements as it likes; they end in this.
_MANIFEST = re.compile(r"(?!changelog\.txt).*\.(?:cfg|in|toml|txt)|setup\.py|PKG-INFO", re.DOTALL)
# The members of a workspace of uv are known by the names in their manifests.
WORKSPACE = re.compile(r"pyproject\.toml")

# A file or directory, and the names of the files in it that count.
Part = tuple[Path, re.Pattern[str]]


def is_manifest(path: str) -> bool:
    """Return whether a file may be the manifest of a project, or a part of a manifest."""
    return _MANIFEST.fullmatch(os.path.basename(path)) is not None


def of_images(item: DirPlan, root: Path) -> list[Part]:
    """Return the files and directories that the images of a directory are made of.

    Arguments:
        item: the directory.
        root: absolute path of the repo.
    """
    return list(dict.fromkeys(part for image in item.chain for part in _of_image(image, root)))


def of_distributions(item: DirPlan) -> set[Path]:
    """Return the files of which the images of a directory install distributions."""
    built = [one for image in item.chain for one in image.distributions]
    return {copied.source for one in built for copied in one.files}


def _of_image(image: ImageSpec, root: Path) -> Iterator[Part]:
    directory = image.directory
    if directory is None:
        return
    for built in image.distributions:
        yield built.place, _ANY
        # A directory of a project may be a link.
        sources = {item.source.parent for item in built.files}
        yield from ((place, _ANY) for place in sorted(sources) if not place.is_relative_to(built.place))
    for name in (*_OF_AN_IMAGE, *lock_kind.DETECTED):
        yield directory / name, _ANY
    # A recipe may be a link.
    yield directory / "devops" / "Dockerfile", _ANY
    for file in lock_source.files(directory):
        yield file, _ANY
    projects = _projects(directory, root)
    for project in projects:
        yield project, _MANIFEST
    if any(_is_in_workspace(project) for project in projects):
        yield root, WORKSPACE


def _projects(directory: Path, root: Path) -> list[Path]:
    """Return the projects whose manifests the lock of a directory is made of: its own, and its path dependencies."""
    found: list[Path] = []
    try:
        source = lock_source.find(directory)
        if source is None or not source.is_derived:
            return []
        from helpers.manifest import read as manifests  # slow to import, and most directories have no such lock

        queue = [directory]
        while queue:
            project = queue.pop()
            found.append(project)
            beside = {Path(os.path.realpath(project / item.path)) for item in manifests.read(project).paths}
            queue += sorted(place for place in beside - {*found, *queue} if place.is_relative_to(root))
    except ConfigError:
        pass  # another error of the plan names the fault
    return found


def _is_in_workspace(project: Path) -> bool:
    try:
        sources = pyproject.read_if_there(project).get("tool", {}).get("uv", {}).get("sources", {})
    except ConfigError:
        return False
    return "'workspace'" in repr(sources)
