"""The manifest of a Python project: its name, version, dependencies and build backend, whatever file states them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Stated:
    """A value of a manifest, and the place that states the value.

    Arguments:
        value: the text, for a dependency a requirement as in PEP 508.
        source: the place for a message, as in `setup.cfg [options] install_requires`.
    """

    value: str
    source: str


@dataclass(frozen=True)
class BuildSystem:
    """The build backend of a project (PEP 517, PEP 518).

    Arguments:
        backend: as in `hatchling.build`; `setuptools.build_meta:__legacy__` for a project with `setup.py` only.
        requires: requirements of the build, PEP 508.
        backend_path: directories of a backend inside the project.
    """

    backend: str
    requires: tuple[str, ...]
    backend_path: tuple[str, ...] = ()


@dataclass(frozen=True)
class PathDependency:
    """A dependency on a project beside this project.

    Arguments:
        name: of the distribution.
        path: as written, relative to the project.
        extras: of the dependency.
        source: the place, as in `pyproject.toml [tool.uv.sources]`.
        group: of the project, which has the dependency; empty for a plain installation or an extra.
        extra: of the project, which has the dependency.
        marker: PEP 508 condition; empty for none.
    """

    name: str
    path: str
    extras: tuple[str, ...]
    source: str
    group: str = ""
    extra: str = ""
    marker: str = ""


@dataclass(frozen=True)
class IndexChoice:
    """The only package index that a project allows for a dependency.

    Arguments:
        name: normalised, of the distribution.
        url: of the index.
        source: the place, as in `pyproject.toml [tool.uv.sources.torch]`.
        marker: PEP 508 condition; empty for none.
    """

    name: str
    url: str
    source: str
    marker: str = ""


@dataclass(frozen=True)
class Manifest:
    """A Python project as its own files describe it, read without running any of them.

    Arguments:
        kind: the format, as in `pep621`, `poetry`, `flit`, `setuptools`, `requirements`, `sdist`.
        name: of the distribution; None if no file states a name.
        version: None if no file states a version.
        requires_python: PEP 440 specifier; None if no file states a specifier.
        dependencies: requirements of a plain installation.
        extras: requirements by extra, names as written.
        groups: requirements by dependency group (PEP 735, poetry, pdm), included groups resolved; those of a
            requirements file by its path, as in `requirements/test.txt`.
        paths: dependencies on sibling projects; `dependencies`, `extras` and `groups` do not repeat them.
        build: None for a directory that builds no distribution.
        unknown: fields that only the build backend can compute (`version`, `requires_python`, `dependencies`,
            `extras`), and requirements files with lines that are no requirements.
        constraints: requirements that only limit versions.
        indexes: URLs of package indexes that the project names for all dependencies.
        chosen_indexes: the indexes that the project names for single dependencies.
    """

    kind: str
    name: Stated | None = None
    version: Stated | None = None
    requires_python: Stated | None = None
    dependencies: tuple[Stated, ...] = ()
    extras: Mapping[str, tuple[Stated, ...]] = field(default_factory=dict)
    groups: Mapping[str, tuple[Stated, ...]] = field(default_factory=dict)
    paths: tuple[PathDependency, ...] = ()
    build: BuildSystem | None = None
    unknown: frozenset[str] = frozenset()
    constraints: tuple[Stated, ...] = ()
    indexes: tuple[Stated, ...] = ()
    chosen_indexes: tuple[IndexChoice, ...] = ()
