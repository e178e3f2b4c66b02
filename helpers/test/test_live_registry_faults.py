"""Broken networks and servers before a real registry: the right exit code, in bounded time, and the truth told."""

from __future__ import annotations

import threading
import time

import pytest

from helpers import errors
from helpers.engine.seam import Control, Stop
from helpers.errors import InfrastructureError, PolicyError
from helpers.registry.repository import Registry
from helpers.registry.upload import PushError
from helpers.test import fault_proxy as faults
from helpers.test.fault_proxy import FaultProxy
from helpers.test.registry_fixtures import SHORT, Layout, free_port, hasty, layout, name, proxy, real, seconds

__all__ = ["hasty", "layout", "name", "proxy", "real"]

pytestmark = [pytest.mark.host, pytest.mark.slow]
UPLOADS = r"/blobs/uploads/"
BLOB_PUT = ("PUT", UPLOADS)


@pytest.mark.parametrize(
    "method, path, fault",
    [
        ("POST", UPLOADS, faults.status(500)),
        ("POST", UPLOADS, faults.status(429, Retry_After="0")),
        ("POST", UPLOADS, faults.cut_answer),
        (*BLOB_PUT, faults.status(500)),
        (*BLOB_PUT, faults.status(502, b"<html>")),
        (*BLOB_PUT, faults.status(404)),
        (*BLOB_PUT, faults.cut_upload),
        (*BLOB_PUT, faults.cut_answer),
        (*BLOB_PUT, faults.silent),
        ("HEAD", "/blobs/", faults.status(503)),
        ("HEAD", "/manifests/", faults.silent),
        ("HEAD|PUT", "/manifests/", faults.slow(0.3)),
        ("PUT", "/manifests/sha256", faults.status(500)),
        ("PUT", "/manifests/sha256", faults.cut_answer),
        ("PUT", "/manifests/sha256", faults.silent),
        ("PUT", "/manifests/dev", faults.status(500)),
        ("PUT", "/manifests/dev", faults.cut_upload),
        ("PUT", "/manifests/dev", faults.cut_answer),
        ("PUT", "/manifests/dev", faults.silent),
        ("PUT", "/manifests/v1$", faults.status(500)),
        ("PUT", "/manifests/v1$", faults.cut_answer),
        ("PUT", "/manifests/v1$", faults.silent),
        ("PUT", "/manifests/v1.claim", faults.cut_answer),
        ("GET", "/manifests/", faults.cut_answer),
        ("GET", "/tags/list", faults.cut_answer),
        ("DELETE", "", faults.status(405)),
        ("DELETE", "", faults.status(500)),
        ("DELETE", "", faults.cut_answer),
    ],
)
def test_a_fault_that_passes_is_overcome(
    proxy: FaultProxy, layout: Layout, name: str, hasty: None, method: str, path: str, fault: faults.Fault
) -> None:
    proxy.plan(method, path, fault, times=2)
    registry = Registry(f"{proxy.host}/{name}")
    digest = layout.index("one", "amd64", "arm64")
    report = registry.push(layout.path, digest)
    assert (len(report.sent) + len(report.present), report.missing, report.missing_manifests) == (4, [], [])
    registry.tag(digest, "dev")
    registry.put_once("v1", digest)
    direct = Registry(f"{proxy.target}/{name}")
    assert direct.tags() == ["dev", "v1"]
    assert {direct.manifest(tag).digest for tag in ("dev", "v1")} == {digest}


