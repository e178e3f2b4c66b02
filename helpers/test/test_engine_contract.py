"""The same cases on every engine: the fake that unit tests trust, the embedded engine, and the live docker engine."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from helpers import discover, host
from helpers.driver import container
from helpers.driver import plan as planner
from helpers.driver.run import Options, Run
from helpers.driver.verdict import Verdict
from helpers.engine.docker import DockerEngine
from helpers.engine.seam import Control, Engine, Prepared
from helpers.engine.specs import Mount, RunSpec
from helpers.errors import BuildError
from helpers.images.parallel import Images
from helpers.test.conftest import Scratch, docker, until
from helpers.test.fake_engine import COLLECTS_NOTHING, FAILS, PASSES, SKIPS, FakeEngine, Tests
from helpers.test.unit_fixtures import cache, no_poetry

__all__ = ["cache", "no_poetry"]


@dataclass(frozen=True)
class Case:
    """What a directory's tests do, what the fake is told of it, and what every engine must make of it.

    Arguments:
        test: the source of its test.
        told: what the fake is told that happens.
        expected: verdict, exit code, and how many tests passed, failed, were skipped.
        settings: lines of its settings.
    """

    test: str
    told: Tests
    expected: tuple[str, int, int, int, int]
    settings: str = ""


CASES = {
    "passes": Case("def test_it(): assert True\n", Tests(PASSES), ("PASS", 0, 1, 0, 0)),
    "fails": Case("def test_it(): assert False\n", Tests(FAILS), ("FAIL", 1, 0, 1, 0)),
    "skips": Case("import pytest\ndef test_it(): pytest.skip()\n", Tests(SKIPS), ("EMPTY", 5, 0, 0, 1)),
    "empty": Case("", Tests(COLLECTS_NOTHING), ("EMPTY", 5, 0, 0, 0)),
    "exits": Case("import os\ndef test_it(): os._exit(0)\n", Tests(None), ("CRASH", 8, 0, 0, 0)),
    "killed": Case(
        "import os, signal\ndef test_it(): os.kill(os.getpid(), signal.SIGKILL)\n",
        Tests(None, changes={"code": 137}),
        ("CRASH", 8, 0, 0, 0),
    ),
    "hangs": Case(
        "import time\ndef test_it(): time.sleep(600)\n",
        Tests(None, changes={"code": 137, "timed_out": True}),
        ("TIMEOUT", 7, 0, 0, 0),
        "timeout = 2\n",
    ),
}
# An image that can not be built; what stands on it is not built either, and nothing else suffers.
BROKEN, ABOVE = "broken", "above"
EXPECTED = {name: case.expected for name, case in CASES.items()} | {
    BROKEN: ("BUILD", 3, 0, 0, 0),
    ABOVE: ("BUILD", 3, 0, 0, 0),
}


def make_dirs(scratch: Scratch) -> None:
    """Make the runnable dirs of all cases."""
    for name, case in CASES.items():
        scratch.add(name, case.test, image=name, settings=case.settings)
    broken = scratch.add(BROKEN, CASES["passes"].test, image=BROKEN)
    # No hash fits: both engines find that out where they install.
    lock = (broken / "poetry.lock").read_text()
    (broken / "poetry.lock").write_text(re.sub(r"sha256:[0-9a-f]{8}", "sha256:00000000", lock))
    above = scratch.add(ABOVE, CASES["passes"].test, image=ABOVE)
    project = (above / "pyproject.toml").read_text().replace('"archive:bookworm"', f'"dir:../{BROKEN}"')
    (above / "pyproject.toml").write_text(project)


@pytest.mark.engine
@pytest.mark.parametrize("engine", ["docker", "venv"])
def test_a_real_engine_gives_the_verdicts_that_the_fake_gives(scratch: Scratch, engine: str) -> None:
    make_dirs(scratch)
    found = scratch.run("--engine", engine, "-j", "4").verdicts
    keys = ("verdict", "exit_code", "passed", "failed", "skipped")
    assert {name: tuple(item[key] for key in keys) for name, item in found.items()} == EXPECTED


@pytest.mark.usefixtures("no_poetry")
def test_the_fake_gives_the_verdicts_that_a_real_engine_gives(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "repo")
    make_dirs(scratch)
    paths = discover.runnable_paths(scratch.root)
    plan = planner.make(scratch.root, paths, paths, "fast")
    told: dict[str, Any] = {key: None for key in plan.images if key != ABOVE}
    told[BROKEN] = BuildError("no hash fits", where=BROKEN)
    fake = FakeEngine(plan.images, builds=told, tests={name: case.told for name, case in CASES.items()})
    options = Options("run", _made(tmp_path / "run"), jobs=2)
    found = Run(plan, fake, options, Control(), lambda event: None).execute()
    assert {item.name: _as_tuple(item) for item in found} == EXPECTED


@dataclass
class Waiting:
    """An engine, and a directory's container of it that waits for its order."""

    engine: Engine
    prepared: Prepared
    spec: RunSpec

    def order(self) -> str:
        return json.dumps({**json.loads(self.spec.argv[-1]), "environment": {}})

    def left(self) -> list[str]:
        """Return the names of those that are there, running or not."""
        if isinstance(self.engine, FakeEngine):
            return self.engine.waiting
        return docker("ps", "--all", "--filter", f"name={self.spec.name}", "--format", "{{.Names}}").splitlines()


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.engine)])
def waiting(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Waiting]:
    """A container that waits to run a test that passes."""
    live = request.param == "docker"
    scratch = request.getfixturevalue("scratch") if live else Scratch(tmp_path / "repo")
    if not live:
        request.getfixturevalue("no_poetry")
    path = scratch.add("passes", CASES["passes"].test, image="passes")
    plan = planner.make(scratch.root, [path], [path], "fast")
    (item,) = plan.dirs
    assert item.runnable
    fake = FakeEngine(plan.images, has=tuple(plan.images), tests={"passes": CASES["passes"].told})
    engine: Engine = DockerEngine() if live else fake
    fake.prepares = True
    images = Images(engine, [item.chain], _made(tmp_path / "logs"), Control(), lambda key, doing: nullcontext())
    for key in images.graph:
        images.get(key)
    results = _made(tmp_path / "results")
    spec = container.test_container(
        item.runnable,
        name=f"helpers-{scratch.prefix}-waits",
        image=images.digests["passes"],
        labels=item.chain[-1].labels,
        user=host.user(),
        results=results,
        nonce="a1",
        tier="fast",
        arguments=(),
    )
    prepared = engine.prepare(_waits(spec, results / "order"))
    assert prepared
    yield Waiting(engine, prepared, spec)
    prepared.drop()
    engine.finish()
    assert not live or not scratch.containers()


