"""A watch tests what changed, once, and never takes the verdict on an older state for that on the newest."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.dirs.lost_tests import LostTests
from helpers.driver import changes as changing
from helpers.driver import cli
from helpers.engine.seam import Control, Stop
from helpers.engine.specs import RunSpec
from helpers.errors import NOTHING_RAN, USAGE, InfrastructureError
from helpers.test.conftest import until
from helpers.test.fake_engine import FAILS, PASSES, Tests
from helpers.test.unit_fixtures import LOCK, add_dir, cache, git, make_repo, no_poetry
from helpers.test.watch_scene import SECONDS, Scene, scene, source

# They start git, and wait for what follows a change.
pytestmark = pytest.mark.slow

__all__ = ["cache", "no_poetry", "scene", "source"]


def test_all_that_has_no_verdict_is_tested_and_then_only_what_changes(scene: Scene, source: str) -> None:
    scene.start()
    scene.settled(2)
    scene.write("a/test/test_it.py", "def test_it():\n    assert 1\n")
    scene.settled(3)
    assert sorted(scene.tested()[:2]) == ["a", "b"] and scene.tested()[2:] == ["a"]


def test_a_second_watch_begins_with_the_verdicts_of_the_first(scene: Scene) -> None:
    scene.start()
    scene.settled(2)
    scene.control.stop(Stop.NOW, 130)
    scene.thread.join()
    scene.changes.close()
    scene.control = Control()
    scene.start()
    scene.settled(4)
    assert len(scene.tested()) == 2
    assert [event.verdict.cached for event in scene.observer.events if event.verdict] == [False, False, True, True]


CHANGES: dict[str, tuple[Callable[[Scene], object], set[str]]] = {
    "a used file": (lambda scene: scene.write("lib/x.py", "x = 2\n"), {"a"}),
    "a file in a new directory": (lambda scene: scene.write("b/deep/er/test_more.py", "more\n"), {"b"}),
    "a file less": (lambda scene: (scene.root / "b/test/test_it.py").unlink(), {"b"}),
    "a mode": (lambda scene: (scene.root / "b/test/test_it.py").chmod(0o755), {"b"}),
    "the same again": (lambda scene: scene.write("lib/x.py", "x = 1\n"), set()),
    "an ignored file": (lambda scene: (scene.root / "b/x.tmp").write_text("x"), set()),
    "an ignored directory": (lambda scene: scene.write("b/build/x.py", "x"), set()),
    "bytecode": (lambda scene: scene.write("b/__pycache__/x.pyc", "x"), set()),
    "what nobody uses": (lambda scene: scene.write("README.md", "read"), set()),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_reruns_what_sees_it_and_nothing_else(scene: Scene, change: str) -> None:
    act, expected = CHANGES[change]
    scene.start()
    scene.settled(2)
    act(scene)
    scene.settled(2 + len(expected))
    assert set(scene.tested()[2:]) == expected


def test_a_change_in_a_directory_that_was_made_meanwhile_is_seen(scene: Scene) -> None:
    scene.start()
    scene.settled(2)
    scene.write("b/deep/er/test_more.py", "more\n")
    scene.settled(3)
    scene.write("b/deep/er/test_more.py", "and more\n")
    scene.settled(4)
    os.rename(scene.root / "b" / "deep", scene.root / "b" / "moved")
    scene.settled(5)
    scene.write("b/moved/er/test_more.py", "still more\n")
    scene.settled(6)
    assert scene.tested()[2:] == ["b"] * 4


def test_another_lock_builds_the_image_anew(scene: Scene) -> None:
    scene.start()
    scene.settled(2)
    key = next(key for key in scene.engine._known.values() if key == "b")
    scene.engine._builds[key] = None
    scene.engine._there.discard(key)
    scene.write("b/poetry.lock", f"# another lock\n{LOCK}")
    scene.settled(3)
    assert scene.engine.calls[-2:] == ["build b", "test b"]


def test_a_burst_of_saves_is_one_run(scene: Scene) -> None:
    scene.start()
    scene.settled(2)
    for number in range(40):
        scene.write(f"b/module{number}.py", f"number = {number}\n")
        time.sleep(0.005)
    scene.settled(3)
    assert scene.tested()[2:] == ["b"]


def test_a_checkout_of_another_commit_is_one_run(scene: Scene) -> None:
    for number in range(300):
        scene.write(f"b/many/module{number}.py", f"number = {number}\n")
    git(scene.root, "add", "--all")
    git(scene.root, "commit", "--quiet", "--message", "many")
    scene.start()
    scene.settled(2)
    git(scene.root, "checkout", "--quiet", "HEAD^")
    scene.settled(3)
    git(scene.root, "checkout", "--quiet", "main")
    scene.settled(4)
    assert scene.tested()[2:] == ["b"] and scene.done()[-1] == ("b", "PASS")


def test_what_has_become_stale_is_stopped_and_the_newest_state_is_tested(scene: Scene) -> None:
    seen: list[str] = []
    end = threading.Event()
    file = scene.root / "b" / "test" / "test_it.py"
    scene.tests["b"] = Tests(PASSES, lambda spec: seen.append(file.read_text()), end=end)
    scene.start()
    until(lambda: len(seen) == 1, SECONDS)
    scene.write("b/test/test_it.py", "newer\n")
    until(lambda: len(seen) == 2, SECONDS)
    scene.write("b/test/test_it.py", "newest\n")
    until(lambda: len(seen) == 3, SECONDS)
    end.set()
    scene.settled(4)
    assert seen[1:] == ["newer\n", "newest\n"]
    assert [verdict for name, verdict in scene.done() if name == "b"] == ["STOPPED", "STOPPED", "PASS"]


def test_tests_that_do_not_see_a_change_go_on(scene: Scene) -> None:
    end = threading.Event()
    scene.tests["a"] = Tests(PASSES, end=end)
    scene.start()
    until(lambda: scene.done() == [("b", "PASS")], SECONDS)
    scene.write("b/test/test_it.py", "newer\n")
    until(lambda: len(scene.done()) == 2, SECONDS)
    end.set()
    scene.settled(3)
    assert sorted(scene.tested()) == ["a", "b", "b"] and scene.done()[-1] == ("a", "PASS")


def test_a_verdict_is_on_the_state_that_was_there_before_its_tests_began(scene: Scene) -> None:
    # What changes after the decision and before the end is seen as a change, and so it is tested.
    seen: list[str] = []
    file = scene.root / "b" / "test" / "test_it.py"

    def meanwhile(spec: RunSpec) -> None:
        seen.append(file.read_text())
        if len(seen) == 1:
            file.write_text("changed by the way\n")

    scene.tests["b"] = Tests(PASSES, meanwhile)
    scene.start()
    until(lambda: len(seen) == 2, SECONDS)
    assert seen[1] == "changed by the way\n"


def test_a_failure_is_tested_again_only_when_its_files_change(scene: Scene) -> None:
    scene.tests["b"] = Tests(FAILS)
    scene.start()
    scene.settled(2)
    scene.write("lib/x.py", "x = 2\n")
    scene.settled(3)
    assert scene.tested()[2:] == ["a"]
    scene.tests["b"] = Tests(PASSES)
    scene.write("b/test/test_it.py", "mended\n")
    scene.settled(4)
    assert scene.done()[-1] == ("b", "PASS")


def test_settings_that_are_wrong_are_told_once_and_mended_ones_are_tested(scene: Scene) -> None:
    scene.start()
    scene.settled(2)
    file = scene.root / "b" / "pyproject.toml"
    good = file.read_text()
    scene.write("b/pyproject.toml", good + "no_such_setting = 1\n")
    scene.settled(3)
    scene.write("README.md", "read\n")
    scene.settled(3)
    scene.write("b/pyproject.toml", good + "# mended\n")
    scene.settled(4)
    assert scene.done()[2:] == [("b", "CONFIG"), ("b", "PASS")]


def test_an_engine_that_stops_costs_a_line_and_the_next_change_tests_what_is_left(
    scene: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.start()
    scene.settled(2)
    find = scene.engine.find

    def stopped(references: list[str]) -> dict[str, str]:
        raise InfrastructureError("the engine does not answer: it has stopped")

    monkeypatch.setattr(scene.engine, "find", stopped)
    scene.write("b/test/test_it.py", "newer\n")
    time.sleep(1.0)
    assert capsys.readouterr().err.count("it has stopped") == 1
    monkeypatch.setattr(scene.engine, "find", find)
    scene.write("README.md", "read\n")
    scene.settled(3)
    assert scene.tested()[2:] == ["b"]


def test_what_tests_write_where_they_may_is_no_change(scene: Scene) -> None:
    written: list[int] = []

    def write(spec: RunSpec) -> None:
        written.append(len(written))
        (scene.root / "b" / "out" / "report.txt").write_text(str(written))

    (scene.root / "b" / "out").mkdir()
    file = scene.root / "b" / "pyproject.toml"
    file.write_text(file.read_text() + 'writable = ["out"]\n')
    scene.tests["b"] = Tests(PASSES, write)
    scene.start()
    scene.settled(2)
    assert written == [0]


def test_another_helpers_begins_the_watch_again(scene: Scene) -> None:
    scene.start()
    scene.settled(2)
    (scene.package / "inside" / "runner.py").write_text("another\n")
    scene.write("README.md", "read\n")
    until(lambda: scene.begun_again, SECONDS)


def test_more_directories_than_the_kernel_watches_are_looked_at(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(self: object, root: Path) -> None:
        raise changing._TooMany

    monkeypatch.setattr(changing._Inotify, "__init__", full)
    scene.start()
    scene.settled(2)
    scene.write("b/test/test_it.py", "newer\n")
    scene.settled(3)
    assert "max_user_watches" in capsys.readouterr().err


def test_the_last_line_says_how_all_directories_stand(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.tests["a"] = Tests(FAILS)
    scene.start()
    scene.settled(2)
    scene.write("b/test/test_it.py", "newer\n")
    scene.settled(3)
    lines = [line for line in capsys.readouterr().err.splitlines() if " tested" in line]
    assert lines[0].startswith("helpers: 2 of 2 tested in ") and lines[0].endswith("; not passing: a")
    assert lines[1].startswith("helpers: 1 of 2 tested in ") and lines[1].endswith(
        ": 1 passed, 0 failed; not passing: a"
    )


REFUSED = {
    "--list": USAGE,
    "--json=x.json": USAGE,
    "--junit=x.xml": USAGE,
    "--coverage": USAGE,
    "--html=x.html": USAGE,
    "--shard=1/2": USAGE,
    "--durations=x.json": USAGE,
    "--dir=nowhere": USAGE,
    "--dir=lib": NOTHING_RAN,
}


@pytest.mark.parametrize("option", REFUSED)
def test_what_can_not_be_watched_is_refused(
    no_poetry: Path, tmp_path: Path, option: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_repo(tmp_path / "r")
    add_dir(root, "a")
    (root / "lib").mkdir()
    monkeypatch.chdir(root)
    assert cli.main(["--watch", option], root) == REFUSED[option]
    assert option.partition("=")[0].removeprefix("--dir") in capsys.readouterr().err


GOOD, BAD = "def test_it():\n    assert 1\n", "def test_it():\n    assert 0\n"


def save_while_it_runs(scene: Scene, text: str) -> Callable[[RunSpec], object]:
    """Return what a container does that ends just as it is told to stop, because its test file is saved meanwhile."""
    first = threading.Event()

    def meanwhile(spec: RunSpec) -> None:
        if not first.is_set():
            first.set()
            running = scene.watch._running["a"]
            scene.write("a/test/test_it.py", text)
            until(lambda: bool(running.control.level), SECONDS)
            scene.tests["a"] = Tests(FAILS if text == BAD else PASSES)

    return meanwhile


def test_tests_that_end_as_their_files_change_run_again_on_the_newest_state(scene: Scene) -> None:
    scene.start()
    scene.settled(2)
    scene.tests["a"] = Tests(PASSES, save_while_it_runs(scene, BAD))
    scene.write("a/test/test_it.py", GOOD)
    until(lambda: scene.tested().count("a") == 3, SECONDS)
    scene.settled(4)
    assert scene.done()[-1] == ("a", "FAIL")


def test_files_that_are_again_what_they_were_get_the_verdict_that_they_had(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.write("a/test/test_it.py", GOOD)
    scene.start()
    scene.settled(2)
    waits = capsys.readouterr().err.count("waiting for changes")
    scene.tests["a"] = Tests(FAILS, save_while_it_runs(scene, GOOD))
    scene.write("a/test/test_it.py", BAD)
    scene.settled(4)
    assert scene.done()[-1] == ("a", "PASS")
    assert "; all pass" in (said := capsys.readouterr().err)
    assert waits == 1 and said.count("waiting for changes") == 1


def test_a_watch_names_once_a_file_that_pytest_does_not_collect(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make = scene._plan
    lost = LostTests(reached={"a": ["a/test/test_it.py"]})
    monkeypatch.setattr(scene, "_plan", lambda: replace(make(), lost=lost))
    scene.tests["a"] = Tests({**PASSES, "files": []})
    scene.start()
    scene.settled(2)
    scene.write("a/code.py", "x = 1\n")
    scene.settled(3)
    assert capsys.readouterr().err.count("1 test file never runs: a/test/test_it.py; why: pytest did not") == 1
