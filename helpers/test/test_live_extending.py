"""A team releases an image on another team's release: what that one brings was judged when it was released."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.test.conftest import Scratch, docker, scratch_repo
from helpers.test.registry_fixtures import docker_registry

pytestmark = pytest.mark.engine

TEST = "import {name}\n\ndef test_it():\n    assert {name}.answer() == 42\n"


def add_tool(repo: Scratch, host: str, name: str, settings: str) -> Path:
    """Make a runnable dir whose container of `prod` prints a number, and commit it."""
    (repo.root / "pyproject.toml").write_text(f'[tool.helpers]\nregistry = "{host}/{name}"\n')
    path = repo.add(name, TEST.format(name=name), image=name, settings=settings)
    (path / name).mkdir()
    (path / name / "__init__.py").write_text("def answer():\n    return 42\n")
    (path / name / "__main__.py").write_text(f"import {name}\n\nprint({name}.answer())\n")
    commit(repo)
    return path


def commit(repo: Scratch) -> None:
    repo.git("add", "--all")
    repo.git("commit", "--quiet", "--message", "work")


def test_a_release_on_another_team_s_release_does_not_answer_for_what_that_one_brings(tmp_path: Path) -> None:
    with (
        docker_registry(tmp_path) as host,
        scratch_repo(tmp_path / "theirs") as theirs,
        scratch_repo(tmp_path / "ours") as ours,
    ):
        # A build tool that they ask for and we do not.
        lower = add_tool(theirs, host, "lower", '\nsystem_packages = ["make"]\n')
        done = theirs.invoke("docker_release", "--stage", "prod", cwd=lower)
        assert done.returncode == 0, done.stderr
        name = f"{host}/lower/{theirs.prefix}-lower"
        # The same bytes under a name that no release gave.
        docker("buildx", "imagetools", "create", "--tag", f"{name}:copy", f"{name}:prod-0.1.0")

        upper = add_tool(ours, host, "upper", "")
        project = upper / "pyproject.toml"
        text = project.read_text()
        for tag, version, code in (("copy", "0.1.0", 4), ("prod-0.1.0", "0.2.0", 0)):
            (upper / "changelog.txt").write_text(f"# {ours.prefix}-upper-{version}\n- 2026-11-21\n- on {tag}\n")
            project.write_text(text.replace("archive:bookworm", f"image:{name}:{tag}"))
            assert (done := ours.invoke("docker_bases", "--update", cwd=upper)).returncode == 0, done.stderr
            commit(ours)
            done = ours.invoke("docker_release", "--stage", "prod", cwd=upper)
            assert done.returncode == code, done.stderr
            assert ("package make: a build tool" in done.stderr) == (tag == "copy")
        assert docker("run", "--rm", f"{host}/upper/{ours.prefix}-upper:prod-0.2.0") == "42\n"
