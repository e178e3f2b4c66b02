from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from helpers import discover
from helpers.driver import plan as planner
from helpers.driver.events import Event
from helpers.driver.plan import Plan
from helpers.driver.run import Options, Run, new_run_id, results_of
from helpers.driver.verdict import Status, Verdict
from helpers.engine import memory
from helpers.engine.seam import Control, Stop, UnsupportedError
from helpers.engine.specs import RunSpec
from helpers.engine.venv import VenvEngine
from helpers.errors import BuildError, InfrastructureError
from helpers.images import build
from helpers.test.fake_engine import FAILS, PASSES, FakeEngine, Tests, as_engine
from helpers.test.unit_fixtures import add_dir, cache, make_repo, no_poetry

__all__ = ["cache", "no_poetry"]

BASE = "archive:bookworm"
ALL_IMAGES = (BASE, "low", "mid", "top", "alone")
NAMES = ("alone", "low", "mid", "top")


@pytest.fixture
def plan(tmp_path: Path, no_poetry: Path) -> Plan:
    """A plan in which `top` stands on `mid`, `mid` on `low`, and `alone` on nothing of ours."""
    root = make_repo(tmp_path / "r")
    add_dir(root, "low", image="low")
    add_dir(root, "mid", 'base = "dir:../low"', image="mid")
    add_dir(root, "top", 'base = "dir:../mid"', image="top")
    add_dir(root, "alone", image="alone")
    return plan_of(root)


def plan_of(root: Path) -> Plan:
    every = discover.runnable_paths(root)
    return planner.make(root, every, every, "fast")


def follow(
    plan: Plan, engine: FakeEngine, tmp_path: Path, control: Control | None = None, **options: Any
) -> tuple[dict[str, Verdict], list[Event]]:
    events: list[Event] = []
    (tmp_path / "run").mkdir(parents=True)
    how = Options("r1", tmp_path / "run", **{"jobs": 1, **options})
    verdicts = Run(plan, as_engine(engine), how, control or Control(), events.append).execute()
    assert [verdict.name for verdict in verdicts] == [item.name for item in plan.dirs]
    return {verdict.name: verdict for verdict in verdicts}, events


def passing(*names: str) -> dict[str, Tests]:
    return {name: Tests(PASSES) for name in names}


def builds(*keys: str, **faults: Exception) -> Mapping[str, Exception | None]:
    return {**dict.fromkeys(keys), **faults}


def statuses(verdicts: Mapping[str, Verdict]) -> dict[str, str]:
    return {name: verdict.status.value for name, verdict in verdicts.items()}


def test_every_image_is_built_once_after_its_base_and_before_its_tests(plan: Plan, tmp_path: Path) -> None:
    engine = FakeEngine(plan.images, builds=builds(*ALL_IMAGES), tests=passing(*NAMES))
    verdicts, _ = follow(plan, engine, tmp_path, jobs=4)
    assert statuses(verdicts) == dict.fromkeys(NAMES, "PASS")
    assert engine.calls[0] == "find 5"
    assert sorted(engine.calls[1:]) == sorted(
        [*(f"build {key}" for key in ALL_IMAGES), *(f"test {name}" for name in NAMES)]
    )
    position = {call: index for index, call in enumerate(engine.calls)}
    for earlier, later in [(BASE, "low"), ("low", "mid"), ("mid", "top"), (BASE, "alone")]:
        assert position[f"build {earlier}"] < position[f"build {later}"]
    assert all(position[f"build {name}"] < position[f"test {name}"] for name in NAMES)


def test_images_that_are_there_are_not_built(plan: Plan, tmp_path: Path) -> None:
    engine = FakeEngine(plan.images, has=ALL_IMAGES, tests=passing(*NAMES))
    verdicts, events = follow(plan, engine, tmp_path)
    assert engine.calls[0] == "find 5" and not any(call.startswith("build") for call in engine.calls)
    assert {event.kind for event in events} == {"testing", "done"}
    assert verdicts["top"].image == "id top"


@pytest.mark.parametrize(
    "has, calls",
    [
        (["top"], []),
        (["mid"], ["build top"]),
        ([BASE, "mid"], ["build top"]),
        (["low"], ["build mid", "build top"]),
        ([], [f"build {BASE}", "build low", "build mid", "build top"]),
    ],
)
def test_nothing_is_made_below_an_image_that_is_there(
    plan: Plan, tmp_path: Path, has: Sequence[str], calls: list[str]
) -> None:
    root = tmp_path / "r"
    top = planner.make(root, [root / "top"], discover.runnable_paths(root), "fast")
    engine = FakeEngine(top.images, has=has, builds=builds(*ALL_IMAGES), tests=passing("top"))
    assert statuses(follow(top, engine, tmp_path, jobs=2)[0]) == {"top": "PASS"}
    assert engine.calls == ["find 4", *calls, "test top"]
    alone = FakeEngine(top.images, has=has, builds=builds(*ALL_IMAGES))
    assert build.ensure(as_engine(alone), top.dirs[0].chain, Control()) == "id top"
    assert alone.calls == ["find 4", *calls]


