"""Settings are a stranger's data: a value that a shell would run is refused by name, or is text and nothing else."""

from __future__ import annotations

import json
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest

from helpers import discover
from helpers.driver import plan as planner
from helpers.model.settings import Settings
from helpers.test.conftest import Scratch
from helpers.test.unit_fixtures import add_dir, cache, make_repo

__all__ = ["cache"]
HOSTILE = ("$(touch PWNED)", "`touch PWNED`", "; touch PWNED #", "--upload-pack=touch PWNED", "x\ntouch PWNED")
TEXTS = [item.name for item in fields(Settings) if isinstance(item.default, (str, tuple))]
# Settings in which any text is sound: paths, patterns, and words of a command that no shell sees.
ANY_TEXT = {
    "tests",
    "not_tests",
    "uses",
    "python_path",
    "writable",
    "env_file",
    "code",
    "entrypoint",
    "prod_allows",
    "platforms",
    "sync",
}


def test_every_setting_that_is_a_text_is_known_here() -> None:
    assert {"base", "registry", "env", "system_packages", "network", "docker", "memory"} <= set(TEXTS) - ANY_TEXT


@pytest.mark.parametrize("key", TEXTS)
@pytest.mark.parametrize("value", HOSTILE)
def test_planning_runs_no_value_and_names_what_it_refuses(tmp_path: Path, cache: Path, key: str, value: str) -> None:
    root = make_repo(tmp_path / "r")
    default = next(item.default for item in fields(Settings) if item.name == key)
    text = json.dumps([value] if isinstance(default, tuple) else value)
    add_dir(root, "a", f"{key} = {text}")
    (item,) = planner.make(root, [root / "a"], discover.runnable_paths(root), "fast").dirs
    assert not list(tmp_path.rglob("PWNED*"))
    if key not in ANY_TEXT:
        assert item.error and key in item.error.what and item.error.exit_code == 2


@pytest.mark.host
@pytest.mark.slow
def test_shell_and_commands_run_nothing_that_a_checkout_says(tmp_path: Path) -> None:
    scratch = Scratch(tmp_path / "r")
    settings = 'uses = ["$(touch PWNED)"]\nentrypoint = ["$(touch PWNED)"]'
    path = add_dir(scratch.root, "$(touch PWNED)", settings)
    (path / "changelog.txt").write_text("# $(touch PWNED)-1.0.0\n- 2026-01-01\n- `touch PWNED`\n")
    scratch.git("config", "alias.status", "!touch PWNED")
    scratch.git("config", "core.fsmonitor", "touch PWNED; false")
    for task, code in (("dir_list", 2), ("dir_check --dir *PWNED*", 2), ("repo_status", 0)):
        command = ["bash", "-c", f"source dev_scripts/setenv.sh && invoke {task}"]
        done = subprocess.run(command, cwd=scratch.root, capture_output=True, encoding="utf-8")
        assert done.returncode == code, done.stdout + done.stderr
    for options in (["--list"], ["--engine", "venv"]):
        ran = scratch.run(*options)
        assert ran.code == 2 and "PWNED" in ran.stdout
    assert [path.name for path in tmp_path.rglob("*PWNED*")] == ["$(touch PWNED)"]
