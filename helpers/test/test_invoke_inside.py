"""What `invoke` does in a container that has no other one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import inside

SCRIPT = Path(inside.__file__).with_name("invoke.py")
MAIN = "import sys\nprint(sys.argv[1:])\nsys.exit(7)\n"

pytestmark = pytest.mark.slow


@pytest.fixture
def tool(tmp_path: Path) -> Path:
    """A runnable dir in a repo whose driver prints its arguments and ends with 7; its path has a space."""
    tool = tmp_path.resolve() / "r" / "my tool"
    (tool / "devops").mkdir(parents=True)
    (tool / "test").mkdir()
    (tool / "changelog.txt").touch()
    (tool.parent / "main_pytest.py").write_text(MAIN)
    (tool.parent / "tasks.py").touch()
    return tool


def run(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join((os.path.dirname(sys.executable), os.environ["PATH"]))
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        cwd=cwd,
        env={**os.environ, "PATH": path},
        capture_output=True,
        encoding="utf-8",
        timeout=30,
        check=False,
    )


@pytest.mark.parametrize(
    "task, tier",
    [
        ("run_fast_tests", "fast"),
        ("run_slow_tests", "slow"),
        ("run_superslow_tests", "superslow"),
        ("run_tests", "all"),
    ],
)
def test_a_tier_is_run_by_the_driver_for_the_enclosing_directory(tool: Path, task: str, tier: str) -> None:
    expected = f"{['--dir', str(tool), '--only-this', '--tier', tier, '--', '-k', 'a b', '-x']}\n"
    done = run(tool / "test", task, "--", "-k", "a b", "-x")
    assert (done.returncode, done.stdout, done.stderr) == (7, expected, "")
    old = run(tool / "test", task, "--args", "-k 'a b' -x")
    assert (old.returncode, old.stdout) == (7, expected)
    assert old.stderr == f"helpers: note: --args will be removed; write: invoke {task} -- -k 'a b' -x\n"


def test_another_directory_can_be_named(tool: Path) -> None:
    assert f"['--dir', '{tool}', " in run(tool.parent, "run_tests", "--dir", "my tool").stdout


@pytest.mark.parametrize(
    "arguments, code, says",
    [
        ([], 0, "run_fast_tests|run_slow_tests"),
        (["--list"], 0, "run_fast_tests|run_slow_tests"),
        (["docker_bash"], 2, "there is no task 'docker_bash' in a container"),
        (["run_tests", "--dir", ""], 2, "--dir '' is not a runnable dir"),
        (["run_tests", "--dir", "test"], 2, "--dir 'test' is not a runnable dir"),
        (["run_tests", "--no-such"], 2, "unrecognized arguments"),
        (["run_tests", "--dir", "/"], 2, "--dir '/' is not a runnable dir"),
    ],
)
def test_all_else_is_told(tool: Path, arguments: list[str], code: int, says: str) -> None:
    done = run(tool, *arguments)
    assert (done.returncode, says in done.stdout + done.stderr) == (code, True), done
    assert "Traceback" not in done.stderr
