"""Builds on the live engine: host settings reach them and stay in no layer; nothing is built twice."""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from helpers.engine.docker import DockerEngine
from helpers.engine.seam import Control, Ingredients
from helpers.engine.specs import ImageSpec
from helpers.errors import InfrastructureError
from helpers.model.image import Base
from helpers.test.conftest import ROOT, Scratch, docker

pytestmark = pytest.mark.engine

PASSES = "def test_it():\n    assert True\n"
MARK = "mark-of-a-host-setting"
# A directory's own recipe may use the same secrets as the shared one; this one proves that they arrive.
RECIPE = f"""\
ARG BASE
FROM ${{BASE}}
RUN --mount=type=secret,id=host_env --mount=type=secret,id=ca \\
    . /run/secrets/host_env && grep -q {MARK} "$SSL_CERT_FILE" && test -n "$no_proxy" && touch /arrived
ENV PATH=/opt/venv/bin:$PATH
RUN --mount=type=bind,source=requirements.txt,target=/run/requirements.txt \\
    --mount=type=bind,from=tools,target=/run/tools \\
    --mount=type=secret,id=host_env --mount=type=secret,id=ca \\
    . /run/secrets/host_env && export UV_NO_CACHE=1 UV_LINK_MODE=copy && \\
    /run/tools/uv venv --no-project /opt/venv && \\
    /run/tools/uv pip install --python /opt/venv/bin/python --require-hashes --requirements /run/requirements.txt
"""


