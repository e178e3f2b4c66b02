"""Addresses, logins, tokens, pages and claims of registries, against a server that refuses what it was not told."""

from __future__ import annotations

import base64
import json
import os
import socket
import ssl
import stat
import subprocess
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import host
from helpers.errors import ConfigError, InfrastructureError
from helpers.registry import route
from helpers.registry.address import Address
from helpers.registry.authorization import Challenge, challenges
from helpers.registry.credentials import Login, find_login
from helpers.registry.manifest import Manifest, sha256
from helpers.registry.once import Claim, is_claim
from helpers.registry.repository import Registry
from helpers.test.fault_proxy import Fault, FaultProxy, Handler, fault_proxy, status
from helpers.test.unit_fixtures import forget

SECRET = "s3cret-word"


@pytest.mark.parametrize(
    "text, host, name, url",
    [
        ("localhost:5000/forecast", "localhost:5000", "forecast", "http://localhost:5000"),
        ("localhost/team/a/b", "localhost", "team/a/b", "http://localhost"),
        ("127.0.0.1:5000/a", "127.0.0.1:5000", "a", "http://127.0.0.1:5000"),
        ("127.9.9.9:1/a", "127.9.9.9:1", "a", "http://127.9.9.9:1"),
        ("[::1]:5000/a", "[::1]:5000", "a", "http://[::1]:5000"),
        ("[2001:db8::1]/a", "[2001:db8::1]", "a", "https://[2001:db8::1]"),
        ("registry.invalid/a__b.c-d/e", "registry.invalid", "a__b.c-d/e", "https://registry.invalid"),
        ("registry:5000/a", "registry:5000", "a", "https://registry:5000"),
        ("10.0.0.1:5000/a", "10.0.0.1:5000", "a", "https://10.0.0.1:5000"),
        ("localhost.invalid/a", "localhost.invalid", "a", "https://localhost.invalid"),
    ],
)
def test_an_address_has_a_host_and_tls_unless_it_is_this_machine(text: str, host: str, name: str, url: str) -> None:
    address = Address.parse(text)
    assert (address.host, address.name, address.url, str(address)) == (host, name, url, text)


