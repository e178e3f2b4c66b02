"""Runs a shell, a command or Jupyter in the container of a runnable dir, with the checkout mounted."""

from __future__ import annotations

import dataclasses
import errno
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers import config, discover, host, inside, repo, spawn
from helpers.console import excerpt, has_terminal, say
from helpers.containers import rights
from helpers.containers.environment import (
    base_environment,
    container_labels,
    device_groups,
    file_values,
    image_says,
    services_file,
    terminal_environment,
)
from helpers.engine import client
from helpers.engine.specs import ImageSpec, Mount, RunSpec
from helpers.errors import ConfigError, UsageError
from helpers.images import lock_source
from helpers.images.recipe import image_chain
from helpers.model import policy
from helpers.model.image import IMAGE_VARIABLE, LABEL_TITLE, LABEL_VERSION, goes_by_wrong_name
from helpers.model.number import whole
from helpers.model.runnable import RunnableDir
from helpers.model.stage import RUN_STAGES, Stage, parse_stage
from helpers.storage import cache_dir, use

# An interactive bash of Debian sets its own prompt at its start, so this is done just before the first prompt.
_PROMPT = {"PROMPT_COMMAND": f"PS1='(${IMAGE_VARIABLE}) \\w\\$ '; unset PROMPT_COMMAND"}
_MOST_PORTS = 65535
_POLL_SECONDS = 0.2


def bash(directory: str | None, stage: str, publish: Sequence[str] = ()) -> None:
    """Become a shell in the container of a runnable dir; its exit code is the shell's.

    Arguments:
        directory: the runnable dir; None is the one that encloses the current directory.
        stage: `local` or `dev`.
        publish: ports of the container that this machine reaches, as in `8000` or `8001:8000`.

    Raises:
        UsageError: a port is no port, or is in use.
    """
    _become(_nearest(directory), ["bash"], stage, is_shell=True, publish=_published(publish))


def command(directory: str | None, words: Sequence[str], stage: str, publish: Sequence[str] = ()) -> None:
    """Become a command in the container of a runnable dir; its exit code is the command's.

    Arguments:
        directory: the runnable dir; None is the one that encloses the current directory.
        words: the command and its arguments; no shell reads them.
        stage: `local` or `dev`.
        publish: ports of the container that this machine reaches, as in `8000` or `8001:8000`.

    Raises:
        UsageError: there is no command; a port is no port, or is in use.
    """
    if not words:
        raise UsageError("docker_cmd needs a command", fix="invoke docker_cmd -- python -V")
    _become(_nearest(directory), words, stage, publish=_published(publish))


def jupyter(directory: str | None, port: int | None, stage: str) -> None:
    """Become a Jupyter server in the container of a runnable dir, reachable on this machine's loopback address.

    Arguments:
        directory: the runnable dir; None is the one that encloses the current directory.
        port: port on this machine; None takes a free one.
        stage: `local` or `dev`.

    Raises:
        ConfigError: the directory's lock holds no Jupyter.
    """
    found = _nearest(directory)
    if "jupyterlab" not in {package.name for package in lock_source.pins(found[0].path)}:
        raise ConfigError(
            "has no jupyterlab in its lock",
            where=found[0].path,
            fix='add "jupyterlab" to the group `dev` in pyproject.toml; invoke docker_lock && invoke docker_build',
        )
    port = port or _free_port()
    token = os.urandom(24).hex()
    say(f"starting Jupyter on port {port} of this machine; its URL is printed when it answers")
    # The same port inside, because Jupyter prints URLs too.
    words = ["jupyter", "lab", "--ip=0.0.0.0", f"--port={port}", "--no-browser"]
    words += ["--allow-root"] if os.getuid() == 0 else []
    os.environ["JUPYTER_TOKEN"] = token
    spawn.beside(lambda: _announced(port, token), _POLL_SECONDS)
    _become(found, words, stage, inherit=("JUPYTER_TOKEN",), publish=((port, port),))


def _announced(port: int, token: str) -> bool:
    """Print the URL of Jupyter if it answers; return whether it answers."""
    import http.client  # a start of a shell does without it

    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/api")
        if connection.getresponse().status != http.client.OK:
            return False
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
    url = f"http://127.0.0.1:{port}/lab?token={token}"
    # The engine's client has changed the terminal: a line feed alone does not go to the first column.
    sys.stderr.write(f"\rhelpers: Jupyter is ready: {url}  (Ctrl-C twice ends it)\r\n")
    sys.stderr.flush()
    return True


def _published(given: Sequence[str]) -> tuple[tuple[int, int], ...]:
    """Return pairs of a port of this machine and the container's port that it leads to, and print them."""
    pairs: list[tuple[int, int]] = []
    for text in given:
        outside, mark, within = text.partition(":")
        numbers = [whole(part, _MOST_PORTS) or 0 for part in (outside, within or outside)]
        if (mark and not within) or not all(numbers):
            fix = "--publish 8000, or --publish 8001:8000 for port 8001 of this machine"
            raise UsageError(f"--publish {excerpt(text)} is no port, as 8000, and no two, as 8001:8000", fix=fix)
        if numbers[0] in dict(pairs) or _is_in_use(numbers[0]):
            fix = f"--publish {_free_port()}:{numbers[1]}"
            raise UsageError(f"port {numbers[0]} of this machine is in use", where=f"--publish {text}", fix=fix)
        pairs.append((numbers[0], numbers[1]))
        say(f"127.0.0.1:{numbers[0]} leads to port {numbers[1]} of the container; a program there listens on 0.0.0.0")
    return tuple(pairs)


