"""A Dockerfile of a checkout chooses no program that runs the build."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.engine import dockerfile
from helpers.errors import ConfigError

EVIL = "127.0.0.1:1/evil"
BODY = "\nARG BASE\nFROM ${BASE}\n"


@pytest.mark.parametrize(
    "head",
    [
        f"# syntax={EVIL}",
        f"#syntax={EVIL}",
        f"# SyNtAx =\t{EVIL} docker/dockerfile",
        f"#\u00a0syntax={EVIL}\r",
        f"// syntax = {EVIL}",
        f"#!/usr/bin/env docker\n# syntax={EVIL}",
        f"\ufeff# syntax={EVIL}",
        f"\ufeff#!/x\n//syntax={EVIL}",
        f"# escape=`\n# check=skip=all\n# syntax={EVIL}",
        f"# syntax=docker/dockerfile:1\n# syntax={EVIL}",
        "# syntax=docker/dockerfile-upstream:master",
        "# syntax=docker/dockerfile:1\tx",
        "# syntax=docker/dockerfile:1@sha256:x",
        "# syntax=docker.io.evil/docker/dockerfile",
        "# syntax=evil.example/docker/dockerfile:1",
        "# syntax=",
    ],
)
def test_frontend_other_than_dockers_is_refused(head: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="names the frontend") as caught:
        dockerfile.check(head + BODY, tmp_path / "Dockerfile")
    # The refused line is the last one of each head.
    line = head.count("\n") + 1
    assert str(caught.value.where) == f"{tmp_path / 'Dockerfile'}:{line}"


@pytest.mark.parametrize("before", ["", "\ufeff", "#!/usr/bin/env x\n", "\n  "])
def test_json_is_refused(before: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is JSON"):
        dockerfile.check(f'{before}{{"syntax": "{EVIL}"}}', tmp_path / "Dockerfile")


@pytest.mark.parametrize(
    "head",
    [
        "# syntax=docker/dockerfile",
        "# syntax = docker/dockerfile:1.7-labs  ",
        "#syntax=docker.io/docker/dockerfile:1\r",
        f"# syntax=docker/dockerfile:1@sha256:{'a' * 64}",
        "# escape=`\n# check=error=true",
        "# the syntax of this file: FROM=x\n# syntaxes=x",
        "",
    ],
)
def test_frontend_of_docker_is_allowed(head: str, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text(head + BODY)
    assert dockerfile.read(tmp_path / "Dockerfile").endswith(BODY)


@pytest.mark.parametrize(
    "build, says",
    [
        ({"args": {"BUILDKIT_SYNTAX": "docker/dockerfile:1"}}, "BUILDKIT_SYNTAX is not allowed"),
        ({"dockerfile_inline": f"# syntax={EVIL}{BODY}"}, "names the frontend"),
        ({"dockerfile": "web.Dockerfile"}, "names the frontend"),
        ({"dockerfile": "lower/Dockerfile"}, "names the frontend"),
        ({"dockerfile": "links/Dockerfile"}, "leads out of the repo"),
    ],
)
def test_build_of_a_service_chooses_no_frontend(build: dict[str, object], says: str, tmp_path: Path) -> None:
    repo = tmp_path / "repo"
    for name in (".git", "lower", "links"):
        (repo / name).mkdir(parents=True)
    for name in ("web.Dockerfile", "lower/dockerfile"):
        (repo / name).write_text(f"# syntax={EVIL}{BODY}")
    (tmp_path / "outside").write_text(BODY)
    (repo / "links" / "Dockerfile").symlink_to(tmp_path / "outside")
    (repo / "Dockerfile").write_text(BODY)
    dockerfile.check_build({"context": str(repo), "args": {"A": None}}, repo / "compose.yaml")
    with pytest.raises(ConfigError, match=says):
        dockerfile.check_build({"context": str(repo), **build}, repo / "compose.yaml")
