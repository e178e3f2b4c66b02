"""A package index on the loopback address that serves small wheels by the simple API (PEP 503, 691, 700)."""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import json
import threading
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone


def wheel(name: str, version: str, requires: Sequence[str] = ()) -> bytes:
    """Return a wheel with one module that holds nothing."""
    info = f"{name}-{version}.dist-info"
    needs = "".join(f"Requires-Dist: {item}\n" for item in requires)
    files = {
        f"{name}.py": "",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{needs}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for path, text in files.items():
        sha = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        lines.append(f"{path},sha256={sha},{len(text)}\n")
    files[f"{info}/RECORD"] = "".join(lines) + f"{info}/RECORD,,\n"
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path, text in files.items():
            archive.writestr(path, text)
    return data.getvalue()


@dataclass
class Index:
    """The content of the index; `html` leaves out the JSON form; `yanked` has reasons, by file.

    With a `login`, as in `user:password`, the index answers a request without the login with 401.
    """

    url: str = ""
    html: bool = False
    login: str = ""
    refused: int = 0
    asked: list[str] = field(default_factory=list)
    files: dict[str, tuple[str, bytes, str]] = field(default_factory=dict)
    yanked: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, version: str, days: float | None, requires: Sequence[str] = ()) -> str:
        """Serve a wheel that was uploaded `days` days ago, or at a time that nobody knows; return its file's name."""
        file = f"{name}-{version}-py3-none-any.whl"
        when = (
            "" if days is None else (datetime.now(timezone.utc) - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        )
        self.files[file] = (name, wheel(name, version, requires), when)
        return file

    def page(self, name: str) -> tuple[str, bytes]:
        """Return content type and content of the page of one project."""
        own = {file: (data, when) for file, (project, data, when) in self.files.items() if project == name}
        sums = {file: hashlib.sha256(data).hexdigest() for file, (data, _) in own.items()}
        if self.html:
            links = [
                f'<a href="../../files/{file}#sha256={sums[file]}" data-upload-time="{when}"'
                f"{self._yanked_html(file)}>{file}</a>"
                for file, (_, when) in own.items()
            ]
            return "text/html", "".join(links).encode()
        listed = [
            {"filename": file, "url": f"../../files/{file}", "hashes": {"sha256": sums[file]}}
            | ({"upload-time": when} if when else {})
            | ({"yanked": self.yanked[file] or True} if file in self.yanked else {})
            for file, (_, when) in own.items()
        ]
        page = {"meta": {"api-version": "1.1"}, "name": name, "versions": [], "files": listed}
        return "application/vnd.pypi.simple.v1+json", json.dumps(page).encode()

    def _yanked_html(self, file: str) -> str:
        return f' data-yanked="{self.yanked[file]}"' if file in self.yanked else ""


@contextmanager
def serve(address: str = "127.0.0.1", login: str = "") -> Iterator[Index]:
    """Yield an index that answers on an address of this machine until the end of the block."""
    index = Index(login=login)
    wanted = f"Basic {base64.b64encode(login.encode()).decode()}"

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:  # uv asks for the length of a file
            self.do_GET()

        def do_GET(self) -> None:
            if login and self.headers.get("Authorization") != wanted:
                index.refused += 1
                self.send_response(401)
                self.send_header("WWW-Authenticate", 'Basic realm="index"')
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            index.asked.append(self.path)
            kind, _, name = self.path.strip("/").rpartition("/")
            if kind == "files" and name in index.files:
                self._answer("application/octet-stream", index.files[name][1])
            elif kind == "simple" and any(project == name for project, _, _ in index.files.values()):
                self._answer(*index.page(name))
            else:
                self.send_error(404)

        def _answer(self, kind: str, data: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data)

        def log_message(self, format: str, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer((address, 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        index.url = f"http://{address}:{server.server_port}/simple"
        yield index
        server.shutdown()
