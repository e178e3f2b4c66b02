"""Why no docker engine can be used, from the words of the client, and the fix for each cause."""

from __future__ import annotations

import os
import re
from typing import NamedTuple

from helpers.console import cut
from helpers.engine import api
from helpers.engine.install import install_command
from helpers.errors import ConfigError, HelpersError, InfrastructureError

# Part of the reason for an engine that accepts a connection and never answers.
SILENT = "gave no answer within"
GROUP = "docker"
NEW_GROUP = f"newgrp {GROUP}"
JOIN = f'sudo usermod -aG {GROUP} "$USER"  (it gives root\'s rights), then {NEW_GROUP}'
_DOCTOR = "or: invoke doctor  (says what is wrong with this one)"
_UPDATE = "https://docs.docker.com/engine/install/"
_CERTIFICATE = re.compile(r"open (/[^:]*\.pem): ([^:]+)$")
_NUMBER = r"([\d.]*\d)"
# The client's and the engine's words for each pair of versions that have no API in common.
_APART = (
    (
        rf"client version {_NUMBER} is too new\. Maximum supported API version is {_NUMBER}",
        "the engine is too old for the docker client: the client speaks API {0}, the engine at most {1}",
    ),
    (
        rf"client version {_NUMBER} is too old\. Minimum supported API version is {_NUMBER}",
        "the docker client is too old for the engine: the client speaks API {0}, the engine at least {1}",
    ),
    (
        rf"API version {_NUMBER} is not supported by this client: the minimum supported API version is {_NUMBER}",
        "the engine is too old for the docker client: the engine speaks API {0}, the client at least {1}",
    ),
    (
        rf"requires API version {_NUMBER}, but the Docker daemon API version is {_NUMBER}",
        "the engine is too old: API {0} is needed, the engine speaks {1}",
    ),
)


# The engine's words for an option that this machine cannot give, and the setting that asks for it.
_NOT_GIVEN = (
    (
        "could not select device driver",
        "this machine has no graphics processor for containers, which gpus asks for",
        "install the driver and the NVIDIA Container Toolkit: https://github.com/NVIDIA/nvidia-container-toolkit, "
        "or take gpus out of [tool.helpers]",
    ),
    (
        'error gathering device information while adding custom device "([^"]*)"',
        "this machine has no device {0}, which devices asks for",
        "load its driver (modprobe), or take the device out of [tool.helpers] devices",
    ),
    (
        "error setting rlimit",
        "the engine may not raise a limit as far as ulimits asks for",
        "lower the limit in [tool.helpers] ulimits, or raise that of the engine itself, as LimitMEMLOCK of its service",
    ),
)


class Fault(NamedTuple):
    """Why an engine cannot be used, and the fix."""

    what: str
    fix: str


def explain(reason: str) -> Fault | None:
    """Return the cause that `reason`, the last words of the client, tells of; None for an unknown cause."""
    return _without_certificate(reason) or _apart(reason) or _without_permission(reason)


def no_engine(reason: str) -> InfrastructureError:
    """Return the error for `reason`, the client's words."""
    fault = explain(reason)
    what = fault.what if fault else "no docker engine answers"
    return InfrastructureError(what, why=reason, fix=f"{fix(reason)}, {_DOCTOR}")


def no_answer(reason: str) -> InfrastructureError:
    """Return the error for `reason` of an engine that was in use."""
    fault = explain(reason)
    what = fault.what if fault else f"the engine does not answer: {reason}"
    return InfrastructureError(what, why=reason if fault else None, fix=f"{fix(reason)}, {_DOCTOR}")


def not_started(reason: str) -> HelpersError:
    """Return the error for `reason`, the words of an engine that did not start a container."""
    if explain(reason):
        return no_answer(reason)
    for pattern, what, fix in _NOT_GIVEN:
        if found := re.search(pattern, reason):
            return ConfigError(what.format(*found.groups()), why=reason, fix=fix)
    return InfrastructureError(f"the engine did not start the container: {reason}")


def instead(reason: str) -> str:
    """Return the line about an engine that is replaced by `venv`."""
    fault = explain(reason)
    using = "using `venv`, one environment per directory, without a container's isolation"
    if fault:
        return f"{fault.what}: {using}; fix: {fault.fix}"
    # The client's question is the user's, too.
    return f"no docker engine answers: {using}; why: {cut(reason.partition('. Is the docker daemon')[0])}"


def fix(reason: str) -> str:
    """Return the fix for `reason`, the client's words."""
    if fault := explain(reason):
        return fault.fix
    if undo := api.chosen().undo:
        return f"{undo}  (to take this machine's)"
    return "sudo service docker restart" if SILENT in reason else f"{install_command()}  (gets one)"


def _without_certificate(reason: str) -> Fault | None:
    found = _CERTIFICATE.search(reason)
    variables = [name for name in api.TLS_VARIABLES if os.environ.get(name)]
    if not (found and variables):
        return None
    what = f"{' and '.join(variables)} asks for TLS, and the certificate {found[1]} cannot be read: {found[2]}"
    place = "the directory that DOCKER_CERT_PATH names" if os.environ.get("DOCKER_CERT_PATH") else "that directory"
    return Fault(what, f"unset {' '.join(variables)}  (or put the certificates into {place})")


def _apart(reason: str) -> Fault | None:
    for pattern, text in _APART:
        if found := re.search(pattern, reason):
            return Fault(text.format(*found.groups()), _fix_of_versions(text, found[2]))
    return None


def _fix_of_versions(text: str, last: str) -> str:
    if os.environ.get(api.API_VARIABLE):
        return f"unset {api.API_VARIABLE}"
    if "at most" in text:
        return f"export {api.API_VARIABLE}={last}, or update the engine: {_UPDATE}"
    if text.startswith("the docker client"):
        return f"update the docker client: {_UPDATE}"
    undo = api.chosen().undo
    return f"{f'{undo}, or ' if undo else ''}update the engine: {_UPDATE}"


def _without_permission(reason: str) -> Fault | None:
    socket = api.chosen().host.removeprefix("unix://")
    if "permission denied" not in reason or not socket.startswith("/") or socket not in reason:
        return None
    undo = api.chosen().undo
    return Fault(f"permission denied on the engine's socket {socket}", f"{undo}, or {join()}" if undo else join())


def is_member() -> bool:
    """Say whether the user database has this user in the group of the engine's socket."""
    import getpass  # only a refused user needs them
    import grp

    try:
        return getpass.getuser() in grp.getgrnam(GROUP).gr_mem
    except (KeyError, OSError):
        return False


def join() -> str:
    """Return the command that gives this user the right to use the engine's socket."""
    return NEW_GROUP if is_member() else JOIN
