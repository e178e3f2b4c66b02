"""A container that was started before the run was planned, on the live engine: used once, or removed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.engine.argv import DOCKER
from helpers.test.conftest import Scratch, scratch_repo, until

pytestmark = [pytest.mark.engine, pytest.mark.slow]

READS = """
    from pathlib import Path

    def test_it():
        here = Path(__file__).parents[1]
        assert (here / "data.txt").read_text().startswith("good")
"""
# Notes how each container was started, and then starts it.
NOTES = """#!/bin/sh
case "$1" in run) echo "$@" >> {log};; esac
exec {docker} "$@"
"""


class Noted:
    """A repo with two directories, and the containers that are started for it."""

    def __init__(self, scratch: Scratch, tmp_path: Path) -> None:
        self.scratch = scratch
        self.directory = scratch.add("reads", READS, image="reads")
        scratch.add("other", "def test_it(): pass", image="other")
        (self.directory / "data.txt").write_text("good")
        scratch.git("add", "--all")
        scratch.git("commit", "--quiet", "--message", "first")
        self.log = tmp_path / "started"
        found = shutil.which(DOCKER)
        (tmp_path / "bin").mkdir()
        (tmp_path / "bin" / DOCKER).write_text(NOTES.format(log=self.log, docker=found))
        (tmp_path / "bin" / DOCKER).chmod(0o755)
        self.env = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
        self.command = scratch.driver("--cached", "--engine", "docker", json_file=tmp_path / "report.json")
        self.report = tmp_path / "report.json"

    def run(self) -> tuple[int, dict[str, str], int]:
        """Return the exit code, the verdicts of what ran, and how many of the containers waited for their order."""
        self.log.write_text("")
        done = subprocess.run(self.command, cwd=self.scratch.root, env=self.env, capture_output=True, timeout=300)
        told = json.loads(self.report.read_text())["directories"] if done.returncode in (0, 1) else []
        ran = {item["directory"]: item["verdict"] for item in told if not item["cached"]}
        return done.returncode, ran, len(self.started())

    def started(self) -> list[str]:
        """Return the last word of the command of each container that was started."""
        return [line.split()[-1] for line in self.log.read_text().splitlines()]


@pytest.fixture
def noted(tmp_path: Path) -> Iterator[Noted]:
    # Another place each time: a note of a repo that was there before would count.
    with scratch_repo(tmp_path / f"repo-{os.urandom(4).hex()}") as scratch:
        found = Noted(scratch, tmp_path)
        assert found.run() == (0, {"reads": "PASS", "other": "PASS"}, 2)
        assert not any(word.endswith("/order") for word in found.started())
        yield found


def test_the_tests_of_what_changed_run_in_it_on_the_files_as_they_are(noted: Noted) -> None:
    for text, code, verdict in (("bad", 1, "FAIL"), ("good again", 0, "PASS"), ("bad again", 1, "FAIL")):
        (noted.directory / "data.txt").write_text(text)
        assert noted.run() == (code, {"reads": verdict}, 1)
        assert noted.started()[0].endswith("/results/order"), "it was not started before"
        assert noted.scratch.leftovers() == []
    assert noted.run() == (1, {"reads": "FAIL"}, 1)
    assert noted.started()[0].endswith("/results/order"), "what failed is tested again, and was not started before"


def test_it_is_left_where_the_tests_would_be_started_in_another_way(noted: Noted) -> None:
    project = noted.directory / "pyproject.toml"
    project.write_text(project.read_text() + '\nmemory = "512m"\n')
    assert noted.run() == (0, {"reads": "PASS"}, 2)
    waits, used = sorted(noted.started(), key=lambda word: not word.endswith("/order"))
    assert waits.endswith("/order") and not used.endswith("/order")
    until(lambda: noted.scratch.leftovers() == [], 15)


@pytest.mark.parametrize("fault", ["what is wrong", "what passed already", "killed"])
def test_it_is_removed_where_nothing_is_tested(noted: Noted, fault: str) -> None:
    data, project = noted.directory / "data.txt", noted.directory / "pyproject.toml"
    before = project.read_text()
    data.write_text("bad")
    assert noted.run()[0] == 1
    if fault == "what passed already":
        data.write_text("good")
        assert noted.run() == (0, {}, 1)
    elif fault == "what is wrong":
        project.write_text("[")
        assert noted.run()[0] == 2
        project.write_text(before)
    else:
        noted.log.write_text("")
        process = subprocess.Popen(noted.command, cwd=noted.scratch.root, env=noted.env, start_new_session=True)
        until(noted.started, 20)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert [word.endswith("/order") for word in noted.started()] == [True]
    until(lambda: noted.scratch.leftovers() == [], 15)
    data.write_text("good again")
    assert noted.run() == (0, {"reads": "PASS"}, 1)
