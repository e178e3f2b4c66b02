"""The commands that `repo_example` prints, given one after the other."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from helpers.test.conftest import ROOT, images_removed, thin_env

pytestmark = pytest.mark.engine


def test_commands_that_the_example_prints_work(tmp_path: Path) -> None:
    config = tmp_path / "gitconfig"
    config.write_text("[user]\n\tname = t\n\temail = t@example.invalid\n")
    env = {**os.environ, "GIT_CONFIG_GLOBAL": str(config), "GIT_CONFIG_NOSYSTEM": "1"}
    invoke = [str(thin_env() / "bin" / "invoke"), "repo_example", str(tmp_path / "example")]
    printed = subprocess.run(invoke, cwd=ROOT, env=env, check=True, capture_output=True, encoding="utf-8").stdout
    shell = ["bash", "--norc", "-ec", f"exec 2>&1\n{printed}\ngit status --porcelain --branch"]
    with images_removed("example-orders", "example-shelves"):
        done = subprocess.run(shell, cwd=ROOT, env=env, stdout=subprocess.PIPE, encoding="utf-8", timeout=1200)
    assert done.returncode == 0, done.stdout
    for name in ("sales/orders", "stock/shelves"):
        # One test waits for the change of the library.
        counts = [line.split()[:5] for line in done.stdout.splitlines() if line.startswith(name)]
        assert counts == [[name, "PASS", "3", "0", "1"], [name, "PASS", "4", "0", "0"]], done.stdout
    assert "payroll  -" in done.stdout and "no access" in done.stdout
    assert "to origin/main" in done.stdout and done.stdout.endswith("\n## main...origin/main\n"), done.stdout