def test_settings_of_the_host_reach_a_build_and_are_in_no_layer(scratch: Scratch) -> None:
    bundle = scratch.root.parent / "bundle.pem"
    ours = next((os.environ[name] for name in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE") if name in os.environ), None)
    known = Path(ours or "/etc/ssl/certs/ca-certificates.crt").read_text()
    bundle.write_text(f"# {MARK}\n{known}")
    path = scratch.add("tool", "import os\ndef test_it():\n    assert os.path.exists('/arrived')\n", image="secret")
    (path / "devops" / "Dockerfile").write_text(RECIPE)
    result = scratch.run(
        "--engine", "docker", SSL_CERT_FILE=str(bundle), NO_PROXY=f"{MARK}.invalid", no_proxy=f"{MARK}.invalid"
    )
    assert result.of("tool") == ("PASS", 0), result.stderr
    image = result.verdicts["tool"]["image"]
    recorded = docker("history", "--no-trunc", image) + docker("image", "inspect", image)
    assert f"{MARK}.invalid" not in recorded
    everything = subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE)
    assert everything.stdout
    found, before = False, b""
    while piece := everything.stdout.read(1 << 20):
        # The recipe's own text names the mark; the settings carry it with a suffix or as a comment of the bundle.
        found = found or f"# {MARK}".encode() in before + piece or f"{MARK}.invalid".encode() in before + piece
        before = piece[-200:]
    assert everything.wait() == 0
    assert not found


def test_an_image_whose_inputs_are_the_same_is_not_built_again(scratch: Scratch) -> None:
    scratch.add("tool", PASSES, image="twice")
    first, second = scratch.invoke("docker_build", "--dir", "tool"), scratch.invoke("docker_build", "--dir", "tool")
    assert first.returncode == second.returncode == 0, first.stderr
    assert first.stdout == second.stdout
    assert "building tool" in first.stderr
    assert "building" not in second.stderr
    with (scratch.root / "tool" / "test" / "test_it.py").open("a") as file:
        file.write("# code is mounted, not built\n")
    assert "building" not in scratch.invoke("docker_build", "--dir", "tool").stderr


def test_all_images_are_built_several_at_a_time_and_one_fault_does_not_stop_the_others(scratch: Scratch) -> None:
    for name, last in (("one", "sleep 3"), ("two", "sleep 3"), ("broken", "false")):
        path = scratch.add(name, PASSES, image=name)
        (path / "devops" / "Dockerfile").write_text(f"ARG BASE\nFROM ${{BASE}}\nRUN {last}  # {scratch.prefix}\n")
    (scratch.add("wrong", PASSES, image="wrong") / "changelog.txt").write_text("not one\n")
    result = scratch.invoke("docker_build", "--all")
    assert result.returncode == 2, result.stderr
    assert [line.partition(":")[0].rpartition("-")[2] for line in result.stdout.splitlines()] == ["one", "two"]
    # Both were begun before either was over.
    begun = re.split(r"helpers: (?:one|two) is ready", result.stderr)[0]
    assert "helpers: building one\n" in begun and "helpers: building two\n" in begun
    assert result.stderr.count("broken: the image did not build") == 1
    assert "wrong/changelog.txt:1" in result.stderr
    for name, code in (("wrong", 2), ("broken", 3), ("one", 0)):
        assert scratch.invoke("docker_build", "--dir", name).returncode == code


def test_an_image_that_was_removed_behind_our_back_is_built_again(scratch: Scratch) -> None:
    scratch.add("tool", PASSES, image="removed")
    digest = scratch.run("--engine", "docker").verdicts["tool"]["image"]
    docker("image", "rm", "--force", digest)
    assert scratch.run("--engine", "docker").of("tool") == ("PASS", 0)
    docker("image", "rm", "--force", digest)
    assert scratch.invoke("docker_cmd", "--dir", "tool", "--", "true").returncode == 0


def test_a_python_that_the_base_does_not_have_is_named_before_a_build(scratch: Scratch) -> None:
    path = scratch.add("tool", PASSES, image="python")
    text = (path / "pyproject.toml").read_text().replace(">=3.11,<3.14", ">=3.12,<3.14")
    (path / "pyproject.toml").write_text(text)
    assert scratch.invoke("docker_lock", "--dir", "tool").returncode == 0
    result = scratch.run("--engine", "docker")
    assert result.of("tool") == ("CONFIG", 2)
    why = result.verdicts["tool"]["why"]
    assert "requires-python '>=3.12,<3.14' does not allow Python 3.11, which archive:bookworm has" in why
    assert str(path / "pyproject.toml") in why and "archive:trixie has 3.13" in why


def test_a_lock_that_says_something_else_than_the_project_is_named(scratch: Scratch) -> None:
    path = scratch.add("tool", PASSES, image="stale")
    text = (path / "pyproject.toml").read_text().replace("dependencies = []", 'dependencies = ["attrs==25.3.0"]')
    assert "attrs" in text
    (path / "pyproject.toml").write_text(text)
    result = scratch.run("--engine", "docker")
    assert result.of("tool") == ("CONFIG", 2)
    assert "docker_lock" in result.verdicts["tool"]["why"]
    assert scratch.invoke("docker_lock", "--dir", "tool").returncode == 0
    assert scratch.run("--engine", "docker").of("tool") == ("PASS", 0)


def test_bases_in_a_circle_are_named(scratch: Scratch) -> None:
    for name, base in (("one", "two"), ("two", "one")):
        path = scratch.add(name, PASSES, image=name)
        text = (path / "pyproject.toml").read_text().replace('"archive:bookworm"', f'"dir:../{base}"')
        (path / "pyproject.toml").write_text(text)
    result = scratch.run("--engine", "docker")
    assert result.of("one") == result.of("two") == ("CONFIG", 2)
    assert "circle" in result.verdicts["one"]["why"]


def test_without_an_engine_auto_takes_the_embedded_one_and_docker_refuses(scratch: Scratch) -> None:
    scratch.add("tool", PASSES, image="none")
    dead = f"unix://{scratch.root.parent}/no-engine.sock"
    result = scratch.run(DOCKER_HOST=dead)
    assert result.of("tool") == ("PASS", 0), result.stderr
    assert result.report["engine"] == "venv"
    assert sum("using `venv`" in line for line in result.stderr.splitlines()) == 1
    refused = scratch.run("--engine", "docker", DOCKER_HOST=dead)
    assert refused.code == 6
    assert "unset DOCKER_HOST" in refused.stderr
    shell = scratch.invoke("docker_cmd", "--dir", "tool", "--", "true", DOCKER_HOST=dead)
    assert shell.returncode == 6
    assert "unset DOCKER_HOST" in shell.stderr


def test_the_embedded_engine_skips_what_it_can_not_give_and_that_alone_is_not_green(scratch: Scratch) -> None:
    scratch.add("python", PASSES, image="python")
    text = (scratch.root / "python" / "pyproject.toml").read_text().replace(">=3.11,<3.14", ">=3.99")
    # No Python of the archive fits, and that would be a fault of the settings.
    text = text.replace('"archive:bookworm"', f'"image:127.0.0.1:1/python@sha256:{"0" * 64}"')
    (scratch.root / "python" / "pyproject.toml").write_text(text)
    locked = scratch.invoke("docker_lock", "--dir", "python")
    assert locked.returncode == 0, locked.stderr
    scratch.add("packages", PASSES, image="packages", settings='system_packages = ["no-such-package"]\n')
    result = scratch.run("--engine", "venv")
    assert result.of("python") == result.of("packages") == ("SKIP", 0), result.stderr
    assert result.code == 5
    recipe = scratch.add("recipe", PASSES, image="recipe")
    (recipe / "devops" / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    assert scratch.run("--engine", "venv").of("recipe") == ("SKIP", 0)
    scratch.add("plain", PASSES, image="plain")
    assert scratch.run("--engine", "venv").code == 0


def test_the_plan_as_data_is_the_plan_as_text_and_runs_nothing(scratch: Scratch) -> None:
    scratch.add("tool", PASSES, image="listed")
    text = scratch.run("--list", DOCKER_HOST="unix:///no/such/socket")
    assert text.code == 0
    data = json.loads((scratch.root.parent / "report.json").read_text())
    assert [item["directory"] for item in data["directories"]] == ["tool"]
    assert data["directories"][0]["image"] in text.stdout
    assert {"step": "test tool", "needs": ["image tool"]} in data["steps"]


def test_what_is_installed_and_not_as_locked_fails_the_build_and_both_are_named(scratch: Scratch) -> None:
    path = scratch.add("low", PASSES, image="low")
    pretend = """
RUN cd /opt/venv/lib/python3*/site-packages && mv iniconfig-* iniconfig-0.0.1.dist-info \
    && sed -i 's/^Version: .*/Version: 0.0.1/' iniconfig-0.0.1.dist-info/METADATA
"""
    recipe = (ROOT / "helpers" / "images" / "Dockerfile").read_text()
    assert recipe.count("FROM packages AS dev\n") == 1
    (path / "devops" / "Dockerfile").write_text(recipe.replace("AS dev\n", f"AS dev\n{pretend}"))
    path = scratch.add("top", PASSES, image="top") / "pyproject.toml"
    path.write_text(path.read_text().replace('"archive:bookworm"', '"dir:../low"'))
    result = scratch.invoke("docker_build", "--dir", "top")
    assert result.returncode == 3, result.stderr
    assert re.search(r"top: .* is not what the lock .* iniconfig.*==2\S+ and iniconfig==0\.0\.1", result.stderr)


def test_a_build_goes_into_the_engine_whichever_builder_is_current(scratch: Scratch) -> None:
    scratch.add("tool", PASSES, image="builder")
    done = scratch.invoke("docker_build", "--dir", "tool", BUILDX_BUILDER=f"no-such-{scratch.prefix}")
    assert done.returncode == 0, done.stderr
    assert docker("image", "inspect", done.stdout.split()[0])


class Elsewhere(DockerEngine):
    """An engine that does not have what was just made, as after somebody removed it."""

    @staticmethod
    def _build(*_: object) -> None:
        """Make nothing here."""


def test_an_image_that_is_gone_as_soon_as_it_is_made_is_said_with_what_mends_it(tmp_path: Path) -> None:
    recipe = tmp_path / "Dockerfile"
    recipe.write_text("ARG BASE\nFROM ${BASE}\n")
    base = f"helpers-test-{os.urandom(4).hex()}"
    with (tmp_path / "empty.tar").open("wb") as file:
        file.write(bytes(10240))
    docker("import", str(tmp_path / "empty.tar"), f"{base}:1")
    try:
        image = ImageSpec("tool", f"{base}-tool:inputs-01", "01", Base.parse("dir:../base"), dockerfile=recipe)
        with pytest.raises(InfrastructureError, match="the engine does not have it") as caught:
            Elsewhere().provide(image, Ingredients((), f"{base}:1"), tmp_path / "log", Control())
        assert caught.value.fix == "run it again"
    finally:
        tags = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", base).split()
        docker("image", "rm", "--force", *tags)
