"""While tests run, containers are made ready for what comes next; each is used once, and none is left."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.driver import headstart, prepared
from helpers.driver import plan as planner
from helpers.engine.specs import RunSpec
from helpers.test.conftest import until
from helpers.test.fake_engine import FAILS, PASSES, Tests
from helpers.test.unit_fixtures import cache, no_poetry
from helpers.test.verdict_scene import ALL, Scene, scene, write

pytestmark = pytest.mark.slow

__all__ = ["cache", "no_poetry", "scene"]
SECONDS = 10.0


@pytest.fixture
def ahead(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A repo whose engine lets containers wait, with a look ahead as soon as tests begin."""
    scene.prepares = True
    monkeypatch.setattr(prepared, "_AHEAD_SECONDS", 0.01)
    return scene


def each(scene: Scene, meanwhile: Callable[[RunSpec], object]) -> None:
    """Let the tests of every directory pass after `meanwhile`."""
    scene.tests |= {name: Tests(PASSES, meanwhile) for name in ALL}


def begun(scene: Scene) -> list[str]:
    """Return the directories whose tests were begun, in that order."""
    return [call.removeprefix("test ") for call in scene.calls if call.startswith("test ")]


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_next_ones_wait_while_tests_run_and_are_used_in_their_turn(ahead: Scene, jobs: int) -> None:
    most = [0]

    def meanwhile(spec: RunSpec) -> None:
        left = len(ALL) - len(begun(ahead))
        until(lambda: len(ahead.engine.waiting) >= min(jobs, left), SECONDS)
        most[0] = max(most[0], len(ahead.engine.waiting))

    each(ahead, meanwhile)
    assert ahead.run("--no-cache", f"-j{jobs}") == (0, ALL)
    went = [call.removeprefix("go ") for call in ahead.calls if call.startswith("go ")]
    assert sorted(begun(ahead)[:jobs] + went) == sorted(ALL)
    assert most == [jobs] and not ahead.engine.waiting
    assert not [call for call in ahead.calls if call.startswith("drop")]


def test_the_results_of_one_that_waited_are_where_those_of_every_run_are(ahead: Scene, tmp_path: Path) -> None:
    seen: list[Path] = []

    def meanwhile(spec: RunSpec) -> None:
        seen.extend(mount.path for mount in spec.mounts if not mount.read_only)
        until(lambda: len(seen) == len(ALL) or bool(ahead.engine.waiting), SECONDS)

    each(ahead, meanwhile)
    ahead.run("--no-cache", "-j1")
    (run,) = (tmp_path / "cache" / "runs").iterdir()
    assert sorted(path.parents[1].name for path in run.glob("*/results/verdict.json")) == [str(n) for n in range(6)]
    assert not any((run / "prepared").iterdir()) and sum("prepared" in str(path) for path in seen) == 5


def test_none_is_left_where_the_run_ends_before_their_turn(ahead: Scene) -> None:
    ahead.tests |= {
        name: Tests(FAILS, lambda spec: until(lambda: len(ahead.engine.waiting) == 2, SECONDS)) for name in ALL
    }
    code, tested = ahead.run("--no-cache", "-j2", "--exitfirst")
    assert code == 1 and len(tested) < len(ALL)
    assert not ahead.engine.waiting and ahead.calls[-1] == "finish"
    assert len([call for call in ahead.calls if call.startswith("drop")]) == 2


@pytest.mark.parametrize("over", [False, True])
def test_nothing_is_made_ready_when_the_run_is_over(ahead: Scene, tmp_path: Path, over: bool) -> None:
    assert ahead.run("--no-cache", "-j1") == (0, ALL)
    plan = planner.make(ahead.root, [ahead.root / "a"], [ahead.root / "a"], "fast")
    engine = prepared.PreparedEngine(ahead.engine, tmp_path / "prepared", 1)
    ahead.calls.clear()
    if over:
        engine.finish()
    engine.make_ready_soon([(plan.dirs[0], "id a")], "fast", ())
    time.sleep(0.5)
    assert ahead.calls == (["finish"] if over else ["prepare a"])
    engine.finish()
    assert not ahead.engine.waiting


def test_what_was_started_before_the_run_is_not_made_ready_as_well(ahead: Scene) -> None:
    ahead.run("-j1")
    handed: headstart.Handed = (0, str(ahead.root), time.time(), [])
    had = prepared.HeadStart(handed, ahead.root, [])
    ahead.monkeypatch.setattr(had, "_begun", {ahead.root / "b": None})
    ahead.monkeypatch.setattr(had, "take", lambda spec, engine: None)
    ahead.monkeypatch.setattr(had, "end", lambda engine: None)
    ahead.monkeypatch.setattr("helpers.driver.once.HeadStart", lambda *arguments: had)
    ahead.monkeypatch.setattr(headstart, "handed", lambda: handed)
    each(ahead, lambda spec: time.sleep(0.1))
    write("lib/x.py", "x = 2\n")(ahead)
    assert ahead.run("--no-cache", "-j1") == (0, ALL)
    assert sum(call.startswith("prepare") for call in ahead.calls) == len(ALL) - 2 and "prepare b" not in ahead.calls
