"""Addresses of registries, the logins that Docker has for them, and how a registry asks for one."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from helpers.errors import ConfigError, InfrastructureError
from helpers.registry.address import Address
from helpers.registry.authorization import Challenge, challenges
from helpers.registry.credentials import Login, find_login
from helpers.registry.repository import Registry
from helpers.test.server_fixtures import SECRET, basic, docker_config

__all__ = ["docker_config"]


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


def test_a_helper_that_is_not_installed_is_named_with_the_file_that_asks_for_it(docker_config: Path) -> None:
    docker_config.write_text(json.dumps({"credsStore": "nowhere"}))
    with pytest.raises(InfrastructureError, match="no docker-credential-nowhere on PATH") as caught:
        find_login("a.invalid")
    assert caught.value.where == str(docker_config) and "docker login a.invalid" in str(caught.value.fix)


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
