"""Containers that start containers: on this machine's engine, or on their own; only where a directory says so."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from helpers.test.conftest import ROOT, Scratch, docker, scratch_repo, start, until
from helpers.test.test_live_shell import as_user

pytestmark = pytest.mark.engine

EXAMPLES = ("nested_sibling", "nested_child")
# Starts a container that nobody ends, as a test that forgets it or is killed does; it says so by a file of the results.
FORGETS = """
import os, subprocess, time
def test_it():
    labels = [part for line in os.environ["HELPERS_LABELS"].splitlines() for part in ("--label", line)]
    run = ["docker", "run", "--detach", "--network", "none", *labels, os.environ["HELPERS_IMAGE"], "sleep", "600"]
    subprocess.run(run, check=True)
    time.sleep(WAIT)
"""


def add_example(scratch: Scratch, name: str, test: str | None = None) -> Path:
    """Copy an example to the place that it has in this repo: its image is the same. `test` replaces its tests."""
    path = scratch.root / "runnable_dirs" / name
    shutil.copytree(ROOT / "runnable_dirs" / name, path)
    if test is not None:
        shutil.rmtree(path / "test")
        (path / "test").mkdir()
        (path / "test" / "test_it.py").write_text(test)
    return path


def siblings(scratch: Scratch) -> list[str]:
    """Return the containers that were started for another container of the repo."""
    ours = ["--filter", f"label=helpers.root={scratch.root}", "--filter", "label=helpers.within"]
    return docker("ps", "--all", *ours, "--format", "{{.Names}}").split()


def test_both_ways_work_for_a_user_who_is_not_root(open_path: Path) -> None:
    # The run of all runnable dirs shows that they work for its caller.
    uid = 12345
    if os.getuid() != 0:
        pytest.fail("only root can start the driver as another user: run the live tests as root")
    with scratch_repo(open_path / "repo") as scratch:
        for name in EXAMPLES:
            add_example(scratch, name)
            assert scratch.invoke("docker_build", "--dir", f"runnable_dirs/{name}").returncode == 0
        for path in open_path, *open_path.rglob("*"):
            os.chown(path, uid, uid, follow_symlinks=False)
        prefix, env = as_user(uid, open_path / "cache")
        report = open_path / "report.json"
        done = subprocess.run(
            [*prefix, *scratch.driver("--engine", "docker", json_file=report)],
            cwd=scratch.root,
            env=env,
            capture_output=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        for name, way in zip(EXAMPLES, ("sibling", "child"), strict=True):
            assert f'weaker runnable_dirs/{name}: docker = "{way}"' in done.stderr
        verdicts = {item["directory"]: item for item in json.loads(report.read_text())["directories"]}
        assert {item["failed"] + item["skipped"] for item in verdicts.values()} == {0}


def test_without_the_setting_there_is_no_engine_to_be_had(scratch: Scratch) -> None:
    test = """
    import os
    def test_it():
        assert not os.path.exists("/var/run/docker.sock") and not os.path.exists("/run/docker.sock")
        assert "HELPERS_LABELS" not in os.environ
        with open("/proc/self/status") as file:
            assert "CapBnd:\\t0000000000000000" in file.read()
    """
    scratch.add("plain", test)
    result = scratch.run("--engine", "docker")
    assert result.of("plain") == ("PASS", 0), result.stdout
    assert "weaker" not in result.stderr


def test_a_sibling_that_a_test_forgot_ends_with_the_run(scratch: Scratch) -> None:
    add_example(scratch, "nested_sibling", FORGETS.replace("WAIT", "0"))
    result = scratch.run("--engine", "docker")
    assert result.code == 0, result.stdout
    assert scratch.containers() == []


def test_a_sibling_ends_with_a_driver_that_is_killed(scratch: Scratch) -> None:
    add_example(scratch, "nested_sibling", FORGETS.replace("WAIT", "600"))
    process = start(scratch.driver("--engine", "docker"), scratch.root)
    until(lambda: siblings(scratch), 60)
    process.kill()
    process.communicate()
    until(lambda: scratch.containers() == [], 10)


def test_an_engine_inside_leaves_no_data_when_the_driver_is_killed(scratch: Scratch) -> None:
    test = (
        "import subprocess, time\n"
        "def test_it():\n    subprocess.run(['docker', 'volume', 'create', 'x'], check=True)\n    time.sleep(600)\n"
    )
    add_example(scratch, "nested_child", test)
    process = start(scratch.driver("--engine", "docker"), scratch.root)
    until(lambda: scratch.containers() and "/_data" in mounts(scratch.containers()[0]), 60)
    found = json.loads(mounts(scratch.containers()[0]))
    (volume,) = [mount["Name"] for mount in found if mount["Destination"] == "/var/lib/docker"]
    process.kill()
    process.communicate()
    until(lambda: scratch.containers() == [], 10)
    until(lambda: volume not in docker("volume", "ls", "--quiet"), 5)


def mounts(container: str) -> str:
    """Return the mounts of a container as JSON; empty when it has just ended."""
    try:
        return docker("container", "inspect", "--format", "{{json .Mounts}}", container)
    except subprocess.CalledProcessError:
        return ""


def test_a_command_in_a_shell_reaches_the_engine_that_was_chosen(scratch: Scratch) -> None:
    for name in EXAMPLES:
        add_example(scratch, name)
    this = docker("info", "--format", "{{.ID}}").strip()
    command = ["docker", "info", "--format", "{{.ID}}"]
    for name, same in zip(EXAMPLES, (True, False), strict=True):
        done = scratch.invoke("docker_cmd", "--dir", f"runnable_dirs/{name}", "--", *command)
        assert done.returncode == 0 and (done.stdout.strip() == this) is same, done.stderr
        assert "weaker: docker = " in done.stderr
        done = scratch.invoke("docker_cmd", "--dir", f"runnable_dirs/{name}", "--", "sh", "-c", "touch made; exit 42")
        assert done.returncode == 42, done.stderr
        assert (scratch.root / "runnable_dirs" / name / "made").stat().st_uid == os.getuid()
    until(lambda: scratch.containers() == [], 5)


def test_an_image_without_an_engine_says_what_it_lacks(scratch: Scratch) -> None:
    scratch.add("bare", "def test_it():\n    assert True\n", settings='docker = "child"\n')
    result = scratch.run("--engine", "docker")
    assert result.of("bare") == ("CRASH", 8)
    assert "the engine inside did not start (needs `docker.io` in system_packages)" in result.stderr
