"""Builds with a lock of the distribution's packages, on the live engine and this machine's package archive."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from helpers.model.system_lock import NAME, parse
from helpers.test.conftest import Scratch, docker

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PASSES = "def test_it():\n    pass\n"


def ask_for(path: Path, *names: str) -> None:
    """Let the directory at `path` ask its distribution for packages."""
    file = path / "pyproject.toml"
    text = re.sub(r"system_packages = .*\n", "", file.read_text())
    wanted = ", ".join(f'"{name}"' for name in names)
    file.write_text(text.replace("[tool.helpers]\n", f"[tool.helpers]\nsystem_packages = [{wanted}]\n"))


def test_an_image_holds_exactly_what_is_locked(scratch: Scratch) -> None:
    path = scratch.add("tool", PASSES, image="exact")
    ask_for(path, "jq")
    file = path / NAME
    made = scratch.invoke("docker_lock", "--dir", "tool")
    assert made.returncode == 0 and re.search(r"^jq \(amd64\)  \(new\) -> ", made.stdout, re.MULTILINE), made.stderr
    right = file.read_text()

    # The archive has no such version any more.
    file.write_text(re.sub(r"libonig5=.*", "libonig5=0-gone", right))
    gone = scratch.invoke("docker_build", "--dir", "tool")
    assert gone.returncode == 3
    assert "does not have (any more): libonig5=0-gone" in gone.stderr
    assert "fix: invoke docker_lock --upgrade-system" in gone.stderr
    moved = scratch.invoke("docker_lock", "--dir", "tool", "--upgrade-system")
    assert "0-gone -> " in moved.stdout and file.read_text() == right

    # What is installed and not locked.
    file.write_text(re.sub(r"libonig5=.*\n", "", right))
    more = scratch.invoke("docker_build", "--dir", "tool")
    assert more.returncode == 3
    assert re.search(r"installed is libonig5=\S+ and .* says nothing", more.stderr), more.stderr

    # What is locked for other settings.
    file.write_text(right)
    ask_for(path, "jq", "tree")
    for command, code in ((("docker_build",), 2), (("docker_lock", "--check"), 1)):
        stale = scratch.invoke(*command, "--dir", "tool")
        assert stale.returncode == code and "does not have tree" in stale.stderr
    assert scratch.invoke("docker_lock", "--dir", "tool").returncode == 0
    assert "note" not in scratch.invoke("docker_lock", "--dir", "tool", "--check").stderr
    locked = file.read_text()
    file.unlink()
    unlocked = scratch.invoke("docker_lock", "--dir", "tool", "--check")
    assert unlocked.returncode == 0 and "builds take what the distribution has" in unlocked.stderr
    file.write_text(locked)

    built = scratch.invoke("docker_build", "--dir", "tool")
    assert built.returncode == 0, built.stderr
    there = docker("run", "--rm", "--entrypoint", "dpkg-query", built.stdout.split()[0], "--show").splitlines()
    architecture = docker("run", "--rm", "--entrypoint", "dpkg", built.stdout.split()[0], "--print-architecture")
    pins = parse(file.read_text()).pins[architecture.strip()]
    assert set(pins) <= {line.replace("\t", "=").replace(f":{architecture.strip()}", "") for line in there}
    assert {pin.partition("=")[0] for pin in pins} == {"jq", "libjq1", "libonig5", "tree"}


def test_the_packages_of_an_image_that_is_pulled_are_resolved_by_its_own_apt(scratch: Scratch) -> None:
    path = scratch.add("tool", PASSES, image="pulled")
    low = scratch.invoke("docker_build", "--dir", "tool").stdout.split()[0]
    index = "Package: app\\nVersion: 1.5\\nArchitecture: all\\nFilename: ./a.deb\\nSize: 1\\n"
    recipe = f"""\
FROM {low}
USER root
RUN mkdir /archive && printf '{index}SHA256: {"0" * 64}\\nDescription: t\\n' > /archive/Packages \\
    && echo 'deb [trusted=yes] file:/archive ./' > /etc/apt/sources.list
"""
    name = f"{scratch.prefix}-own:1"
    subprocess.run(["docker", "build", "--quiet", "--tag", name, "-"], input=recipe, text=True, check=True)
    project = path / "pyproject.toml"
    project.write_text(project.read_text().replace("archive:bookworm", f"image:{name}"))
    ask_for(path, "app")
    recorded = scratch.invoke("docker_bases", "--update", "--dir", "tool")
    assert recorded.returncode == 0, recorded.stderr
    done = scratch.invoke("docker_lock", "--dir", "tool")
    assert done.stdout.splitlines() == ["app (amd64)  (new) -> 1.5", "app (arm64)  (new) -> 1.5"], done.stderr
    assert parse((path / NAME).read_text()).base.startswith(f"image:{name}@sha256:")
