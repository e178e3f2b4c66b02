"""Kept verdicts on the live engine: nothing is started for what passed, and a change is seen by a real container."""

from __future__ import annotations

import os
import shlex
import subprocess

import pytest

from helpers.test.conftest import Scratch

pytestmark = [pytest.mark.engine, pytest.mark.slow]

READS = """
    from pathlib import Path

    def test_it():
        assert (Path(__file__).parents[1] / "data.txt").read_text() == "good"
"""
PEEKS = """
    from pathlib import Path

    def test_it():
        assert (Path(__file__).parents[2] / "beside" / "data.txt").read_text() == "good"
"""


def started(scratch: Scratch) -> tuple[int, dict[str, tuple[str, bool]]]:
    """Run the driver, and return its exit code, and each verdict and whether it was kept."""
    result = scratch.run("--cached", "--engine", "docker")
    return result.code, {name: (item["verdict"], item["cached"]) for name, item in result.verdicts.items()}


def test_what_passed_starts_no_container_until_something_changes(scratch: Scratch) -> None:
    path = scratch.add("reads", READS)
    other = scratch.add("other", "def test_it(): pass", image="other")
    (path / "data.txt").write_text("good")
    assert started(scratch) == (0, {"reads": ("PASS", False), "other": ("PASS", False)})
    assert started(scratch) == (0, {"reads": ("PASS", True), "other": ("PASS", True)})
    (path / "data.txt").write_text("bad")
    assert started(scratch) == (1, {"reads": ("FAIL", False), "other": ("PASS", True)})
    (path / "data.txt").write_text("good")
    (other / "test" / "test_more.py").write_text("def test_more(): pass")
    code, verdicts = started(scratch)
    assert (code, verdicts["other"]) == (0, ("PASS", False))


def test_a_path_that_is_not_declared_can_not_be_read_and_the_setting_is_named(scratch: Scratch) -> None:
    path = scratch.add("peeks", PEEKS)
    (scratch.root / "beside").mkdir()
    (scratch.root / "beside" / "data.txt").write_text("good")
    result = scratch.run("--cached", "--engine", "docker")
    assert result.of("peeks") == ("FAIL", 1)
    assert "beside/data.txt" in result.stderr and "uses" in result.verdicts["peeks"]["why"]
    project = path / "pyproject.toml"
    project.write_text(f'{project.read_text()}\nuses = ["../beside"]\n')
    assert started(scratch) == (0, {"peeks": ("PASS", False)})
    assert started(scratch) == (0, {"peeks": ("PASS", True)})
    (scratch.root / "beside" / "data.txt").write_text("gooD")
    assert started(scratch) == (1, {"peeks": ("FAIL", False)})


# Each reads `beside` in another way: test file, path that must be named, setting that lets it pass.
PEEKING = {
    "opens": ('def test_it():\n    open("../beside/data.txt").close()\n', "beside/data.txt", "../beside/data.txt"),
    "paths": (PEEKS, "beside/data.txt", "../beside/data.txt"),
    "imports": ("import besides_module\ndef test_it(): pass\n", "beside/besides_module.py", "../beside"),
    "inside": ("def test_it():\n    import besides_module\n", "beside/besides_module.py", "../beside"),
    "starts": (
        "import subprocess, sys\ndef test_it():\n"
        "    done = subprocess.run([sys.executable, '../beside/besides_module.py'], capture_output=True, text=True)\n"
        "    assert done.returncode == 0, done.stderr\n",
        "beside/besides_module.py",
        "../beside/besides_module.py",
    ),
}


def test_each_way_to_read_an_undeclared_path_fails_and_names_the_path_and_the_setting(scratch: Scratch) -> None:
    beside = scratch.add("beside", "def test_it(): pass", image="beside")
    (beside / "data.txt").write_text("good")
    (beside / "besides_module.py").write_text("")
    for name, (test, _, _) in PEEKING.items():
        scratch.add(name, test, image=name)
    result = scratch.run("--cached", "--engine", "docker")
    assert {name: result.of(name) for name in PEEKING} == dict.fromkeys(PEEKING, ("FAIL", 1))
    for name, (_, path, setting) in PEEKING.items():
        why = result.verdicts[name]["why"]
        assert f'{path}, which its container does not see: uses = ["{setting}"]' in why, why
        with (scratch.root / name / "pyproject.toml").open("a") as project:
            project.write(f'\nuses = ["{setting}"]\n')
    assert started(scratch)[0] == 0


def test_the_lines_that_a_failure_ends_with_do_just_that_again(scratch: Scratch) -> None:
    scratch.add("reads", f"{READS}\n    def test_good(): pass\n")
    result = scratch.run("--engine", "docker")
    assert result.of("reads") == ("FAIL", 1)
    ours, bare = result.verdicts["reads"]["again"]
    assert f"again: {ours}" in result.stderr and "without helpers" not in result.stderr
    for command, code in ((ours, 1), (bare, 1)):
        done = subprocess.run(shlex.split(command), cwd=scratch.root, capture_output=True, encoding="utf-8")
        assert done.returncode == code and "1 failed" in done.stdout + done.stderr, done.stdout + done.stderr
        assert "FileNotFoundError" in done.stdout + done.stderr and "1 passed" not in done.stdout
    (scratch.root / "reads" / "data.txt").write_text("good")
    for command in (ours, bare):
        done = subprocess.run(shlex.split(command), cwd=scratch.root, capture_output=True, encoding="utf-8")
        assert done.returncode == 0 and "1 passed" in done.stdout + done.stderr, done.stdout + done.stderr


def test_a_run_in_which_nothing_changed_makes_no_plan_and_says_the_same(scratch: Scratch) -> None:
    path = scratch.add("reads", READS)
    (path / "data.txt").write_text("good")
    (path / "conftest.py").write_text('collect_ignore = ["test/test_ignored.py"]\n')
    (path / "test" / "test_ignored.py").write_text("def test_it():\n    assert False\n")
    (scratch.root / ".gitignore").write_text("__pycache__\n")
    scratch.git("add", "--all")
    scratch.git("commit", "--quiet", "--message", "first")

    def run() -> tuple[int, str, bool]:
        """Run it, and return its exit code, what it says but for its time, and whether it made a plan."""
        done = subprocess.run(
            scratch.driver("--cached", "--engine", "docker"),
            cwd=scratch.root,
            env={**os.environ, "PYTHONPROFILEIMPORTTIME": "1"},
            capture_output=True,
            encoding="utf-8",
        )
        said = [line for line in done.stderr.splitlines() if not line.startswith("import time:")]
        printed = [line.rpartition("; ")[0] or line for line in done.stdout.splitlines()]
        return done.returncode, "\n".join([*said, *printed]), "helpers.driver.plan" in done.stderr

    first = run()
    assert (first[0], first[2]) == (0, True)
    assert "1 test file never runs: reads/test/test_ignored.py; why: pytest did not collect it" in first[1]
    code, said, whole = run()
    assert (code, whole) == (0, True) and "PASS reads 1 passed" in said and "1 cached" in said
    assert "1 test file never runs: reads/test/test_ignored.py; why: pytest did not collect it" in said
    assert run() == (0, said, False)
    (path / "data.txt").write_text("bad")
    code, _, whole = run()
    assert (code, whole) == (1, True)
    (path / "data.txt").write_text("good")
    assert run() == (0, said, False)
    (scratch.root / "helpers" / "changelog.txt").touch()
    assert run() == (0, said, False)
    with (scratch.root / "helpers" / "driver" / "verdict.py").open("a") as file:
        file.write("# another one\n")
    code, _, whole = run()
    assert (code, whole) == (0, True)
