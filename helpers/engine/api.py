"""Small questions to the engine over its own socket: an answer takes a millisecond, a start of the client thirty.

Only where it is known which socket the client would use; whoever asks has the client for all other cases. The paths are
those of https://docs.docker.com/reference/api/engine/.
"""

from __future__ import annotations

import json
import os
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from helpers.engine.argv import DEFAULT_SOCKET

# Variables by which the client asks for TLS (https://docs.docker.com/reference/cli/docker/#environment-variables).
TLS_VARIABLES = ("DOCKER_TLS_VERIFY", "DOCKER_TLS")
API_VARIABLE = "DOCKER_API_VERSION"
_SECONDS = 60.0
_READ_BYTES = 1 << 20
_UNIX = "unix://"
_VERSION = re.compile(rb"^api-version: *(\d{1,4})\.(\d{1,4})\r?$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Answer:
    """An answer of the engine: the status of HTTP, and a body of JSON.

    Arguments:
        status: of HTTP.
        data: the body.
        version: the newest version of the API that the engine speaks; empty if it does not say so.
    """

    status: int
    data: Any = None
    version: tuple[int, ...] = ()


def ask(
    path: str, method: str = "GET", *, query: Mapping[str, str] | None = None, seconds: float = _SECONDS
) -> Answer | None:
    """Return the engine's answer; None where only the client knows where the engine is, or nothing answers.

    Arguments:
        path: without a version, as in `/images/base:1/json`: then it is that of the engine itself.
        method: of HTTP.
        query: what stands behind the `?`.
        seconds: how long the whole answer may take.
    """
    address = where()
    if not address:
        return None
    path = quote(path, safe="/:@") + ("?" if query else "")
    target = path + "&".join(f"{name}={quote(value, safe='')}" for name, value in (query or {}).items())
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(seconds)
        end = time.monotonic() + seconds
        try:
            connection.connect(address)
            # With 1.0 the answer ends where the connection does (https://www.rfc-editor.org/rfc/rfc1945).
            connection.sendall(f"{method} {target} HTTP/1.0\r\nHost: docker\r\n\r\n".encode())
            head, _, body = _read_to_end(connection, end).partition(b"\r\n\r\n")
            # One that was cut off, as the engine ended, is no JSON: the client is asked then.
            data = json.loads(body) if b"application/json" in head.lower() else None
            version = _VERSION.search(head)
            spoken = (int(version[1]), int(version[2])) if version else ()
            return Answer(int(head.split(b" ")[1]), data, spoken)
        except (OSError, IndexError, ValueError, RecursionError):
            return None


def _read_to_end(connection: socket.socket, end: float) -> bytes:
    """Return the whole answer; a server with a byte now and then must not keep us beyond `end`."""
    parts = []
    while part := connection.recv(_READ_BYTES):
        parts.append(part)
        left = end - time.monotonic()
        if left <= 0:
            raise TimeoutError
        connection.settimeout(left)
    return b"".join(parts)


def where() -> str:
    """Return the path of the socket that the docker client would use; empty where only the client can use the engine.

    https://docs.docker.com/reference/cli/docker/#environment-variables says what goes before what.
    """
    if any(os.environ.get(name) for name in (*TLS_VARIABLES, API_VARIABLE)):
        return ""
    host = chosen().host
    return host.removeprefix(_UNIX) if host.startswith(_UNIX) else ""


class Chosen(NamedTuple):
    """How the docker client finds its engine.

    Arguments:
        by: the setting that says it; empty where the client takes its default.
        value: of that setting.
        host: where the engine listens; empty if only the client can tell.
        undo: the command that takes the setting back.
    """

    by: str
    value: str
    host: str
    undo: str


def chosen() -> Chosen:
    """Return how the docker client finds its engine: by a variable, by a context, or by default."""
    for variable in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        if value := os.environ.get(variable, ""):
            host = value if variable == "DOCKER_HOST" else _host_of_context(value)
            return Chosen(variable, value, host, f"unset {variable}")
    try:
        name = str(_read(config_folder() / "config.json").get("currentContext", "") or "default")
    except (OSError, ValueError, AttributeError, RecursionError):
        return Chosen("", "", "", "")
    if name == "default":
        return Chosen("", "", f"{_UNIX}{DEFAULT_SOCKET}", "")
    return Chosen("the current docker context", name, _host_of_context(name), "docker context use default")


def config_folder() -> Path:
    """Return the directory of the client's settings."""
    return Path(os.environ.get("DOCKER_CONFIG") or Path.home() / ".docker")


def config_fault() -> str:
    """Return why the client cannot read its settings; empty if the client can, or without settings."""
    try:
        return "" if isinstance(_read(config_folder() / "config.json"), dict) else "no JSON object"
    except (OSError, ValueError, RecursionError) as error:
        return getattr(error, "strerror", None) or f"no JSON ({error})"


def _host_of_context(name: str) -> str:
    """Return the address of the engine of a context; empty if unknown."""
    if name == "default":
        return f"{_UNIX}{DEFAULT_SOCKET}"
    try:
        about = _read(config_folder() / "contexts" / "meta" / sha256(name.encode()).hexdigest() / "meta.json")
        return str(about["Endpoints"]["docker"]["Host"])
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError):
        return ""


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_bytes())
    except FileNotFoundError:
        return {}
