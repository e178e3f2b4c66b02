"""Chooses the engine of a run; adding an engine adds a line here."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from helpers.console import say
from helpers.engine.seam import Engine

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
        from helpers.engine import faults

        fault = client.why_not_running()
        if not fault:
            from helpers.engine import docker

            return docker.DockerEngine()
        say(faults.instead(fault))
    from helpers.engine import venv

    return venv.VenvEngine()


def docker_engine() -> DockerEngine:
    """Return the engine `docker`, for what no other can do.

    Raises:
        InfrastructureError: it does not answer.
    """
    from helpers.engine import client, docker, faults

    if fault := client.why_not_running():
        raise faults.no_engine(fault)
    return docker.DockerEngine()