@pytest.mark.parametrize(
    "text, told",
    [
        ("forecast", "names no registry"),
        ("team/forecast", "names no registry"),
        ("", "names no registry"),
        ("localhost", "names no registry"),
        ("docker.io/team", "Docker's own public registry"),
        ("docker.io:443/team/a", "Docker's own public registry"),
        ("-x.invalid/a", "not HOST"),
        ("user@registry.invalid/a", "not HOST"),
        ("registry.invalid:x/a", "not HOST"),
        ("registry.invalid/", "not the name of a repository"),
        ("registry.invalid/A", "not the name of a repository"),
        ("registry.invalid/a:tag", "not the name of a repository"),
        ("registry.invalid/a@sha256:0", "not the name of a repository"),
        ("registry.invalid/a//b", "not the name of a repository"),
        ("registry.invalid/../a", "not the name of a repository"),
    ],
)
def test_what_is_no_address_is_refused_and_no_registry_is_guessed(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        Registry(text)
    assert told != "names no registry" or "[tool.helpers] registry" in str(caught.value.fix)


@pytest.fixture
def docker_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that Docker keeps logins in; it does not exist yet."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker" / "config.json"


def basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def helper(directory: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> None:
    """Put a credential helper on the path."""
    file = directory / f"docker-credential-{name}"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{directory}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.parametrize("key", ["r.invalid:5000", "https://r.invalid:5000", "https://r.invalid:5000/v1/"])
def test_a_login_is_found_by_host_and_by_the_url_of_old_clients(docker_config: Path, key: str) -> None:
    docker_config.write_text(
        json.dumps({"auths": {"r.invalid": {"auth": basic("x", "y")}, key: {"auth": basic("u", "p:q")}}})
    )
    assert find_login("r.invalid:5000") == Login("u", "p:q")
    assert find_login("other.invalid") is None


def test_an_identity_token_and_an_empty_entry_are_understood(docker_config: Path) -> None:
    auths = {"a.invalid": {"auth": basic("u", ""), "identitytoken": "t"}, "b.invalid": {}, "c.invalid": {"auth": "?"}}
    docker_config.write_text(json.dumps({"auths": auths}))
    assert find_login("a.invalid") == Login("u", "", "t")
    assert find_login("b.invalid") is None and find_login("c.invalid") is None


def test_without_docker_s_file_there_is_no_login(docker_config: Path) -> None:
    assert find_login("a.invalid") is None


def test_a_broken_file_is_named(docker_config: Path) -> None:
    docker_config.write_text("{")
    with pytest.raises(ConfigError, match="is not JSON") as caught:
        find_login("a.invalid")
    assert caught.value.where == str(docker_config)


def test_a_registry_s_helper_wins_over_the_general_one_and_gets_the_host_on_its_input(
    docker_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    docker_config.write_text(json.dumps({"credsStore": "general", "credHelpers": {"a.invalid:1": "own"}}))
    answer = '{{"ServerURL": "x", "Username": "{}", "Secret": "{}"}}'
    helper(
        tmp_path,
        monkeypatch,
        "own",
        f"read host; echo \"$1 $host\" > {tmp_path}/asked; echo '{answer.format('u', 'p')}'",
    )
    helper(tmp_path, monkeypatch, "general", f"echo '{answer.format('<token>', 't')}'")
    assert find_login("a.invalid:1") == Login("u", "p")
    assert (tmp_path / "asked").read_text() == "get a.invalid:1\n"
    assert find_login("b.invalid") == Login("", "", "t")


def test_a_helper_that_knows_nothing_leaves_it_to_the_file_and_one_that_fails_is_named(
    docker_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    auths = {"a.invalid": {"auth": basic("u", "p")}}
    docker_config.write_text(json.dumps({"credsStore": "x", "auths": auths}))
    helper(tmp_path, monkeypatch, "x", "echo credentials not found in native keychain; exit 1")
    assert find_login("a.invalid") == Login("u", "p")
    helper(tmp_path, monkeypatch, "x", f"echo {SECRET}; exit 3")
    with pytest.raises(InfrastructureError, match="docker-credential-x failed with exit code 3") as caught:
        find_login("a.invalid")
    assert SECRET not in str(caught.value) and caught.value.fix == "docker login a.invalid"


def test_a_login_s_secrets_are_not_in_its_representation() -> None:
    assert SECRET not in repr(Login("u", SECRET, SECRET))


def test_challenges_are_read_with_quotes_commas_and_several_schemes() -> None:
    bearer = 'Bearer realm="https://a.invalid/token",service="s",scope="repository:a/b:pull,push"'
    found = [
        Challenge("bearer", {"realm": "https://a.invalid/token", "service": "s", "scope": "repository:a/b:pull,push"}),
        Challenge("basic", {"realm": 'it\'s "here", yes'}),
    ]
    assert challenges([bearer, r'Basic realm="it\'s \"here\", yes"']) == found
    assert challenges([bearer + r', basic realm="it\'s \"here\", yes"']) == found
    assert challenges(["Negotiate", "Basic charset=UTF-8"]) == [
        Challenge("negotiate", {}),
        Challenge("basic", {"charset": "UTF-8"}),
    ]
    assert challenges(['realm="x"', ""]) == []


@pytest.fixture
def server() -> Iterator[FaultProxy]:
    """A registry that knows nothing but what a test plans."""
    with fault_proxy() as proxy:
        yield proxy


def says(content: object, **headers: str) -> Fault:
    return status(200, json.dumps(content).encode(), **headers)


def test_a_server_refuses_what_it_was_not_told(server: FaultProxy, docker_config: Path) -> None:
    with pytest.raises(InfrastructureError, match="HTTP 501"):
        Registry(f"{server.host}/a").tags()


def test_tags_are_read_page_by_page_without_claims_and_without_doubles(server: FaultProxy, docker_config: Path) -> None:
    link = '</v2/a/tags/list?n=2&last=c>; rel="next"'
    server.plan("GET", r"tags/list\?n=1000$", says({"tags": ["c", "a"]}, Link=link))
    server.plan("GET", r"last=c$", says({"tags": ["c", "d", "d.claim-1-0123456789ab-abcdef"]}))
    registry = Registry(f"{server.host}/a")
    assert registry.tags() == ["a", "c", "d"]
    assert len(registry.all_tags()) == 4


def test_a_list_of_tags_without_an_end_is_an_error(
    server: FaultProxy, docker_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.plan("GET", "tags/list", says({"tags": ["a"]}, Link='<?n=1000>; rel="next"'))
    monkeypatch.setattr("helpers.registry.reading._MOST_PAGES", 5)
    with pytest.raises(InfrastructureError, match="without an end"):
        Registry(f"{server.host}/a").tags()
    assert len(server.seen) == 5


@pytest.mark.parametrize("answer", [status(404), says({"tags": None}), says({})])
def test_a_repository_that_does_not_exist_has_no_tags(server: FaultProxy, docker_config: Path, answer: Fault) -> None:
    server.plan("GET", "tags/list", answer)
    assert Registry(f"{server.host}/a").tags() == []


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"\xff"])
def test_a_list_of_tags_that_is_none_is_an_error(server: FaultProxy, docker_config: Path, body: bytes) -> None:
    server.plan("GET", "tags/list", status(200, body))
    with pytest.raises(InfrastructureError, match="no JSON object"):
        Registry(f"{server.host}/a").tags()


@pytest.mark.parametrize("head", [status(200), status(405), status(400), status(200, Docker_Content_Digest="md5:1")])
def test_a_digest_that_head_does_not_tell_is_made_of_the_content(
    server: FaultProxy, docker_config: Path, head: Fault
) -> None:
    body = b'{"manifests": []}'
    server.plan("HEAD", "manifests/dev", head)
    server.plan("GET", "manifests/dev", status(200, body))
    assert Registry(f"{server.host}/a").resolve("dev") == sha256(body)


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"layers": [{}]}', b'{"manifests": 1}', b'{"config": []}'])
def test_what_is_no_manifest_is_told(server: FaultProxy, docker_config: Path, body: bytes) -> None:
    server.plan("GET", "manifests/dev", status(200, body))
    with pytest.raises(InfrastructureError, match="no manifest"):
        Registry(f"{server.host}/a").manifest("dev")


def test_what_has_no_configuration_is_no_image(server: FaultProxy, docker_config: Path) -> None:
    server.plan("GET", "manifests/dev", status(200, b'{"layers": []}'))
    with pytest.raises(InfrastructureError, match="no configuration"):
        Registry(f"{server.host}/a").config("dev")


def test_an_index_tells_its_platforms_without_attestations() -> None:
    def child(architecture: str, **more: object) -> dict[str, object]:
        platform = {"os": "linux", "architecture": architecture}
        return {"digest": f"sha256:{architecture}", "size": 1, "platform": platform, **more}

    arm = child("arm")
    arm["platform"] = {"os": "linux", "architecture": "arm", "variant": "v7"}
    attestation = child("unknown", annotations={"vnd.docker.reference.type": "attestation-manifest"})
    index = Manifest.of(json.dumps({"manifests": [child("amd64"), arm, attestation]}).encode())
    assert index.platforms == {"linux/amd64": "sha256:amd64", "linux/arm/v7": "sha256:arm"}
    assert len(index.children) == 3


class TokenServer:
    """Asks for a token, gives it to who has the right login, and takes it for a while."""

    def __init__(
        self, server: FaultProxy, seconds: object = 300, scope: str = "repository:team/a:pull", always: str = ""
    ) -> None:
        self.always = always
        self.asked: list[dict[str, str]] = []
        self.good: set[str] = set()
        self.logins: list[str] = []
        self.seconds = seconds
        self.challenge = f'Bearer realm="http://{server.host}/token",service="reg",scope="{scope}"'
        server.plan("GET|POST", "^/token", self.give)
        server.plan("GET|HEAD|POST|PUT", "^/v2/", self.take)

    def give(self, handler: Handler) -> None:
        """Give a token."""
        query = urllib.parse.urlsplit(handler.path).query or handler.read_body().decode()
        self.asked.append(dict(urllib.parse.parse_qsl(query)))
        self.logins.append(handler.headers.get("Authorization", ""))
        if self.logins[-1] not in ("", f"Basic {basic('u', SECRET)}"):
            return handler.answer(401)
        token = self.always or f"token-{len(self.asked)}"
        self.good = {f"Bearer {token}"}
        return handler.answer(200, json.dumps({"token": token, "expires_in": self.seconds}).encode())

    def take(self, handler: Handler) -> None:
        """Answer who has a token."""
        if handler.headers.get("Authorization") not in self.good:
            return handler.answer(401, WWW_Authenticate=self.challenge)
        return handler.answer(200, b'{"tags": ["v1"]}')


def log_in(file: Path, server: FaultProxy, **entry: str) -> None:
    file.write_text(json.dumps({"auths": {server.host: entry or {"auth": basic("u", SECRET)}}}))


def test_a_token_is_fetched_with_the_login_and_used_until_its_end(
    server: FaultProxy, docker_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = TokenServer(server)
    log_in(docker_config, server)
    registry = Registry(f"{server.host}/team/a")
    assert [registry.tags() for _ in range(3)] == [["v1"]] * 3
    assert tokens.asked == [{"service": "reg", "scope": "repository:team/a:pull"}]
    monkeypatch.setattr("helpers.registry.authorization.time.monotonic", lambda now=time.monotonic: now() + 291)
    assert registry.tags() == ["v1"]
    assert len(tokens.asked) == 2
    # A token that is over before its time, too.
    tokens.good = set()
    assert registry.tags() == ["v1"]
    assert len(tokens.asked) == 3


def test_a_token_that_is_over_is_fetched_again_though_its_server_always_gives_the_same(
    server: FaultProxy, docker_config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = TokenServer(server, seconds=1, always="constant")
    registry = Registry(f"{server.host}/team/a")
    assert registry.tags() == ["v1"]
    monkeypatch.setattr("helpers.registry.authorization.time.monotonic", lambda now=time.monotonic: now() + 2)
    assert registry.tags() == ["v1"]
    assert len(tokens.asked) == 2


def test_rights_that_a_registry_asks_for_are_added_up(server: FaultProxy, docker_config: Path) -> None:
    tokens = TokenServer(server)
    registry = Registry(f"{server.host}/team/a")
    registry.tags()
    tokens.challenge = tokens.challenge.replace(":pull", ":push,delete")
    tokens.good = set()
    registry.tags()
    assert [asked["scope"].rpartition(":")[2] for asked in tokens.asked] == ["pull", "delete,pull,push"]
    assert tokens.logins == ["", ""]


def test_an_identity_token_is_exchanged_in_the_body_of_a_request(server: FaultProxy, docker_config: Path) -> None:
    tokens = TokenServer(server)
    log_in(docker_config, server, auth=basic("u", ""), identitytoken=SECRET)
    assert Registry(f"{server.host}/team/a").tags() == ["v1"]
    assert tokens.asked[0]["grant_type"] == "refresh_token" and tokens.asked[0]["refresh_token"] == SECRET
    assert SECRET not in " ".join(server.seen)


@pytest.mark.parametrize("seconds", [None, "soon", 0, -5, "60"])
def test_whatever_a_token_says_of_its_end_it_is_used(server: FaultProxy, docker_config: Path, seconds: object) -> None:
    TokenServer(server, seconds)
    registry = Registry(f"{server.host}/team/a")
    if seconds == "soon":
        with pytest.raises(InfrastructureError, match="refuses"):
            registry.tags()
    else:
        assert registry.tags() == ["v1"]


def test_a_wrong_password_is_told_without_it(server: FaultProxy, docker_config: Path) -> None:
    TokenServer(server)
    log_in(docker_config, server, auth=basic("u", f"not-{SECRET}"))
    with pytest.raises(InfrastructureError, match="login that Docker has is not taken") as caught:
        Registry(f"{server.host}/team/a").tags()
    assert SECRET not in str(caught.value) and caught.value.fix == f"docker login {server.host}"


def test_basic_logins_are_sent_after_the_server_asked(server: FaultProxy, docker_config: Path) -> None:
    seen: list[str] = []

    def take(handler: Handler) -> None:
        seen.append(handler.headers.get("Authorization", ""))
        good = seen[-1] == f"Basic {basic('u', SECRET)}"
        handler.answer(200 if good else 401, b'{"tags": []}', WWW_Authenticate='Basic realm="registry"')

    server.plan("GET", "/v2/", take)
    log_in(docker_config, server)
    registry = Registry(f"{server.host}/a")
    registry.tags()
    registry.tags()
    assert seen == ["", f"Basic {basic('u', SECRET)}", f"Basic {basic('u', SECRET)}"]


def test_passwords_are_not_sent_to_a_token_server_without_tls(server: FaultProxy, docker_config: Path) -> None:
    server.plan("GET", "/v2/", status(401, WWW_Authenticate='Bearer realm="http://tokens.invalid/",service="x"'))
    log_in(docker_config, server)
    with pytest.raises(InfrastructureError, match="without TLS"):
        Registry(f"{server.host}/a").tags()


def test_another_server_that_a_blob_is_fetched_from_is_not_told_who_we_are(
    server: FaultProxy, docker_config: Path
) -> None:
    config = b'{"architecture": "amd64"}'
    manifest = json.dumps({"config": {"digest": sha256(config), "size": len(config)}, "layers": []}).encode()
    told: list[str | None] = []

    def blob(handler: Handler) -> None:
        told.append(handler.headers.get("Authorization"))
        handler.answer(200, config)

    with fault_proxy() as elsewhere:
        elsewhere.plan("GET", "/store", blob)
        log_in(docker_config, server)
        server.plan("GET", "", status(401, WWW_Authenticate="Basic"), times=1)
        server.plan("GET", "/manifests/", status(200, manifest))
        server.plan("GET", "/blobs/", status(307, Location=f"http://{elsewhere.host}/store?signed=1"))
        assert Registry(f"{server.host}/a").config("dev") == {"architecture": "amd64"}
    assert told == [None]


def test_redirects_in_a_circle_end(server: FaultProxy, docker_config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helpers.registry.http._FIRST_WAIT_SECONDS", 0.01)
    server.plan("GET", "", status(307, Location="/v2/a/tags/list"))
    with pytest.raises(InfrastructureError, match="redirects more than 5 times"):
        Registry(f"{server.host}/a").tags()


@pytest.mark.slow
def test_a_server_that_is_busy_is_asked_again_when_it_says(server: FaultProxy, docker_config: Path) -> None:
    server.plan("GET", "", status(429, Retry_After="1"), times=1)
    server.plan("GET", "", says({"tags": ["a"]}))
    begin = time.monotonic()
    assert Registry(f"{server.host}/a").tags() == ["a"]
    assert 1 <= time.monotonic() - begin < 3


@pytest.mark.parametrize(
    "location, wanted",
    [
        ("/v2/a/x?y=1", "https://r.invalid/v2/a/x?y=1"),
        ("http://r.invalid/x", "https://r.invalid/x"),
        ("https://store.invalid/x", "https://store.invalid/x"),
        ("x", "https://r.invalid/v2/a/x"),
    ],
)
def test_where_an_upload_goes_on_is_kept_in_tls(location: str, wanted: str) -> None:
    assert Registry("r.invalid/a").http.absolute(location, "https://r.invalid/v2/a/") == wanted


def test_a_claim_is_spelled_and_read_and_no_version_is_one() -> None:
    claim = Claim("dev-1.2.0", 1_800_000_000, "0123456789ab", "abcdef")
    assert str(claim) == "dev-1.2.0.claim-1800000000-0123456789ab-abcdef"
    assert Claim.parse(str(claim)) == claim
    for tag in ("dev-1.2.0", "dev", "2026.01.02.3", "x.claim-1", "candidate-1.2.0-0123456789ab"):
        assert not is_claim(tag)


def test_a_tag_too_long_for_a_claim_is_refused(server: FaultProxy, docker_config: Path) -> None:
    with pytest.raises(ConfigError, match="too long"):
        Registry(f"{server.host}/a").put_once("v" * 100, "sha256:0")
    assert server.seen == []


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