def test_what_an_engine_does_not_have_to_make_is_no_event(plan: Plan, tmp_path: Path) -> None:
    class Host(FakeEngine):
        def describe(self, image: Any) -> str:
            return VenvEngine().describe(image)

    engine = Host(plan.images, builds=builds(*ALL_IMAGES), tests=passing(*NAMES))
    _, events = follow(plan, engine, tmp_path)
    assert sorted(event.text for event in events if event.kind == "building") == [
        f"making the environment of {name}" for name in NAMES
    ]


def test_a_build_that_fails_fails_what_stands_on_it_and_nothing_else(plan: Plan, tmp_path: Path) -> None:
    engine = FakeEngine(
        plan.images,
        builds=builds(BASE, "low", "alone", mid=BuildError("no compiler")),
        tests=passing("low", "alone"),
    )
    verdicts, _ = follow(plan, engine, tmp_path)
    assert statuses(verdicts) == {"alone": "PASS", "low": "PASS", "mid": "BUILD", "top": "BUILD"}
    assert [verdicts[name].code for name in NAMES] == [0, 0, 3, 3]
    assert "no compiler" in verdicts["top"].why


def test_a_base_that_nobody_can_get_fails_all(plan: Plan, tmp_path: Path) -> None:
    engine = FakeEngine(plan.images, builds={BASE: InfrastructureError("no mirror")})
    verdicts, _ = follow(plan, engine, tmp_path)
    assert statuses(verdicts) == dict.fromkeys(NAMES, "INFRA")
    assert engine.calls == ["find 5", f"build {BASE}"]


def test_what_an_engine_can_not_give_is_skipped_and_says_why(plan: Plan, tmp_path: Path) -> None:
    engine = FakeEngine(
        plan.images,
        builds=builds(BASE, "low", "alone", mid=UnsupportedError("needs gcc")),
        tests=passing("low", "alone"),
    )
    verdicts, _ = follow(plan, engine, tmp_path)
    assert statuses(verdicts) == {"alone": "PASS", "low": "PASS", "mid": "SKIP", "top": "SKIP"}
    assert verdicts["top"].why == "needs gcc (engine fake can not give it)"


def test_what_an_engine_can_not_give_beside_the_tests_is_skipped_too(plan: Plan, tmp_path: Path) -> None:
    def refuse(spec: object) -> None:
        raise UnsupportedError("needs services")

    tests = {**passing("low", "mid", "top"), "alone": Tests(PASSES, refuse)}
    verdicts, _ = follow(plan, FakeEngine(plan.images, has=ALL_IMAGES, tests=tests), tmp_path)
    assert statuses(verdicts) == {"alone": "SKIP", "low": "PASS", "mid": "PASS", "top": "PASS"}
    assert verdicts["alone"].why == "needs services (engine fake can not give it)"


def test_what_is_weaker_is_told_while_the_tests_run(tmp_path: Path, no_poetry: Path) -> None:
    root = make_repo(tmp_path / "weak")
    add_dir(root, "a", 'docker = "child"', image="aye")
    (root / "a" / "devops" / "compose.yaml").write_text("services: {}\n")
    plan = plan_of(root)
    tests = Tests(PASSES, changes={"weaker": ("service db: privileged",)}, services=True, docker="child")
    _, events = follow(plan, FakeEngine(plan.images, has=(BASE, "a"), tests={"a": tests}), tmp_path)
    told = [event.text for event in events if event.kind == "weaker"]
    assert told == ['docker = "child" (an engine of its own, privileged)', "service db: privileged"]
    unwatched = FakeEngine(plan.images, has=(BASE, "a"), tests={"a": tests})
    unwatched.isolates = False
    _, events = follow(plan, unwatched, tmp_path / "again")
    assert not [event for event in events if event.text.startswith("docker =")]


def test_the_fake_engine_refuses_services_and_engines_that_it_was_not_told_of(tmp_path: Path, no_poetry: Path) -> None:
    root = make_repo(tmp_path / "weak")
    add_dir(root, "a", 'docker = "child"', image="aye")
    add_dir(root, "b", image="bee")
    (root / "b" / "devops" / "compose.yaml").write_text("services: {}\n")
    plan = plan_of(root)
    engine = FakeEngine(plan.images, has=(BASE, "a", "b"), tests=passing("a", "b"))
    verdicts, _ = follow(plan, engine, tmp_path)
    assert statuses(verdicts) == {"a": "BUG", "b": "BUG"}
    assert all("was not told of" in verdict.why for verdict in verdicts.values())


