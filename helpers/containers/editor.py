"""The image and the container of a runnable dir as an editor opens them, the same for every user and every checkout."""

from __future__ import annotations

from pathlib import Path

from helpers import config, discover, host
from helpers.console import say
from helpers.containers import environment, shell
from helpers.engine import account
from helpers.engine.specs import ImageSpec, RunSpec
from helpers.model.runnable import RunnableDir
from helpers.model.stage import Stage

# The tag of the image whose user is the caller: moved by each build, it stays on this machine.
TAG = "editor"
# What differs from user to user, and so stands in that image.
PERSONAL = ("HOME", "USER", "LOGNAME")


def reference(runnable: RunnableDir) -> str:
    """Return what the image is called that an editor opens the directory in."""
    return f"{runnable.repository}:{TAG}"


def container(runnable: RunnableDir) -> RunSpec:
    """Return the container that an editor starts, without what differs from user to user."""
    image = ImageSpec(runnable.name, reference(runnable), "", runnable.base)
    return shell.workplace(runnable, host.User(0, 0, ""), image)


def build(directory: str | None) -> int:
    """Build the image that an editor opens a runnable dir in, and return the exit code.

    Arguments:
        directory: the runnable dir; None is the one that encloses the current directory.

    Raises:
        BuildError: it did not build.
        ConfigError: the editor would read the file of variables otherwise than `docker_bash`.
    """
    root, path = discover.nearest(directory)
    runnable = config.load(root, path, ())
    environment.check_for_editor(path, root, runnable.settings)
    image = shell.provided(runnable, Stage.LOCAL)
    user = host.user()
    spec = shell.workplace(runnable, user, image)
    personal = {name: spec.env[name] for name in PERSONAL} | dict(spec.image_says)
    built = account.ensure(reference(runnable), image.reference, user, personal)
    say(f"{reference(runnable)} is {'built' if built else 'there'}, for {user.name}")
    return 0


def unsupported(runnable: RunnableDir) -> list[str]:
    """Return what `docker_bash` gives the directory and an editor's container does not have."""
    spec = container(runnable)
    services = [f"the services of {Path(spec.services).name}"] if spec.services else []
    return [*services, *([f'docker = "{spec.docker}"'] if spec.docker else [])]
