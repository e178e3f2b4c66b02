"""Chooses the engine of a run; adding an engine adds a line here."""

from __future__ import annotations

import os

from helpers.console import say
from helpers.engine.seam import Engine
from helpers.errors import InfrastructureError

ENGINES = ("auto", "docker", "venv")


def choose(name: str) -> Engine:
    """Return the engine `docker` or `venv`; `auto` is docker where one answers, otherwise venv, and one line says so.

    Inside a container of ours `auto` is that container.

    Raises:
        InfrastructureError: docker was asked for by name and does not answer.
    """
    from helpers.engine import client, docker, venv

    if name == "auto" and (image := os.environ.get("HELPERS_IMAGE")):
        from helpers.engine.here import HereEngine

        say(f"inside a container of {image}: its tests run right here")
        return HereEngine(image)
    fault = client.why_not_running() if name != "venv" else ""
    if name != "venv" and not fault:
        return docker.DockerEngine()
    if name == "docker":
        raise InfrastructureError(
            "no docker engine answers",
            why=fault,
            fix="dev_scripts/install_engine.sh  (gets one), or: invoke doctor  (says what is wrong with this one)",
        )
    if name == "auto":
        say("no docker engine answers: using `venv`, one environment per directory, without a container's isolation")
    return venv.VenvEngine()
