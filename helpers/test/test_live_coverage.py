"""Coverage over real containers: counted in each by its own settings, no line twice in the total, and kept."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers.test.conftest import ROOT, Result, Scratch

pytestmark = [pytest.mark.engine, pytest.mark.slow]

LOCKED = ROOT / "helpers" / "test" / "data" / "pytest_cov"
SHARED = "def add(a, b):\n    return a + b\n\n\ndef less(a, b):\n    if a < b:\n        return True\n    return False\n"
HEAD = "import sys\nfrom pathlib import Path\nsys.path.insert(0, str(Path(__file__).parents[2]))\nimport shared\n"
SETTINGS = 'uses = ["../shared"]\n[tool.coverage.run]\nsource = ["../shared"]\n'


def add(scratch: Scratch, name: str, test: str, settings: str = "") -> Path:
    """Make a runnable dir whose lock has pytest-cov; those of one lock share an image."""
    path = scratch.add(name, test, settings=settings, image=name)
    shutil.copy2(LOCKED / "poetry.lock", path / "poetry.lock")
    (path / "pyproject.toml").write_text((LOCKED / "project.toml").read_text() + settings)
    return path


def table(result: Result) -> dict[str, list[str]]:
    """Return the lines of the table of coverage, by directory, without the verdicts that follow."""
    lines = result.stdout.split("\ndirectory ", 1)[0].splitlines()
    return {line.split()[0]: line.split()[1:] for line in lines}


@pytest.mark.parametrize("engine", ["docker", "venv"])
def test_lines_are_counted_in_each_container_joined_and_kept(scratch: Scratch, engine: str) -> None:
    (scratch.root / "shared").mkdir()
    (scratch.root / "shared" / "__init__.py").write_text(SHARED)
    add(scratch, "adds", f"{HEAD}def test_it(): assert shared.add(1, 2) == 3\n", SETTINGS)
    add(scratch, "compares", f"{HEAD}def test_it(): assert shared.less(1, 2)\n", f"{SETTINGS}branch = true\n")
    result = scratch.run("--cached", "--coverage", "--engine", engine)
    assert result.code == 0, result.stdout + result.stderr
    rows = {
        "directory": ["lines", "missed", "branches", "covered", "fail_under"],
        "adds": ["6", "3", "-", "50.00", "%", "-"],
        "compares": ["6", "2", "2", "62.50", "%", "-"],
        # Of the file that both saw only one line and the branch to it never ran.
        "TOTAL": ["6", "1", "2", "75.00", "%", "-"],
    }
    assert table(result) == rows
    again = scratch.run("--cached", "--coverage", "--engine", engine)
    assert table(again) == rows
    assert [item["cached"] for item in again.verdicts.values()] == [engine == "docker"] * 2
    assert not list(scratch.root.rglob(".coverage*"))


def test_too_little_is_a_failure_with_its_reason_and_a_lock_without_pytest_cov_is_an_error(scratch: Scratch) -> None:
    path = add(
        scratch, "little", "import code_of_mine\ndef test_it(): pass\n", "[tool.coverage.report]\nfail_under = 90\n"
    )
    with (path / "pyproject.toml").open("a") as file:
        file.write('[tool.pytest.ini_options]\npythonpath = ["."]\n')
    (path / "code_of_mine.py").write_text("def it():\n" + "    print()\n" * 9)
    scratch.add("unlocked", "def test_it(): pass\n", image="unlocked")
    result = scratch.run("--coverage", "--engine", "docker")
    assert (result.of("little"), result.of("unlocked"), result.code) == (("FAIL", 1), ("CONFIG", 2), 2)
    assert result.verdicts["little"]["why"] == "coverage is 25.00 %, below fail_under = 90"
    assert " --coverage --dir little" in result.verdicts["little"]["again"][0]
    assert "invoke docker_lock --all" in result.verdicts["unlocked"]["why"]
    # Without --coverage nobody asks for it.
    plain = scratch.run("--engine", "docker")
    assert (plain.of("little"), plain.of("unlocked"), plain.code) == (("PASS", 0), ("PASS", 0), 0)
