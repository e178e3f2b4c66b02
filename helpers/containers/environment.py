"""What every container of a runnable dir is given: its environment, and the labels that say whose it is."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from helpers.discover import is_runnable
from helpers.engine import ownership
from helpers.host import User
from helpers.model import image as names
from helpers.model.runnable import RunnableDir


def base_environment(runnable: RunnableDir, user: User) -> dict[str, str]:
    """Return the environment of every container of `runnable`, without what it takes from the host."""
    return {
        "HOME": user.home,
        "USER": user.name,
        "LOGNAME": user.name,
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        "PYTHONPATH": os.pathsep.join(str(path) for path in _python_path(runnable) if os.path.isdir(path)),
    }


def used_dirs(runnable: RunnableDir) -> list[Path]:
    """Return the runnable dirs that `uses` names; Python finds their code, as it does in a `prod` image on theirs."""
    used = (Path(os.path.realpath(runnable.path / name)) for name in runnable.settings.uses)
    return [path for path in used if is_runnable(path)]


def _python_path(runnable: RunnableDir) -> list[Path]:
    used = [path / below for path in used_dirs(runnable) for below in (".", "src")]
    return [*runnable.python_path, *used]


def services_file(runnable: RunnableDir) -> Path | None:
    """Return the file that says which services stand beside every container of `runnable`; None if there is none."""
    file = runnable.path / "devops" / "compose.yaml"
    return file if os.path.lexists(file) else None


def device_groups(devices: Sequence[str]) -> tuple[int, ...]:
    """Return the groups whose members may open devices of this machine: a container's user is in none of them."""
    groups: set[int] = set()
    for item in devices:
        path = item.partition(":")[0]
        # The engine, which may be on another machine, says whether the device is there.
        with suppress(OSError):
            names = [entry.path for entry in os.scandir(path)] if os.path.isdir(path) else [path]
            groups |= {os.stat(name).st_gid for name in names}
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
