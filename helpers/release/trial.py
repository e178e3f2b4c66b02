"""Tries an image on every platform that it is for: it starts, has its Python, and imports the directory's code."""

from __future__ import annotations

import os
from pathlib import Path

from helpers.console import say
from helpers.containers.environment import base_environment, container_labels, used_dirs
from helpers.engine.seam import Control, Engine
from helpers.engine.specs import Mount, RunSpec
from helpers.errors import BuildError, InfrastructureError
from helpers.host import User, user
from helpers.images import code
from helpers.images.artifact import Artifact
from helpers.model.image import native_platform
from helpers.model.runnable import RunnableDir
from helpers.model.stage import Stage
from helpers.storage import cache_dir

# An emulated Python takes seconds to start.
_SECONDS = 300.0
# The user of a `prod` image.
_NOBODY = User(65532, 65532, "nonroot")


def try_all(engine: Engine, artifact: Artifact, runnable: RunnableDir, control: Control) -> None:
    """Start a container of each platform of `artifact` that imports the code.

    Raises:
        BuildError: one of them does not start, or can not import it.
    """
    for platform in artifact.image.platforms or (native_platform(os.uname().machine),):
        say(f"trying {runnable.name} on {platform}")
        spec = _container(artifact, runnable, platform)
        log = cache_dir() / "builds" / f"try-{artifact.digest[7:19]}-{platform.replace('/', '-')}.log"
        outcome = engine.run(spec, log, _SECONDS, control)
        if outcome.stopped:
            raise InfrastructureError("stopped by the user", where=runnable.name)
        if outcome.code:
            last = next((line for line in reversed(outcome.output.splitlines()) if line.strip()), "no output")
            raise BuildError(
                f"the image does not work on {platform}: {last.strip()[:200]}", where=runnable.name, fix=f"read {log}"
            )


def _container(artifact: Artifact, runnable: RunnableDir, platform: str) -> RunSpec:
    prod = artifact.image.stage is Stage.PROD
    who = _NOBODY if prod else user()
    imports = "".join(f"import {name}; " for name in code.importable(code.chosen(runnable)))
    env = {} if prod else base_environment(runnable, who)
    return RunSpec(
        name=f"helpers-try-{os.urandom(6).hex()}",
        image=artifact.digest,
        argv=("python", "-c", f"import sys, platform; {imports}print(sys.version, platform.machine())"),
        cwd=Path("/") if prod else runnable.path,
        user=who,
        # In `prod` the code is in the image; for all others the checkout is mounted.
        mounts=() if prod else tuple(map(Mount, (runnable.path, *used_dirs(runnable)))),
        env=env,
        network="none",
        memory=runnable.settings.memory,
        pids=runnable.settings.pids,
        read_only=True,
        labels=container_labels(runnable),
        platform=platform,
    )
