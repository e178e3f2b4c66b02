"""What every container of a runnable dir is given: its environment, and the labels that say whose it is."""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path

from helpers import build_system, checkout_file, config, pyproject
from helpers.console import excerpt
from helpers.discover import is_runnable
from helpers.engine import ownership
from helpers.errors import ConfigError
from helpers.host import User
from helpers.inside.helpers_projects import VARIABLE as PROJECTS
from helpers.model import image as names
from helpers.model.runnable import RunnableDir
from helpers.model.settings import Settings
from helpers.model.settings_file import spelled
from helpers.model.sibling import Sibling
from helpers.repo import git_dirs

# More devices are a directory that holds something else.
_MOST_DEVICES = 10_000


def base_environment(runnable: RunnableDir, user: User) -> dict[str, str]:
    """Return the environment of every container of `runnable`, without what it takes from the host."""
    projects = _projects(runnable)
    return {
        "HOME": user.home,
        "USER": user.name,
        "LOGNAME": user.name,
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(str(path) for path in _python_path(runnable) if os.path.isdir(path)),
        **({PROJECTS: projects} if projects else {}),
    }


def terminal_environment() -> dict[str, str]:
    """Return the variables that describe the caller's terminal to a container."""
    return {"TERM": os.environ.get("TERM", "xterm")}


def _projects(runnable: RunnableDir) -> str:
    """Return the names and the checkouts of the projects that a container may import."""
    own = [runnable] if runnable.build and runnable.python_path else []
    used = (path for path in used_dirs(runnable) if build_system.of_directory(path))
    found = {one.changelog.name: one.path for one in (*own, *(config.load(runnable.root, path, ()) for path in used))}
    found |= {one.name: one.path for one in runnable.siblings if one.build}
    return os.pathsep.join(part for name, path in found.items() for part in (name, str(path)))


def check_for_editor(directory: Path, root: Path, settings: Settings) -> None:
    """Refuse a file of variables that an editor, which gives the file to the docker client, reads otherwise.

    Arguments:
        directory: absolute path of the runnable dir.
        root: absolute path of the repo.
        settings: of the directory.

    Raises:
        ConfigError: a variable has another value for the client, or as for `file_values`.
    """
    if not (values := file_values(directory, root, settings)):
        return
    from helpers.model import env_file

    path = Path(os.path.normpath(directory / settings.env_file))
    read = env_file.as_docker_reads(checkout_file.read_text(path))
    if other := next((name for name, value in values.items() if read.get(name) != value), ""):
        what = f"an editor's container would have another value of {excerpt(other)}"
        why = "the docker client takes quotes, blanks and `export` as a part of the line"
        raise ConfigError(what, where=path, why=why, fix=f"write {other}=VALUE without them")


def file_values(directory: Path, root: Path, settings: Settings) -> dict[str, str]:
    """Return the variables of the file that the setting `env_file` names.

    Arguments:
        directory: absolute path of the runnable dir.
        root: absolute path of the repo.
        settings: of the directory.

    Raises:
        ConfigError: the file is missing, outside the repo, behind a link, or no file of variables.
    """
    if not settings.env_file:
        return {}
    from helpers.model import env_file  # most directories have none

    path = Path(os.path.normpath(directory / settings.env_file))
    file = pyproject.settings_file(directory)
    setting = f"{spelled('env_file', file)}: {excerpt(settings.env_file)}"
    fix = "name a file of the repo by its own path"
    if git_dirs.is_within(path, root):
        why = "a checkout of CI may leave its token there"
        raise ConfigError(f"{setting} is data of git, which no test sees", where=file, why=why, fix=fix)
    if not path.is_relative_to(root) or os.path.realpath(path) != str(path):
        raise ConfigError(f"{setting} leads out of the repo, or is behind a link", where=file, fix=fix)
    text = checkout_file.read_text_if_there(path)
    if text is None:
        fix = f"write NAME=VALUE lines to {shlex.quote(str(path))}, or take the setting out"
        raise ConfigError(f"{setting} does not exist", where=file, fix=fix)
    taken = (*settings.inherited, *settings.values)
    return env_file.parse(text, str(path), taken)


def used_dirs(runnable: RunnableDir) -> list[Path]:
    """Return the runnable dirs that `uses` names; Python finds their code, as it does in a `prod` image on theirs."""
    used = (Path(os.path.realpath(runnable.path / name)) for name in runnable.settings.uses)
    return [path for path in used if is_runnable(path)]


def _python_path(runnable: RunnableDir) -> list[Path]:
    used = [path / below for path in used_dirs(runnable) for below in (".", "src")]
    more = (Path(os.path.realpath(runnable.path / name)) for name in runnable.settings.python_path)
    beside = [path for one in _not_installed(runnable) for path in one.python_path]
    return [*runnable.python_path, *more, *used, *beside]


def _not_installed(runnable: RunnableDir) -> list[Sibling]:
    """Return the siblings that the image may not install: a recipe of the directory's own installs none."""
    is_own = os.path.lexists(runnable.path / "devops" / "Dockerfile")
    return [one for one in runnable.siblings if is_own or one.is_used or not one.build]


def services_file(runnable: RunnableDir) -> Path | None:
    """Return the file that says which services stand beside every container of `runnable`; None if there is none."""
    file = runnable.path / "devops" / "compose.yaml"
    return file if os.path.lexists(file) else None


def device_groups(devices: Sequence[str]) -> tuple[int, ...]:
    """Return the groups whose members may open devices of this machine: a container's user is in none of them."""
    groups: set[int] = set()
    for item in devices:
        path = item.partition(":")[0]
        # The engine gives all devices below a directory, as in /dev/bus/usb, and follows no link there.
        below = (os.path.join(place, name) for place, _, names in os.walk(path) for name in names)
        for name in (os.path.realpath(path), *islice(below, _MOST_DEVICES)):
            # The engine, which may be on another machine, says whether the device is there.
            with suppress(OSError):
                found = os.lstat(name)
                groups |= {found.st_gid} if stat.S_ISCHR(found.st_mode) or stat.S_ISBLK(found.st_mode) else set()
    return tuple(sorted(groups - {0}))


def image_says(labels: Mapping[str, str]) -> dict[str, str]:
    """Return what a container is told that its image is, from the image's labels."""
    return {names.IMAGE_VARIABLE: f"{labels.get(names.LABEL_TITLE, '')}-{labels.get(names.LABEL_VERSION, '')}"}


def container_labels(runnable: RunnableDir) -> dict[str, str]:
    """Return the labels of every container of `runnable`: what it is for, and which process it must not outlive."""
    return {
        names.LABEL_DIR: runnable.name,
        names.LABEL_ROOT: str(runnable.root),
        names.LABEL_OWNER: ownership.this_owner(),
    }
