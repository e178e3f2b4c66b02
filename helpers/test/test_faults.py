"""Engines that cannot be used: the line names the cause, and the fix is for that cause."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest

from helpers.doctor.engine import Access, judge_engine
from helpers.doctor.engine import Engine as Facts
from helpers.doctor.finding import MISSING
from helpers.engine import choose, client, faults
from helpers.engine.venv import VenvEngine
from helpers.errors import INFRASTRUCTURE, USAGE, InfrastructureError

TOO_NEW = "Error response from daemon: client version 1.50 is too new. Maximum supported API version is 1.40"
TOO_OLD = "Error response from daemon: client version 1.40 is too old. Minimum supported API version is 1.44, please up"
BELOW = "API version 1.40 is not supported by this client: the minimum supported API version is 1.44"
LACKS = '"--init" requires API version 1.25, but the Docker daemon API version is 1.18'
PEM = "Failed to initialize: unable to resolve docker endpoint: open {}/ca.pem: no such file or directory"
DENIED = 'permission denied while trying to connect to the Docker daemon socket at unix://{0}: Get "x": dial unix {0}'


class Handler(BaseHTTPRequestHandler):
    """Answers as an engine of an old API."""

    protocol_version = "HTTP/1.1"
    newest = "1.40"
    ping = 200

    def address_string(self) -> str:
        return "test"

    def log_message(self, *_: object) -> None:
        """Print nothing."""

    def do_GET(self) -> None:
        status, body = (self.ping, "OK") if self.path.endswith("/_ping") else (400, json.dumps({"message": TOO_NEW}))
        self.send_response(status)
        self.send_header("Api-Version", self.newest)
        self.send_header("Content-Type", "application/json" if status == 400 else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body.encode())

    do_HEAD = do_GET


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The socket of an engine."""
    path = str(tmp_path / "s")
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    with ThreadingUnixStreamServer(path, Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield path
        server.shutdown()


@pytest.fixture
def says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The last words of a client that fails."""
    (tmp_path / "bin").mkdir()
    words = tmp_path / "bin" / "words"
    (tmp_path / "bin" / "docker").write_text(f"#!/bin/sh\n/bin/cat '{words}' >&2\nexit 1\n")
    (tmp_path / "bin" / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    client.reach.cache_clear()
    return words


@pytest.mark.parametrize(
    ("words", "what", "fix"),
    [
        (TOO_NEW, "the client speaks API 1.50, the engine at most 1.40", "export DOCKER_API_VERSION=1.40, or update"),
        (TOO_OLD, "the client speaks API 1.40, the engine at least 1.44", "update the docker client: https://"),
        (BELOW, "the engine speaks API 1.40, the client at least 1.44", "unset DOCKER_HOST, or update the engine"),
        (LACKS, "API 1.25 is needed, the engine speaks 1.18", "unset DOCKER_HOST, or update the engine"),
        ("something else", "no docker engine answers", "unset DOCKER_HOST  (to take this machine's), or: invoke doc"),
    ],
)
def test_engine_without_a_common_api_is_named_with_both_versions(
    address: str, says: Path, words: str, what: str, fix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    says.write_text(f"{words}\n")
    with pytest.raises(InfrastructureError) as caught:
        choose.docker_engine()
    assert what in caught.value.what and str(caught.value.fix).startswith(fix) and caught.value.why == words
    # Tasks that ask for a row say the same.
    with pytest.raises(InfrastructureError) as caught:
        client.rows(["docker", "ps"])
    assert what in caught.value.what or words in caught.value.what
    assert str(caught.value.fix).startswith(fix)
    assert isinstance(choose.choose("auto"), VenvEngine)
    (line,) = capsys.readouterr().err.splitlines()
    assert what in line and "using `venv`" in line


def test_engine_that_all_clients_know_is_not_asked_by_the_client(
    address: str, says: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says.write_text("the client was started\n")
    for newest in ("1.44", "1.52", "2.0", "x"):
        monkeypatch.setattr(Handler, "newest", newest)
        assert client.why_not_running() == ""
    monkeypatch.setattr(Handler, "ping", 400)
    assert client.why_not_running() == "the client was started"


def test_variable_for_the_version_of_the_api_is_the_one_to_unset(
    address: str, says: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "newest", "1.52")
    monkeypatch.setenv("DOCKER_API_VERSION", "1.99")
    says.write_text(f"{TOO_NEW}\n")
    with pytest.raises(InfrastructureError) as caught:
        choose.docker_engine()
    assert str(caught.value.fix).startswith("unset DOCKER_API_VERSION, or: invoke doctor")


@pytest.mark.parametrize("variables", [["DOCKER_TLS_VERIFY"], ["DOCKER_TLS"], ["DOCKER_TLS_VERIFY", "DOCKER_TLS"]])
def test_tls_without_a_certificate_names_the_variable_and_the_file(
    address: str, says: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: list[str]
) -> None:
    # The socket itself answers without TLS; the client does not ask it.
    monkeypatch.setattr(Handler, "newest", "1.52")
    for name in variables:
        monkeypatch.setenv(name, "1")
    says.write_text(f"{PEM.format(tmp_path)}\n")
    with pytest.raises(InfrastructureError) as caught:
        choose.docker_engine()
    asks = f"{' and '.join(variables)} asks for TLS, and the certificate {tmp_path}/ca.pem cannot be read: no such file"
    assert caught.value.what.startswith(asks)
    assert str(caught.value.fix).startswith(f"unset {' '.join(variables)}  (or put the certificates into that dir")
    for access in (Access(), Access("unix:///x", by="DOCKER_HOST", value="unix:///x", undo="unset DOCKER_HOST")):
        mark, detail, fix = judge_engine(Facts(client="28.2", reason=PEM.format(tmp_path), access=access))
        assert (mark, fix) == (MISSING, str(caught.value.fix).partition(", or: invoke doctor")[0])
        assert detail.startswith(asks)


def test_socket_that_refuses_the_user_is_one_line_with_the_engine_that_is_used_instead(
    says: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    monkeypatch.delenv("DOCKER_CONTEXT", raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr("helpers.engine.api.DEFAULT_SOCKET", str(tmp_path / "closed"))
    monkeypatch.setattr(faults, "is_member", lambda: False)
    says.write_text(f"{DENIED.format(tmp_path / 'closed')}: connect: permission denied\n")
    assert isinstance(choose.choose("auto"), VenvEngine)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith(
        f"permission denied on the engine's socket {tmp_path}/closed: using `venv`, one environment per directory, "
        f"without a container's isolation; fix: {faults.JOIN}"
    )
    with pytest.raises(InfrastructureError, match="permission denied on the engine's socket"):
        choose.docker_engine()
    monkeypatch.setattr(faults, "is_member", lambda: True)
    assert faults.fix(says.read_text()) == "newgrp docker"


def test_silent_engine_of_this_machine_is_started_again_and_another_one_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    silent = f"the engine at x {faults.SILENT} 8 s"
    assert str(faults.no_answer(silent).fix).startswith("sudo service docker restart, or: invoke doctor")
    monkeypatch.setenv("DOCKER_HOST", "tcp://127.0.0.1:9")
    assert str(faults.no_answer(silent).fix).startswith("unset DOCKER_HOST  (to take this machine's), or: invoke doc")


@pytest.mark.engine
def test_docker_client_says_the_words_that_are_looked_for(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Handler, "ping", 500)
    monkeypatch.setattr(Handler, "newest", "1.99")
    fault = faults.explain(client.why_not_running())
    assert fault and "the engine at most 1.40" in fault.what
    monkeypatch.setattr(Handler, "newest", "1.18")
    done = subprocess.run(["docker", "volume", "ls"], capture_output=True, encoding="utf-8", check=False)
    fault = faults.explain(done.stderr.strip())
    assert fault and "API 1.21 is needed, the engine speaks 1.18" in fault.what
    monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
    monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
    fault = faults.explain(client.why_not_running())
    assert fault and f"DOCKER_TLS_VERIFY asks for TLS, and the certificate {tmp_path}/ca.pem" in fault.what
    assert "that DOCKER_CERT_PATH names" in fault.fix and os.environ["DOCKER_TLS_VERIFY"]


@pytest.mark.parametrize(
    ("said", "what", "fix"),
    [
        ('could not select device driver "" with capabilities: [[gpu]]', "which gpus asks for", "Container Toolkit"),
        (
            'error gathering device information while adding custom device "/dev/x": no such file or directory',
            "this machine has no device /dev/x, which devices asks for",
            "[tool.helpers] devices",
        ),
        ("runc create failed: error setting rlimit type 7: operation not permitted", "ulimits", "LimitMEMLOCK"),
        ("invalid name", "the engine did not start the container: docker: invalid name", "None"),
    ],
)
def test_an_option_that_this_machine_cannot_give_is_named_by_its_setting(said: str, what: str, fix: str) -> None:
    fault = faults.not_started(f"docker: {said}")
    assert what in fault.what and fix in str(fault.fix)
    # A retry does not help where the machine has no such thing.
    assert fault.exit_code == (INFRASTRUCTURE if said == "invalid name" else USAGE)


def test_reason_of_an_engine_that_is_replaced_is_whole() -> None:
    place = "unix:///nonexistent/docker.sock"
    said = faults.instead(f"Cannot connect to the Docker daemon at {place}. Is the docker daemon running?")
    assert said.endswith(f"Cannot connect to the Docker daemon at {place}")
