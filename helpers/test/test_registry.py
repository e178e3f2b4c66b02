"""Tags, manifests, redirects and claims of registries, against a server that refuses what it was not told."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from helpers.errors import ConfigError, InfrastructureError
from helpers.registry.http import RejectedError
from helpers.registry.manifest import Manifest, sha256
from helpers.registry.once import Claim, is_claim
from helpers.registry.repository import Registry
from helpers.registry.upload import put_manifest
from helpers.test.fault_proxy import Fault, FaultProxy, status
from helpers.test.server_fixtures import docker_config, says, server

__all__ = ["docker_config", "server"]


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


DEEP = b'{"tags":' + b"[" * 200_000 + b"]" * 200_000 + b"}"


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"[]", b"null", b"7", b"<html>", b"\xff", DEEP),
        *(b'{"tags": 7}', b'{"tags": "v1"}', b'{"tags": {"v1": 1}}', b'{"tags": [1]}', b'{"tags": [null, ["v1"]]}'),
    ],
    ids=lambda body: repr(body[:20]),
)
def test_list_of_tags_of_another_shape_is_an_error(server: FaultProxy, docker_config: Path, body: bytes) -> None:
    server.plan("GET", "tags/list", status(200, body))
    with pytest.raises(InfrastructureError, match="not the JSON that it must be") as caught:
        Registry(f"{server.host}/a").tags()
    assert caught.value.fix


def test_long_list_of_tags_is_read(server: FaultProxy, docker_config: Path) -> None:
    server.plan("GET", "tags/list", says({"tags": [f"dev-1.0.{number}" for number in range(100_000)]}))
    assert len(Registry(f"{server.host}/a").tags()) == 100_000


@pytest.mark.parametrize("link", ["http://[", "http://a:b/", "file:///etc/passwd", "http://r.invalid:99999/"])
@pytest.mark.parametrize("header", ["Link", "Location"])
def test_address_that_is_no_url_is_an_error(server: FaultProxy, docker_config: Path, header: str, link: str) -> None:
    answers = {"Link": says({}, Link=f'<{link}>; rel="next"'), "Location": status(307, Location=link)}
    server.plan("GET", "tags/list", answers[header])
    with pytest.raises(InfrastructureError, match="is no URL"):
        Registry(f"{server.host}/a").tags()


@pytest.mark.parametrize("head", [status(200), status(405), status(400), status(200, Docker_Content_Digest="md5:1")])
def test_a_digest_that_head_does_not_tell_is_made_of_the_content(
    server: FaultProxy, docker_config: Path, head: Fault
) -> None:
    body = b'{"manifests": []}'
    server.plan("HEAD", "manifests/dev", head)
    server.plan("GET", "manifests/dev", status(200, body))
    assert Registry(f"{server.host}/a").resolve("dev") == sha256(body)


ODD_MANIFESTS = (
    *(b"{", b"[]", b'{"layers": [{}]}', b'{"manifests": 1}', b'{"config": []}'),
    *(b"", b"7", b"null", b'{"mediaType": 7}', b'{"layers": 7}', b'{"layers": [7]}', b'{"config": "x"}'),
    *(b'{"layers": [{"digest": 7, "size": 1}]}', b'{"layers": [{"digest": "../x", "size": 1}]}'),
    *(b'{"layers": [{"digest": "sha256:0", "size": 1e400}]}', b'{"layers": [{"digest": "sha256:0", "size": "1"}]}'),
    *(b'{"layers": [{"digest": "sha256:0", "size": -1}]}', b'{"layers": [{"digest": "sha256:0", "size": true}]}'),
    *(b'{"manifests": [{"digest": "sha256:0", "size": 1, "platform": 7}]}', DEEP),
    b'{"manifests": [{"digest": "sha256:0", "size": 1, "platform": {"os": 7}}]}',
)


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"layers": [{}]}', b'{"manifests": 1}', b'{"config": []}', *ODD_MANIFESTS]
)
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


@pytest.mark.parametrize(
    "config",
    [
        *({"config": 7}, {"config": {"Labels": ["a"]}}, {"config": {"Labels": {"a": 1}}}),
        *({"os": 7}, {"rootfs": []}, {"rootfs": {"diff_ids": "sha256:0"}}, {"rootfs": {"diff_ids": [None]}}),
    ],
)
def test_configuration_of_another_shape_is_an_error(server: FaultProxy, docker_config: Path, config: object) -> None:
    blob = json.dumps(config).encode()
    manifest = {"config": {"digest": sha256(blob), "size": len(blob)}, "layers": []}
    server.plan("GET", "manifests/dev", says(manifest))
    server.plan("GET", "blobs/", status(200, blob))
    with pytest.raises(InfrastructureError, match="not that of an image"):
        Registry(f"{server.host}/a").image("dev")


def refused(*codes: str) -> Fault:
    """Return the answer of a registry that does not take a manifest."""
    return status(400, json.dumps({"errors": [{"code": code, "message": "no"} for code in codes]}).encode())


def test_a_manifest_is_sent_again_when_a_blob_of_it_is_being_written_by_another(
    server: FaultProxy, docker_config: Path
) -> None:
    server.plan("PUT", "manifests/dev", refused("DIGEST_INVALID", "MANIFEST_BLOB_UNKNOWN"), times=2)
    server.plan("PUT", "manifests/dev", status(201))
    put_manifest(Registry(f"{server.host}/a"), Manifest.of(b'{"layers": []}'), "dev", tries=1)
    assert len(server.seen) == 3


@pytest.mark.parametrize("code, sent", [("MANIFEST_BLOB_UNKNOWN", 3), ("MANIFEST_INVALID", 1)])
def test_a_manifest_that_stays_refused_is_told(server: FaultProxy, docker_config: Path, code: str, sent: int) -> None:
    server.plan("PUT", "manifests/dev", refused(code))
    with pytest.raises(RejectedError, match=f"does not take dev: HTTP 400: {code}"):
        put_manifest(Registry(f"{server.host}/a"), Manifest.of(b'{"layers": []}'), "dev")
    assert len(server.seen) == sent


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