def test_a_full_disk_is_infrastructure_and_stops_one_directory_only(plan: Plan, tmp_path: Path) -> None:
    def full(spec: object) -> None:
        raise OSError(28, "No space left on device", "/results")

    tests = {**passing("low", "mid", "top"), "alone": Tests(PASSES, full)}
    verdicts, _ = follow(plan, FakeEngine(plan.images, has=ALL_IMAGES, tests=tests), tmp_path)
    assert statuses(verdicts) == {"alone": "INFRA", "low": "PASS", "mid": "PASS", "top": "PASS"}
    assert "No space left" in verdicts["alone"].why


def test_a_directory_that_is_wrong_has_its_verdict_and_the_others_run(plan: Plan, tmp_path: Path) -> None:
    root = tmp_path / "r"
    add_dir(root, "bad", "tiemout = 1")
    bigger = plan_of(root)
    engine = FakeEngine(bigger.images, has=ALL_IMAGES, tests=passing(*NAMES))
    verdicts, _ = follow(bigger, engine, tmp_path)
    assert statuses(verdicts) == {**dict.fromkeys(NAMES, "PASS"), "bad": "CONFIG"}


@pytest.mark.parametrize(
    "tests, status",
    [
        (Tests(FAILS), Status.FAIL),
        (Tests(None), Status.CRASH),
        (Tests({**PASSES, "nonce": "of another run"}), Status.CRASH),
        (Tests(PASSES, changes={"image": "id other"}), Status.REFUSED),
        (Tests(PASSES, changes={"code": 1}), Status.FAIL),
        (Tests(PASSES, changes={"timed_out": True}), Status.TIMEOUT),
        (Tests(PASSES, changes={"out_of_memory": True}), Status.CRASH),
    ],
)
def test_a_verdict_needs_nonce_image_and_a_good_end(plan: Plan, tmp_path: Path, tests: Tests, status: Status) -> None:
    engine = FakeEngine(plan.images, has=ALL_IMAGES, tests={**passing(*NAMES), "low": tests})
    verdicts, _ = follow(plan, engine, tmp_path)
    assert verdicts["low"].status is status
    assert [verdicts[name].status for name in ("alone", "mid", "top")] == [Status.PASS] * 3


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b'[1, "t.py::test_a"]\nof a longer line"]\n', "did not end within 7 s; t.py::test_a was running"),
        *((data, "did not end within 7 s") for data in (b"", b"[0]\n", b"{}\n", b'["a"]\n', b"[1, 2]\n", b"[" * 4096)),
    ],
)
def test_a_timeout_names_the_test_that_ran_whatever_tests_write_there(
    plan: Plan, tmp_path: Path, data: bytes, why: str
) -> None:
    def hang(spec: RunSpec) -> None:
        assert spec.results
        (spec.results / "running").write_bytes(data)

    hangs = Tests(None, meanwhile=hang, changes={"timed_out": True})
    engine = FakeEngine(plan.images, has=ALL_IMAGES, tests={**passing(*NAMES), "low": hangs})
    verdicts, _ = follow(plan, engine, tmp_path, timeout=7)
    assert verdicts["low"].why == why


def test_after_the_first_that_does_not_pass_nothing_more_starts_when_asked(plan: Plan, tmp_path: Path) -> None:
    engine = FakeEngine(plan.images, has=ALL_IMAGES, tests={"alone": Tests(FAILS), **passing("low", "mid", "top")})
    verdicts, _ = follow(plan, engine, tmp_path, exitfirst=True)
    tested = [call for call in engine.calls if call.startswith("test")]
    assert tested[-1] == "test alone", engine.calls
    stopped = [name for name in NAMES if f"test {name}" not in tested]
    assert stopped and {verdicts[name].status for name in stopped} == {Status.STOPPED}
    assert "--exitfirst" in verdicts[stopped[0]].why


@pytest.mark.parametrize("code", [130, 143])
def test_after_a_stop_nothing_more_starts_and_the_rest_carries_its_code(plan: Plan, tmp_path: Path, code: int) -> None:
    control = Control()
    stop = Tests(PASSES, lambda spec: control.stop(Stop.POLITELY, code), {"stopped": True})
    engine = FakeEngine(plan.images, has=ALL_IMAGES, tests=dict.fromkeys(NAMES, stop))
    verdicts, _ = follow(plan, engine, tmp_path, control)
    assert len([call for call in engine.calls if call.startswith("test")]) == 1
    assert {(verdict.status, verdict.code) for verdict in verdicts.values()} == {(Status.STOPPED, code)}


