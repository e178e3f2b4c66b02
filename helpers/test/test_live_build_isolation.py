"""One directory's build cannot change the packages of another directory's build."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from helpers.test.conftest import Scratch

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PACKAGE = "toolz"
SOUND = f"import {PACKAGE}\ndef test_it():\n    assert not hasattr({PACKAGE}, 'PLANTED')\n"
# The former cache of the shared recipe, and the default caches of installers.
GUESSES = {"helpers-uv": "/run/uv-cache", "/root/.cache": "/root/.cache", "/var/cache/apt": "/var/cache/apt"}
PLANT = f"""\
#!/bin/sh
for place in "$UV_CACHE_DIR" {" ".join(GUESSES.values())}; do
    find "$place" -path '*/{PACKAGE}/__init__.py' -exec sh -c 'echo "PLANTED = 1" >> "$1"' - '{{}}' ';' 2>/dev/null
done
"""
MOUNTS = " ".join(f"--mount=type=cache,id={name},target={path}" for name, path in GUESSES.items())
OWN = f"""\
ARG BASE
FROM ${{BASE}}
USER root
COPY --chmod=755 <<'END' /plant
{PLANT}END
RUN --mount=type=bind,source=requirements.txt,target=/run/requirements.txt {MOUNTS} \\
    --mount=type=bind,from=tools,target=/run/tools --mount=type=secret,id=host_env --mount=type=secret,id=ca \\
    . /run/secrets/host_env && export UV_CACHE_DIR=/run/uv-cache UV_LINK_MODE=copy && \\
    uv="/run/tools/$(dpkg --print-architecture)/uv" && \\
    "$uv" venv --no-project /opt/venv && \\
    "$uv" pip install --python /opt/venv/bin/python --requirements /run/requirements.txt && /plant
"""


def add(scratch: Scratch, name: str, requires: str) -> Path:
    """Make a runnable dir with the package as a dependency."""
    path = scratch.add(name, SOUND, image=name)
    text = (path / "pyproject.toml").read_text().replace(">=3.11,<3.14", requires)
    text = text.replace("dependencies = []", f'dependencies = ["{PACKAGE}==1.0.0"]')
    assert PACKAGE in text and requires in text
    (path / "pyproject.toml").write_text(text)
    return path


def test_own_dockerfile_does_not_change_packages_of_another_directory(scratch: Scratch) -> None:
    # The builder must not answer with a layer of an earlier run.
    requires = f">=3.11,<3.14.{secrets.randbelow(10**6)}"
    (add(scratch, "hostile", requires) / "devops" / "Dockerfile").write_text(f"{OWN}# {scratch.prefix}\n")
    add(scratch, "victim", requires)
    for name in ("hostile", "victim"):
        done = scratch.invoke("docker_lock", "--dir", name)
        assert done.returncode == 0, done.stderr
    done = scratch.invoke("docker_build", "--dir", "hostile")
    assert done.returncode == 0, done.stderr
    result = scratch.run("--engine", "docker", "--dir", "victim")
    assert result.of("victim") == ("PASS", 0), result.stdout + result.stderr


def test_own_dockerfile_runs_no_frontend_of_its_choice(scratch: Scratch) -> None:
    path = scratch.add("a", "def test_it():\n    assert True\n")
    (path / "devops" / "Dockerfile").write_text("# syntax=127.0.0.1:1/x\nARG BASE\nFROM ${BASE}\n")
    for command in ("docker_build", "docker_bash"):
        done = scratch.invoke(command, "--dir", "a")
        assert done.returncode == 2, done.stderr
        assert "names the frontend '127.0.0.1:1/x'" in done.stderr and "connection refused" not in done.stderr
    result = scratch.run("--engine", "docker")
    assert result.of("a") == ("CONFIG", 2), result.stdout + result.stderr
