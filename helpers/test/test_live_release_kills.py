"""A release that is killed at any moment: the next call ends it, and no version tag ever changes its content.

RELEASE_KILLS says how often (default 4); the figures in docs/benchmarks.md are of 40.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator

import pytest

from helpers.test.conftest import scratch_repo, start, thin_env
from helpers.test.registry_fixtures import docker_registry
from helpers.test.test_live_release import Released

pytestmark = pytest.mark.engine

KILLS = int(os.environ.get("RELEASE_KILLS", "4"))


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Released]:
    place = tmp_path_factory.mktemp("kills")
    with docker_registry(place) as host, scratch_repo(place / "repo") as repo:
        yield Released(repo, host)


def test_one_more_call_ends_what_was_killed_and_no_version_changes(released: Released) -> None:
    begin = time.monotonic()
    released.invoke("docker_release", "--stage", "prod")
    whole = time.monotonic() - begin
    moments = random.Random(3)
    known = released.tags()
    cut_off = 0
    for number in range(1, KILLS + 1):
        version = f"0.{number}.1"
        released.version(version)
        process = start([str(thin_env() / "bin" / "invoke"), "docker_release", "--stage", "prod"], released.path)
        time.sleep(moments.uniform(0.1, whole))
        process.kill()
        process.communicate(timeout=60)
        cut_off += process.returncode == -9
        killed = released.tags()
        begin = time.monotonic()
        released.invoke("docker_release", "--stage", "prod")
        after = released.tags()
        done = [tag for tag in killed if tag.endswith(version)]
        print(f"{version}: killed with {done or 'no tags'}; ended in {time.monotonic() - begin:.1f} s")
        for before in (known, killed):
            # Moving tags move, and a claim that nobody holds any more goes; a version never changes.
            lasting = {
                tag: digest for tag, digest in before.items() if tag not in ("dev", "prod") and "claim" not in tag
            }
            assert lasting.items() <= after.items()
        assert after["dev"] == after[f"dev-{version}"] and after["prod"] == after[f"prod-{version}"]
        known = after
    assert "nothing to do" in released.invoke("docker_release", "--stage", "prod")
    assert cut_off > KILLS / 2, "most releases were over before they were killed: nothing is shown"
