"""Code and container agree: released images on the live engine and in a real registry, on the host and from inside."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.test.conftest import Scratch, docker, docker_images
from helpers.test.registry_fixtures import docker_registry, free_port

pytestmark = pytest.mark.engine

PASSES = "import os\n\n\ndef test_it():\n    assert os.environ['HELPERS_INSIDE'] == '{image}'\n"
Release = Callable[..., str]


@pytest.fixture
def tool(scratch: Scratch) -> Path:
    """A runnable dir whose code is at 1.2.3; its image is built."""
    path = scratch.add("tool", "def test_it():\n    pass\n", image="tool")
    move_code(scratch, "1.2.3")
    assert scratch.invoke("docker_build", "--dir", "tool").returncode == 0
    return path


def move_code(scratch: Scratch, version: str, test: str = "def test_it():\n    pass\n") -> None:
    """Give the code another version, and its test another text."""
    (scratch.root / "tool" / "changelog.txt").write_text(f"# {scratch.prefix}-tool-{version}\n- 2026-11-20\n- x\n")
    (scratch.root / "tool" / "test" / "test_it.py").write_text(test)


def release(scratch: Scratch, tag: str, *, says: str = "", registry: str = "") -> str:
    """Give the engine an image with this tag; `says` is the version in its label, by default that of the tag."""
    name = f"{registry}{scratch.prefix}-tool"
    labels = {"version": says or tag.partition("-")[2], "title": f"{scratch.prefix}-tool"}
    options = [part for key, value in labels.items() for part in ("--label", f"org.opencontainers.image.{key}={value}")]
    image = next(found for found in docker_images() if found.startswith(f"{scratch.prefix}-tool:inputs-"))
    command = ["docker", "build", "--quiet", "--tag", f"{name}:{tag}", *options, "-"]
    subprocess.run(command, input=f"FROM {image}\n", encoding="utf-8", check=True, capture_output=True)
    return f"{name}:{tag}"


def test_released_images_are_chosen_by_the_code_s_version(scratch: Scratch, tool: Path) -> None:
    for tag in ("dev-1.2.0", "dev-1.2.10", "dev-1.2.9", "dev-1.3.0", "prod-1.2.11"):
        release(scratch, tag)
    local = scratch.invoke("docker_cmd", "--dir", "tool", "--", "true")
    assert (local.returncode, local.stderr) == (0, "")
    image = f"{scratch.prefix}-tool-1.2.10"
    # A patch release of the code, older or newer than the image, does not alarm.
    for version in ("1.2.3", "1.2.11"):
        move_code(scratch, version, PASSES.format(image=image))
        result = scratch.run("--stage", "dev", "--dir", "tool")
        assert result.of("tool") == ("PASS", 0), result.stdout
        done = scratch.invoke("docker_cmd", "--stage", "dev", "--dir", "tool", "--", "printenv", "HELPERS_INSIDE")
        assert (done.returncode, done.stdout) == (0, f"{image}\n"), done.stderr
        says = f"helpers: code at {version} runs in the released image {image}, {scratch.prefix}-tool:dev-1.2.10\n"
        assert done.stderr.count(says) == 1
        assert scratch.invoke("run_fast_tests", "--stage", "dev", "--dir", "tool").returncode == 0
    for version in ("1.4.0", "2.2.0"):
        move_code(scratch, version)
        result = scratch.run("--stage", "dev", "--dir", "tool")
        assert result.of("tool") == ("REFUSED", 4)
        done = scratch.invoke("docker_cmd", "--stage", "dev", "--dir", "tool", "--", "true")
        assert (done.returncode, done.stdout) == (4, "")
        for text in (result.verdicts["tool"]["why"], done.stderr):
            assert f"code at {version}" in text and "1.3.0, 1.2.10, 1.2.9, 1.2.0" in text
            assert f"invoke docker_pull --dir {tool}" in text


def test_an_image_with_a_tag_that_its_labels_contradict_is_refused(scratch: Scratch, tool: Path) -> None:
    release(scratch, "dev-1.2.4", says="1.3.0")
    result = scratch.run("--stage", "dev", "--dir", "tool")
    assert result.of("tool") == ("REFUSED", 4)
    assert f"is by its labels {scratch.prefix}-tool-1.3.0" in result.verdicts["tool"]["why"]
    assert scratch.invoke("docker_cmd", "--stage", "dev", "--dir", "tool", "--", "true").returncode == 4


def test_an_image_that_got_the_name_of_another_one_s_inputs_is_built_again(scratch: Scratch, tool: Path) -> None:
    (name,) = (image for image in docker_images() if image.startswith(f"{scratch.prefix}-tool:inputs-"))
    scratch.add("other", "def test_it():\n    pass\n", image="other")
    right = json.loads(docker("image", "inspect", name))[0]["Id"]
    for command in (["docker_build"], ["docker_cmd", "--", "true"], ["run_fast_tests"]):
        assert scratch.invoke("docker_build", "--dir", "other").returncode == 0
        (wrong,) = (image for image in docker_images() if image.startswith(f"{scratch.prefix}-other:inputs-"))
        docker("image", "tag", wrong, name)
        assert scratch.invoke(command[0], "--dir", "tool", *command[1:]).returncode == 0
        labels = json.loads(docker("image", "inspect", name))[0]["Config"]["Labels"]
        assert labels["org.opencontainers.image.version"] == "1.2.3", command
    assert right


def test_inside_a_shell_tests_run_right_there_until_the_code_moves_on(scratch: Scratch, tool: Path) -> None:
    move_code(scratch, "1.2.3", PASSES.format(image=f"{scratch.prefix}-tool-1.2.3"))
    main = scratch.root / "main_pytest.py"
    log = tool / "changelog.txt"
    inside = f"python {main} --dir . && cd test && sed -i s/1.2.3/1.3.0/ {log} && invoke run_fast_tests"
    done = scratch.invoke("docker_cmd", "--", "sh", "-c", inside, cwd=tool)
    assert done.returncode == 4, done.stdout + done.stderr
    assert "engine here" in done.stdout and "1 passed, 0 failed, 0 skipped" in done.stdout
    says = f"code at {scratch.prefix}-tool-1.3.0 needs an image {scratch.prefix}-tool-1.3.*"
    assert says in done.stdout and f"a container of {scratch.prefix}-tool-1.2.3" in done.stdout


@pytest.fixture
def registry(scratch: Scratch, tmp_path: Path) -> Iterator[str]:
    """A registry that the repo names; what this test pulled from it is removed from the engine."""
    with docker_registry(tmp_path) as host:
        (scratch.root / "pyproject.toml").write_text(f'[tool.helpers]\nregistry = "{host}/team"\n')
        yield f"{host}/team/"
        # By their ids: what was pulled by digest has no tag.
        ids = docker("image", "ls", "--quiet", "--filter", f"reference={host}/team/*").split()
        if ids:
            docker("image", "rm", "--force", *set(ids))


def test_what_the_code_needs_is_pulled_and_then_run_in(scratch: Scratch, tool: Path, registry: str) -> None:
    for tag in ("dev-1.2.0", "dev-1.2.10", "dev-1.3.0", "prod-1.2.4"):
        name = release(scratch, tag, registry=registry)
        docker("push", "--quiet", name)
        docker("image", "rm", name)
    assert scratch.invoke("docker_cmd", "--stage", "dev", "--dir", "tool", "--", "true").returncode == 4
    done = scratch.invoke("docker_pull", "--dir", "tool")
    assert done.returncode == 0, done.stderr
    reference, digest = done.stdout.split()
    assert reference == f"{registry}{scratch.prefix}-tool:dev-1.2.10"
    assert any(
        name.endswith(f"@{digest}") for name in json.loads(docker("image", "inspect", reference))[0]["RepoDigests"]
    )
    move_code(scratch, "1.2.3", PASSES.format(image=f"{scratch.prefix}-tool-1.2.10"))
    result = scratch.run("--stage", "dev", "--dir", "tool")
    assert result.of("tool") == ("PASS", 0), result.stdout
    again = scratch.invoke("docker_pull", "--dir", "tool")
    assert (again.returncode, again.stdout) == (0, done.stdout) and "pulling" not in again.stderr
    exact = scratch.invoke("docker_pull", "--dir", "tool", "--version", "1.3.0")
    assert exact.returncode == 0 and "code at 1.2.3 does not run in it" in exact.stderr
    prod = scratch.invoke("docker_pull", "--dir", "tool", "--stage", "prod")
    assert prod.stdout.startswith(f"{registry}{scratch.prefix}-tool:prod-1.2.4  sha256:")
    move_code(scratch, "1.4.0")
    none = scratch.invoke("docker_pull", "--dir", "tool")
    assert none.returncode == 4 and "has no dev-1.4.*" in none.stderr and "1.3.0, 1.2.10, 1.2.0" in none.stderr
    assert f"invoke docker_build --dir {tool}" in none.stderr


def test_an_image_of_the_registry_whose_labels_contradict_its_tag_gets_no_tag_here(
    scratch: Scratch, tool: Path, registry: str
) -> None:
    name = release(scratch, "dev-1.2.5", says="1.5.0", registry=registry)
    docker("push", "--quiet", name)
    docker("image", "rm", name)
    done = scratch.invoke("docker_pull", "--dir", "tool")
    assert (done.returncode, done.stdout) == (4, "") and "-tool-1.5.0" in done.stderr
    assert name not in docker_images()


@pytest.mark.parametrize(
    "setting, options, code, says",
    [
        ("", [], 2, "names no registry"),
        ("127.0.0.1:{port}/team", [], 6, "127.0.0.1:{port}"),
        ("127.0.0.1:{port}/team", ["--stage", "local"], 2, "is not dev or prod"),
        ("127.0.0.1:{port}/team", ["--version", "1.2"], 2, "'1.2' is not a version"),
    ],
)
def test_a_pull_that_can_not_be_says_why(
    scratch: Scratch, setting: str, options: list[str], code: int, says: str
) -> None:
    scratch.add("tool", "def test_it():\n    pass\n", image="tool")
    port = str(free_port())
    (scratch.root / "pyproject.toml").write_text(f'[tool.helpers]\nregistry = "{setting.format(port=port)}"\n')
    done = scratch.invoke("docker_pull", "--dir", "tool", *options)
    assert done.returncode == code, done.stderr
    assert says.format(port=port) in done.stderr and "Traceback" not in done.stderr
