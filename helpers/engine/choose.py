"""Chooses the engine of a run; adding an engine adds a line here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from helpers.console import cut, say
from helpers.engine.install import install_command
from helpers.engine.seam import Engine
from helpers.errors import InfrastructureError

if TYPE_CHECKING:
    from helpers.engine.docker import DockerEngine

ENGINES = ("auto", "docker", "venv")


def choose(name: str) -> Engine:
    """Return the engine `docker` or `venv`; `auto` is docker where one answers, otherwise venv, and one line says so.

    Inside a container of ours `auto` is that container.

    Raises:
        InfrastructureError: docker was asked for by name and does not answer.
    """
    from helpers.engine import client

    if name == "auto" and (image := os.environ.get("HELPERS_INSIDE")):
        from helpers.engine.here import HereEngine

        say(f"inside a container of {image}: its tests run right here")
        return HereEngine(image)
    if name == "docker":
        return docker_engine()
    if name == "auto":
        fault = client.why_not_running()
        if not fault:
            from helpers.engine import docker

            return docker.DockerEngine()
        say(
            "no docker engine answers: using `venv`, one environment per directory, without a container's isolation;"
            f" why: {cut(fault)}"
        )
    from helpers.engine import venv

    return venv.VenvEngine()


def docker_engine() -> DockerEngine:
    """Return the engine `docker`, for what no other can do.

    Raises:
        InfrastructureError: it does not answer.
    """
    from helpers.engine import api, client, docker

    if fault := client.why_not_running():
        undo = api.chosen().undo
        mend = f"{undo}  (to take this machine's)" if undo else f"{install_command()}  (gets one)"
        raise InfrastructureError(
            "no docker engine answers", why=fault, fix=f"{mend}, or: invoke doctor  (says what is wrong with this one)"
        )
    return docker.DockerEngine()
