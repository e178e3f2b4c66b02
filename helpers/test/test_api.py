"""Questions to an engine's socket, with a socket of ours that answers."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

import pytest

from helpers import proc
from helpers.engine import api, client
from helpers.errors import InfrastructureError

GONE = proc.Completed(("docker",), 1, "", "cannot connect")


class Engine:
    """Answers requests with what it was told, and keeps their first lines."""

    def __init__(self, path: Path) -> None:
        # How much of an answer is sent before the connection ends.
        self.most: int | None = None
        self.answers: dict[str, tuple[int, object]] = {}
        self.asked: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._socket.accept()
            with connection:
                line = connection.recv(65536).decode().partition("\r\n")[0]
                if line == "end":
                    return
                self.asked.append(line)
                status, body = self.answers.get(line.split()[1].partition("?")[0], (404, {"message": "no such"}))
                text = json.dumps(body)[: self.most]
                connection.sendall(f"HTTP/1.0 {status} X\r\nContent-Type: application/json\r\n\r\n{text}".encode())

    def close(self) -> None:
        """End it."""
        with socket.socket(socket.AF_UNIX) as last:
            last.connect(self._socket.getsockname())
            last.sendall(b"end")
        self._thread.join()
        self._socket.close()


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A socket that stands for the engine; a start of the client is an error."""
    path = tmp_path / "s"
    # An engine without a client counts as none.
    (tmp_path / "docker").touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    engine = Engine(path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    monkeypatch.setattr(proc, "run", lambda *_, **__: pytest.fail("the client was started"))
    yield engine
    engine.close()


def test_an_answer_is_its_status_and_body_and_the_path_is_quoted(engine: Engine) -> None:
    engine.answers["/images/r:5000/a%20b:1/json"] = (200, {"Id": "x"})
    answer = api.ask("/images/r:5000/a b:1/json", "DELETE", query={"filters": '{"a": 1}'})
    assert answer == api.Answer(200, {"Id": "x"})
    assert engine.asked == ["DELETE /images/r:5000/a%20b:1/json?filters=%7B%22a%22%3A%201%7D HTTP/1.0"]


def test_an_answer_that_is_cut_off_is_none(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    engine.answers["/containers/c/json"] = (200, {"Name": "/c"})
    engine.most = 5
    assert api.ask("/containers/c/json") is None
    monkeypatch.setattr(proc, "run", lambda *_, **__: proc.Completed(("docker",), 0, '[{"Name": "/c"}]', ""))
    assert client.inspect_container("c") == {"Name": "/c"}


def test_images_and_containers_that_are_not_there_are_left_out_without_the_client(engine: Engine) -> None:
    engine.answers["/images/a:1/json"] = (200, {"Id": "x"})
    engine.answers["/containers/c/json"] = (200, {"Name": "/c"})
    engine.answers["/_ping"] = (200, "OK")
    assert client.inspect_images(["a:1", "b:1"]) == [{"Id": "x"}]
    assert client.inspect_container("c") == {"Name": "/c"} and client.inspect_container("d") == {}
    assert client.remove_container("d") and client.why_not_running() == ""


def test_only_what_is_chosen_of_ours_is_removed_and_lists_may_be_null(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = {"helpers.owner": "me", "helpers.within": "w"}
    mine = {"Id": "1", "Names": ["/one"], "Labels": labels}
    engine.answers["/containers/json"] = (200, [mine, {"Id": "2", "Names": ["/two"], "Labels": {}}])
    engine.answers["/networks"] = (200, [])
    engine.answers["/volumes"] = (200, {"Volumes": None})
    ran: list[list[str]] = []

    def run(argv: list[str], **_: object) -> proc.Completed:
        ran.append(argv)
        return proc.Completed(tuple(argv), 0, "", "")

    monkeypatch.setattr(proc, "run", run)
    chosen = {"name": "one", "owner": "me", "within": "w"}
    assert client.remove(lambda row: chosen.items() <= row.items()) == [1, 0, 0]
    assert ran == [["docker", "rm", "--force", "--volumes", "1"]]
    assert "label%22%3A%20%5B%22helpers.toolchain%22%5D" in engine.asked[0]


@pytest.mark.parametrize("status", [409, 500])
def test_what_the_engine_does_not_say_is_asked_of_the_client(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    for path in ("/images/a:1/json", "/containers/c/json", "/containers/c", "/containers/json", "/_ping"):
        engine.answers[path] = (status, {"message": "busy"})
    said = {"image": '[{"Id": "x"}]', "container": '[{"Id": "y"}]', "ps": "", "rm": "", "version": "26"}
    monkeypatch.setattr(proc, "run", lambda argv, **_: proc.Completed(tuple(argv), 0, said.get(argv[1], ""), ""))
    assert client.inspect_images(["a:1"]) == [{"Id": "x"}] and client.inspect_container("c") == {"Id": "y"}
    assert client.remove_container("c") and client.why_not_running() == ""
    monkeypatch.setattr(proc, "run", lambda *_, **__: GONE)
    assert not client.remove_container("c") and client.why_not_running() == "cannot connect"


def test_nothing_is_asked_where_nothing_listens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 'none'}")
    assert api.ask("/_ping") is None
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:1")
    assert api.where() == "" and api.ask("/_ping") is None


@pytest.mark.parametrize(
    ("variable", "written", "expected"),
    [
        ("", None, "/var/run/docker.sock"),
        ("", '{"auths": {}}', "/var/run/docker.sock"),
        ("", '{"currentContext": "default"}', "/var/run/docker.sock"),
        ("", '{"currentContext": "mine"}', "/run/mine.sock"),
        ("mine", None, "/run/mine.sock"),
        ("far", None, ""),
        ("unknown", None, ""),
        ("default", '{"currentContext": "mine"}', "/var/run/docker.sock"),
        ("", "{damaged", ""),
    ],
)
def test_the_socket_is_that_of_the_context_which_the_client_would_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, written: str | None, expected: str
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONTEXT", variable)
    for name, host in (("mine", "unix:///run/mine.sock"), ("far", "ssh://far")):
        about = tmp_path / "contexts" / "meta" / sha256(name.encode()).hexdigest() / "meta.json"
        about.parent.mkdir(parents=True)
        about.write_text(json.dumps({"Name": name, "Endpoints": {"docker": {"Host": host}}}))
    if written is not None:
        (tmp_path / "config.json").write_text(written)
    assert api.where() == expected


def drip(connection: socket.socket) -> None:
    """Send a byte now and then."""
    for _ in range(15):
        connection.sendall(b"H")
        time.sleep(0.2)


# The answers of a broken engine, or of a program without an engine; each gets a connection.
ODD_ENGINES: dict[str, Callable[[socket.socket], object]] = {
    "silent": lambda connection: time.sleep(3),
    "drips": drip,
    "garbage": lambda connection: connection.sendall(b"hello\n"),
    "closes": lambda connection: None,
    "500": lambda connection: connection.sendall(b"HTTP/1.0 500 X\r\n\r\n"),
    "no number": lambda connection: connection.sendall(b"HTTP/1.0 OK\r\n\r\n"),
}


@pytest.mark.parametrize("kind", ODD_ENGINES)
def test_engine_that_does_not_answer_is_given_up_with_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    monkeypatch.setattr(client, "_PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(client, "_QUIET_SECONDS", 0.2)
    monkeypatch.setenv("PATH", str(tmp_path))
    # The client waits as long as the engine.
    (tmp_path / "docker").write_text("#!/bin/sh\necho odd engine >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path / 's'}")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(65536)
                ODD_ENGINES[kind](connection)

        threading.Thread(target=serve, daemon=True).start()
        begin = time.monotonic()
        fault = client.why_not_running()
    assert time.monotonic() - begin < 2
    waits = kind in ("silent", "drips")
    assert fault == (f"the engine at unix://{tmp_path / 's'} gave no answer within 1 s" if waits else "odd engine")
    assert ("waiting for the engine at unix://" in capsys.readouterr().err) == waits


@pytest.mark.parametrize("host", ["unix", "tcp"])
def test_silent_engine_ends_a_list_of_containers_with_its_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], host: str
) -> None:
    monkeypatch.setattr(client, "_PATIENCE_SECONDS", 1.0)
    monkeypatch.setattr(client, "_QUIET_SECONDS", 0.2)
    client.reach.cache_clear()
    (tmp_path / "docker").write_text("#!/bin/sh\nexec sleep 30\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    address = f"unix://{tmp_path / 's'}" if host == "unix" else "tcp://127.0.0.1:9"
    monkeypatch.setenv("DOCKER_HOST", address)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        begin = time.monotonic()
        with pytest.raises(InfrastructureError, match=f"{address} gave no answer within 1 s"):
            client.rows(["docker", "ps"])
    assert time.monotonic() - begin < 3
    assert f"waiting for the engine at {address}" in capsys.readouterr().err


@pytest.mark.parametrize("asked", ["image", "container"])
def test_engine_error_is_not_taken_for_a_missing_object(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, asked: str
) -> None:
    engine.answers["/images/a:1/json"] = engine.answers["/containers/c/json"] = (500, {"message": "disk"})
    words = "Error response from daemon: no such host: disk is broken"
    monkeypatch.setattr(proc, "run", lambda argv, **_: proc.Completed(tuple(argv), 1, "[]\n", f"{words}\n"))
    with pytest.raises(InfrastructureError, match="disk is broken"):
        client.find_image("a:1") if asked == "image" else client.inspect_container("c")
    missing = "Error response from daemon: No such image: a:1\nError: No such container: c\n"
    monkeypatch.setattr(proc, "run", lambda argv, **_: proc.Completed(tuple(argv), 1, "[]\n", missing))
    assert client.find_image("a:1") is None and client.inspect_container("c") == {}


@pytest.mark.parametrize("body", [None, 7, "x", [7]])
def test_answer_of_another_shape_is_asked_of_the_client(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, body: object
) -> None:
    for path in ("/images/a:1/json", "/containers/json", "/networks", "/volumes"):
        engine.answers[path] = (200, body)
    monkeypatch.setattr(proc, "run", lambda argv, **_: proc.Completed(tuple(argv), 0, "", ""))
    assert client.inspect_images(["a:1"]) == []
    assert client.remove(lambda row: True) == [0, 0, 0]
