"""The jobs of the generated workflow, run as on GitHub: the plan, one job for each directory, and the last one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.generate import workflow
from helpers.test.conftest import Scratch
from helpers.test.workflow_steps import Runner

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PASSES = "def test_it():\n    assert True\n"
FAILS = "def test_it():\n    assert False\n"


@pytest.mark.parametrize("test, codes", [(PASSES, [0, 0]), (FAILS, [0, 1])])
def test_each_directory_is_tested_and_one_red_one_makes_the_last_job_red(
    scratch: Scratch, tmp_path: Path, test: str, codes: list[int]
) -> None:
    scratch.add("good", PASSES, image="good")
    scratch.add("it's $(touch PWNED)", test, image="other")
    temp = tmp_path / "runner"
    temp.mkdir()
    machine = Runner(scratch.root, temp, workflow.workflow().text or "")
    planned = machine.run("plan", {})
    assert planned.returncode == 0, planned.stderr
    names = [item["directory"] for item in json.loads(machine.output("plan"))["directories"]]
    ended = []
    for name in names:
        done = machine.run("test", {"matrix.dir.directory": name, "vars.TEST_TIER || 'all'": "all"})
        result = json.loads((temp / "result.json").read_text())
        assert [item["directory"] for item in result["directories"]] == [name], done.stderr
        assert (temp / "junit.xml").exists()
        ended.append(done.returncode)
    assert (names, ended) == (["good", "it's $(touch PWNED)"], codes)
    result = "failure" if any(ended) else "success"
    last = machine.run("helpers", {"needs.plan.result": "success", "needs.test.result": result})
    assert last.returncode == max(codes)
    assert not list(scratch.root.rglob("PWNED"))
