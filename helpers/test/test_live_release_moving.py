"""Promotion and rollback in a real registry, of images made by hand: which tag is moved to what, and which is not."""

from __future__ import annotations

import pytest

from helpers.errors import InfrastructureError, PolicyError
from helpers.model.image import LABEL_INPUTS, LABEL_VERSION
from helpers.model.stage import Stage, candidate_tag, withdrawn_tag
from helpers.model.version import Version
from helpers.registry.repository import Registry
from helpers.release import moving
from helpers.test.registry_fixtures import Layout, layout, name, real

__all__ = ["layout", "name", "real"]

pytestmark = [pytest.mark.host, pytest.mark.slow]

OLD, MIDDLE, NEW = Version(1, 1, 0), Version(1, 2, 0), Version(1, 10, 0)


@pytest.fixture
def registry(real: str, name: str, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """An empty repository, without Docker's logins."""
    monkeypatch.setenv("DOCKER_CONFIG", "/nonexistent")
    return Registry(f"{real}/{name}")


def push(registry: Registry, layout: Layout, inputs: str) -> str:
    """Push an image that was built from `inputs`, which name its version too, and return its digest."""
    digest = str(layout.image(inputs, **{LABEL_INPUTS: inputs, LABEL_VERSION: inputs})["digest"])
    registry.push(layout.path, digest)
    return digest


@pytest.fixture
def digests(registry: Registry, layout: Layout) -> dict[Version, str]:
    """Three versions that are released, the newest one in use; the digest of each."""
    made = {version: push(registry, layout, str(version)) for version in (OLD, MIDDLE, NEW)}
    for version, digest in made.items():
        registry.put_once(Stage.PROD.version_tag(version), digest)
    registry.tag(made[NEW], "prod")
    return made


def test_of_several_candidates_the_one_that_was_built_from_these_inputs_is_promoted(
    registry: Registry, layout: Layout
) -> None:
    waiting = {inputs: push(registry, layout, inputs) for inputs in ("ours", "other's")}
    for digest in waiting.values():
        registry.put_once(candidate_tag(OLD, digest), digest)
    registry.put_once(candidate_tag(MIDDLE, waiting["ours"]), waiting["ours"])
    with pytest.raises(PolicyError, match=r"2 tested builds of 1\.1\.0") as caught:
        moving.promote(registry, "", OLD)
    assert all(digest in str(caught.value.why) for digest in waiting.values())
    with pytest.raises(PolicyError, match=r"no tested builds of 1\.1\.0"):
        moving.promote(registry, "a third", OLD)
    assert registry.resolve("prod") is None
    assert moving.promote(registry, "ours", OLD) == ("prod-1.1.0", waiting["ours"])
    assert registry.resolve("prod") == registry.resolve("prod-1.1.0") == waiting["ours"]


def test_an_older_version_is_not_promoted_over_a_newer_one(registry: Registry, digests: dict[Version, str]) -> None:
    with pytest.raises(PolicyError, match=r"1\.10\.0 is released already"):
        moving.promote(registry, "", Version(1, 9, 0))
    assert registry.resolve("prod") == digests[NEW]


def test_after_two_rollbacks_it_is_still_the_newest_version_that_no_release_moves_back_to(
    registry: Registry, digests: dict[Version, str]
) -> None:
    assert moving.roll_back(registry, Stage.PROD, MIDDLE) == (digests[MIDDLE], digests[NEW])
    assert moving.roll_back(registry, Stage.PROD, OLD) == (digests[OLD], digests[MIDDLE])
    assert registry.resolve("prod") == digests[OLD]
    assert registry.resolve(withdrawn_tag(Stage.PROD)) == digests[NEW]
    assert moving.roll_back(registry, Stage.PROD, NEW) == (digests[NEW], digests[OLD])
    assert registry.resolve("prod") == digests[NEW]


def test_what_is_not_released_can_not_be_moved_to(registry: Registry, digests: dict[Version, str]) -> None:
    with pytest.raises(PolicyError, match=r"prod-1\.3\.0 is not released") as caught:
        moving.roll_back(registry, Stage.PROD, Version(1, 3, 0))
    assert caught.value.why == "released are 1.10.0, 1.2.0, 1.1.0"
    with pytest.raises(PolicyError, match=r"dev-1\.1\.0 is not released"):
        moving.roll_back(registry, Stage.DEV, OLD)
    assert registry.resolve("prod") == digests[NEW]


def test_a_version_whose_tag_somebody_wrote_over_is_not_moved_to(
    registry: Registry, digests: dict[Version, str]
) -> None:
    registry.tag(digests[OLD], Stage.PROD.version_tag(MIDDLE))
    with pytest.raises(PolicyError, match=r"prod-1\.2\.0 was written over") as caught:
        moving.roll_back(registry, Stage.PROD, MIDDLE)
    assert digests[OLD] in str(caught.value.why) and "1.1.0" in str(caught.value.why)
    assert registry.resolve("prod") == digests[NEW]


def test_a_version_whose_tag_went_away_is_named(registry: Registry) -> None:
    with pytest.raises(InfrastructureError, match=r"lost the tag prod-1\.1\.0"):
        moving.digest_of(registry, "prod-1.1.0")
