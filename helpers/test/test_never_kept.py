"""Verdicts that are never kept: of tests that may see more than a key covers."""

from __future__ import annotations

import pytest

from helpers.test.fake_engine import PASSES, Tests
from helpers.test.unit_fixtures import cache, no_poetry
from helpers.test.verdict_scene import ALL, Scene, scene, setting

pytestmark = pytest.mark.slow

__all__ = ["cache", "no_poetry", "scene"]


@pytest.mark.parametrize(
    "line",
    [
        *('network = "bridge"', 'writable = ["made"]', 'docker = "sibling"', "services"),
        *('gpus = "1"', 'devices = ["/dev/null"]', 'extra_hosts = ["a:host-gateway"]'),
    ],
)
def test_tests_that_may_see_more_than_the_key_covers_always_run(scene: Scene, line: str) -> None:
    (scene.root / "a" / "made").mkdir()
    services = line == "services"
    docker = "sibling" if "docker" in line else ""
    if services:
        (scene.root / "a" / "devops" / "compose.yaml").write_text("services: {}\n")
    else:
        setting("a", line)(scene)
    scene.tests["a"] = Tests(PASSES, services=services, docker=docker)
    granted = "--policy=default,devices"
    assert scene.run(granted) == (0, ALL)
    assert scene.run(granted) == (0, {"a"})


@pytest.mark.parametrize("used", ["..", "../.git", "../.git/refs"])
def test_tests_that_see_gits_own_files_always_run(scene: Scene, used: str) -> None:
    setting("base", f'uses = ["{used}"]')(scene)
    assert scene.run("--policy=default,git") == (0, ALL)
    assert scene.run("--policy=default,git") == (0, {"base"})


def test_an_engine_that_does_not_isolate_leaves_nothing(scene: Scene) -> None:
    scene.isolates = False
    assert scene.run() == (0, ALL)
    assert scene.run() == (0, ALL)
