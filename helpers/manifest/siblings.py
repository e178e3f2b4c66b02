"""Finds the siblings of a runnable dir: the projects that its manifest, and theirs, name by a path."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from helpers import build_system, checkout_file, discover, pyproject, repo
from helpers.errors import ConfigError
from helpers.manifest import read as manifests
from helpers.manifest import target
from helpers.manifest.parts import Part, Parts
from helpers.model import changelog, local_packages
from helpers.model.archive import PYTHON_OF_SUITE
from helpers.model.image import Base, BaseKind
from helpers.model.lock_kind import DERIVED, DETECTED, LockKind, kind_of
from helpers.model.manifest import Manifest, Stated
from helpers.model.pinned_line import MAIN
from helpers.model.poetry_lock import normal_name
from helpers.model.python_specifier import lowest_minor
from helpers.model.settings import Settings
from helpers.model.sibling import Sibling
from helpers.repo import git_dirs


def of(path: Path, root: Path, settings: Settings, *, prod: bool = False) -> tuple[Sibling, ...]:
    """Return the siblings of a runnable dir, each before the projects that it leads to.

    Arguments:
        path: absolute path of the runnable dir.
        root: absolute path of the repo.
        settings: of the runnable dir; the chosen groups and extras count.
        prod: whether the dependencies of a plain installation alone count.

    Raises:
        ConfigError: a manifest is wrong, or names a path outside of the repo, or no directory of a project.
        NotCheckedOutError: a path is in a submodule that is not checked out.
    """
    parts = Parts(path, root, manifests.read, strict=False)
    environment = target.environment(_python(parts.manifest(path), settings))
    found: dict[Path, Part] = {}
    locked = _locked(path)
    for part in _beside(parts, settings, prod=prod):
        # Poetry takes a dependency of a sibling from the index where only the sibling's own tool reads the path.
        if locked is not None and part.place not in locked:
            continue
        stated = Stated(f"{part.way} ; {part.marker}", str(path))
        if part.place not in found and target.is_true(part.marker, environment, stated):
            found[part.place] = part
    return tuple(_sibling(part, parts.manifest(part.place)) for part in found.values())


def places(path: Path, root: Path, settings: Settings) -> set[Path]:
    """Return the places of the siblings in every environment; arguments and errors as for `of`."""
    return {part.place for part in _beside(Parts(path, root, manifests.read, strict=False), settings)}


def check(siblings: Sequence[Sibling], root: Path, *, prod: bool = False) -> None:
    """Return if git lists the files of all siblings: these files are in the keys of verdicts and images.

    Arguments:
        siblings: of a runnable dir.
        root: absolute path of the repo.
        prod: whether only tracked files count.

    Raises:
        ConfigError: git ignores the files of a sibling, or they are data of git.
    """
    listed, of_git = (repo.tracked, "tracks") if prod else (repo.files, "lists")
    for one in siblings:
        if git_dirs.is_within(one.path, root):
            raise ConfigError("is a dependency by its path, and data of git", where=one.path)
        if not listed(one.path):
            what = f"is a dependency by its path, and git {of_git} no file in it"
            why = "a verdict is kept for the files that git lists"
            # The first names the rule that ignores the files.
            words = "add ." if prod else "check-ignore --verbose ."
            fix = f"git -C {shlex.quote(str(one.path))} {words}"
            raise ConfigError(what, where=one.path, why=why, fix=fix)


def _locked(path: Path) -> set[Path] | None:
    """Return the projects in the lock of a directory; None for a lock that names only packages with a release."""
    named = str(pyproject.settings_table(path).get("lock", ""))
    found = [named] if named else [name for name in DETECTED if os.path.lexists(path / name)]
    kind = kind_of(os.path.basename(found[0])) if found else None
    if kind is None or found[0] == DERIVED or kind is LockKind.REQUIREMENTS:
        return None
    file = path / found[0]
    try:
        paths = local_packages.paths(kind, pyproject.remembered_toml(checkout_file.read_text(file), file))
    except ConfigError:
        return None  # another error of the plan names the fault
    return None if paths is None else {Path(os.path.realpath(file.parent / one)) for one in paths}


def _python(found: Manifest, settings: Settings) -> str:
    """Return the Python of the base, as in `3.11`; of an unknown base the lowest Python that the project allows."""
    base = Base.parse(settings.base)
    known = PYTHON_OF_SUITE.get(base.value, "") if base.kind is BaseKind.ARCHIVE else ""
    return known or lowest_minor(found.requires_python.value if found.requires_python else "")


def _beside(parts: Parts, settings: Settings, *, prod: bool = False) -> Iterator[Part]:
    for first in _chosen(parts.path, parts.manifest(parts.path), settings, prod=prod):
        yield from parts.beside(first)


def _chosen(path: Path, found: Manifest, settings: Settings, *, prod: bool) -> Iterator[Part]:
    yield Part(path)
    if prod:
        return
    usual = [name for name in (*found.groups, *(item.group for item in found.paths)) if not name.endswith(".txt")]
    names = settings.groups or [name for name in usual if name]
    yield from (Part(path, group=name) for name in dict.fromkeys(names) if name != MAIN)
    yield from (Part(path, extra=name) for name in settings.extras)


def _sibling(part: Part, manifest: Manifest) -> Sibling:
    stated = manifest.version.value if manifest.version else "0"
    name = normal_name(manifest.name.value) if manifest.name else part.place.name
    if discover.is_runnable(part.place):
        file = part.place / "changelog.txt"
        log = changelog.parse(checkout_file.read_text(file), str(file))
        name, stated = log.name, str(log.version)
    return Sibling(name, part.place, part.way, stated, build_system.of_directory(part.place))
