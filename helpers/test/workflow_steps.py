"""Runs the shell steps of a GitHub Actions workflow as its runner does: bash, and values by `env` alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from helpers.generate import workflow
from helpers.repos import shared_files
from helpers.test.conftest import ROOT
from helpers.test.unit_fixtures import make_repo

TEXT = workflow.workflow().text or ""
# The architectures of all shards.
KINDS = "join(fromJSON(needs.plan.outputs.plan || '{}').shard_jobs.*.architecture, ' ')"
SHARDS = workflow.workflow(3).text or ""
# Stands for the driver: it says with which words it was called.
ECHO = "#!/usr/bin/env python3\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n"


def jobs(text: str) -> dict[str, Any]:
    """Return the jobs of a workflow."""
    found: dict[str, Any] = yaml.safe_load(text)["jobs"]
    return found


def steps(text: str) -> list[dict[str, Any]]:
    """Return the steps of all jobs of a workflow."""
    return [step for job in jobs(text).values() for step in job["steps"]]


class Runner:
    """One machine of the CI, in a directory of its own.

    Arguments:
        checkout: the repo that it has checked out.
        temp: an empty directory.
        text: the workflow.
        environ: variables of the machine besides those of this process.
    """

    def __init__(self, checkout: Path, temp: Path, text: str, **environ: str) -> None:
        self.checkout = checkout
        self.temp = temp
        self.jobs = jobs(text)
        self.environ = environ

    def run(self, job: str, values: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """Run the last shell step of a job.

        Arguments:
            job: its key in the workflow.
            values: what the expressions in its `env` are worth, by their text.
        """
        *_, step = (item for item in self.jobs[job]["steps"] if "run" in item)
        given = {name: values[_expression(text)] for name, text in step.get("env", {}).items()}
        script = self.temp / f"{job}.sh"
        script.write_text(step["run"])
        (self.temp / "output").touch()
        own = {"RUNNER_TEMP": str(self.temp), "GITHUB_OUTPUT": str(self.temp / "output")}
        return subprocess.run(
            # https://docs.github.com/actions/reference/workflows-and-actions/workflow-syntax, `shell: bash`
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)],
            cwd=self.checkout,
            env={**os.environ, **self.environ, **own, **given},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=600,
            check=False,
        )

    def output(self, name: str) -> str:
        """Return what a step wrote as the output `name`, in the form of several lines; empty if it did not."""
        found = re.search(rf"^{name}<<(\w+)\n(.*?)^\1$", (self.temp / "output").read_text(), re.MULTILINE | re.DOTALL)
        return found[2] if found else ""


def _expression(text: str) -> str:
    found = re.fullmatch(r"\$\{\{ (.*) \}\}", text)
    assert found, text
    return found[1]


@pytest.fixture
def root(tmp_path: Path, cache: Path) -> Path:
    """An empty repo that has helpers."""
    path = make_repo(tmp_path / "a repo")
    (path / "helpers").symlink_to(shared_files.PACKAGE)
    shutil.copy2(ROOT / "main_pytest.py", path)
    return path


def runner(root: Path, tmp_path: Path, text: str = TEXT) -> Runner:
    temp = tmp_path / "temp of the runner"
    temp.mkdir(parents=True, exist_ok=True)
    return Runner(root, temp, text)
