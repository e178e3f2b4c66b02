"""Tokens and logins: fetched when a registry asks, used until their end, and told to nobody else."""

from __future__ import annotations

import json
import time
import urllib.parse
from pathlib import Path

import pytest

from helpers.errors import InfrastructureError
from helpers.registry.http import LoginError
from helpers.registry.manifest import sha256
from helpers.registry.repository import Registry
from helpers.test.fault_proxy import FaultProxy, Handler, fault_proxy, status
from helpers.test.server_fixtures import SECRET, basic, docker_config, log_in, server

__all__ = ["docker_config", "server"]


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


@pytest.mark.parametrize(
    "answer",
    [
        *(b"7", b"[]", b"null", b"{}", b"<html>", b"\xff", b'{"token": 7}', b'{"token": ["t"]}', b'{"token": null}'),
        *(b'{"token": "a\\r\\nX: y"}', b'{"token": "\xc3\xa9"}', b'{"token": "t", "expires_in": "soon"}'),
        *(b'{"token": "t", "expires_in": []}', b"[" * 200_000),
    ],
    ids=lambda answer: repr(answer[:30]),
)
def test_answer_of_a_token_server_without_a_token_is_no_login(
    server: FaultProxy, docker_config: Path, answer: bytes
) -> None:
    server.plan("GET", "^/token", status(200, answer))
    challenge = f'Bearer realm="http://{server.host}/token",service="reg"'
    server.plan("GET", "^/v2/", status(401, WWW_Authenticate=challenge))
    with pytest.raises(LoginError):
        Registry(f"{server.host}/a").tags()


@pytest.mark.parametrize("realm", ["http://[", "http://a:b/", "token"])
def test_token_server_whose_address_is_no_url_is_an_error(server: FaultProxy, docker_config: Path, realm: str) -> None:
    server.plan("GET", "^/v2/", status(401, WWW_Authenticate=f'Bearer realm="{realm}"'))
    with pytest.raises(InfrastructureError):
        Registry(f"{server.host}/a").tags()


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