def _waits(spec: RunSpec, order: Path) -> RunSpec:
    """Return what waits for an order where `spec` runs its own."""
    argv = (spec.argv[-3], str(container.INSIDE / "prepared.py"), str(order))
    return replace(spec, argv=argv, mounts=(*spec.mounts, Mount(order)), results=order.parent)


def test_a_container_that_waits_runs_its_order(waiting: Waiting, tmp_path: Path) -> None:
    outcome = waiting.prepared.go(waiting.order(), "a1", tmp_path / "log", 60, Control())
    assert outcome and (outcome.code, outcome.image) == (0, waiting.spec.image)
    nonce, verdict = (tmp_path / "results" / "verdict.json").read_text().split("\n")
    assert nonce == "a1" and json.loads(verdict)["counts"] == {"passed": 1}


def test_a_container_that_is_dropped_takes_no_order(waiting: Waiting, tmp_path: Path) -> None:
    waiting.prepared.drop()
    assert waiting.prepared.go(waiting.order(), "a1", tmp_path / "log", 60, Control()) is None
    assert not (tmp_path / "results" / "verdict.json").exists()


def test_those_that_are_dropped_while_they_are_made_are_gone_once_the_engine_has_finished(
    waiting: Waiting, tmp_path: Path
) -> None:
    waiting.prepared.drop()
    for batch in range(4):
        drops = []
        for number in range(6):
            spec = replace(waiting.spec, name=f"{waiting.spec.name}-{batch}-{number}")
            prepared = waiting.engine.prepare(_waits(spec, tmp_path / "results" / spec.name))
            assert prepared
            # Each at another moment of its start.
            drops.append(threading.Timer(0.01 + 0.03 * number, prepared.drop))
            drops[-1].start()
        for drop in drops:
            drop.join()
        waiting.engine.finish()
        assert waiting.left() == []


def test_a_container_that_ends_while_it_waits_takes_no_order(waiting: Waiting, tmp_path: Path) -> None:
    if isinstance(waiting.engine, FakeEngine):
        waiting.engine.waiting.clear()
    else:
        until(lambda: docker("ps", "--quiet", "--filter", f"name={waiting.spec.name}").strip(), 20)
        docker("kill", waiting.spec.name)
    assert waiting.prepared.go(waiting.order(), "a1", tmp_path / "log", 60, Control()) is None


def _as_tuple(item: Verdict) -> tuple[str, int, int, int, int]:
    return item.status.value, item.code, item.passed, item.failed, item.skipped


def _made(path: Path) -> Path:
    path.mkdir()
    return path
