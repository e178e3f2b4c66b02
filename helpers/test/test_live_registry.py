"""The registry's door against a real registry: what is pushed is there as it was, and version tags never change."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.errors import InfrastructureError, PolicyError
from helpers.registry import once
from helpers.registry.manifest import OCI_INDEX, sha256
from helpers.registry.once import TagTakenError
from helpers.registry.repository import Registry
from helpers.registry.upload import PushError
from helpers.test.conftest import ROOT
from helpers.test.registry_fixtures import Layout, docker_registry, layout

__all__ = ["layout"]

pytestmark = [pytest.mark.host, pytest.mark.slow]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    """A registry of the test's own."""
    with docker_registry(tmp_path) as address:
        yield address


def test_what_is_pushed_is_read_back_as_it_was(host: str, layout: Layout) -> None:
    registry = Registry(f"{host}/team/forecast")
    assert registry.tags() == []
    assert registry.resolve("dev") is None
    digest = layout.index("one", "amd64", "arm64")
    report = registry.push(layout.path, digest)
    assert (len(report.sent), len(report.present), len(report.manifests)) == (4, 0, 3)
    assert registry.tags() == []
    registry.tag(digest, "dev")
    assert (registry.tags(), registry.resolve("dev")) == (["dev"], digest)
    manifest = registry.manifest("dev")
    assert manifest.raw == layout.file(digest).read_bytes()
    assert list(manifest.platforms) == ["linux/amd64", "linux/arm64"]
    assert registry.config("dev")["architecture"] == "amd64"
    assert registry.config(digest, "linux/arm64")["config"]["Labels"] == {"said": "one"}
    with pytest.raises(InfrastructureError, match="no image for linux/s390x"):
        registry.config("dev", "linux/s390x")


def test_only_what_is_missing_is_sent(host: str, layout: Layout) -> None:
    registry = Registry(f"{host}/forecast")
    registry.push(layout.path, layout.index("one", "amd64"))
    again = registry.push(layout.path, layout.index("one", "amd64"))
    assert (again.sent_bytes, len(again.present), again.missing) == (0, 2, [])
    more = registry.push(layout.path, layout.index("one", "amd64", "arm64"))
    assert (len(more.sent), len(more.present)) == (2, 2)


def test_what_an_index_names_twice_is_pushed_once(host: str, layout: Layout) -> None:
    image = layout.image("one")
    index = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [image, image]}).encode()
    report = Registry(f"{host}/forecast").push(layout.path, str(layout.blob(index, OCI_INDEX)["digest"]))
    assert report.manifests == [image["digest"], sha256(index)]


def test_a_layout_that_lacks_a_part_is_not_pushed(host: str, layout: Layout) -> None:
    digest = layout.index("one", "amd64")
    manifest = Registry(f"{host}/forecast")
    image = layout.image("one amd64", "amd64", said="one")
    layout.file(str(image["digest"])).unlink()
    with pytest.raises(InfrastructureError, match="lack"):
        manifest.push(layout.path, digest)


def test_a_blob_that_is_not_what_its_digest_says_is_told_with_what_was_pushed(host: str, layout: Layout) -> None:
    registry = Registry(f"{host}/forecast")
    digest = layout.index("one", "amd64")
    image = layout.image("one amd64", "amd64", said="one")
    layer = next(file for file in layout.path.glob("blobs/sha256/*") if file.read_bytes()[:2] == b"\x1f\x8b")
    layer.write_bytes(layer.read_bytes()[:-1] + b"?")
    with pytest.raises(PushError, match=r"known to be: 1 blob.*2 manifest\(s\); no tag") as caught:
        registry.push(layout.path, digest)
    assert caught.value.exit_code == 6
    assert [blob.digest for blob in caught.value.report.sent] != [image["digest"]]
    assert registry.resolve(digest) is None


def test_a_moving_tag_moves_there_and_back(host: str, layout: Layout) -> None:
    registry = Registry(f"{host}/forecast")
    digests = [layout.index(text, "amd64", "arm64") for text in ("one", "two")]
    for digest in (*digests, digests[0]):
        registry.push(layout.path, digest)
        registry.tag(digest, "prod")
        assert registry.manifest("prod").digest == digest


def test_a_version_tag_is_written_once(host: str, layout: Layout) -> None:
    registry = Registry(f"{host}/forecast")
    one, two = (layout.index(text, "amd64") for text in ("one", "two"))
    for digest in (one, two):
        registry.push(layout.path, digest)
    registry.put_once("dev-1.2.0", one)
    registry.put_once("dev-1.2.0", one)
    with pytest.raises(TagTakenError) as caught:
        registry.put_once("dev-1.2.0", two)
    assert isinstance(caught.value, PolicyError) and caught.value.exit_code == 4
    assert (caught.value.existing, caught.value.wanted) == (one, two)
    assert one in str(caught.value) and two in str(caught.value)
    assert registry.manifest("dev-1.2.0").digest == one
    assert registry.all_tags() == ["dev-1.2.0"]


