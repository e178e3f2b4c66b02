"""The jobs of the generated workflow, run as on GitHub: the plan, one job for each directory, and the last one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from helpers.generate import workflow
from helpers.test.conftest import Scratch
from helpers.test.workflow_steps import KINDS, Runner

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
    last = machine.run(
        "helpers", {"needs.plan.result": "success", "needs.test.result": result, "needs.plan.outputs.refused": ""}
    )
    assert last.returncode == max(codes)
    assert not list(scratch.root.rglob("PWNED"))


def test_shards_test_each_directory_once_and_the_last_job_joins_what_they_left(
    scratch: Scratch, tmp_path: Path
) -> None:
    names = ["good", "it's $(touch PWNED)", "red"]
    for number, name in enumerate(names):
        scratch.add(name, FAILS if name == "red" else PASSES, image=f"image{number}")
    text = workflow.workflow(2).text or ""
    first = Runner(scratch.root, tmp_path / "first", text)
    first.temp.mkdir()
    planned = first.run("plan", {})
    assert planned.returncode == 0, planned.stderr
    rows = json.loads(first.output("plan"))["shard_jobs"]
    assert [(row["shard"], row["platform"]) for row in rows] == [("1/2", "linux/amd64"), ("2/2", "linux/amd64")]
    codes = []
    for row in rows:
        machine = Runner(scratch.root, tmp_path / f"runner-{row['id']}", text)
        machine.temp.mkdir()
        told = {"matrix.shard.shard": row["shard"], "matrix.shard.platform": row["platform"]}
        done = machine.run("test", {**told, "vars.TEST_TIER || 'all'": "all"})
        codes.append(done.returncode)
        # As the two actions do with artifacts.
        kept = tmp_path / "last" / "shards" / f"shard-{row['id']}"
        kept.mkdir(parents=True)
        for file in ("result.json", "junit.xml"):
            shutil.copy(machine.temp / file, kept)
    last = Runner(scratch.root, tmp_path / "last", text)
    kinds = {KINDS: " ".join(row["architecture"] for row in rows)}
    joined = last.run("helpers", {"needs.plan.result": "success", "needs.test.result": "failure", **kinds})
    result = json.loads((last.temp / "result.json").read_text())
    assert sorted(codes) == [0, 1] and joined.returncode == 1, joined.stderr
    found = {item["directory"]: item["verdict"] for item in result["directories"]}
    assert found == {"good": "PASS", "it's $(touch PWNED)": "PASS", "red": "FAIL"}
    assert result["exit_code"] == 1 and "3 directories: 2 PASS, 1 FAIL" in joined.stdout
    assert not list(scratch.root.rglob("PWNED"))
