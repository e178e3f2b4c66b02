"""A repo with two runnable dirs, a fake engine, and a watch over both."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from helpers import discover
from helpers.driver import changes as changing
from helpers.driver import container, verdict_cache
from helpers.driver import plan as planner
from helpers.driver.changes import Changes
from helpers.driver.events import Event, Observer
from helpers.driver.watch import How, Watch
from helpers.engine import memory
from helpers.engine.seam import Control, Stop
from helpers.test.conftest import until
from helpers.test.fake_engine import PASSES, FakeEngine, Tests
from helpers.test.unit_fixtures import add_dir, git, make_repo

SECONDS = 20.0


class Noted(Observer):
    """Keeps all events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def event(self, event: Event) -> None:
        self.events.append(event)


@dataclass
class Scene:
    """A repo in which `a` uses `lib`, an engine, and a watch over both.

    Arguments:
        root: the repo.
        engine: has the images of the repo as it is at first.
        tests: what the tests of each directory do.
        package: the copy of helpers that tests are run by.
        runs: where the watch keeps its logs.
    """

    root: Path
    engine: FakeEngine
    tests: dict[str, Tests]
    package: Path
    runs: Path
    observer: Noted = field(default_factory=Noted)
    begun_again: list[bool] = field(default_factory=list)
    control: Control = field(default_factory=Control)
    jobs: int = 2

    def _plan(self) -> planner.Plan:
        every = discover.runnable_paths(self.root)
        plan = planner.make(self.root, every, every, "fast")
        self.engine._known |= {image.reference: key for key, image in plan.images.items()}
        return plan

    def start(self) -> None:
        """Begin to watch, in a thread of its own, and wait until the first run is over."""
        how = How(self.root, self._plan, "fast", (), self.jobs, self.runs, again=lambda: self.begun_again.append(True))
        self.changes = Changes(self.root)
        self.watch = Watch(how, self.engine, self.changes, self.control, self.observer)
        self.thread = threading.Thread(target=self.watch.follow)
        self.thread.start()

    def settled(self, count: int) -> None:
        """Wait until as many verdicts were told, and a little for one that should not come."""
        until(lambda: len(self.done()) >= count, SECONDS)
        time.sleep(0.5)
        assert len(self.done()) == count, self.done()

    def done(self) -> list[tuple[str, str]]:
        """Return directory and verdict of all that was told, in that order."""
        return [(event.name, event.verdict.status.value) for event in self.observer.events if event.verdict]

    def tested(self) -> list[str]:
        """Return the directories whose tests were started, in that order."""
        return [call.removeprefix("test ") for call in self.engine.calls if call.startswith("test ")]

    def write(self, path: str, text: str) -> None:
        """Save a file as an editor does: aside, and then in its place."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(f"{file.name}~")
        aside.write_text(text)
        os.replace(aside, file)


@pytest.fixture(params=["told by the kernel", "looking"])
def source(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How changes are seen; asking for this runs a test in both ways."""
    if request.param == "looking":
        monkeypatch.setattr(changing, "_source_of", changing._Looking)
    return str(request.param)


@pytest.fixture
def scene(tmp_path: Path, no_poetry: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A repo with `a`, which uses `lib`, and `b`; nothing of it has been tested."""
    root = make_repo(tmp_path / "r")
    (root / "lib").mkdir()
    (root / "lib" / "x.py").write_text("x = 1\n")
    (root / ".gitignore").write_text("*.tmp\n__pycache__\nbuild/\n")
    add_dir(root, "a", 'uses = ["../lib"]')
    add_dir(root, "b")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "first")
    package = tmp_path / "helpers"
    shutil.copytree(container.INSIDE, package / "inside")
    monkeypatch.setattr(container, "INSIDE", package / "inside")
    monkeypatch.setattr(verdict_cache, "_PACKAGE", package)
    monkeypatch.setattr(memory, "available", lambda: 64 << 30)  # this may be a container with little
    every = discover.runnable_paths(root)
    images = planner.make(root, every, every, "fast").images
    tests = {name: Tests(PASSES) for name in "ab"}
    (tmp_path / "runs").mkdir()
    made = Scene(root, FakeEngine(images, has=tuple(images)), tests, package, tmp_path / "runs")
    made.engine._tests = made.tests
    yield made
    made.control.stop(Stop.NOW, 130)
    made.thread.join()
    made.changes.close()
