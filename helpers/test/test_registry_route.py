"""The way to a registry: the proxy of the machine, and the authorities that it trusts."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import host
from helpers.errors import InfrastructureError
from helpers.registry import route
from helpers.registry.repository import Registry
from helpers.test.fault_proxy import FaultProxy, Handler, fault_proxy
from helpers.test.server_fixtures import SECRET, basic, docker_config, says, server
from helpers.test.unit_fixtures import forget

__all__ = ["docker_config", "server"]


@pytest.mark.parametrize(
    "netloc, no_proxy, direct",
    [
        ("r.invalid", "", False),
        ("r.invalid", "*", True),
        ("r.invalid", "a.invalid, r.invalid", True),
        ("r.invalid:5000", "r.invalid", True),
        ("r.invalid:5000", "r.invalid:5000", True),
        ("r.invalid:5000", "r.invalid:5001", False),
        ("r.team.invalid", ".team.invalid", True),
        ("r.team.invalid", "team.invalid", True),
        ("steam.invalid", "team.invalid", False),
        ("10.1.2.3:5000", "10.0.0.0/8", True),
        ("11.1.2.3", "10.0.0.0/8", False),
        ("[2001:db8::1]:5000", "2001:db8::/32", True),
    ],
)
def test_no_proxy_names_hosts_domains_and_networks(netloc: str, no_proxy: str, direct: bool) -> None:
    assert route.reached_directly(netloc, no_proxy) is direct


class Tunnel:
    """A proxy that leads to the registry, whatever host it is asked for."""

    def __init__(self, proxy: FaultProxy, registry: FaultProxy) -> None:
        self.host = proxy.host
        self.asked: list[tuple[str, str | None]] = []
        self._to = registry.host.partition(":")
        proxy.plan("CONNECT", "", self._connect)

    def _connect(self, handler: Handler) -> None:
        self.asked.append((handler.path, handler.headers.get("Proxy-Authorization")))
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection((self._to[0], int(self._to[2]))) as registry:
            back = threading.Thread(target=copy, args=(registry, handler.connection), daemon=True)
            back.start()
            copy(handler.connection, registry)
            back.join()
        handler.close_connection = True


def copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.fixture
def tunnel(server: FaultProxy) -> Iterator[Tunnel]:
    """A proxy before the server."""
    with fault_proxy() as proxy:
        yield Tunnel(proxy, server)


@pytest.mark.host
class TestTls:
    """A registry with a certificate of an authority of its own, behind a proxy."""

    @pytest.fixture
    def machine(self, docker_config: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
        """A machine that says nothing of its network."""
        for name in ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
            monkeypatch.delenv(name, raising=False)
        for name in ("http_proxy", "https_proxy", "no_proxy", "all_proxy"):
            monkeypatch.delenv(name, raising=False)
            monkeypatch.delenv(name.upper(), raising=False)
        monkeypatch.setattr(host, "_pip_settings", dict)
        forget()
        yield monkeypatch
        forget()

    @pytest.fixture
    def certificate(self, tmp_path: Path) -> Path:
        """A certificate for `registry.invalid` that is its own authority, with its key."""
        pem = tmp_path / "certificate.pem"
        subject = ["-subj", "/CN=registry.invalid", "-addext", "subjectAltName=DNS:registry.invalid"]
        kind = ["-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
        command = ["openssl", "req", *kind, *subject, "-keyout", str(pem) + ".key", "-out", str(pem)]
        subprocess.run(command, check=True, capture_output=True)
        return pem

    @pytest.fixture
    def registry(self, server: FaultProxy, certificate: Path) -> FaultProxy:
        """The registry, now with TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, str(certificate) + ".key")
        server.socket = context.wrap_socket(server.socket, server_side=True)
        server.plan("GET", "tags/list", says({"tags": ["v1"]}))
        return server

    def test_it_is_reached_by_the_proxy_and_trusted_by_the_machine_s_bundle(
        self, registry: FaultProxy, tunnel: Tunnel, certificate: Path, machine: pytest.MonkeyPatch
    ) -> None:
        machine.setenv("HTTPS_PROXY", f"http://u:{SECRET}@{tunnel.host}")
        with pytest.raises(InfrastructureError, match=r"certificate of registry\.invalid is not to be trusted"):
            Registry("registry.invalid/a").tags()
        assert registry.seen == []
        forget()
        machine.setenv("SSL_CERT_FILE", str(certificate))
        assert Registry("registry.invalid/a").tags() == ["v1"]
        assert tunnel.asked == [("registry.invalid:443", f"Basic {basic('u', SECRET)}")] * 2

    def test_the_authority_that_docker_keeps_for_a_registry_is_trusted_too(
        self, registry: FaultProxy, tunnel: Tunnel, certificate: Path, machine: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        own = tmp_path / "certs.d" / "registry.invalid"
        own.mkdir(parents=True)
        (own / "ca.crt").write_bytes(certificate.read_bytes())
        machine.setattr(route, "_DOCKER_CERTIFICATES", tmp_path / "certs.d")
        machine.setenv("https_proxy", tunnel.host)
        assert Registry("registry.invalid/a").tags() == ["v1"]
        assert tunnel.asked == [("registry.invalid:443", None)]
