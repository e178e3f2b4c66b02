"""`ci_generate`: the file that it writes, and what the steps in it do when a runner runs them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from helpers.driver import plan
from helpers.errors import PolicyError, UsageError
from helpers.generate import workflow
from helpers.test.conftest import ROOT
from helpers.test.unit_fixtures import add_dir, cache, git, make_repo
from helpers.test.workflow_steps import ECHO, SHARDS, TEXT, jobs, root, runner, steps

__all__ = ["cache", "root"]

both = pytest.mark.parametrize("text", [TEXT, SHARDS], ids=["directories", "shards"])
# Each would run something, or end a word, where it is pasted into a script.
HOSTILE = ["$(touch PWNED)", "`touch PWNED`", "a b", "it's", 'say "x"', "${{ github.token }}", "x; touch PWNED", "-rf"]


@both
@pytest.mark.slow
def test_github_knows_every_key_of_it(tmp_path: Path, text: str) -> None:
    (tmp_path / "w.yml").write_text(text)
    check = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    done = subprocess.run([*check, str(tmp_path / "w.yml")], capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_action_is_pinned_by_its_commit_with_the_version_beside_it() -> None:
    found = [re.findall(r"uses: (.*)", text) for text in (TEXT, SHARDS)]
    assert [len(uses) for uses in found] == [4, 8]
    uses = [line for text in found for line in text]
    assert [line for line in uses if not re.fullmatch(r"actions/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []
    versions = {line.partition("@")[0]: line for line in uses}
    assert len(set(uses)) == len(versions)


@both
def test_it_may_read_the_repo_and_nothing_else_and_leaves_no_token_in_the_checkout(text: str) -> None:
    data = yaml.safe_load(text)
    assert data["permissions"] == {"contents": "read"}
    assert [job["permissions"] for job in data["jobs"].values() if "permissions" in job] == [{}] * (text == TEXT)
    checkouts = [step["with"] for step in steps(text) if step.get("uses", "").startswith("actions/checkout@")]
    assert len(checkouts) == (2 if text == TEXT else 3)
    for given in checkouts:
        assert (given["persist-credentials"], given["submodules"]) == (False, "recursive")


@both
@pytest.mark.parametrize(
    "pull, head, forks, own, policy",
    [
        ("x", "stranger/repo", "", "default,git", "strict"),
        # GitHub has no head of a removed repo.
        ("x", "", "", "", "strict"),
        ("x", "stranger/repo", "network", "git", "network"),
        ("x", "team/repo", "network", "", ""),
        ("", "", "network", "default,git", "default,git"),
    ],
)
def test_a_pull_request_of_another_repo_weakens_nothing(
    text: str, pull: str, head: str, forks: str, own: str, policy: str
) -> None:
    words = {
        **{"github.event.pull_request.head.repo.full_name": head, "github.event.pull_request": pull},
        **{"github.repository": "team/repo", "vars.HELPERS_POLICY_FORKS": forks, "vars.HELPERS_POLICY": own},
        **{"&&": "and", "||": "or"},
    }
    expression = yaml.safe_load(text)["env"]["HELPERS_POLICY"].removeprefix("${{ ").removesuffix(" }}")
    for word, value in words.items():
        expression = expression.replace(word, value if value in ("and", "or") else repr(value))
    assert eval(expression, {}) == policy


@both
def test_no_expression_stands_in_a_script(text: str) -> None:
    scripts = [step["run"] for step in steps(text) if "run" in step]
    assert len(scripts) == 4
    assert [script for script in scripts if "${{" in script] == []


def test_what_an_archive_base_needs_is_installed_for_a_directory_that_has_one(root: Path) -> None:
    add_dir(root, "a", 'base = "archive:trixie"')
    (planned,) = plan.make(root, [root / "a"], [root / "a"], "fast").as_data()["jobs"]
    (step,) = (item for item in steps(TEXT) if "apt-get" in item.get("run", ""))
    wanted = re.fullmatch(r"contains\(join\(matrix\.dir\.builds\), '(.*)'\)", step["if"])
    assert wanted and wanted[1] in ",".join(planned["builds"])
    installer = (ROOT / "helpers" / "engine" / "install_engine.sh").read_text()
    packages = step["run"].split("--no-install-recommends ")[1].split()
    assert len(packages) == 3 and [name for name in packages if name not in installer] == []


def test_directory_has_a_job_on_a_machine_of_each_of_its_platforms(root: Path) -> None:
    add_dir(root, "a")
    add_dir(root, "b", 'platforms = ["linux/amd64", "linux/arm64"]')
    add_dir(root, "c", 'platforms = ["linux/arm64"]')
    add_dir(root, "d", "tiemout = 1")
    every = [root / name for name in "abcd"]
    found = plan.make(root, every, every, "fast").as_data()["jobs"]
    amd, arm = "linux/amd64", "linux/arm64"
    assert [(job["name"], job["directory"], job["platform"]) for job in found] == [
        *(("a", "a", amd), ("b", "b", amd), (f"b ({arm})", "b", arm), (f"c ({arm})", "c", arm), ("d", "d", amd)),
    ]
    assert len({job["id"] for job in found}) == len(found)
    runs_on = jobs(TEXT)["test"]["runs-on"].removeprefix("${{ ").removesuffix(" }}")
    runs_on = runs_on.replace("matrix.dir.platform", "platform").replace("&&", "and").replace("||", "or")
    machines = [eval(runs_on, {"platform": job["platform"]}) for job in found]
    assert machines == [f"ubuntu-24.04{'-arm' if job['platform'] == arm else ''}" for job in found]
    assert yaml.safe_load(TEXT)["jobs"]["test"]["strategy"]["matrix"]["dir"].endswith(".jobs }}")


@both
def test_artifact_of_a_job_that_is_run_again_replaces_the_first_one(text: str) -> None:
    uploads = [step["with"] for step in steps(text) if "upload-artifact" in step.get("uses", "")]
    assert uploads and all(given["overwrite"] is True for given in uploads)


@pytest.mark.parametrize("remote", ["origin", "upstream"])
@pytest.mark.parametrize(
    ("branch", "branches"),
    [
        ("main", ["main", "master"]),
        ("master", ["main", "master"]),
        ("trunk", ["trunk"]),
        ("release/1.0", ["release/1.0"]),
        ("c++", ["c\\+\\+"]),
        ('a"b', ['a"b']),
        ("", ["main", "master"]),
    ],
)
def test_workflow_runs_for_the_default_branch_of_the_remote(
    root: Path, remote: str, branch: str, branches: list[str]
) -> None:
    git(root, "remote", "add", remote, "https://example.invalid/x.git")
    if branch:
        git(root, "symbolic-ref", f"refs/remotes/{remote}/HEAD", f"refs/remotes/{remote}/{branch}")
    for shards in ("0", "2"):
        assert workflow.main(cwd=root, shards=shards) == workflow.main(cwd=root, check=True) == 0
        # YAML 1.1 takes the key `on` for true.
        assert yaml.safe_load((root / workflow.PATH).read_text())[True]["push"]["branches"] == branches


def test_what_both_kinds_have_in_common_is_the_same() -> None:
    one, other = (yaml.safe_load(text) for text in (TEXT, SHARDS))
    assert {key: value for key, value in one.items() if key != "jobs"} == {
        key: value for key, value in other.items() if key != "jobs"
    }
    installs = [step["run"] for text in (TEXT, SHARDS) for step in steps(text) if "apt-get" in step.get("run", "")]
    lines = [[line.strip() for line in text.splitlines() if "apt-get" in line] for text in installs]
    assert len(lines) == 2 and lines[0] == lines[1]


@both
def test_the_last_job_waits_for_all_others_and_every_job_ends_some_time(text: str) -> None:
    found = jobs(text)
    *others, last = found
    needs = found[last]["needs"]
    assert (needs if isinstance(needs, list) else [needs], found[last]["if"]) == (others, "always()")
    assert all("timeout-minutes" in job for job in found.values())
    assert found["test"]["strategy"]["fail-fast"] is False


@pytest.mark.parametrize("plan", ["success", "failure", "cancelled", "skipped", ""])
@pytest.mark.parametrize("test", ["success", "failure", "cancelled", "skipped", ""])
def test_the_last_job_is_green_only_when_both_others_are(tmp_path: Path, plan: str, test: str) -> None:
    for refused in ("", "yes"):
        said = {"needs.plan.result": plan, "needs.test.result": test, "needs.plan.outputs.refused": refused}
        done = runner(tmp_path, tmp_path).run("helpers", said)
        assert (done.returncode == 0) is (plan == test == "success" and not refused), done.stdout


@pytest.mark.parametrize("name", HOSTILE)
def test_a_directory_of_any_name_is_one_word_for_the_driver_and_runs_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "main_pytest.py").write_text(ECHO)
    (tmp_path / "main_pytest.py").chmod(0o755)
    machine = runner(tmp_path, tmp_path)
    done = machine.run("test", {"matrix.dir.directory": name, "vars.TEST_TIER || 'all'": name})
    assert done.returncode == 0, done.stderr
    results = ["--json", str(machine.temp / "result.json"), "--junit", str(machine.temp / "junit.xml")]
    assert json.loads(done.stdout) == ["--engine", "docker", f"--dir={name}", "--only-this", f"--tier={name}", *results]
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
    assert sorted(job["directory"] for job in json.loads(machine.output("plan"))["jobs"]) == sorted(names)
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
