"""A lock with a build backend, on the live engine: the backend runs in a container, and sees its sources only."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers.test.conftest import Scratch

pytestmark = [pytest.mark.engine, pytest.mark.slow]

# Prints its visible files as its own description.
BACKEND = """\
import json, os
from setuptools import setup
caps = [line for line in open("/proc/self/status") if line.startswith("CapEff")]
try:
    open(MARK, "w")
except OSError:
    pass
seen = {"env": sorted(os.environ), "caps": caps, "dir": sorted(os.listdir(SOURCE)), "above": sorted(os.listdir(ABOVE))}
setup(name="x", version="1.5", description=json.dumps(seen).replace('"', "'"), install_requires=["iniconfig"])
"""


def test_a_build_backend_runs_in_a_container_and_sees_only_its_sources(scratch: Scratch, tmp_path: Path) -> None:
    path = scratch.add("d", "def test_it():\n    pass\n")
    source = scratch.root / "x"
    source.mkdir()
    mark = tmp_path / "MARK"
    places = f"MARK, SOURCE, ABOVE = {str(mark)!r}, {str(source)!r}, {str(scratch.root)!r}\n"
    (source / "setup.py").write_text(places + BACKEND)
    (source / "secret.env").write_text("password")
    (scratch.root / ".gitignore").write_text("secret.env\n")
    project = path / "pyproject.toml"
    needs = '\n[tool.poetry.group.near.dependencies]\nx = {path = "../x"}\n'
    project.write_text(project.read_text() + needs)
    before = (path / "poetry.lock").read_bytes()
    without = scratch.invoke("docker_lock", "--dir", "d", DOCKER_HOST=f"unix://{tmp_path}/nobody")
    assert without.returncode == 6 and "cannot lock without a docker engine" in without.stderr
    assert str(source) in without.stderr and (path / "poetry.lock").read_bytes() == before
    done = scratch.invoke("docker_lock", "--dir", "d", GITHUB_TOKEN="secret-token")
    assert done.returncode == 0, done.stderr
    assert "x  (new) -> 1.5" in done.stdout and f"{source} needs its build backend" in done.stderr
    locked = (path / "poetry.lock").read_text()
    assert 'url = "../x"' in locked and 'iniconfig = "*"' in locked
    (said,) = (line for line in locked.splitlines() if line.startswith("description") and "caps" in line)
    seen = json.loads(json.loads(said.partition(" = ")[2]).replace("'", '"'))
    assert seen["dir"] == ["setup.py"] and seen["above"] == ["x"]
    assert seen["caps"] == ["CapEff:\t0000000000000000\n"]
    assert not {"GITHUB_TOKEN", "SSH_AUTH_SOCK", "DOCKER_HOST"} & set(seen["env"])
    assert not mark.exists()
    checked = scratch.invoke("docker_lock", "--check", "--dir", "d")
    assert checked.returncode == 0, checked.stderr
