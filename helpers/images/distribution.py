"""Says how the distribution of a project gets into its image: a pure function of the project's files."""

from __future__ import annotations

import json
import os
import re
from functools import cache
from pathlib import Path

from helpers import checkout_file, pyproject, repo
from helpers.engine.specs import PROJECT_PROGRAMS, PROJECT_RECIPE, Copied, Distribution
from helpers.errors import ConfigError
from helpers.model import installation
from helpers.model.installation import WHEEL
from helpers.model.manifest import BuildSystem
from helpers.model.runnable import RunnableDir
from helpers.storage import digest

# Counted up when installed distributions of an older version of this toolchain must not be used any more.
_FORMAT = "1"


def of(runnable: RunnableDir, build: BuildSystem, *, prod: bool = False) -> Distribution:
    """Return the distribution of a project, and how its image gets it.

    Arguments:
        runnable: the directory of the project.
        build: its build backend.
        prod: whether the image holds all that it runs: then the wheel is installed, made of tracked files only.

    Raises:
        ConfigError: a file of the project cannot be read, or is a link out of the repo.
    """
    files = {item.name: item for item in _files(runnable, prod=prod)}
    project = pyproject.read_if_there(runnable.path)
    setup = "".join(_text(files[name].source) for name in ("setup.py", "setup.cfg") if name in files)
    installed = runnable.settings.installed or installation.default(build, project, setup, files)
    installed = WHEEL if prod else installed
    packages = runnable.settings.build_packages
    if not packages and installed != installation.EDITABLE:
        packages = installation.build_packages(build, setup, files)
    tables = json.dumps(installation.shaping_tables(project), sort_keys=True, default=str)
    tests = runnable.settings.tests
    shaping = installation.shaping_files(installed, files, tests, tables + setup)
    # A backend in the project is code of the build.
    shaping += [name for name in files if name.startswith(tuple(f"{path}/" for path in build.backend_path))]
    version = _version(files.get("PKG-INFO")) or str(runnable.version)
    parts: list[str | bytes] = [_FORMAT, _recipe(), repr(build), installed, version, *packages, tables]
    for name in shaping:
        parts += [name, "x" if os.access(files[name].source, os.X_OK) else "-", files[name].source.read_bytes()]
    return Distribution(
        name=runnable.changelog.name,
        installed=installed,
        build=build,
        version=version,
        build_packages=packages,
        files=tuple(files.values()),
        inputs=digest(*parts),
    )


@cache
def _recipe() -> str:
    return digest(PROJECT_RECIPE.read_bytes(), *(file.read_bytes() for file in PROJECT_PROGRAMS))


def _text(path: Path) -> str:
    return checkout_file.read_text(path)


def _version(metadata: Copied | None) -> str:
    """Return the version of an unpacked source distribution: a backend would take it from there, too."""
    found = re.search(r"^Version: *(\S+)", _text(metadata.source), re.MULTILINE) if metadata else None
    return found[1] if found else ""


def _files(runnable: RunnableDir, *, prod: bool) -> list[Copied]:
    """Return the files of a project, without those of runnable dirs inside, sorted."""
    found = repo.tracked(runnable.path) if prod else repo.files(runnable.path)
    inside_others = tuple(f"{path}/" for path in runnable.nested)
    kept = sorted(path for path in found if not str(path).startswith(inside_others))
    return [Copied(path, path.relative_to(runnable.path).as_posix()) for path in kept if _is_file(runnable, path)]


def _is_file(runnable: RunnableDir, path: Path) -> bool:
    """Return whether a path is a file of the repo; the target of a link counts."""
    real = Path(os.path.realpath(path))
    if real != path and not real.is_relative_to(runnable.root):
        fix = "copy the file in place of the link"
        why = "a build backend sees files of the repo only"
        raise ConfigError(f"is a link out of the repo {runnable.root}", where=path, why=why, fix=fix)
    return real.is_file()