@pytest.mark.parametrize(
    "method, path, fault, told",
    [
        ("POST", UPLOADS, faults.status(500), "answers HTTP 500"),
        ("POST", UPLOADS, faults.silent, "does not answer"),
        (*BLOB_PUT, faults.silent, "does not answer"),
        (*BLOB_PUT, faults.cut_upload, "broke the connection off"),
        (*BLOB_PUT, faults.status(507, b'{"errors":[{"code":"FULL","message":"no space"}]}'), "FULL no space"),
        ("HEAD", "/blobs/", faults.status(429, Retry_After="3600"), "HTTP 429"),
    ],
)
def test_an_upload_that_is_given_up_says_what_is_there_and_what_not(
    proxy: FaultProxy, layout: Layout, name: str, hasty: None, method: str, path: str, fault: faults.Fault, told: str
) -> None:
    registry = Registry(f"{proxy.host}/{name}")
    registry.push(layout.path, layout.index("one", "amd64"))
    proxy.plan(method, path, fault)
    begin = time.monotonic()
    with pytest.raises(PushError, match=told) as caught:
        registry.push(layout.path, layout.index("one", "amd64", "arm64"))
    assert seconds(begin) < 75 / SHORT + 2
    assert caught.value.exit_code == errors.INFRASTRUCTURE
    text = str(caught.value)
    assert f"{proxy.host}/{name}" in text and "3 manifest(s); no tag was written" in text
    report = caught.value.report
    assert (len(report.sent), len(report.missing_manifests)) == (0, 3)
    # What it says is there is there, and what it says is not there is not.
    direct = Registry(f"{proxy.target}/{name}").http
    assert [direct.request("HEAD", f"blobs/{blob.digest}").status for blob in report.present] == [200] * len(
        report.present
    )
    assert {direct.request("HEAD", f"blobs/{blob.digest}").status for blob in report.missing} <= {404, 200}
    assert len(report.present) + len(report.missing) == 4


def test_after_an_upload_that_was_given_up_only_the_rest_is_sent(
    proxy: FaultProxy, layout: Layout, name: str, hasty: None
) -> None:
    digest = layout.index("one", "amd64", "arm64")
    proxy.plan(*BLOB_PUT, faults.forward, times=3)
    proxy.plan(*BLOB_PUT, faults.cut_upload)
    with pytest.raises(PushError) as caught:
        Registry(f"{proxy.host}/{name}").push(layout.path, digest)
    assert len(caught.value.report.sent) == 3
    report = Registry(f"{proxy.target}/{name}").push(layout.path, digest)
    assert (len(report.present), len(report.sent), len(report.manifests)) == (3, 1, 3)


@pytest.mark.parametrize("code, told", [(401, "Docker has no login"), (403, "no right")])
def test_a_registry_that_refuses_us_says_how_to_log_in_and_is_not_asked_again(
    proxy: FaultProxy, layout: Layout, name: str, code: int, told: str
) -> None:
    proxy.plan(
        "POST", UPLOADS, faults.status(code, b'{"errors":[{"code":"DENIED"}]}', WWW_Authenticate='Basic realm="x"')
    )
    with pytest.raises(PushError, match=told) as caught:
        Registry(f"{proxy.host}/{name}").push(layout.path, layout.index("one", "amd64"))
    assert caught.value.exit_code == errors.INFRASTRUCTURE
    assert caught.value.fix == f"docker login {proxy.host}"
    assert len([line for line in proxy.seen if line.startswith("POST")]) == 1


@pytest.mark.parametrize("fault", [faults.silent, faults.dripping])
@pytest.mark.parametrize("path", ["/tags/list", "/manifests/dev"])
def test_a_server_that_never_ends_its_answer_is_given_up(
    proxy: FaultProxy, name: str, hasty: None, fault: faults.Fault, path: str
) -> None:
    proxy.plan("GET|HEAD", path, fault)
    registry = Registry(f"{proxy.host}/{name}")
    begin = time.monotonic()
    with pytest.raises(InfrastructureError, match="answer"):
        registry.find("dev") if "dev" in path else registry.tags()
    assert seconds(begin) < 60 / SHORT + 1


def test_a_moving_tag_that_was_not_written_is_said_to_be_where_it_was(
    proxy: FaultProxy, layout: Layout, name: str, hasty: None
) -> None:
    registry = Registry(f"{proxy.host}/{name}")
    old, new = (layout.index(text, "amd64") for text in ("old", "new"))
    for digest in (old, new):
        registry.push(layout.path, digest)
    registry.tag(old, "dev")
    proxy.plan("PUT", "/manifests/dev", faults.status(500))
    with pytest.raises(InfrastructureError, match=f"the tag dev is still {old}") as caught:
        registry.tag(new, "dev")
    assert caught.value.exit_code == errors.INFRASTRUCTURE
    assert registry.resolve("dev") == old


def test_a_tag_that_can_not_be_read_back_is_said_to_be_unknown(
    proxy: FaultProxy, layout: Layout, name: str, hasty: None
) -> None:
    registry = Registry(f"{proxy.host}/{name}")
    digest = layout.index("one", "amd64")
    registry.push(layout.path, digest)
    proxy.plan("GET", "/manifests/dev", faults.silent)
    proxy.plan("PUT", "/manifests/dev", faults.cut_answer)
    with pytest.raises(InfrastructureError, match="whether the tag dev was written is not known"):
        registry.tag(digest, "dev")


