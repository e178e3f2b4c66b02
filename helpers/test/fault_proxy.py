"""A proxy before a registry that does, to the requests that a test names, what broken servers and networks do."""

from __future__ import annotations

import http.client
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    """One request on its way to the registry."""

    protocol_version = "HTTP/1.1"
    server: FaultProxy

    def handle_one_request(self) -> None:
        """Read a request, and let a fault have it or pass it on."""
        try:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            fault = self.server.fault_of(self.command, self.path)
            (fault or forward)(self)
        except OSError:
            self.close_connection = True

    def read_body(self) -> bytes:
        """Return the body of the request."""
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer instead of the registry; a header's name has underscores for dashes."""
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def cut(self) -> None:
        """Close the connection at once."""
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


Fault = Callable[[Handler], None]


def fetch(handler: Handler) -> tuple[http.client.HTTPResponse, bytes]:
    """Let the registry do what is asked and return what it answered."""
    connection = http.client.HTTPConnection(handler.server.target, timeout=30)
    connection.request(handler.command, handler.path, handler.read_body(), dict(handler.headers.items()))
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def forward(handler: Handler, **changed: str) -> None:
    """Pass a request and its answer on.

    Arguments:
        handler: the request.
        changed: headers of the answer that get another value.
    """
    if not handler.server.target:
        handler.read_body()
        handler.answer(501)
        return
    response, body = fetch(handler)
    handler.send_response_only(response.status)
    for name, value in response.getheaders():
        handler.send_header(name, changed.get(name.replace("-", "_"), value))
    handler.end_headers()
    handler.wfile.write(body)


def status(code: int, body: bytes = b"", **headers: str) -> Fault:
    """Answer with a status, without asking the registry."""

    def fault(handler: Handler) -> None:
        handler.read_body()
        handler.answer(code, body, **headers)

    return fault


def silent(handler: Handler) -> None:
    """Take the request and never answer."""
    handler.read_body()
    handler.server.over.wait()
    handler.cut()


def slow(seconds: float) -> Fault:
    """Answer rightly, and late."""

    def fault(handler: Handler) -> None:
        handler.server.over.wait(seconds)
        forward(handler)

    return fault


def dripping(handler: Handler) -> None:
    """Answer a byte at a time, and never to the end."""
    handler.read_body()
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not handler.server.over.wait(0.05):
        handler.wfile.write(b" ")


def cut_upload(handler: Handler) -> None:
    """Cut the connection when half of the request's body is read."""
    handler.rfile.read(int(handler.headers["Content-Length"]) // 2)
    handler.cut()


def cut_answer(handler: Handler) -> None:
    """Let the registry do it, and cut the connection half-way through the answer."""
    response, body = fetch(handler)
    handler.send_response_only(response.status)
    handler.send_header("Content-Length", str(len(body) + 10))
    handler.end_headers()
    handler.wfile.write(body[: len(body) // 2])
    handler.cut()


def other_digest(handler: Handler) -> None:
    """Say that the content has another digest."""
    forward(handler, Docker_Content_Digest="sha256:" + "0" * 64)


def other_body(handler: Handler) -> None:
    """Give other content than was asked for."""
    response, _ = fetch(handler)
    handler.answer(response.status, b'{"schemaVersion": 2, "manifests": []}', Content_Type="application/json")


@dataclass
class _Planned:
    method: str
    path: str
    fault: Fault
    times: int


class FaultProxy(ThreadingHTTPServer):
    """Listens on a port of its own before the registry `target`.

    Arguments:
        target: host and port of the registry; empty where there is none: what was not planned is refused.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.target = target
        self.over = threading.Event()
        self.seen: list[str] = []
        self._planned: list[_Planned] = []
        self._lock = threading.Lock()

    @property
    def host(self) -> str:
        """Host and port of the proxy."""
        return f"127.0.0.1:{self.server_address[1]}"

    def plan(self, method: str, path: str, fault: Fault, times: int = 10**9) -> None:
        """Let a fault have the requests to come.

        Arguments:
            method: pattern of the methods.
            path: pattern that is looked for in the path.
            fault: what is done to them.
            times: how many of them.
        """
        self._planned.append(_Planned(method, path, fault, times))

    def clear(self) -> None:
        """Let all requests pass from now on."""
        with self._lock:
            self._planned.clear()

    def fault_of(self, method: str, path: str) -> Fault | None:
        """Return what is planned for a request."""
        with self._lock:
            self.seen.append(f"{method} {path.partition('?')[0]}")
            for planned in self._planned:
                if planned.times and re.fullmatch(planned.method, method) and re.search(planned.path, path):
                    planned.times -= 1
                    return planned.fault
        return None


@contextmanager
def fault_proxy(target: str = "") -> Iterator[FaultProxy]:
    """Yield a proxy before the registry `target`, or a server that knows nothing but what is planned."""
    proxy = FaultProxy(target)
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield proxy
    proxy.over.set()
    proxy.shutdown()
    proxy.server_close()