def _is_in_use(port: int) -> bool:
    with socket.socket() as listener:
        # As the engine does: a port whose last connections are just ending is free.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            # The engine may be allowed what this user is not.
            return error.errno == errno.EADDRINUSE
    return False


def _nearest(directory: str | None) -> tuple[RunnableDir, Path]:
    """Return the runnable dir that a command acts on, and the directory that it runs in."""
    root, path = discover.nearest(directory)
    return config.load(root, path, ()), path if directory else Path.cwd()


def _become(
    found: tuple[RunnableDir, Path],
    words: Sequence[str],
    stage: str,
    *,
    is_shell: bool = False,
    inherit: tuple[str, ...] = (),
    publish: tuple[tuple[int, int], ...] = (),
) -> None:
    runnable, cwd = found
    terminal = has_terminal()
    spec = workplace(runnable, host.user(), provided(runnable, parse_stage(stage, RUN_STAGES)))
    shown = {**terminal_environment(), **(_PROMPT if is_shell else {})} if terminal else {}
    if is_shell and terminal:
        name = spec.image_says[IMAGE_VARIABLE]
        say(f"a shell in {name}, image {spec.image}; `exit` ends it")
    needed = rights.needs(runnable, tests=False)
    for line in rights.lines(need for need in needed if need.right != policy.ENV):
        say(f"weaker: {line}")
    _replace(
        dataclasses.replace(
            spec,
            argv=tuple(words),
            cwd=cwd,
            mounts=tuple(Mount(path, read_only=False) for path in repo.work_trees(runnable.root)),
            env={**spec.env, **shown},
            file_values=file_values(runnable.path, runnable.root, runnable.settings),
            inherit=(*spec.inherit, *inherit),
            publish=publish,
            terminal=terminal,
        )
    )


def workplace(runnable: RunnableDir, user: host.User, image: ImageSpec) -> RunSpec:
    """Return the container that a person works in, by whatever it is started; without mounts and a command.

    Arguments:
        runnable: the directory.
        user: who works there.
        image: what it is a container of.

    Raises:
        PolicyError: the directory needs a right that the policy does not grant.
    """
    granted = rights.check(runnable, runnable.name, rights.policy_of(None, runnable.root), tests=False)
    return RunSpec(
        name=f"helpers-{user.name}-{os.urandom(6).hex()}",
        image=image.reference,
        argv=(),
        cwd=runnable.path,
        user=user,
        mounts=(),
        env=base_environment(runnable, user) | _git_environment(),
        inherit=runnable.settings.inherited,
        values=runnable.settings.values,
        network="bridge",
        memory=runnable.settings.memory,
        pids=runnable.settings.pids,
        options=runnable.settings.options,
        groups=device_groups(runnable.settings.devices),
        read_only=False,
        labels=container_labels(runnable),
        image_says=image_says(image.labels),
        # An `invoke` of the image's own comes first on PATH.
        programs={"/usr/local/bin/invoke": Path(inside.__file__).with_name("invoke.py")},
        services=services_file(runnable),
        services_may=granted,
        docker=runnable.settings.docker,
    )


def _replace(spec: RunSpec) -> None:
    client.guard(spec)
    client.become(_with_surroundings(spec) if spec.services or spec.docker else spec)


def _with_surroundings(spec: RunSpec) -> RunSpec:
    # Most containers have none: a start does without these modules.
    import shutil

    from helpers.engine import compose, nesting
    from helpers.engine.seam import Control
    from helpers.engine.supervise import obey_signals

    if spec.services:
        say(f"starting the services of {spec.services}")
    control = Control()
    obey_signals(control)
    logs = cache_dir() / "services" / spec.name
    try:
        ready = compose.start(nesting.grant(spec), logs / "services.log", control)
    except compose.StoppedError:
        sys.exit(control.exit_code)
    # Only an error is read about.
    shutil.rmtree(logs, ignore_errors=True)
    for line in ready.weaker:
        say(f"weaker: {line}")
    for line in ready.addresses:
        say(f"service {line}")
    return ready.spec


def provided(runnable: RunnableDir, stage: Stage) -> ImageSpec:
    """Return the image to run in, which the engine has then; its labels are those that it really has."""
    client.reach()
    if stage is not Stage.LOCAL:
        from helpers.images import released

        image = released.find(runnable)[-1]
        # By its labels, which agree with its tag: code and image may differ in the last number.
        name, version = image.labels[LABEL_TITLE], image.labels[LABEL_VERSION]
        say(f"code at {runnable.version} runs in the released image {name}-{version}, {image.reference}")
        return image
    image = image_chain(runnable, config.loader(runnable.root))[-1]
    use("images", image.reference)
    found = client.find_image(image.reference)
    if not found or goes_by_wrong_name(image.reference, found.labels):
        _build(runnable)
    return image


def _build(runnable: RunnableDir) -> None:
    # Only the first time: a start that finds its image does without these modules.
    from helpers.images import commands

    if code := commands.build(str(runnable.path), everything=False, stream=sys.stderr):
        sys.exit(code)


def _git_environment() -> dict[str, str]:
    """Return what lets git work in a checkout that belongs to another user than the caller.

    https://git-scm.com/docs/git-config#Documentation/git-config.txt-safedirectory: asked for by variables only.
    """
    return {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "safe.directory", "GIT_CONFIG_VALUE_0": "*"}


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])
