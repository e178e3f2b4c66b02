"""One exchange with an HTTP server, ended by its deadline or by the user however slow the server is."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from pathlib import Path

from helpers.console import excerpt
from helpers.errors import InfrastructureError
from helpers.registry.deadline import Deadline
from helpers.registry.route import connection_to

CONNECT_SECONDS = 10.0
# How long a server may say nothing. Three tries of it and the waits between them stay below a minute.
SILENCE_SECONDS = 15.0
# After an upload a server hashes the blob and moves it into its store before it answers.
_UPLOADED_BYTES_A_SECOND = 20_000_000
_CHUNK = 256 * 1024
# A registry need not take a manifest above 4 MB, and a configuration is smaller than this by far.
_LARGEST_BODY = 64 * 1024 * 1024
_WATCH_SECONDS = 0.1


class Trouble(Exception):
    """An exchange broke off: nobody knows whether the server did what was asked."""


@dataclass(frozen=True)
class FileBody:
    """A file that is the body of a request; it is never held in memory as a whole.

    Arguments:
        path: the file.
        size: its bytes.
    """

    path: Path
    size: int


Body = bytes | FileBody | None


@dataclass(frozen=True)
class Answer:
    """What a server answered.

    Arguments:
        status: the HTTP status.
        headers: its headers.
        body: its body.
        url: what was asked for.
    """

    status: int
    headers: Message
    body: bytes
    url: str


def absolute_url(asked: str, location: str) -> str:
    """Return the URL in an answer to `asked`; missing parts come from `asked`.

    Raises:
        InfrastructureError: it is no URL of HTTP.
    """
    try:
        parts = urllib.parse.urlsplit(urllib.parse.urljoin(asked, location))
        if parts.scheme in ("http", "https") and parts.hostname and parts.port != 0:
            return parts.geturl()
    except ValueError:
        pass
    raise InfrastructureError(f"the server sends us to {excerpt(location)}, which is no URL", where=asked)


class Connections:
    """Keeps one connection to each server that it spoke to; for one thread at a time."""

    def __init__(self) -> None:
        self._open: dict[str, http.client.HTTPConnection] = {}

    def send(self, method: str, url: str, headers: Mapping[str, str], body: Body, deadline: Deadline) -> Answer:
        """Send one request and return the answer, whatever its status.

        Raises:
            Trouble: there was no whole answer.
            InfrastructureError: the user stopped it, or the server's certificate is not to be trusted.
        """
        parts = urllib.parse.urlsplit(url)
        origin = f"{parts.scheme}://{parts.netloc}"
        target = urllib.parse.urlunsplit(("", "", parts.path or "/", parts.query, ""))
        deadline.check()
        keep = False
        try:
            connection = self._connected(origin, deadline)
            with _cut_off_in_time(connection.sock, deadline):
                _send(connection, method, target, headers, body)
                response = connection.getresponse()
                data = _read(response)
                keep = not response.will_close
        except ssl.SSLCertVerificationError as error:
            raise InfrastructureError(
                f"the certificate of {parts.netloc} is not to be trusted: {error.verify_message}",
                fix="point SSL_CERT_FILE to a bundle with its authority, or put that where Docker reads it: "
                f"/etc/docker/certs.d/{parts.netloc}/ca.crt",
            ) from None
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            deadline.check()
            raise Trouble(_reason(error, deadline)) from None
        finally:
            if not keep:
                self._drop(origin)
        return Answer(response.status, response.headers, data, url)

    def _connected(self, origin: str, deadline: Deadline) -> http.client.HTTPConnection:
        if origin not in self._open:
            connection = connection_to(origin, max(0.1, min(CONNECT_SECONDS, deadline.left)))
            connection.connect()
            connection.sock.settimeout(SILENCE_SECONDS)
            # A connection that the server closed must be seen as that: no other one is opened in silence.
            connection.auto_open = 0
            self._open[origin] = connection
        return self._open[origin]

    def _drop(self, origin: str) -> None:
        if connection := self._open.pop(origin, None):
            connection.close()


@contextmanager
def _cut_off_in_time(sock: socket.socket, deadline: Deadline) -> Iterator[None]:
    """Shut `sock` down when the deadline is over: a socket's own timeout starts anew with every byte."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_WATCH_SECONDS):
            if deadline.over:
                try:
                    # That of a TLS socket would take its state away from the thread that reads.
                    socket.socket.shutdown(sock, socket.SHUT_RDWR)
                except OSError:
                    pass
                return

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _send(
    connection: http.client.HTTPConnection, method: str, target: str, headers: Mapping[str, str], body: Body
) -> None:
    connection.sock.settimeout(SILENCE_SECONDS)
    connection.putrequest(method, target, skip_accept_encoding=True)
    size = body.size if isinstance(body, FileBody) else len(body or b"")
    length = {"Content-Length": str(size)} if method in ("POST", "PUT", "PATCH") else {}
    for name, value in {**headers, **length}.items():
        connection.putheader(name, value)
    connection.endheaders()
    if isinstance(body, FileBody):
        _send_file(connection, body)
    elif body:
        connection.send(body)


def _send_file(connection: http.client.HTTPConnection, body: FileBody) -> None:
    with body.path.open("rb") as file:
        try:
            while chunk := file.read(_CHUNK):
                connection.send(chunk)
        except (BrokenPipeError, ConnectionResetError):
            # A server that refuses answers before it has read all: the answer says more than the closed connection.
            return
    connection.sock.settimeout(SILENCE_SECONDS + body.size / _UPLOADED_BYTES_A_SECOND)


def _read(response: http.client.HTTPResponse) -> bytes:
    data = response.read(_LARGEST_BODY)
    if response.length:
        raise http.client.IncompleteRead(data, response.length)
    return data


def _reason(error: Exception, deadline: Deadline) -> str:
    if deadline.over:
        return f"did not answer in full within {deadline.seconds:.0f} s"
    if isinstance(error, TimeoutError):
        return "does not answer"
    if isinstance(error, ConnectionRefusedError):
        return "refuses the connection"
    if isinstance(error, ConnectionError | http.client.HTTPException):
        return "broke the connection off"
    return f"can not be reached: {getattr(error, 'strerror', None) or error}"
