"""Finds the faults in the files of a runnable dir, for the plan, the run and `dir_check`."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Sequence
from pathlib import Path

from helpers import checkout_file
from helpers.console import excerpt
from helpers.containers import environment
from helpers.engine import dockerfile
from helpers.engine.specs import ImageSpec
from helpers.errors import ConfigError, NothingSelectedError
from helpers.images import digests, lock_source
from helpers.images.recipe import SHARED_DOCKERFILE
from helpers.model.archive import PYTHON_OF_SUITE
from helpers.model.image import Base, BaseKind
from helpers.model.python_specifier import allows
from helpers.model.runnable import RunnableDir

_FROM = re.compile(r"^[ \t]*FROM\s", re.MULTILINE | re.IGNORECASE)


def check(runnable: RunnableDir, chain: Sequence[ImageSpec], *, tests: bool = True) -> None:
    """Return if a run of `runnable` finds no fault before it asks an engine.

    Arguments:
        runnable: the directory.
        chain: the needed images, bases first, built from this checkout's files.
        tests: whether its tests must exist: pytest's arguments may name further tests.

    Raises:
        ConfigError: a path of a setting is missing or leads out, its Python is not the suite's, the lock does not
            match `pyproject.toml`, or its Dockerfile builds nothing.
        NothingSelectedError: the directory has no tests.
    """
    check_paths(runnable, tests=tests)
    for image in chain:
        # An image built from the same inputs had this lock.
        if image.directory and not digests.known(image.reference):
            lock_source.check(image.directory)
    check_images(runnable, chain)


def check_images(runnable: RunnableDir, chain: Sequence[ImageSpec]) -> None:
    """Return if the files show no fault that prevents a build of `runnable`; arguments and errors as for `check`."""
    own = [image.dockerfile for image in chain if image.dockerfile and image.dockerfile != SHARED_DOCKERFILE]
    for file in own:
        check_dockerfile(file)
    # A Dockerfile of its own may bring another Python.
    if chain and not own and (problem := python_problem(chain[0].base, runnable.requires_python)):
        others = ", ".join(f"archive:{suite} has {python}" for suite, python in PYTHON_OF_SUITE.items() if python)
        fix = f"change [project] requires-python, or {runnable.spelled('base')}: {others}"
        raise ConfigError(problem, where=runnable.path / "pyproject.toml", fix=fix)


def check_paths(runnable: RunnableDir, *, tests: bool = True) -> None:
    """Return if each path in the settings of `runnable` exists at an allowed place; errors as for `check`."""
    settings = runnable.settings
    environment.file_values(runnable.path, runnable.root, settings)
    for name in settings.python_path:
        contained(runnable, name, "python_path")
    for name in settings.uses:
        contained(runnable, name, "uses")
    for name in settings.writable:
        contained(runnable, name, "writable")
    if not tests:
        return
    if not any((runnable.path / name).exists() for name in settings.tests):
        raise NothingSelectedError(
            f"no tests: {', '.join(settings.tests)} does not exist",
            where=runnable.path,
            fix=f"make test/test_*.py, or name the place in {runnable.spelled('tests')}",
        )
    for name in settings.tests:
        if not _is_plain(str(runnable.path), name):
            contained(runnable, name, "tests")


def _is_plain(path: str, name: str) -> bool:
    """Say whether a name in a directory leads to a path inside without a link; the check is cheap."""
    for part in name.split("/"):
        path = f"{path}/{part}"
        try:
            if part in ("", "..") or stat.S_ISLNK(os.lstat(path).st_mode):
                return False
        except OSError:
            return False
    return True


def contained(runnable: RunnableDir, name: str, setting: str) -> Path:
    """Return the absolute path, without links, of an item in a setting of `runnable`.

    Arguments:
        runnable: the directory.
        name: relative to it.
        setting: `uses` or `python_path`, whose paths lie in the repo, `writable`, whose paths lie in the directory, or
            `tests`, which names paths of the directory that may be links to paths of the repo.

    Raises:
        ConfigError: the path is missing, or leads out.
    """
    path = Path(os.path.realpath(runnable.path / name))
    where, name_of = runnable.settings_file, runnable.spelled(setting)
    limit = runnable.path if setting == "writable" else runnable.root
    spelled = Path(os.path.normpath(runnable.path / name))
    if setting == "tests" and not spelled.is_relative_to(runnable.path):
        limit = runnable.path
    if not path.is_relative_to(limit):
        fix = f"name a path inside {'the directory' if limit == runnable.path else 'the repo'}"
        raise ConfigError(f"{name_of}: {excerpt(name)} leads out of {limit}", where=where, fix=fix)
    if not path.exists():
        fix = "make it, or take it out of the list"
        raise ConfigError(f"{name_of}: {excerpt(name)} does not exist", where=where, fix=fix)
    checkout_file.check_mountable(path)
    return path


def check_dockerfile(file: Path) -> None:
    """Return if a directory's own Dockerfile has a stage.

    Raises:
        ConfigError: it has none, cannot be read, or names a frontend other than Docker's.
    """
    if not _FROM.search(dockerfile.read(file)):
        fix = "begin it with `ARG BASE` and `FROM ${BASE}` (see docs/how-to/dependencies.md)"
        raise ConfigError("has no FROM, so it builds no image", where=file, fix=fix)


def python_problem(base: Base, requires_python: str) -> str:
    """Return why `requires_python` does not fit the Python of a base; empty if the Python fits or is unknown.

    Arguments:
        base: the base of the lowest image.
        requires_python: a specifier (PEP 440).
    """
    there = PYTHON_OF_SUITE.get(base.value, "") if base.kind is BaseKind.ARCHIVE else ""
    if not there or allows(requires_python, int(there.split(".")[1])):
        return ""
    return f"requires-python {excerpt(requires_python)} does not allow Python {there}, which {base} has"