def test_a_version_tag_whose_answer_was_lost_is_not_written_twice(
    proxy: FaultProxy, layout: Layout, name: str, hasty: None
) -> None:
    registry = Registry(f"{proxy.host}/{name}")
    digest = layout.index("one", "amd64")
    registry.push(layout.path, digest)
    proxy.plan("PUT", "/manifests/v1$", faults.cut_answer)
    registry.put_once("v1", digest)
    assert proxy.seen.count(f"PUT /v2/{name}/manifests/v1") == 1
    assert registry.all_tags() == ["v1"]


def test_a_version_tag_that_is_never_taken_is_said_so_and_the_claim_stays(
    proxy: FaultProxy, layout: Layout, name: str, hasty: None
) -> None:
    registry = Registry(f"{proxy.host}/{name}")
    digest = layout.index("one", "amd64")
    registry.push(layout.path, digest)
    proxy.plan("PUT", "/manifests/v1$", faults.status(500))
    with pytest.raises(InfrastructureError, match=r"HTTP 500.*\n.*v1 is not there after 3 tries"):
        registry.put_once("v1", digest)
    assert registry.tags() == []
    # It keeps others from writing while the broken write might still come.
    assert len(registry.all_tags()) == 1


@pytest.mark.parametrize(
    "path, fault", [("/manifests/sha256", faults.other_digest), ("/manifests/sha256", faults.other_body)]
)
def test_other_content_than_was_asked_for_is_found(
    proxy: FaultProxy, layout: Layout, name: str, path: str, fault: faults.Fault
) -> None:
    registry = Registry(f"{proxy.host}/{name}")
    digest = layout.index("one", "amd64")
    registry.push(layout.path, digest)
    proxy.plan("GET|HEAD", path, fault)
    with pytest.raises(InfrastructureError, match="other content"):
        registry.manifest(digest)
    with pytest.raises(InfrastructureError, match="other content"):
        registry.tag(digest, "dev")


def test_a_registry_that_makes_something_else_of_a_manifest_is_found(
    proxy: FaultProxy, layout: Layout, name: str
) -> None:
    proxy.plan("PUT", "/manifests/", faults.other_digest)
    with pytest.raises(PushError, match="something else"):
        Registry(f"{proxy.host}/{name}").push(layout.path, layout.index("one", "amd64"))


def test_a_tag_that_somebody_else_moves_at_the_same_time_is_refused(
    proxy: FaultProxy, layout: Layout, name: str
) -> None:
    registry, other = Registry(f"{proxy.host}/{name}"), Registry(f"{proxy.target}/{name}")
    mine, theirs = (layout.index(text, "amd64") for text in ("mine", "theirs"))
    for digest in (mine, theirs):
        registry.push(layout.path, digest)

    def overtaken(handler: faults.Handler) -> None:
        faults.forward(handler)
        other.tag(theirs, "dev")

    proxy.plan("PUT", "/manifests/dev", overtaken)
    with pytest.raises(PolicyError, match="somebody else") as caught:
        registry.tag(mine, "dev")
    assert theirs in str(caught.value) and caught.value.exit_code == errors.REFUSED


@pytest.mark.parametrize("fault", [faults.silent, faults.dripping])
def test_the_user_s_stop_ends_a_request_within_a_second(proxy: FaultProxy, name: str, fault: faults.Fault) -> None:
    proxy.plan("GET", "/tags/list", fault)
    control = Control()
    threading.Timer(0.3, lambda: control.stop(Stop.POLITELY, errors.SIGINT_EXIT)).start()
    begin = time.monotonic()
    with pytest.raises(InfrastructureError, match="stopped by the user"):
        Registry(f"{proxy.host}/{name}", control).tags()
    assert seconds(begin) < 1.3


def test_a_registry_that_is_not_there_is_named(name: str, hasty: None) -> None:
    host = f"127.0.0.1:{free_port()}"
    with pytest.raises(InfrastructureError, match=f"{host} refuses the connection"):
        Registry(f"{host}/{name}").tags()
