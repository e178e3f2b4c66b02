"""The same cases on every engine: the fake that unit tests trust, the embedded engine, and the live docker engine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from helpers import discover
from helpers.driver import plan as planner
from helpers.driver.run import Options, Run
from helpers.driver.verdict import Verdict
from helpers.engine.seam import Control
from helpers.errors import BuildError
from helpers.test.conftest import Scratch
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


def _as_tuple(item: Verdict) -> tuple[str, int, int, int, int]:
    return item.status.value, item.code, item.passed, item.failed, item.skipped


def _made(path: Path) -> Path:
    path.mkdir()
    return path
