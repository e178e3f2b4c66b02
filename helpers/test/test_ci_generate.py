"""`ci_generate`: the file that it writes, and what the steps in it do when a runner runs them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from helpers.driver import plan
from helpers.errors import PolicyError, UsageError
from helpers.generate import workflow
from helpers.repos import shared_files
from helpers.test.conftest import ROOT
from helpers.test.unit_fixtures import add_dir, cache, make_repo
from helpers.test.workflow_steps import Runner, jobs, steps

__all__ = ["cache"]

TEXT = workflow.workflow().text or ""
# Each would run something, or end a word, where it is pasted into a script.
HOSTILE = ["$(touch PWNED)", "`touch PWNED`", "a b", "it's", 'say "x"', "${{ github.token }}", "x; touch PWNED", "-rf"]
# Stands for the driver: it says with which words it was called.
ECHO = "#!/usr/bin/env python3\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n"


@pytest.fixture
def root(tmp_path: Path, cache: Path) -> Path:
    """An empty repo that has helpers."""
    path = make_repo(tmp_path / "a repo")
    (path / "helpers").symlink_to(shared_files.PACKAGE)
    shutil.copy2(ROOT / "main_pytest.py", path)
    return path


def runner(root: Path, tmp_path: Path) -> Runner:
    temp = tmp_path / "temp of the runner"
    temp.mkdir(exist_ok=True)
    return Runner(root, temp, TEXT)


@pytest.mark.slow
def test_github_knows_every_key_of_it() -> None:
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*check, str(workflow.TEMPLATE)], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_action_is_pinned_by_its_commit_with_the_version_beside_it() -> None:
    uses = re.findall(r"uses: (.*)", TEXT)
    assert len(uses) == 4
    assert [line for line in uses if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []
    versions = {line.partition("@")[0]: line for line in uses}
    assert len(set(uses)) == len(versions)


def test_it_may_read_the_repo_and_nothing_else_and_leaves_no_token_in_the_checkout() -> None:
    data = yaml.safe_load(TEXT)
    assert data["permissions"] == {"contents": "read"}
    assert [job.get("permissions") for job in data["jobs"].values()] == [None, None, {}]
    checkouts = [step["with"] for step in steps(TEXT) if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == 2
    for given in checkouts:
        assert (given["persist-credentials"], given["submodules"]) == (False, "recursive")


def test_no_expression_stands_in_a_script() -> None:
    scripts = [step["run"] for step in steps(TEXT) if "run" in step]
    assert len(scripts) == 4
    assert [script for script in scripts if "${{" in script] == []


def test_what_an_archive_base_needs_is_installed_for_a_directory_that_has_one(root: Path) -> None:
    add_dir(root, "a", 'base = "archive:trixie"')
    (planned,) = plan.make(root, [root / "a"], [root / "a"], "fast").as_data()["directories"]
    (step,) = (item for item in steps(TEXT) if "apt-get" in item.get("run", ""))
    wanted = re.fullmatch(r"contains\(join\(matrix\.dir\.builds\), '(.*)'\)", step["if"])
    assert wanted and wanted[1] in ",".join(planned["builds"])
    installer = (ROOT / "helpers" / "engine" / "install_engine.sh").read_text()
    packages = step["run"].split("--no-install-recommends ")[1].split()
    assert len(packages) == 3 and [name for name in packages if name not in installer] == []


def test_the_last_job_waits_for_all_others_and_every_job_ends_some_time() -> None:
    found = jobs(TEXT)
    *others, last = found
    assert (found[last]["needs"], found[last]["if"]) == (others, "always()")
    assert all("timeout-minutes" in job for job in found.values())
    assert found["test"]["strategy"]["fail-fast"] is False


@pytest.mark.parametrize("plan", ["success", "failure", "cancelled", "skipped", ""])
@pytest.mark.parametrize("test", ["success", "failure", "cancelled", "skipped", ""])
def test_the_last_job_is_green_only_when_both_others_are(tmp_path: Path, plan: str, test: str) -> None:
    done = runner(tmp_path, tmp_path).run("helpers", {"needs.plan.result": plan, "needs.test.result": test})
    assert (done.returncode == 0) is (plan == test == "success"), done.stdout


@pytest.mark.parametrize("name", HOSTILE)
def test_a_directory_of_any_name_is_one_word_for_the_driver_and_runs_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "main_pytest.py").write_text(ECHO)
    (tmp_path / "main_pytest.py").chmod(0o755)
    machine = runner(tmp_path, tmp_path)
    done = machine.run("test", {"matrix.dir.directory": name, "vars.TEST_TIER || 'all'": name})
    assert done.returncode == 0, done.stderr
    results = ["--json", str(machine.temp / "result.json"), "--junit", str(machine.temp / "junit.xml")]
    assert json.loads(done.stdout) == ["--engine", "docker", f"--dir={name}", f"--tier={name}", *results]
    assert not (tmp_path / "PWNED").exists()


@pytest.mark.host
@pytest.mark.slow
def test_the_plan_has_every_directory_also_a_wrong_one_and_names_run_nothing(root: Path, tmp_path: Path) -> None:
    names = [*HOSTILE, "deep/below", "wrong"]
    for name in names:
        add_dir(root, name, "tiemout = 1" if name == "wrong" else "timeout = 90")
    machine = runner(root, tmp_path)
    done = machine.run("plan", {})
    assert done.returncode == 0, done.stderr
    found = {item["directory"]: item for item in json.loads(machine.output("plan"))["directories"]}
    assert sorted(found) == sorted(names)
    assert "tiemout" in found.pop("wrong")["error"]
    assert {item["minutes"] for item in found.values()} == {2 + 2 * 30}
    assert all(re.fullmatch(r"[\w.~-]+", item["id"], re.ASCII) for item in found.values())
    assert not list(root.rglob("PWNED"))


@pytest.mark.host
@pytest.mark.slow
def test_a_repo_without_a_directory_is_red(root: Path, tmp_path: Path) -> None:
    machine = runner(root, tmp_path)
    done = machine.run("plan", {})
    assert (done.returncode, machine.output("plan")) == (5, "")
    assert "no runnable dir" in done.stderr


def test_it_is_written_once_and_then_as_generated(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = root / workflow.PATH
    assert workflow.main(cwd=root, check=True) == 1
    assert workflow.main(cwd=root, dry_run=True) == 0
    assert not file.exists()
    assert workflow.main(cwd=root) == 0
    assert capsys.readouterr().out.splitlines() == [f"add      {workflow.PATH}"] * 3
    assert file.read_text() == TEXT
    assert workflow.main(cwd=root / ".github", check=True) == workflow.main(cwd=root) == 0
    assert capsys.readouterr().out == ""


def test_a_change_of_one_byte_is_drift_and_is_shown(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    workflow.main(cwd=root)
    file = root / workflow.PATH
    file.write_text(TEXT.replace("fail-fast: false", "fail-fast: talse"))
    assert workflow.main(cwd=root, check=True) == 1
    captured = capsys.readouterr()
    assert "  -      fail-fast: talse" in captured.out.splitlines()
    assert "fix: invoke ci_generate" in captured.err
    assert "talse" in file.read_text()
    assert workflow.main(cwd=root) == 0
    assert file.read_text() == TEXT


def test_a_file_of_the_users_is_refused_and_kept_when_it_is_replaced(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = root / workflow.PATH
    file.parent.mkdir(parents=True)
    file.write_text("name: mine\n")
    with pytest.raises(PolicyError, match="of yours") as caught:
        workflow.main(cwd=root)
    assert caught.value.exit_code == 4
    assert "  -name: mine" in capsys.readouterr().out.splitlines()
    assert file.read_text() == "name: mine\n"
    assert workflow.main(cwd=root, check=True) == 1
    assert workflow.main(cwd=root, overwrite=True) == 0
    assert (file.read_text(), Path(f"{file}.orig").read_text()) == (TEXT, "name: mine\n")
    file.write_text("name: mine again\n")
    assert workflow.main(cwd=root, overwrite=True) == 0
    kept = [Path(f"{file}.orig").read_text(), Path(f"{file}.orig.2").read_text()]
    assert kept == ["name: mine\n", "name: mine again\n"]


def test_nothing_is_written_through_a_link_nor_in_a_repo_without_helpers(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (root / ".github").symlink_to(tmp_path / "outside")
    with pytest.raises(PolicyError, match="is a link"):
        workflow.main(cwd=root, overwrite=True)
    assert list((tmp_path / "outside").iterdir()) == []
    other = make_repo(tmp_path / "other")
    with pytest.raises(UsageError, match="whose directory helpers/ is this helpers"):
        workflow.main(cwd=other)
