"""Says how the distribution of a project gets into its image: a pure function of the project's files."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath

from helpers import checkout_file, config, discover, pyproject, repo
from helpers.engine.specs import CODE_RECIPE, PROJECT_PROGRAMS, PROJECT_RECIPE, PROJECTS_RECIPE, Copied, Distribution
from helpers.errors import ConfigError, PolicyError
from helpers.images.forbidden import why_forbidden
from helpers.model import installation
from helpers.model.installation import WHEEL
from helpers.model.manifest import BuildSystem
from helpers.model.runnable import RunnableDir
from helpers.model.settings import Settings
from helpers.model.sibling import Sibling
from helpers.repo.location import git_in
from helpers.storage import digest

# Counted up when installed distributions of an older version of this toolchain must not be used any more.
_FORMAT = "2"
# Directories whose files are, as a rule, in no wheel: a key there is one of tests.
_NOT_IN_WHEELS = {"test", "tests", "testing", "doc", "docs", "examples"}


@dataclass(frozen=True)
class Project:
    """A project of the repo with a build backend.

    Arguments:
        name: unique in an image.
        path: absolute path.
        root: absolute path of the repo.
        build: its build backend.
        version: for a backend that would ask git.
        settings: of the directory.
        nested: absolute paths of the runnable dirs inside it.
    """

    name: str
    path: Path
    root: Path
    build: BuildSystem
    version: str
    settings: Settings
    nested: tuple[Path, ...] = ()


def own_project(runnable: RunnableDir) -> Project | None:
    """Return the project of a runnable dir; None for a directory without a build backend."""
    if not runnable.build:
        return None
    name, version = runnable.changelog.name, str(runnable.version)
    return Project(name, runnable.path, runnable.root, runnable.build, version, runnable.settings, runnable.nested)


def sibling_project(sibling: Sibling, root: Path) -> Project | None:
    """Return the project of a sibling; None for a sibling without a build backend.

    Arguments:
        sibling: of a runnable dir.
        root: absolute path of the repo.

    Raises:
        ConfigError: the settings of the sibling are wrong.
    """
    if not sibling.build:
        return None
    nested = {file.parent for file in repo.files(sibling.path, "**/changelog.txt")} - {sibling.path}
    inside = tuple(sorted(filter(discover.is_runnable, nested)))
    settings = config.settings_of(sibling.path)
    return Project(sibling.name, sibling.path, root, sibling.build, sibling.version, settings, inside)


def of(project: Project, *, prod: bool = False) -> Distribution:
    """Return the distribution of a project, and how an image gets the distribution.

    Arguments:
        project: of a runnable dir or a sibling.
        prod: whether the image holds all that it runs: then the wheel is installed, made of tracked files only.

    Raises:
        ConfigError: a file of the project cannot be read, or is a link out of the repo.
    """
    files = {item.name: item for item in _files(project, prod=prod)}
    build, settings, manifest = project.build, project.settings, pyproject.read_if_there(project.path)
    setup = "".join(_text(files[name].source) for name in ("setup.py", "setup.cfg") if name in files)
    installed = settings.installed or installation.default(build, manifest, setup, files)
    installed = WHEEL if prod else installed
    packages = settings.build_packages
    if not packages and installed != installation.EDITABLE:
        packages = installation.build_packages(build, setup, files)
    tables = json.dumps(installation.shaping_tables(manifest), sort_keys=True, default=str)
    shaping = installation.shaping_files(installed, files, manifest, setup, build.backend_path)
    version = _version(files.get("PKG-INFO")) or project.version
    parts: list[str | bytes] = [_FORMAT, _recipe(), project.name, repr(build), installed, version, *packages, tables]
    for name in shaping:
        parts += [name, "x" if os.access(files[name].source, os.X_OK) else "-", digest(files[name].source.read_bytes())]
    return Distribution(
        name=project.name,
        place=project.path,
        installed=installed,
        build=build,
        version=version,
        build_packages=packages,
        files=tuple(files.values()),
        inputs=digest(*parts),
    )


@cache
def _recipe() -> str:
    return digest(*(file.read_bytes() for file in (PROJECT_RECIPE, PROJECTS_RECIPE, CODE_RECIPE, *PROJECT_PROGRAMS)))


def _text(path: Path) -> str:
    return checkout_file.read_text(path)


def _version(metadata: Copied | None) -> str:
    """Return the version of an unpacked source distribution: a backend would take it from there, too."""
    found = re.search(r"^Version: *(\S+)", _text(metadata.source), re.MULTILINE) if metadata else None
    return found[1] if found else ""


def _files(project: Project, *, prod: bool) -> list[Copied]:
    """Return the files of a project, without those of runnable dirs inside, sorted."""
    listed = repo.tracked if prod else repo.files
    inside_others = tuple(f"{path}/" for path in project.nested)
    found = sorted(path for path in listed(project.path) if not str(path).startswith(inside_others))
    links = {path: Path(os.path.realpath(path)) for path in found if os.path.realpath(path) != str(path)}
    # A sibling in a submodule may hold links to files of that submodule, which the repo around it does not list.
    roots = {project.root, repo.find_root(project.path)} if links else set()
    known = {*found, *(file for root in roots for file in listed(root))}
    for path, real in links.items():
        _check_link(project.root, path, real, known)
    named = {path.relative_to(project.path).as_posix(): path for path in found}
    # A package may be a link to a directory of the repo.
    for path, real in links.items():
        below = path.relative_to(project.path)
        inside = (one for one in known if one != real and one.is_relative_to(real))
        named |= {(below / one.relative_to(real)).as_posix(): one for one in inside}
    kept = [Copied(path, name) for name, path in sorted(named.items()) if path.is_file()]
    return [item for item in kept if not (prod and _is_left_out(project, item))]


def _check_link(root: Path, path: Path, real: Path, known: Collection[Path]) -> None:
    """Refuse a link to a file that is no source of the repo: ignored files and data of git hold passwords."""
    kind = "directory" if real.is_dir() else "file"
    if not real.is_relative_to(root):
        what = f"is a link out of the repo {root}"
    elif real.exists() and real not in known and not any(one.is_relative_to(real) for one in known):
        what = f"is a link to a {kind} that git ignores, or that is data of git or of a submodule"
    else:
        return
    why = "a build backend sees files of the repo only"
    raise ConfigError(what, where=path, why=why, fix=f"copy the {kind} in place of the link")


def _is_left_out(project: Project, item: Copied) -> bool:
    """Return whether a file of tests stays out of a build for prod; refuse another file that no image may hold."""
    reason = why_forbidden(item.name, item.source.read_bytes())
    if not reason:
        return False
    path = PurePosixPath(item.name)
    tests = [name for name in project.settings.tests if name != "."]
    if {*path.parts[:-1]} & _NOT_IN_WHEELS or any(path.is_relative_to(name) for name in tests):
        return True
    raise PolicyError(
        f"may not be in an image: {reason}",
        where=item.source,
        fix=f"{git_in(project.path)} rm --cached {shlex.quote(item.name)}",
    )
