"""`ci_generate --shards`: which shards run on which machine, and how their results are joined."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from helpers.driver import cli
from helpers.errors import UsageError
from helpers.generate import workflow
from helpers.test.conftest import ROOT
from helpers.test.unit_fixtures import add_dir, cache, git
from helpers.test.workflow_steps import ECHO, KINDS, SHARDS, TEXT, jobs, root, runner

__all__ = ["cache", "root"]


def test_directory_is_in_a_shard_on_a_machine_of_each_of_its_platforms(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add_dir(root, "a")
    add_dir(root, "b", 'platforms = ["linux/amd64", "linux/arm64"]')
    add_dir(root, "c", 'platforms = ["linux/arm64"]')
    add_dir(root, "d", "tiemout = 1")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "more")
    monkeypatch.chdir(root)
    step = next(step for step in jobs(SHARDS)["plan"]["steps"] if "run" in step)
    (words,) = re.findall(r"main_pytest.py (--list .*) --json", step["run"])
    assert cli.main([*words.split(), "--json", str(tmp_path / "plan.json")], root) == 2
    rows = json.loads((tmp_path / "plan.json").read_text())["shard_jobs"]
    amd, arm = "linux/amd64", "linux/arm64"
    assert [(row["name"], row["shard"], row["platform"]) for row in rows] == [
        *((f"{number}/3", f"{number}/3", amd) for number in (1, 2, 3)),
        *((f"{number}/2 ({arm})", f"{number}/2", arm) for number in (1, 2)),
    ]
    assert yaml.safe_load(SHARDS)["jobs"]["test"]["strategy"]["matrix"]["shard"].endswith(".shard_jobs }}")
    assert jobs(SHARDS)["test"]["runs-on"] == jobs(TEXT)["test"]["runs-on"].replace("matrix.dir.", "matrix.shard.")
    tested = []
    for row in rows:
        given = [f"--platform={row['platform']}", f"--shard={row['shard']}", "--json", str(tmp_path / "part.json")]
        assert cli.main(["--list", *given], root) in (0, 2)
        part = json.loads((tmp_path / "part.json").read_text())
        tested += [(one["directory"], row["platform"]) for one in part["directories"]]
    assert sorted(tested) == [("a", amd), ("b", amd), ("b", arm), ("c", arm), ("d", amd)]
    capsys.readouterr()


def test_artifacts_of_two_shards_have_different_names() -> None:
    given = [step.get("with", {}) for step in jobs(SHARDS)["test"]["steps"]]
    names = [one["name"] for one in given if "name" in one]
    assert names == ["shard-${{ matrix.shard.id }}", "logs-${{ matrix.shard.id }}"]


def test_a_shard_and_its_platform_are_one_word_each_for_the_driver(tmp_path: Path) -> None:
    assert "SHARDS" not in SHARDS
    (tmp_path / "main_pytest.py").write_text(ECHO)
    (tmp_path / "main_pytest.py").chmod(0o755)
    machine = runner(tmp_path, tmp_path, SHARDS)
    platform = {"matrix.shard.platform": "a $(touch PWNED)"}
    done = machine.run("test", {"matrix.shard.shard": "2/3", **platform, "vars.TEST_TIER || 'all'": "a b; touch PWNED"})
    results = ["--json", str(machine.temp / "result.json"), "--junit", str(machine.temp / "junit.xml")]
    given = ["--engine", "docker", "--platform=a $(touch PWNED)", "--shard=2/3", "--tier=a b; touch PWNED"]
    assert json.loads(done.stdout) == [*given, *results]
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.parametrize(
    ("listing", "installs"),
    [('{"builds": ["helpers-archive:bookworm-1"]}', True), ('{"builds": []}', False), ("", False)],
)
def test_what_an_archive_base_needs_is_installed_in_a_shard_that_has_one(
    tmp_path: Path, listing: str, installs: bool
) -> None:
    machine = runner(tmp_path, tmp_path, SHARDS)
    (tmp_path / "main_pytest.py").write_text(f"#!/bin/sh\nprintf '%s' '{listing}' > \"$5\"\nexit 2\n")
    (tmp_path / "sudo").write_text('#!/bin/sh\necho "$@"\n')
    for name in ("main_pytest.py", "sudo"):
        (tmp_path / name).chmod(0o755)
    first, *_ = (step for step in machine.jobs["test"]["steps"] if "run" in step)
    machine.jobs["test"]["steps"] = [first]
    machine.environ["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    done = machine.run("test", {"matrix.shard.shard": "1/3", "matrix.shard.platform": "linux/amd64"})
    assert done.returncode == 0 and ("mmdebstrap" in done.stdout) is installs


def shard_result(number: int, code: int, verdict: str) -> str:
    """Return the result of a shard of two with one directory."""
    one = {
        **{"directory": f"d{number}", "verdict": verdict, "exit_code": code, "passed": 1, "failed": 0, "skipped": 0},
        **{"seconds": 1.0, "image": "", "why": "", "failures": [], "log": "", "cached": False, "again": []},
    }
    shard = {"number": number, "of": 2, "split": "abc"}
    about = {"exit_code": code, "interrupted": False, "engine": "docker", "shard": shard, "junit": "junit.xml"}
    return json.dumps({**about, "directories": [one]})


@pytest.mark.host
@pytest.mark.slow
def test_the_last_job_of_shards_joins_all_and_is_green_only_when_every_one_is(root: Path, tmp_path: Path) -> None:
    for name in ("tasks.py", "invoke.yaml"):
        shutil.copy2(ROOT / name, root)
    shutil.copytree(ROOT / "dev_scripts", root / "dev_scripts")
    one, two, red = (1, 0, "PASS"), (2, 0, "PASS"), (2, 1, "FAIL")
    cases: list[tuple[list[tuple[int, int, str]], str, int]] = [
        ([one, two], "success", 0),
        ([one, red], "failure", 1),
        # A result that is there says nothing of a job that ended badly.
        ([one, two], "cancelled", 1),
        ([one, red], "success", 1),
        ([one], "success", 2),
        ([], "", 1),
    ]
    for case, (shards, test, code) in enumerate(cases):
        machine = runner(root, tmp_path / f"{case}", SHARDS)
        (machine.temp / "shards").mkdir()
        for number, its_code, verdict in shards:
            folder = machine.temp / "shards" / f"shard-amd64-{number}-of-2"
            folder.mkdir()
            (folder / "result.json").write_text(shard_result(number, its_code, verdict))
            (folder / "junit.xml").write_text(f'<testsuites><testsuite name="d{number}" tests="0"/></testsuites>')
        done = machine.run("helpers", {"needs.plan.result": "success", "needs.test.result": test, KINDS: "amd64 amd64"})
        assert done.returncode == code, f"{case}: {done.stdout}{done.stderr}"
        if len(shards) == 2:
            assert len(json.loads((machine.temp / "result.json").read_text())["directories"]) == 2
            assert (machine.temp / "junit.xml").exists()


@pytest.mark.host
@pytest.mark.slow
def test_the_last_job_of_shards_joins_each_platform_apart(root: Path, tmp_path: Path) -> None:
    for name in ("tasks.py", "invoke.yaml"):
        shutil.copy2(ROOT / name, root)
    shutil.copytree(ROOT / "dev_scripts", root / "dev_scripts")
    for case, (arm, kinds, plan, code) in enumerate(
        [
            (0, "amd64 arm64", "success", 0),
            (1, "arm64 amd64", "success", 1),
            (None, "amd64 arm64", "success", 2),
            (0, "amd64 arm64", "failure", 1),
            (0, "", "failure", 1),
        ]
    ):
        machine = runner(root, tmp_path / f"{case}", SHARDS)
        for kind, its_code in (("amd64", 0), ("arm64", arm)):
            folder = machine.temp / "shards" / f"shard-{kind}-1-of-1"
            if its_code is not None:
                folder.mkdir(parents=True)
                result = json.loads(shard_result(1, its_code, "FAIL" if its_code else "PASS"))
                # The same directory may be tested on both.
                result["shard"] = {"number": 1, "of": 1, "split": kind}
                (folder / "result.json").write_text(json.dumps(result))
                (folder / "junit.xml").write_text('<testsuites><testsuite name="d1" tests="0"/></testsuites>')
        said = {"needs.plan.result": plan, "needs.test.result": "success", KINDS: kinds}
        done = machine.run("helpers", said)
        assert done.returncode == code, f"{case}: {done.stdout}{done.stderr}"
        assert (machine.temp / "result-arm64.json").exists() is (arm is not None and bool(kinds))


def test_the_number_of_shards_stays_until_another_one_is_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = root / workflow.PATH
    assert workflow.main(cwd=root, shards="3") == 0 and file.read_text() == SHARDS
    assert workflow.main(cwd=root, check=True) == workflow.main(cwd=root) == 0
    assert workflow.main(cwd=root, shards="2", check=True) == 1
    # An edit does not hide it.
    file.write_text(SHARDS.replace("fail-fast: false", "fail-fast: true"))
    assert workflow.main(cwd=root) == 0 and file.read_text() == SHARDS
    assert workflow.main(cwd=root, shards="0") == 0 and file.read_text() == TEXT
    # So it did before helpers 0.2.
    file.write_text(f'{workflow.MARK}\n        shard: ["1/2", "2/2"]\n')
    assert workflow.main(cwd=root) == 0 and file.read_text() == workflow.workflow(2).text
    file.write_text(f"name: mine\n{SHARDS}")
    assert workflow.main(cwd=root, overwrite=True) == 0 and file.read_text() == TEXT


@pytest.mark.parametrize("shards", ["-1", "x", "1/2", "257", "9" * 5000, "²"])
def test_what_is_no_number_of_jobs_is_bad_usage_and_writes_nothing(root: Path, shards: str) -> None:
    with pytest.raises(UsageError, match="is no number of jobs"):
        workflow.main(cwd=root, shards=shards)
    assert not (root / workflow.PATH).exists()
