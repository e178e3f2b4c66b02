"""A server of JSON over HTTP: routes are functions, and every request is noted in the journal."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from shared.journal import Journal

MOST_BYTES = 64 * 1024


@dataclass(frozen=True)
class Request:
    """What was asked: the rest of the path after the route's own, the body as data, and the headers."""

    rest: str
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Refused(Exception):
    """A request that is answered with an error.

    Arguments:
        status: HTTP's number for it.
        why: for the one who asked.
    """

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


# By method and first part of the path: `("GET", "links")` gets all of `/links/...`.
Routes = Mapping[tuple[str, str], Callable[[Request], tuple[int, Any]]]


@contextmanager
def serving(routes: Routes, journal: Journal, host: str = "127.0.0.1", port: int = 0) -> Iterator[str]:
    """Answer requests as long as the context lasts, and yield the server's URL.

    Arguments:
        routes: who answers what.
        journal: is told of every request.
        host: where to listen.
        port: 0 takes a free one.
    """

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            status, data = answer(routes, self.command, self.path, self._body, dict(self.headers))
            text = json.dumps(data).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)
            journal.note("request", method=self.command, path=self.path, status=status)

        def _body(self) -> bytes:
            length = int(self.headers.get("Content-Length", 0))
            if length > MOST_BYTES:
                raise Refused(413, f"at most {MOST_BYTES} bytes")
            return self.rfile.read(length)

        def log_message(self, format: str, *args: Any) -> None:
            """The journal has it."""

    with ThreadingHTTPServer((host, port), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield f"http://{host}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def answer(
    routes: Routes, method: str, path: str, read: Callable[[], bytes], headers: Mapping[str, str]
) -> tuple[int, Any]:
    """Return the status and the data that answer a request.

    Arguments:
        routes: who answers what.
        method: as in `GET`.
        path: as in `/links/abc`.
        read: gives the body.
        headers: of the request.
    """
    first, _, rest = path.lstrip("/").partition("/")
    route = routes.get((method, first))
    if not route:
        other = any(known == first for _, known in routes)
        return (405, {"error": f"not by {method}"}) if other else (404, {"error": f"there is no /{first}"})
    try:
        body = read()
        return route(Request(rest, json.loads(body) if body else None, headers))
    except json.JSONDecodeError:
        return 400, {"error": "the body is not JSON"}
    except Refused as error:
        return error.status, {"error": str(error)}
