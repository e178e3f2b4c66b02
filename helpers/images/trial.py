"""Tries an image on every platform that it is for: it starts, has its Python, and imports the directory's code."""

from __future__ import annotations

import os
import shlex
from dataclasses import dataclass
from pathlib import Path

from helpers import config, inside
from helpers.console import say
from helpers.containers.environment import base_environment, container_labels, used_dirs
from helpers.engine.seam import Control, Engine
from helpers.engine.specs import ImageSpec, Mount, RunSpec
from helpers.errors import InfrastructureError, PolicyError
from helpers.host import User, user
from helpers.images import code
from helpers.images.recipe import image_layers
from helpers.model.image import BaseKind, native_platform
from helpers.model.runnable import RunnableDir
from helpers.model.stage import Stage
from helpers.storage import cache_dir, write_once
from helpers.thin_env.slow_steps import shown

# An emulated Python takes seconds to start.
_SECONDS = 300.0
# The user of a `prod` image.
_NOBODY = User(65532, 65532, "nonroot")
_PROGRAM = Path(inside.__file__).with_name("try_imports.py")
_PROGRAM_INSIDE = "/helpers/try_imports.py"


@dataclass(frozen=True)
class Tried:
    """An image to try.

    Arguments:
        image: as it was planned.
        digest: of the image in the engine.
        runnable: the directory.
    """

    image: ImageSpec
    digest: str
    runnable: RunnableDir


def once(engine: Engine, tried: Tried, control: Control) -> None:
    """Try an image as `all_platforms` does; nothing, if that went well on this machine before."""
    record = cache_dir() / "tried" / tried.digest.removeprefix("sha256:")
    if not record.exists():
        all_platforms(engine, tried, control)
        write_once(record, "it works\n")


def all_platforms(engine: Engine, tried: Tried, control: Control) -> None:
    """Start a container of each platform of an image, and import the code in it.

    Raises:
        PolicyError: one of them does not start, or cannot import the code.
    """
    name = tried.runnable.name
    for platform in tried.image.platforms or (native_platform(os.uname().machine),):
        say(f"trying {name} on {platform}")
        log = cache_dir() / "builds" / f"try-{tried.digest[7:19]}-{platform.replace('/', '-')}.log"
        with shown(f"trying {name} on {platform}", key=f"trying an image on {platform}", usual=2.0):
            outcome = engine.run(_container(tried, platform), log, _SECONDS, control)
        if outcome.stopped:
            raise InfrastructureError("stopped by the user", where=name)
        if outcome.code:
            last = next((line for line in reversed(outcome.output.splitlines()) if line.strip()), "no output")
            why, fix = _cause(tried) or (None, f"read {log}")
            what = f"the image does not work on {platform}: {last.strip()[:200]}"
            raise PolicyError(what, where=name, why=why, fix=fix)


def _cause(tried: Tried) -> tuple[str, str] | None:
    """Return why an image of `prod` lacks code that its tests have, with the fix."""
    if tried.image.stage is not Stage.PROD:
        return None
    layers = image_layers(tried.runnable, config.loader(tried.runnable.root))
    below = [os.path.realpath(one.path / one.base.value) for one in layers if one.base.kind is BaseKind.DIR]
    used = [path for path in used_dirs(tried.runnable) if str(path) not in below]
    if not used:
        return None
    names = [os.path.relpath(path, tried.runnable.path) for path in used]
    why = f"`uses` names {', '.join(names)}: tests see that code, and an image of `prod` holds what its bases hold"
    return why, f'write base = "dir:{shlex.quote(names[0])}"'


def _container(tried: Tried, platform: str) -> RunSpec:
    runnable, prod = tried.runnable, tried.image.stage is Stage.PROD
    who = _NOBODY if prod else user()
    beside = [one.path for one in runnable.siblings]
    modules = () if tried.image.is_project else code.importable(code.chosen(runnable))
    return RunSpec(
        name=f"helpers-try-{os.urandom(6).hex()}",
        image=tried.digest,
        argv=("python", _PROGRAM_INSIDE, *modules),
        cwd=Path("/") if prod else runnable.path,
        user=who,
        # In `prod` the code is in the image; for all others the checkout is mounted.
        mounts=() if prod else tuple(map(Mount, (runnable.path, *used_dirs(runnable), *beside))),
        programs={_PROGRAM_INSIDE: _PROGRAM},
        env={} if prod else base_environment(runnable, who),
        network="none",
        memory=runnable.settings.memory,
        pids=runnable.settings.pids,
        read_only=True,
        labels=container_labels(runnable),
        platform=platform,
    )
