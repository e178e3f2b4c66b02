"""A container that waits is used once, only where a new one would be the same, and none is left."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path

import pytest

from helpers.driver.prepared import _Paths
from helpers.engine.seam import Stop
from helpers.errors import SIGINT_EXIT
from helpers.test.conftest import until
from helpers.test.fake_engine import PASSES, Tests
from helpers.test.unit_fixtures import LOCK, cache, no_poetry
from helpers.test.watch_scene import SECONDS, Scene, scene

# They start git, and wait for what follows a change.
pytestmark = pytest.mark.slow

__all__ = ["cache", "no_poetry", "scene"]


@pytest.fixture
def waiting(scene: Scene) -> Scene:
    """A watch whose first run is over, with a container that waits for each of `a` and `b`."""
    scene.engine.prepares = True
    scene.start()
    until(lambda: len(scene.engine.waiting) == 2, SECONDS)
    scene.engine.calls.clear()
    return scene


def after(scene: Scene, verdicts: int) -> list[str]:
    """Return what the engine was asked for until there are as many verdicts, and two containers wait again."""
    scene.settled(verdicts)
    until(lambda: len(scene.engine.waiting) == 2, SECONDS)
    return [call for call in scene.engine.calls if not call.startswith("find")]


def test_a_change_uses_the_container_that_waits_once_and_another_one_is_prepared(waiting: Scene) -> None:
    waiting.write("b/test/test_it.py", "newer\n")
    assert after(waiting, 3) == ["go b", "test b", "prepare b"]
    waiting.write("b/test/test_it.py", "newest\n")
    assert after(waiting, 4) == ["go b", "test b", "prepare b"] * 2
    assert waiting.done()[2:] == [("b", "PASS")] * 2


def test_results_are_where_those_of_every_run_are(waiting: Scene) -> None:
    waiting.write("b/test/test_it.py", "newer\n")
    after(waiting, 3)
    (results,) = waiting.runs.glob("2/*/results")
    assert not results.is_symlink() and (results / "verdict.json").is_file()
    assert len(list(waiting.runs.glob("prepared/*"))) == 2


def test_no_more_wait_than_may_be_tested_at_a_time_the_last_changed_first(scene: Scene) -> None:
    scene.engine.prepares = True
    scene.jobs = 1
    scene.start()
    until(lambda: len(scene.engine.waiting) == 1, SECONDS)
    for name in "aba":
        count = len(scene.done())
        scene.write(f"{name}/test/test_it.py", f"{time.time_ns()}\n")
        scene.settled(count + 1)
        assert len(scene.engine.waiting) == 1
        assert scene.engine.calls[-1] == f"prepare {name}"


REPLACED = {
    "the directory": "b",
    "a used directory": "lib",
}


@pytest.mark.parametrize("what", REPLACED)
def test_one_that_has_mounted_what_was_replaced_is_not_used(waiting: Scene, what: str) -> None:
    path = waiting.root / REPLACED[what]
    aside = waiting.root.parent / "aside"
    shutil.copytree(path, aside)
    shutil.rmtree(path)
    os.replace(aside, path)
    name = "a" if what == "a used directory" else "b"
    waiting.write(f"{name}/test/test_it.py", "newer\n")
    calls = after(waiting, 3)
    assert calls.index(f"drop {name}") < calls.index(f"test {name}")
    assert f"go {name}" not in calls


def test_paths_that_are_made_again_are_others_even_where_the_numbers_of_files_are_used_again(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.mkdir()
    held = _Paths([(str(path), os.open(path, os.O_PATH))])
    assert held.are_the_same()
    (path / "file").touch()
    assert held.are_the_same()
    path.joinpath("file").unlink()
    path.rmdir()
    assert not held.are_the_same()
    path.mkdir()
    assert not held.are_the_same()
    held.close()


def test_one_with_other_settings_is_not_used(waiting: Scene) -> None:
    file = waiting.root / "b" / "pyproject.toml"
    waiting.write("b/pyproject.toml", file.read_text() + 'memory = "1g"\n')
    calls = after(waiting, 3)
    assert "go b" not in calls and waiting.engine.specs["b"].memory == "1g"
    waiting.write("b/pyproject.toml", file.read_text() + 'hostname = "box"\n')
    calls = after(waiting, 4)
    assert "go b" not in calls and waiting.engine.specs["b"].options.hostname == "box"


def test_one_with_other_variables_of_a_file_is_not_used(waiting: Scene) -> None:
    file = waiting.root / "b" / "pyproject.toml"
    waiting.write("b/vars", "A=1\n")
    after(waiting, 3)
    waiting.write("b/pyproject.toml", file.read_text() + 'env_file = "vars"\n')
    after(waiting, 4)
    waiting.engine.calls.clear()
    waiting.write("b/vars", "A=2\n")
    calls = after(waiting, 5)
    assert "go b" not in calls and waiting.engine.specs["b"].file_values == {"A": "2"}


def test_one_of_another_image_is_not_used(waiting: Scene) -> None:
    waiting.engine._builds["b"] = None
    waiting.engine._there.discard("b")
    waiting.write("b/poetry.lock", f"# another lock\n{LOCK}")
    waiting.engine._known = {key: value for key, value in waiting.engine._known.items() if value != "b"}
    assert after(waiting, 3)[:1] == ["build b"]


def test_one_that_has_ended_by_itself_is_replaced_by_a_new_one(waiting: Scene) -> None:
    waiting.engine.waiting.clear()
    waiting.write("b/test/test_it.py", "newer\n")
    waiting.settled(3)
    assert waiting.engine.calls[:3] == ["find 1", "lost b", "test b"] or "lost b" in waiting.engine.calls
    assert waiting.done()[-1] == ("b", "PASS")


def test_none_waits_where_something_stands_beside_the_tests(scene: Scene) -> None:
    (scene.root / "b" / "devops" / "compose.yaml").write_text("services: {}\n")
    scene.tests["b"] = Tests(PASSES, services=True)
    scene.engine.prepares = True
    scene.start()
    scene.settled(2)
    assert [name for name in scene.engine.calls if name.startswith("prepare")] == ["prepare a"]


def test_tests_are_given_the_share_of_the_cores_that_they_have_then(waiting: Scene) -> None:
    seen: list[dict[str, str]] = []
    waiting.tests["b"] = Tests(PASSES, lambda spec: seen.append(json.loads(spec.argv[-1])["environment"]))
    waiting.write("b/test/test_it.py", "newer\n")
    after(waiting, 3)
    assert list(seen[0]) == ["PYTEST_XDIST_AUTO_NUM_WORKERS"]


def test_none_is_left_at_the_end(waiting: Scene) -> None:
    waiting.control.stop(Stop.POLITELY, SIGINT_EXIT)
    waiting.thread.join()
    assert waiting.engine.waiting == []
    assert sorted(waiting.engine.calls[-3:-1]) == ["drop a", "drop b"] and waiting.engine.calls[-1] == "finish"
    assert list(waiting.runs.glob("prepared/*")) == []
