"""An editor opens a runnable dir by its devcontainer.json, as the specification says, beside `docker_cmd`."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from helpers.generate import devcontainer
from helpers.test.conftest import Scratch, docker, scratch_repo, until
from helpers.test.test_live_shell import as_user, invoke

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PASSES = "def test_it():\n    assert True\n"
ASK = (
    "id -u; id -g; id -un; pwd; printenv TOLD; echo $HOME $USER $PYTHONPATH $HELPERS_INSIDE; command -v python invoke; "
    "grep -E 'CapEff|CapBnd|NoNewPrivs' /proc/self/status; git log --format=%s; git status --short; "
    "touch made && stat -c %u made && rm made; touch $HOME/made && echo home; invoke --list"
)
# What the engine says of a container that both have to have in common.
SAME = ("Memory", "MemorySwap", "PidsLimit", "CapDrop", "CapAdd", "SecurityOpt", "Init", "NetworkMode", "Privileged")


def configuration(root: Path, name: str) -> dict[str, Any]:
    """Return what the file of a runnable dir says, its variables filled in."""
    text = (root / devcontainer.path_of(name)).read_text().split("\n", 1)[1]
    found: dict[str, Any] = json.loads(text.replace("${localWorkspaceFolder}", str(root)))
    return found


@contextmanager
def opened(found: dict[str, Any]) -> Iterator[str]:
    """Start the container as an editor does, with its own command, and yield its id."""
    mounts = [found["workspaceMount"], *found["mounts"]]
    options = [part for mount in mounts for part in ("--mount", mount)]
    options += [part for name, value in found["containerEnv"].items() for part in ("--env", f"{name}={value}")]
    start = ["--entrypoint", "/bin/sh", found["image"], "-c", "while sleep 1000; do :; done"]
    container = docker("run", "--detach", *options, *found["runArgs"], *start).strip()
    try:
        yield container
    finally:
        docker("rm", "--force", container)


@pytest.mark.parametrize("uid", [0, 1234])
def test_a_directory_is_the_same_to_an_editor_and_to_docker_cmd(open_path: Path, uid: int) -> None:
    with scratch_repo(open_path / "repo") as scratch:
        check_both(scratch, open_path / "cache of the user", uid)


def check_both(scratch: Scratch, cache: Path, uid: int) -> None:
    place = scratch.add("deep/a b", PASSES, image="editor", settings='memory = "700m"\npids = 99\nenv_file = ".env"\n')
    (place / ".env").write_text("TOLD=x y\n")
    scratch.git("add", "--all")
    scratch.git("commit", "--quiet", "--message", "all")
    written = scratch.invoke("devcontainer_generate")
    assert written.returncode == 0, written.stderr
    scratch.git("add", "--all")
    scratch.git("commit", "--quiet", "--message", "editors")
    # The tools that build it are those of whoever runs the tests: another user could not read them.
    assert scratch.invoke("docker_build", cwd=place).returncode == 0
    subprocess.run(["chown", "--recursive", f"{uid}:{uid}", str(scratch.root.parent)], check=True)
    prefix, env = as_user(uid, cache)
    env["HOME"] = env["HELPERS_CACHE"]
    found = configuration(scratch.root, "deep/a b")
    initialized = subprocess.run(
        [*prefix, *found["initializeCommand"]], cwd=scratch.root, env=env, capture_output=True, encoding="utf-8"
    )
    assert initialized.returncode == 0, initialized.stderr
    command = [*prefix, invoke(), "docker_cmd", "--", "sh", "-c"]
    ours = subprocess.run([*command, ASK], cwd=place, env=env, capture_output=True, encoding="utf-8")
    with opened(found) as container:
        theirs = docker("exec", "--workdir", found["workspaceFolder"], container, "sh", "-c", ASK)
        editors = json.loads(docker("container", "inspect", container))[0]["HostConfig"]
    assert theirs == ours.stdout, ours.stderr
    assert theirs.splitlines()[:2] == [str(uid)] * 2
    assert "x y" in theirs.splitlines()
    assert "CapEff:\t0000000000000000" in theirs and "home" in theirs.splitlines()
    sleeper = subprocess.Popen([*command, "sleep 60"], cwd=place, env=env, stdin=subprocess.DEVNULL)
    try:
        until(scratch.containers, 30)
        limits = json.loads(docker("container", "inspect", *scratch.containers()))[0]["HostConfig"]
        assert {key: editors[key] for key in SAME} == {key: limits[key] for key in SAME}
        assert editors["Memory"] == 700 * 2**20
    finally:
        docker("rm", "--force", *scratch.containers())
        sleeper.wait(30)


def test_the_image_is_built_once_and_again_when_the_directory_changes(scratch: Scratch) -> None:
    place = scratch.add("one", PASSES, image="editor")
    first = scratch.invoke("devcontainer_build", cwd=place)
    assert first.returncode == 0, first.stderr
    name = f"{scratch.prefix}-editor:editor"
    assert f"helpers: {name} is built, for " in first.stderr
    identity = docker("image", "inspect", "--format", "{{.Id}}", name)
    assert f"helpers: {name} is there, for " in scratch.invoke("devcontainer_build", cwd=place).stderr
    assert docker("image", "inspect", "--format", "{{.Id}}", name) == identity
    log = place / "changelog.txt"
    log.write_text(log.read_text().replace("-0.1.0", "-0.2.0"))
    assert f"helpers: {name} is built, for " in scratch.invoke("devcontainer_build", cwd=place).stderr
    inside = docker("image", "inspect", "--format", "{{.Config.Env}}", name)
    assert f"HELPERS_INSIDE={scratch.prefix}-editor-0.2.0" in inside
