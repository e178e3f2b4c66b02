"""An engine that does what a test told it and refuses everything else."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from helpers.engine.seam import Control, Engine, Ingredients, Outcome
from helpers.engine.specs import ImageSpec, RunSpec
from helpers.model.image import LABEL_DIR

PASSES: dict[str, Any] = {
    "exit": 0,
    "collected": 1,
    "reported": 1,
    "collect_errors": 0,
    "counts": {"passed": 1},
    "failures": [],
    "hints": [],
    "runs_no_test": "",
}
FAILS: dict[str, Any] = {**PASSES, "exit": 1, "counts": {"failed": 1}, "failures": ["test_it.py::test_it"]}
SKIPS: dict[str, Any] = {**PASSES, "counts": {"skipped": 1}}
COLLECTS_NOTHING: dict[str, Any] = {**PASSES, "exit": 5, "collected": 0, "reported": 0, "counts": {}}


@dataclass
class Tests:
    """What the tests of one directory do in a container.

    Arguments:
        report: what the plugin writes, without the nonce; None if it writes nothing.
        meanwhile: what else happens while they run.
        changes: fields of the outcome that are not those of a good end.
        end: they run until this is set, or until they are stopped.
        services: whether services must stand beside them.
        docker: how they must be able to start containers.
    """

    __test__ = False
    report: dict[str, Any] | None = None
    meanwhile: Callable[[RunSpec], object] = lambda spec: None
    changes: Mapping[str, Any] = field(default_factory=dict)
    end: threading.Event | None = None
    services: bool = False
    docker: str = ""


class FakeEngine:
    """Stands behind the seam `Engine`; keeps a list of all that it was asked for.

    Arguments:
        plan_images: the images of the plan, by key; it knows no others.
        has: keys of images that are there already.
        builds: keys of images that it may be asked to make; an exception as value is how that ends.
        tests: directories whose tests it may be asked to run.
    """

    name = "fake"
    isolates = True

    def __init__(
        self,
        plan_images: Mapping[str, ImageSpec],
        *,
        has: Sequence[str] = (),
        builds: Mapping[str, Exception | None] | None = None,
        tests: Mapping[str, Tests] | None = None,
    ) -> None:
        self._known = {image.reference: key for key, image in plan_images.items()}
        self._there = set(has)
        self._builds = dict(builds or {})
        self._tests = dict(tests or {})
        self._lock = threading.Lock()
        self.calls: list[str] = []
        self.specs: dict[str, RunSpec] = {}
        self.prepares = False
        # Containers that wait: one that is taken away here has ended by itself.
        self.waiting: list[str] = []

    def find(self, references: Sequence[str]) -> dict[str, str]:
        self._note(f"find {len(references)}")
        unknown = [reference for reference in references if reference not in self._known]
        assert not unknown, f"was asked for images that no plan names: {unknown}"
        return {name: f"id {self._known[name]}" for name in references if self._known[name] in self._there}

    def describe(self, image: ImageSpec) -> str:
        return f"building {image.key}"

    def provide(self, image: ImageSpec, ingredients: Ingredients, log: Path, control: Control) -> str:
        self._note(f"build {image.key}")
        assert image.key in self._builds, f"was not told of the image {image.key!r}"
        assert image.key not in self._there, f"{image.key!r} is there already"
        assert image.parent is None or image.parent in self._there, f"{image.parent!r} must come before {image.key!r}"
        assert bool(ingredients.base) == bool(image.parent)
        if fault := self._builds[image.key]:
            raise fault
        self._there.add(image.key)
        return f"id {image.key}"

    def run(self, spec: RunSpec, log: Path, timeout: float, control: Control) -> Outcome:
        name = spec.labels[LABEL_DIR]
        self._note(f"test {name}")
        assert name in self._tests, f"was not told of tests in {name!r}"
        assert spec.image.removeprefix("id ") in self._there, f"{spec.image!r} is not there"
        tests = self._tests[name]
        assert bool(spec.services) == tests.services, f"was not told of these services: {spec.services}"
        assert spec.docker == tests.docker, f'was not told of docker = "{spec.docker}"'
        self.specs[name] = spec
        tests.meanwhile(spec)
        while tests.end and not tests.end.wait(0.01):
            if control.level:
                return Outcome(137, 0.1, "", log, spec.image, stopped=True)
        order = json.loads(spec.argv[-1])
        if tests.report is not None:
            nonce = tests.report.get("nonce", spec.nonce)
            (Path(order["results"]) / "verdict.json").write_text(f"{nonce}\n{json.dumps(tests.report)}")
        code = tests.report["exit"] if tests.report else 0
        log.write_text("output\n")
        return replace(Outcome(code, 0.1, "output\n", log, spec.image), **dict(tests.changes))

    def start_command(self, spec: RunSpec) -> list[str]:
        return ["fake", "run", spec.image]

    def drop(self, name: str, begun: object) -> None:
        raise AssertionError("no client of another engine is known here")

    def prepare(self, spec: RunSpec, begun: object = None) -> FakePrepared | None:
        assert begun is None, "no client of another engine is known here"
        name = spec.labels[LABEL_DIR]
        if spec.services or spec.docker or not self.prepares:
            return None
        self._note(f"prepare {name}")
        assert spec.image.removeprefix("id ") in self._there, f"{spec.image!r} is not there"
        return FakePrepared(self, spec)

    def by_hand(self, spec: RunSpec, command: Sequence[str]) -> list[str]:
        return ["fake", spec.image, *(str(mount.path) for mount in spec.mounts), *command]

    def reap(self) -> int:
        self._note("reap")
        return 0

    def finish(self) -> None:
        self._note("finish")

    def _note(self, call: str) -> None:
        with self._lock:
            self.calls.append(call)


class FakePrepared:
    """Stands for a container that waits."""

    def __init__(self, engine: FakeEngine, spec: RunSpec) -> None:
        self._engine = engine
        self._spec = spec
        engine.waiting.append(spec.name)

    def go(self, order: str, nonce: str, log: Path, timeout: float, control: Control) -> Outcome | None:
        name = self._spec.labels[LABEL_DIR]
        if self._spec.name not in self._engine.waiting:
            self._engine._note(f"lost {name}")
            return None
        self._engine.waiting.remove(self._spec.name)
        self._engine._note(f"go {name}")
        spec = replace(self._spec, argv=(*self._spec.argv[:-1], order), nonce=nonce)
        return self._engine.run(spec, log, timeout, control)

    def drop(self) -> None:
        self._engine._note(f"drop {self._spec.labels[LABEL_DIR]}")
        if self._spec.name in self._engine.waiting:
            self._engine.waiting.remove(self._spec.name)


def as_engine(fake: FakeEngine) -> Engine:
    """Return the fake as what it stands for; mypy holds the two together."""
    return fake
