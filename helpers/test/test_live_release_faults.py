"""A release through a faulty network: the right exit code, in bounded time, and the truth about what was pushed."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from helpers.test import fault_proxy as faults
from helpers.test.conftest import scratch_repo
from helpers.test.fault_proxy import Fault, FaultProxy, fault_proxy
from helpers.test.registry_fixtures import docker_registry
from helpers.test.test_live_release import Released

pytestmark = pytest.mark.engine

# A silent server is given up after three tries of 15 s; the rest of a push takes a few seconds.
SECONDS = 75.0


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Released, FaultProxy]]:
    """A repo whose registry lies behind a proxy; its image is built already."""
    place = tmp_path_factory.mktemp("faults")
    with docker_registry(place) as host, fault_proxy(host) as proxy, scratch_repo(place / "repo") as repo:
        released = Released(repo, proxy.host)
        released.invoke("docker_build")
        yield released, proxy


@pytest.mark.parametrize(
    "method, path, fault, says",
    [
        ("GET", "/tags/list", faults.status(401), "docker login"),
        ("HEAD", "/blobs/", faults.status(500), "not pushed"),
        ("POST", "/blobs/uploads/", faults.status(500), "not pushed"),
        ("PUT", "/blobs/uploads/", faults.silent, "not pushed"),
        ("PUT", "/manifests/sha256", faults.status(503), "not pushed"),
    ],
    ids=["no login", "broken at once", "takes no upload", "falls silent", "takes no manifest"],
)
def test_a_fault_that_stays_is_code_6_in_bounded_time_and_no_tag_is_there(
    behind: tuple[Released, FaultProxy], method: str, path: str, fault: Fault, says: str
) -> None:
    released, proxy = behind
    before = released.tags()
    proxy.plan(method, path, fault, times=1000)
    begin = time.monotonic()
    said = released.invoke("docker_release", code=6)
    assert time.monotonic() - begin < SECONDS
    proxy.clear()
    assert says in said
    assert released.tags() == before


def test_a_fault_that_passes_is_overcome(behind: tuple[Released, FaultProxy]) -> None:
    released, proxy = behind
    proxy.plan("HEAD", "/blobs/", faults.status(500), times=1)
    proxy.plan("POST", "/blobs/uploads/", faults.slow(2), times=1)
    proxy.plan("PUT", "/blobs/uploads/", faults.cut_upload, times=1)
    released.invoke("docker_release")
    tags = released.tags()
    assert tags["dev"] == tags["dev-0.1.0"]
