"""Reads what a runnable dir says of itself: `pyproject.toml` and `changelog.txt`."""

from __future__ import annotations

import os
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from helpers import build_system, checkout_file, discover, pyproject
from helpers.console import excerpt
from helpers.errors import ConfigError
from helpers.manifest import path_marks
from helpers.model import base_lock
from helpers.model import changelog as changelog_format
from helpers.model.image import too_long
from helpers.model.runnable import RunnableDir
from helpers.model.settings import Settings, parse_settings
from helpers.model.sibling import Sibling

read_text = checkout_file.read_text
read_pyproject = pyproject.read
parse_toml = pyproject.parse_toml
# Reads the runnable dir at a path.
Loader = Callable[[Path], RunnableDir]
_UNFINISHED = "# unfinished-0.0.0\n- 2000-01-01\n- not written yet\n"


def load(root: Path, path: Path, all_paths: Sequence[Path], *, unfinished: bool = False) -> RunnableDir:
    """Return the runnable dir at `path`.

    Arguments:
        root: absolute path of the repo's root.
        path: absolute path of the directory.
        all_paths: absolute paths of all runnable dirs of the repo.
        unfinished: whether it may still be without a changelog, which `dir_create` writes last.

    Raises:
        ConfigError: one of its files is missing or wrong; the message names file and line.
    """
    checkout_file.check_mountable(path)
    checkout_file.check_directory(path / "devops")
    log_file = path / "changelog.txt"
    unfinished = unfinished and not os.path.lexists(log_file)
    missing = [] if unfinished else discover.lost_marks(path)
    if missing:
        raise ConfigError(
            f"is a runnable dir by its settings or by git, and has no {' and no '.join(missing)}",
            where=path,
            fix=discover.restore_command(root, path, missing),
        )
    settings_file = pyproject.settings_file(path)
    # With settings of its own a directory needs no `pyproject.toml`.
    project = read_pyproject(path) if settings_file.parent == path else pyproject.read_if_there(path)
    settings = settings_of(path)
    log = _UNFINISHED if unfinished else read_text(log_file)
    found = RunnableDir(
        root=root,
        path=path,
        settings=settings,
        settings_file=settings_file,
        changelog=changelog_format.parse(log, str(log_file)),
        requires_python=str(project.get("project", {}).get("requires-python", "")),
        registry=settings_of(root).registry,
        nested=discover.nested_in(root, path, all_paths, settings.tests),
        build=build_system.of_directory(path),
        siblings=_siblings(root, path, settings),
    )
    if too_long(found.repository):
        raise ConfigError(
            f"the image's name {excerpt(found.repository)} is longer than an image's name may be",
            where=f"{log_file}:1",
            fix="give it a shorter name in changelog.txt, or [tool.helpers] registry in the root a shorter path",
        )
    return found


def _siblings(root: Path, path: Path, settings: Settings) -> tuple[Sibling, ...]:
    # Code of a used directory imports the siblings of that directory.
    used = [Path(os.path.realpath(path / name)) for name in settings.uses]
    # The tests import no code of a directory that the caller cannot read.
    used = [one for one in used if one.is_relative_to(root) and os.access(one, os.R_OK | os.X_OK)]
    used = [one for one in used if discover.is_runnable(one)]
    places = [one for one in (path, *used) if path_marks.are_in(one)]
    if not places:
        return ()
    from helpers.manifest import siblings  # slow to import, and most directories have none

    found = {one.path: one for one in siblings.of(path, root, settings)} if path in places else {}
    for place in places:
        for one in siblings.of(place, root, settings_of(place)) if place != path else ():
            if one.path not in (path, *used):
                found.setdefault(one.path, replace(one, is_used=True))
    return tuple(found.values())


def repo_settings(root: Path) -> Settings:
    """Return the settings of the repo at `root`: those that are read from the root whatever else it is.

    Raises:
        ConfigError: its `pyproject.toml` is wrong.
    """
    return settings_of(root)


def loader(root: Path, all_paths: Sequence[Path] = (), checkouts: Sequence[Path] = ()) -> Loader:
    """Return what reads each runnable dir of the repo at `root` once; `load` says what is raised.

    Arguments:
        root: absolute path of the repo's root.
        all_paths: absolute paths of all its runnable dirs; needed only where the ones nested in another matter.
        checkouts: absolute paths of submodules; their runnable dirs are not nested in a directory of the repo.
    """
    ends = {str(root), *map(str, checkouts)}
    # Only those that lie in a directory are asked whether they do: of thousands each would be asked about all others.
    below: dict[str, list[Path]] = {}
    for other in all_paths:
        above = str(other)
        while above not in ends and len(above) > len(str(root)):
            above = os.path.dirname(above)
            below.setdefault(above, []).append(other)
    return cache(lambda path: load(root, path, below.get(str(path), ())))


@cache
def read_shared(path: Path) -> str:
    """Return the content of a file of helpers itself, for the builds of many directories."""
    return path.read_text("utf-8")


def forget() -> None:
    """Read every `pyproject.toml` anew from now on: one that was read once counts for the whole life of a process."""
    checkout_file.forget()
    read_shared.cache_clear()
    pyproject.read.cache_clear()
    build_system.of_directory.cache_clear()
    settings_of.cache_clear()


def read_base_lock(runnable: RunnableDir) -> base_lock.BaseLock | None:
    """Return which base the image of `runnable` is built on, if that is recorded.

    Raises:
        ConfigError: the record is wrong, or is one of another base than the settings name.
    """
    file = runnable.path / base_lock.PATH
    text = checkout_file.read_text_if_there(file)
    if text is None:
        return None
    recorded = base_lock.parse(text, str(file))
    if recorded.base != runnable.settings.base:
        now = f"{runnable.spelled('base')} is {excerpt(runnable.settings.base)}"
        raise ConfigError(
            f"records the base {excerpt(recorded.base)}, and {now}",
            where=file,
            fix=f"{update_command(runnable.path)}  (for a base that is made here: remove the file)",
        )
    return recorded


def update_command(path: Path) -> str:
    """Return the command that records the base of the runnable dir at `path`."""
    return f"invoke docker_bases --update --dir {shlex.quote(str(path))}"


@cache
def settings_of(path: Path) -> Settings:
    """Return the settings of the directory at `path`.

    Raises:
        ConfigError: they are wrong.
    """
    return parse_settings(pyproject.settings_table(path), str(pyproject.settings_file(path)))
