"""While tests run, containers are made ready for what comes next; each is used once, and none is left."""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.driver import ahead as ahead_module
from helpers.driver import headstart, prepared
from helpers.driver import plan as planner
from helpers.engine import memory
from helpers.engine.specs import RunSpec
from helpers.errors import InfrastructureError
from helpers.test.conftest import open_files, until
from helpers.test.fake_engine import FAILS, PASSES, Tests
from helpers.test.unit_fixtures import cache, no_poetry
from helpers.test.verdict_scene import ALL, Scene, scene, setting

pytestmark = pytest.mark.slow

__all__ = ["cache", "no_poetry", "scene"]
SECONDS = 60.0


@pytest.fixture
def ahead(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """A repo whose engine lets containers wait, with a look ahead as soon as tests begin."""
    scene.prepares = True
    monkeypatch.setattr(ahead_module, "_SECONDS", 0.01)
    monkeypatch.setattr(memory, "available", lambda: 64 << 30)  # this may be a container with little
    return scene


def each(scene: Scene, meanwhile: Callable[[RunSpec], object]) -> None:
    """Let the tests of every directory pass after `meanwhile`."""
    scene.tests |= {name: Tests(PASSES, meanwhile) for name in ALL}


def noted(scene: Scene, call: str) -> list[str]:
    """Return the directories that the engine did something for, in that order."""
    return [text.removeprefix(f"{call} ") for text in scene.calls if text.startswith(f"{call} ")]


def all_wait(scene: Scene, most: int) -> Callable[[RunSpec], None]:
    """Return what waits until as many containers wait as may, or as there are directories left."""

    def meanwhile(spec: RunSpec) -> None:
        def so_many() -> bool:
            return len(scene.engine.waiting) >= min(most, len(ALL) - len(noted(scene, "test")))

        until(so_many, SECONDS)

    return meanwhile


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_next_ones_wait_while_tests_run_and_are_used_in_their_turn(ahead: Scene, jobs: int) -> None:
    each(ahead, all_wait(ahead, jobs))
    assert ahead.run("--no-cache", f"-j{jobs}") == (0, ALL)
    assert sorted(noted(ahead, "test")[:jobs] + noted(ahead, "go")) == sorted(ALL)
    assert not noted(ahead, "drop") and not ahead.engine.waiting


def test_no_more_than_a_few_wait(ahead: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helpers.driver.once.MOST_WAITING", 2)
    most = []

    def meanwhile(spec: RunSpec) -> None:
        time.sleep(0.1)
        most.append(len(ahead.engine.waiting))

    each(ahead, meanwhile)
    assert ahead.run("--no-cache", "-j3") == (0, ALL)
    assert max(most) == 2


def test_the_tests_that_begin_get_the_machine_first(ahead: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead_module, "_SECONDS", 60.0)
    each(ahead, lambda spec: time.sleep(0.05))
    assert ahead.run("--no-cache", "-j1") == (0, ALL)
    assert not noted(ahead, "prepare")


def test_the_results_of_one_that_waited_are_where_those_of_every_run_are(ahead: Scene, tmp_path: Path) -> None:
    each(ahead, all_wait(ahead, 1))
    ahead.run("--no-cache", "-j1")
    (run,) = (tmp_path / "cache" / "runs").iterdir()
    assert sorted(path.parents[1].name for path in run.glob("*/results/verdict.json")) == [str(n) for n in range(6)]
    assert not any((run / "prepared").iterdir()) and len(noted(ahead, "go")) == 5


def test_none_is_left_where_the_run_ends_before_their_turn(ahead: Scene) -> None:
    both = Tests(FAILS, lambda spec: until(lambda: len(ahead.engine.waiting) == 2, SECONDS))
    ahead.tests |= dict.fromkeys(ALL, both)
    code, tested = ahead.run("--no-cache", "-j2", "--exitfirst")
    assert code == 1 and len(tested) < len(ALL)
    assert not ahead.engine.waiting and ahead.calls[-1] == "finish"
    assert len(noted(ahead, "drop")) == 2


@pytest.fixture
def alone(ahead: Scene, tmp_path: Path) -> Iterator[tuple[prepared.PreparedEngine, planner.DirPlan]]:
    """An engine that lets one container wait, and a directory."""
    assert ahead.run("--no-cache", "-j1") == (0, ALL)
    ahead.calls.clear()
    plan = planner.make(ahead.root, [ahead.root / "a"], [ahead.root / "a"], "fast")
    engine = prepared.PreparedEngine(ahead.engine, tmp_path / "prepared", 2)
    yield engine, plan.dirs[0]
    engine.finish()
    assert not ahead.engine.waiting and not any((tmp_path / "prepared").glob("*"))


Alone = tuple[prepared.PreparedEngine, planner.DirPlan]


def test_a_directory_is_made_ready_once_and_none_when_the_run_is_over(ahead: Scene, alone: Alone) -> None:
    engine, item = alone
    assert engine.make_one_ready(item, "id a", "fast", ())
    assert engine.make_one_ready(item, "id a", "fast", ())
    assert ahead.calls == ["prepare a"]
    engine.finish()
    assert not engine.make_one_ready(item, "id a", "fast", ())
    assert noted(ahead, "prepare") == ["a"]


def test_one_whose_tests_began_while_it_was_made_ready_is_dropped(
    ahead: Scene, alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, item = alone
    spec = engine._spec(item, "id a", "fast", ())
    assert spec and item.runnable

    def begin(*arguments: object, **named: object) -> RunSpec:
        engine._ran.add(spec.cwd)
        return spec

    monkeypatch.setattr(prepared, "spec_of", begin)
    assert engine.make_one_ready(item, "id a", "fast", ())
    assert ahead.calls == ["prepare a", "drop a"]


def test_the_end_of_a_run_waits_for_what_is_just_being_made(
    ahead: Scene, alone: Alone, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, item = alone
    spec = engine._spec(item, "id a", "fast", ())
    end = threading.Thread(target=engine.finish)

    def finish(*arguments: object, **named: object) -> RunSpec | None:
        end.start()
        until(lambda: engine._finished, SECONDS)
        time.sleep(0.1)
        return spec

    monkeypatch.setattr(prepared, "spec_of", finish)
    engine.make_one_ready(item, "id a", "fast", ())
    end.join(SECONDS)
    assert ahead.calls == ["prepare a", "drop a", "finish"]


def test_more_paths_than_may_be_held_open_are_none(ahead: Scene, alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, item = alone
    monkeypatch.setattr(headstart, "MOST_HELD", 2)
    before = open_files()
    engine.make_one_ready(item, "id a", "fast", ())
    assert ahead.calls == [] and not open_files() - before


def test_where_a_path_is_gone_none_is_held(ahead: Scene, alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, item = alone
    monkeypatch.setattr(prepared, "mounted", lambda spec: [ahead.root, ahead.root / "gone"])
    before = open_files()
    engine.make_one_ready(item, "id a", "fast", ())
    assert ahead.calls == [] and not open_files() - before


def test_where_none_can_be_started_nothing_is_held(ahead: Scene, alone: Alone, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, item = alone

    def refuse(spec: RunSpec, begun: object = None) -> None:
        raise InfrastructureError("no")

    monkeypatch.setattr(ahead.engine, "prepare", refuse)
    before = open_files()
    assert engine.make_one_ready(item, "id a", "fast", ())
    assert not open_files() - before


def test_one_that_can_not_be_given_its_order_is_dropped(ahead: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    each(ahead, all_wait(ahead, 1))

    def full(self: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, "symlink_to", full)
    code, _ = ahead.run("--no-cache", "-j1", "--exitfirst")
    assert code != 0 and len(noted(ahead, "prepare")) == len(noted(ahead, "drop")) > 0
    assert not ahead.engine.waiting


def test_what_is_wrong_with_one_is_no_matter_of_the_others(ahead: Scene) -> None:
    spec_of = prepared.spec_of

    def refuse(item: planner.DirPlan, *arguments: object, **named: object) -> RunSpec | None:
        if item.name in ("b", "base", "outer"):
            raise PermissionError(item.name)
        return spec_of(item, *arguments, **named)  # type: ignore[arg-type]

    ahead.monkeypatch.setattr(prepared, "spec_of", refuse)
    ahead.tests["a"] = Tests(PASSES, lambda spec: until(lambda: bool(ahead.engine.waiting), SECONDS))
    assert ahead.run("--no-cache", "-j1") == (0, ALL)
    assert noted(ahead, "test")[:2] == ["a", "base"] and "base" not in noted(ahead, "prepare")


def test_where_no_more_threads_are_allowed_all_goes_on_without(ahead: Scene) -> None:
    def refuse(self: threading.Timer) -> None:
        raise RuntimeError("can't start new thread")

    ahead.monkeypatch.setattr(threading.Timer, "start", refuse)
    assert ahead.run("--no-cache", "-j1") == (0, ALL)
    assert not noted(ahead, "prepare")


def test_it_looks_again_once_a_thread_is_allowed_again(ahead: Scene) -> None:
    start = threading.Timer.start
    refused: list[threading.Timer] = []

    def refuse_first(self: threading.Timer) -> None:
        if not refused:
            refused.append(self)
            raise RuntimeError("can't start new thread")
        start(self)

    ahead.monkeypatch.setattr(threading.Timer, "start", refuse_first)
    each(ahead, lambda spec: time.sleep(0.1))
    assert ahead.run("--no-cache", "-j1") == (0, ALL)
    assert refused and noted(ahead, "go")


def test_an_engine_that_does_not_isolate_is_not_asked(ahead: Scene) -> None:
    ahead.isolates = False
    each(ahead, lambda spec: time.sleep(0.1))
    assert ahead.run("--no-cache", "-j1") == (0, ALL)
    assert not noted(ahead, "prepare")


def test_what_there_is_no_memory_for_when_one_ends_does_not_wait(ahead: Scene) -> None:
    ahead.monkeypatch.setattr(memory, "available", lambda: 4 << 30)
    for name in ALL:
        setting(name, f'memory = "{3 if name == "user" else 2}g"')(ahead)
        ahead.tests[name] = Tests(PASSES, changes={"seconds": {"a": 30.0, "b": 20.0, "user": 10.0}.get(name, 0.1)})
    ahead.prepares = False
    assert ahead.run("--no-cache") == (0, ALL)
    ahead.prepares = True
    asked: list[str] = []

    def meanwhile(spec: RunSpec) -> None:
        until(lambda: len(ahead.engine.waiting) == 2 or bool(asked), SECONDS)
        asked.extend(noted(ahead, "prepare"))

    for name in "ab":
        ahead.tests[name] = Tests(PASSES, meanwhile)
    assert ahead.run("--no-cache", "-j2") == (0, ALL)
    assert sorted(noted(ahead, "test")[:2]) == ["a", "b"]
    assert set(asked[:2]) <= {"base", "outer", "outer/inner"}


def test_what_was_started_before_the_run_is_not_made_ready_as_well(ahead: Scene) -> None:
    handed: headstart.Handed = (0, str(ahead.root), time.time(), [])
    had = prepared.HeadStart(handed, ahead.root, [])
    ahead.monkeypatch.setattr(had, "_begun", {ahead.root / "b": None})
    ahead.monkeypatch.setattr(had, "take", lambda spec, engine: None)
    ahead.monkeypatch.setattr(had, "end", lambda engine: None)
    ahead.monkeypatch.setattr("helpers.driver.once.HeadStart", lambda *arguments: had)
    ahead.monkeypatch.setattr(headstart, "handed", lambda: handed)
    first: list[str] = []

    def meanwhile(spec: RunSpec) -> None:
        if not first:
            first.append(spec.cwd.name)
            until(lambda: len(ahead.engine.waiting) == 1, SECONDS)

    each(ahead, meanwhile)
    assert ahead.run("--no-cache", "-j1") == (0, ALL)
    assert noted(ahead, "prepare") and "b" not in noted(ahead, "prepare")
