"""The commands of README.md: a new user types the blocks word by word."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from helpers.test.conftest import ROOT, Scratch, images_removed

SECTIONS = dict(re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL))
# Commands that no test here runs, with the reason.
NOT_RUN = {
    "./main_pytest.py": "tests the whole repo: `.ci/run` does",
    "dev_scripts/run_tests.sh": "is the command of `.ci/run`",
    "cd runnable_dirs/forecast": "a step to the next command",
    "invoke docker_bash": "opens a shell: test_live_shell.py",
    "invoke docker_cmd -- python -V": "needs an image of the directory: test_live_shell.py",
    "invoke run_fast_tests": "runs one tier as the driver does: test_live_agreement.py",
    "invoke docker_lock": "asks the index for all versions: test_live_lock.py",
    "main_pytest.py --watch": "runs until Ctrl-C: test_live_watch.py",
    "main_pytest.py --dir . -- --pdb": "waits for a person: test_live_debugging.py",
    "main_pytest.py --html ~/r.html": "writes into the home of the user: test_live_page.py",
}
RUN_HERE = ("source dev_scripts/setenv.sh", "invoke", "main_pytest.py --list")


def commands(section: str) -> list[str]:
    """Return the commands in the blocks of a section, without comments."""
    blocks = re.findall(r"^```\n(.*?)^```", SECTIONS[section], re.MULTILINE | re.DOTALL)
    lines = (re.sub(r"\s+# .*", "", line) for block in blocks for line in block.splitlines())
    return [line for line in lines if line]


def typed(lines: list[str], place: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run lines in bash."""
    env = {**os.environ, **env, "GIT_CONFIG_COUNT": "1"}
    env |= {"GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always"}
    script = "\n".join(["set -e", *lines])
    return subprocess.run(["bash", "-c", script], cwd=place, env=env, capture_output=True, encoding="utf-8")


def test_each_command_is_run_or_has_a_reason() -> None:
    found = {*commands("Try this repo"), *commands("Every day")}
    assert found == {*NOT_RUN, *RUN_HERE}


@pytest.mark.host
def test_helpers_is_added_to_a_repo_with_code(scratch: Scratch, tmp_path: Path) -> None:
    done = added(scratch, tmp_path, DOCKER_HOST=f"unix://{tmp_path}/no-engine")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^billing +PASS +1 .* billing%inputs-", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.engine
def test_helpers_is_added_to_a_repo_with_code_and_tests_it_in_a_container(scratch: Scratch, tmp_path: Path) -> None:
    with images_removed("billing"):
        done = added(scratch, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^billing +PASS +1 .* sha256:", done.stdout, re.MULTILINE), done.stdout


def added(scratch: Scratch, tmp_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    """Run the commands that add helpers to a repo, in a repo with code."""
    scratch.git("add", "--all")
    scratch.git("commit", "--quiet", "--message", "toolchain")
    scratch.git("subtree", "split", "-q", "-P", "helpers", "-b", "helpers")
    place = tmp_path / "repo with code"
    (place / "billing" / "tests").mkdir(parents=True)
    (place / "billing" / "pyproject.toml").write_text('[project]\nname = "billing"\nversion = "1.0"\n')
    (place / "billing" / "billing.py").write_text("TOTAL = 3\n")
    (place / "billing" / "tests" / "test_billing.py").write_text(
        "import billing\n\ndef test_total():\n    assert billing.TOTAL == 3\n"
    )
    subprocess.run(["git", "init", "--quiet", str(place)], check=True)
    lines = [line.replace("URL", f"'{scratch.root}'") for line in commands("Add it to your repo")]
    return typed(lines, place, **env)


@pytest.mark.host
def test_the_menu_and_the_plan_are_shown() -> None:
    done = typed([*RUN_HERE], ROOT, DOCKER_HOST="unix:///no/engine")
    assert done.returncode == 0, done.stderr
    assert "docker_bash" in done.stdout
    assert "runnable_dirs/forecast" in done.stdout