def test_a_stop_before_anything_started_builds_nothing(plan: Plan, tmp_path: Path) -> None:
    control = Control()
    control.stop(Stop.NOW, 130)
    engine = FakeEngine(plan.images)
    verdicts, _ = follow(plan, engine, tmp_path, control)
    assert engine.calls == ["find 5"]
    assert {verdict.code for verdict in verdicts.values()} == {130}


@pytest.mark.parametrize("jobs", [1, 3])
def test_no_more_steps_run_at_a_time_than_jobs(
    plan: Plan, tmp_path: Path, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory, "available", lambda: 64 << 30)  # this may be a container with little
    lock, now, most = threading.Lock(), [0], [0]

    def busy(spec: object) -> None:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.1)
        with lock:
            now[0] -= 1

    tests = dict.fromkeys(NAMES, Tests(PASSES, busy))
    follow(plan, FakeEngine(plan.images, has=ALL_IMAGES, tests=tests), tmp_path, jobs=jobs)
    assert most[0] == jobs


def test_each_directory_has_a_nonce_a_name_and_results_of_its_own(plan: Plan, tmp_path: Path) -> None:
    engine = FakeEngine(plan.images, has=ALL_IMAGES, tests=passing(*NAMES))
    follow(plan, engine, tmp_path, jobs=4)
    assert len({spec.name for spec in engine.specs.values()}) == 4
    assert len({spec.argv[-1] for spec in engine.specs.values()}) == 4
    for name in NAMES:
        assert (results_of(tmp_path / "run", plan, name) / "verdict.json").exists()


def test_the_timeout_of_the_command_line_wins_over_the_setting(plan: Plan, tmp_path: Path) -> None:
    seen: list[float] = []

    class Watch(FakeEngine):
        def run(self, spec: Any, log: Path, timeout: float, control: Control) -> Any:
            seen.append(timeout)
            return super().run(spec, log, timeout, control)

    follow(plan, Watch(plan.images, has=ALL_IMAGES, tests=passing(*NAMES)), tmp_path, timeout=7)
    assert set(seen) == {7}


def test_events_tell_a_reporter_what_goes_on(plan: Plan, tmp_path: Path) -> None:
    engine = FakeEngine(plan.images, builds=builds(*ALL_IMAGES), tests=passing(*NAMES))
    _, events = follow(plan, engine, tmp_path)
    of_low: Sequence[str] = [event.kind for event in events if event.name == "low"]
    assert of_low == ["building", "built", "testing", "done"]


def test_the_fake_engine_refuses_what_it_was_not_told(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="no plan names"):
        follow(plan, FakeEngine({}), tmp_path / "none")
    for number, engine in enumerate((FakeEngine(plan.images), FakeEngine(plan.images, has=ALL_IMAGES))):
        found, _ = follow(plan, engine, tmp_path / str(number))
        verdicts = list(found.values()) if isinstance(found, dict) else list(found)
        assert {item.status for item in verdicts} == {Status.BUG} and {item.code for item in verdicts} == {70}
        assert all("was not told" in item.why for item in verdicts)


def test_names_of_runs_sort_by_time_and_never_recur() -> None:
    names = {new_run_id() for _ in range(100)}
    assert len(names) == 100 and all(name[:8].isdigit() for name in names)


@pytest.mark.parametrize("kind", ["building", "built", "testing", "done"])
def test_who_can_not_show_an_event_ends_no_run(
    plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    def show(event: Event) -> None:
        if event.kind == kind and event.name == "low":
            raise RecursionError("too deep")

    engine = FakeEngine(plan.images, builds=builds(*ALL_IMAGES), tests=passing(*NAMES))
    (tmp_path / "run").mkdir()
    found = Run(plan, as_engine(engine), Options("r1", tmp_path / "run", 1), Control(), show).execute()
    assert [verdict.status for verdict in found] == [Status.PASS] * len(NAMES)
    assert f"warning: '{kind}' of low is not shown: a bug in helpers: RecursionError" in capsys.readouterr().err


def test_a_run_ends_where_nobody_reads_what_it_prints(plan: Plan, tmp_path: Path) -> None:
    def show(event: Event) -> None:
        raise BrokenPipeError

    engine = FakeEngine(plan.images, has=ALL_IMAGES, tests=passing(*NAMES))
    (tmp_path / "run").mkdir()
    with pytest.raises(BrokenPipeError):
        Run(plan, as_engine(engine), Options("r1", tmp_path / "run", 1), Control(), show).execute()
