from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from helpers.driver import durations
from helpers.driver.plan import DirPlan, Plan
from helpers.driver.verdict import Status, Verdict
from helpers.images.parallel import follow
from helpers.model.graph import Step, longest
from helpers.test.unit_fixtures import cache

__all__ = ["cache"]


def plan(tier: str = "fast") -> Plan:
    return Plan(tier, (DirPlan("a"), DirPlan("b"), DirPlan("c")), {}, ())


def took(**seconds: float) -> list[Verdict]:
    return [Verdict(name, Status.PASS, 0, seconds=number) for name, number in seconds.items()]


def test_what_ran_to_its_end_is_kept_by_repo_and_tier_and_the_unknown_takes_the_median(
    tmp_path: Path, cache: Path
) -> None:
    durations.record(tmp_path, "fast", [*took(a=4.0, c=1.0), Verdict("b", Status.TIMEOUT, 7, seconds=600.0)])
    assert durations.of_steps(tmp_path, plan()) == {"test a": 4.0, "test b": 2.5, "test c": 1.0}
    durations.record(tmp_path, "fast", took(a=2.0))
    assert durations.of_steps(tmp_path, plan()) == {"test a": 2.0, "test b": 1.5, "test c": 1.0}
    assert set(durations.of_steps(tmp_path, plan("slow")).values()) == {0.0}
    assert set(durations.of_steps(tmp_path / "other", plan()).values()) == {0.0}


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fast": 1}', "\xff", '{"fast": {"a": "x"}}'])
def test_a_damaged_record_is_as_none_and_is_written_anew(tmp_path: Path, cache: Path, text: str) -> None:
    durations.record(tmp_path, "fast", took(a=1.0))
    (file,) = (cache / "durations").iterdir()
    file.write_text(text, encoding="latin-1")
    assert durations.of_steps(tmp_path, plan())["test a"] == 0.0
    durations.record(tmp_path, "fast", took(a=3.0))
    assert json.loads(file.read_text()) == {"fast": {"a": 3.0}}


def test_a_step_weighs_what_the_longest_way_from_it_takes() -> None:
    steps = [Step("base", ()), Step("x", ("base",)), Step("y", ("base",)), Step("test x", ("x",)), Step("lone", ())]
    seconds = {"test x": 5.0, "x": 1.0, "y": 3.0, "base": 2.0, "lone": 4.0}
    assert longest(steps, seconds) == {"base": 8.0, "x": 6.0, "y": 3.0, "test x": 5.0, "lone": 4.0}


@pytest.mark.parametrize("jobs", [1, 2])
def test_the_heaviest_step_that_can_be_done_is_begun_first(jobs: int) -> None:
    graph: dict[str, tuple[str, ...]] = {"light": (), "base": (), "heavy": ("base",), "middle": ()}
    weights = {"light": 1.0, "middle": 2.0, "heavy": 3.0, "base": 3.0}
    begun: list[str] = []
    lock = threading.Lock()

    def do(key: str) -> None:
        with lock:
            begun.append(key)

    follow(graph, do, jobs, weights)
    assert sorted(begun) == sorted(graph)
    if jobs == 1:
        assert begun == ["base", "heavy", "middle", "light"]


def test_never_more_steps_run_than_jobs() -> None:
    running, most = 0, 0
    lock = threading.Lock()
    pause = threading.Event()

    def do(key: str) -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        pause.wait(0.01)
        with lock:
            running -= 1

    follow({str(number): () for number in range(9)}, do, 3)
    assert most == 3
