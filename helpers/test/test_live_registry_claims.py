"""What publishers that are gone, or that are slow, do to others who publish the same version."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from helpers import errors
from helpers.errors import InfrastructureError
from helpers.registry import once
from helpers.registry.once import TagTakenError
from helpers.registry.repository import Registry
from helpers.test import fault_proxy as faults
from helpers.test.fault_proxy import FaultProxy
from helpers.test.registry_fixtures import Layout, hasty, layout, name, proxy, real, seconds

__all__ = ["hasty", "layout", "name", "proxy", "real"]

pytestmark = [pytest.mark.host, pytest.mark.slow]


class Late:
    """Version tags are not written in time; the registry gets them after `seconds`, or when they are let come."""

    def __init__(
        self,
        proxy: FaultProxy,
        patch: pytest.MonkeyPatch,
        times: int,
        seconds: float,
        first: Callable[[], object] = lambda: None,
    ) -> None:
        self._times = times
        self._seconds = seconds
        self._first = first
        self._now = threading.Event()
        self._written: list[int] = []
        proxy.plan("PUT", "/manifests/v1$", self._late, times)
        patch.setattr(once, "_PUT_SECONDS", 0.3)

    def _late(self, handler: faults.Handler) -> None:
        self._first()
        self._now.wait(self._seconds)
        response, _ = faults.fetch(handler)
        self._written.append(response.status)
        handler.cut()

    def come(self) -> None:
        """Let the registry get them all 1 s from now."""
        threading.Timer(1.0, self._now.set).start()

    def wait(self) -> None:
        """Wait until the registry has got them all."""
        while len(self._written) < self._times:
            time.sleep(0.05)


@pytest.fixture
def published(proxy: FaultProxy, layout: Layout, name: str) -> tuple[Registry, str, str]:
    """A repository and two contents, the one with the smaller digest first."""
    registry = Registry(f"{proxy.host}/{name}")
    digests = sorted(layout.index(text, "amd64") for text in ("one", "two"))
    for digest in digests:
        registry.push(layout.path, digest)
    return registry, digests[0], digests[1]


def leave_claim(registry: Registry, digest: str, age: float) -> None:
    """Leave a claim as a publisher does that is killed."""
    registry.tags()
    claim = once.Claim("v1", int(registry.http.now() - age), digest[7:19], "abcdef")
    registry.tag(digest, str(claim))


def test_a_claim_of_the_same_content_holds_nobody_up(published: tuple[Registry, str, str]) -> None:
    registry, one, _ = published
    leave_claim(registry, one, age=1)
    begin = time.monotonic()
    registry.put_once("v1", one)
    assert seconds(begin) < 2
    assert registry.tags() == ["v1"]


def test_an_old_claim_holds_nobody_up_and_is_removed(published: tuple[Registry, str, str]) -> None:
    registry, one, two = published
    leave_claim(registry, one, age=once.CLAIM_SECONDS + 5)
    begin = time.monotonic()
    registry.put_once("v1", two)
    assert seconds(begin) < 2
    assert registry.manifest("v1").digest == two


@pytest.mark.parametrize("smaller", [True, False])
def test_a_young_claim_of_somebody_who_is_gone_is_waited_for_until_it_is_old(
    published: tuple[Registry, str, str], monkeypatch: pytest.MonkeyPatch, smaller: bool
) -> None:
    registry, one, two = published
    monkeypatch.setattr(once, "CLAIM_SECONDS", 4)
    monkeypatch.setattr(once, "_USE_SECONDS", 2)
    mine, theirs = (one, two) if smaller else (two, one)
    leave_claim(registry, theirs, age=0)
    begin = time.monotonic()
    registry.put_once("v1", mine)
    assert 2 < seconds(begin) < 10
    assert registry.manifest("v1").digest == mine


@pytest.mark.parametrize("smaller", [True, False])
def test_a_claim_that_does_not_go_away_ends_in_lock_held(
    published: tuple[Registry, str, str], monkeypatch: pytest.MonkeyPatch, smaller: bool
) -> None:
    registry, one, two = published
    monkeypatch.setattr(once, "WAIT_SECONDS", 2)
    mine, theirs = (one, two) if smaller else (two, one)
    leave_claim(registry, theirs, age=0)
    with pytest.raises(errors.LockHeldError, match="others are publishing v1"):
        registry.put_once("v1", mine)
    assert registry.tags() == []


@pytest.mark.parametrize("smaller", [True, False])
def test_a_slow_publisher_is_waited_for_and_then_its_tag_stands(
    proxy: FaultProxy, published: tuple[Registry, str, str], smaller: bool
) -> None:
    registry, one, two = published
    mine, theirs = (one, two) if smaller else (two, one)
    proxy.plan("PUT", "/manifests/v1$", faults.slow(2.0), times=1)
    slow = Registry(str(registry.http.address))
    thread = threading.Thread(target=slow.put_once, args=("v1", theirs))
    thread.start()
    while f"PUT /v2/{registry.http.address.name}/manifests/v1" not in proxy.seen:
        time.sleep(0.01)
    with pytest.raises(TagTakenError):
        registry.put_once("v1", mine)
    thread.join()
    assert registry.manifest("v1").digest == theirs


def test_a_write_that_broke_off_and_comes_late_changes_nothing(
    proxy: FaultProxy, published: tuple[Registry, str, str], monkeypatch: pytest.MonkeyPatch, hasty: None
) -> None:
    registry, one, two = published
    late = Late(proxy, monkeypatch, times=3, seconds=60)
    with pytest.raises(InfrastructureError):
        registry.put_once("v1", two)
    late.come()
    with pytest.raises(TagTakenError):
        Registry(f"{proxy.target}/{registry.http.address.name}").put_once("v1", one)
    late.wait()
    assert registry.manifest("v1").digest == two


def test_who_broke_off_a_write_does_not_make_way_while_it_may_still_come(
    proxy: FaultProxy, published: tuple[Registry, str, str], monkeypatch: pytest.MonkeyPatch, hasty: None
) -> None:
    registry, one, two = published
    other = Registry(f"{proxy.target}/{registry.http.address.name}")
    refused: list[Exception] = []

    def publish_the_other() -> None:
        try:
            other.put_once("v1", one)
        except Exception as error:
            refused.append(error)

    thread = threading.Thread(target=publish_the_other)
    late = Late(proxy, monkeypatch, times=1, seconds=2, first=thread.start)
    registry.put_once("v1", two)
    late.wait()
    thread.join()
    assert registry.manifest("v1").digest == two
    assert [type(error) for error in refused] == [TagTakenError]