def test_a_registry_that_removes_nothing_hides_the_claims(tmp_path: Path, layout: Layout) -> None:
    with docker_registry(tmp_path, removes=False) as host:
        registry = Registry(f"{host}/forecast")
        digest = layout.index("one", "amd64")
        registry.push(layout.path, digest)
        registry.put_once("dev-1.2.0", digest)
        assert registry.tags() == ["dev-1.2.0"]
        assert len(registry.all_tags()) == 2


@pytest.mark.parametrize("publishers", [2, 4])
def test_of_several_publishers_at_once_one_wins_and_the_tag_never_changes(
    host: str, layout: Layout, publishers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who made way looks again after a tenth of the usual time: all that they do lies the closer together.
    monkeypatch.setattr(once, "_LOOK_SECONDS", tuple(wait / 10 for wait in once._LOOK_SECONDS))
    digests = [layout.index(f"content {number}", "amd64") for number in range(publishers)]
    registry = Registry(f"{host}/forecast")
    for digest in digests:
        registry.push(layout.path, digest)
    for number in range(20):
        tag = f"dev-1.0.{number}"
        seen, outcomes = watched(registry, tag, digests)
        assert sorted(outcomes) == ["taken"] * (publishers - 1) + ["won"], outcomes
        assert len(seen) == 1
    assert registry.all_tags() == sorted(f"dev-1.0.{number}" for number in range(20))


# Claims grow old in seconds here, so that the tests need not wait for a minute.
PUBLISH = """
import sys
from helpers.registry import once
from helpers.registry.repository import Registry
once.CLAIM_SECONDS, once._USE_SECONDS, once._PUT_SECONDS = 3, 1, 1
once._LOOK_SECONDS = 0.02, 0.06
registry = Registry(sys.argv[1])
registry.resolve(sys.argv[3])
print("ready", flush=True)
sys.stdin.readline()
try:
    registry.put_once(sys.argv[2], sys.argv[3])
except once.TagTakenError as error:
    sys.exit(error.exit_code)
"""


def publisher(registry: Registry, tag: str, digest: str) -> subprocess.Popen[bytes]:
    """Start a process that gives a tag its content as soon as it reads a line."""
    command = [sys.executable, "-c", PUBLISH, str(registry.http.address), tag, digest]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout and process.stdout.readline() == b"ready\n"
    return process


def test_publishers_killed_at_any_moment_leave_a_tag_that_the_next_call_ends_and_nobody_changes(
    host: str, layout: Layout
) -> None:
    one, two = (layout.index(text, "amd64") for text in ("one", "two"))
    registry = Registry(f"{host}/forecast")
    for digest in (one, two):
        registry.push(layout.path, digest)
    chance = random.Random(3)
    for number in range(10):
        tag = f"dev-1.0.{number}"
        killed, other = publisher(registry, tag, one), publisher(registry, tag, two)
        for process in (killed, other):
            assert process.stdin
            process.stdin.write(b"\n")
            process.stdin.flush()
        time.sleep(chance.uniform(0, 0.15))
        killed.kill()
        killed.wait()
        first = registry.resolve(tag)
        code = other.wait(60)
        after = registry.manifest(tag).digest
        assert first in (None, after)
        assert (code, after) in ((0, two), (4, one))
        # The next call of the one that was killed ends, and changes nothing.
        again = publisher(registry, tag, one)
        again.communicate(b"\n", timeout=60)
        assert (again.returncode, after) in ((0, one), (4, two))
        assert registry.manifest(tag).digest == after
    assert registry.tags() == sorted(f"dev-1.0.{number}" for number in range(10))


def watched(registry: Registry, tag: str, digests: list[str]) -> tuple[set[str], list[str]]:
    """Publish all at once; return every content that the tag was ever seen with, and how the publishers ended."""
    outcomes: list[str] = []
    start = threading.Barrier(len(digests) + 1)
    seen: set[str] = set()

    def publish(digest: str) -> None:
        own = Registry(str(registry.http.address))
        own.resolve(digest)
        start.wait()
        try:
            own.put_once(tag, digest)
            outcomes.append("won")
        except TagTakenError:
            outcomes.append("taken")
        except Exception as error:
            outcomes.append(repr(error))

    threads = [threading.Thread(target=publish, args=(digest,)) for digest in digests]
    for thread in threads:
        thread.start()
    start.wait()
    while any(thread.is_alive() for thread in threads):
        seen |= {digest for digest in [registry.resolve(tag)] if digest}
    seen.add(registry.manifest(tag).digest)
    return seen, outcomes
