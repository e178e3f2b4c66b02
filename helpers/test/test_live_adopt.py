"""A new repo takes helpers as a submodule, as its user would type it: from `git init` to tests in a container."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.test.conftest import Scratch

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PASSES = "def test_it():\n    assert True\n"
Adopt = Callable[..., Scratch]


@pytest.fixture(params=["the sub-repo alone", "the whole repo"])
def form(request: pytest.FixtureRequest) -> str:
    """In which form the submodule is."""
    return str(request.param)


@pytest.fixture
def adopt(scratch: Scratch, tmp_path: Path) -> Adopt:
    """Makes a super-repo of helpers in a form, with the options of `init`."""
    scratch.git("add", "--all")
    scratch.git("commit", "--quiet", "--message", "toolchain")
    scratch.git("subtree", "split", "-q", "-P", "helpers", "-b", "helpers")

    def make(form: str, *options: str) -> Scratch:
        above = Scratch.__new__(Scratch)
        above.root, above.prefix = tmp_path / "super repo", scratch.prefix
        above.root.mkdir(exist_ok=True)
        above.git("init", "--quiet", "--initial-branch", "main")
        branch = ["-b", "helpers"] if form == "the sub-repo alone" else []
        above.git("submodule", "--quiet", "add", *branch, str(scratch.root), "helpers")
        assert (above.root / "helpers" / "__init__.py").exists() == bool(branch)
        package = "helpers" if branch else "helpers/helpers"
        command = [sys.executable, f"{package}/thin_env/bootstrap.py", "init", *options]
        done = subprocess.run(command, cwd=above.root, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL)
        assert done.returncode == 0, done.stdout + done.stderr
        return above

    return make


def test_the_toolchain_works_as_a_submodule_of_another_repo(adopt: Adopt, form: str) -> None:
    above = adopt(form)
    above.add("tool", PASSES, image="above")
    result = above.run("--engine", "docker")
    assert result.of("tool") == ("PASS", 0), result.stderr
    assert list(result.verdicts) == ["tool"]
    listed = above.invoke("--list")
    assert listed.returncode == 0
    assert "docker_bash" in listed.stdout
    inside = above.invoke("docker_cmd", "--", "git", "-C", "../helpers", "status", "--short", cwd=above.root / "tool")
    assert (inside.returncode, inside.stdout) == (0, ""), inside.stderr
    assert above.containers() == []
    _from_a_worktree(above)


def _from_a_worktree(above: Scratch) -> None:
    above.git("add", "--all")
    above.git("commit", "--quiet", "--message", "helpers")
    other = Scratch.__new__(Scratch)
    other.root, other.prefix = above.root.parent / "work tree", above.prefix
    above.git("worktree", "add", "--quiet", "-b", "other", str(other.root))
    other.git("submodule", "--quiet", "update", "--init")
    result = other.run("--engine", "docker")
    assert result.of("tool") == ("PASS", 0), result.stderr
    shell = "source dev_scripts/setenv.sh && invoke dir_list"
    listed = subprocess.run(["bash", "-c", shell], cwd=other.root, capture_output=True, encoding="utf-8")
    assert listed.returncode == 0, listed.stderr
    assert "tool" in listed.stdout
    assert other.containers() == []


def test_a_first_runnable_dir_passes_its_tests_at_once(adopt: Adopt, scratch: Scratch) -> None:
    name = f"{scratch.prefix}-hello"
    above = adopt("the sub-repo alone", "--name", f"runnable_dirs/{name}", "--registry", "127.0.0.1:5000/team")
    result = above.run("--engine", "docker")
    assert result.code == 0, result.stderr
    assert result.of(f"runnable_dirs/{name}") == ("PASS", 0)
    changed = above.git("status", "--porcelain", "--untracked-files=all").splitlines()
    added = [line[3:] for line in changed if not line[3:].startswith(("helpers", ".gitmodules", "runnable_dirs/"))]
    assert len(added) == 8, added
    assert not os.path.exists(above.root / name)


SEES = """
import os
import tool

def test_it():
    assert tool.ANSWER == 42
    here = os.path.dirname(os.path.abspath(__file__))
    assert sorted(os.listdir(os.path.join(here, "helpers"))) == SEEN
"""


def test_the_package_at_the_root_of_a_repo_is_tested_where_it_is(
    adopt: Adopt, form: str, scratch: Scratch, tmp_path: Path
) -> None:
    root = tmp_path / "super repo"
    # Of helpers there is only what reports the verdict.
    seen = SEES.replace("SEEN", repr(["inside"] if form == "the sub-repo alone" else ["helpers"]))
    name = f"{scratch.prefix}-tool"
    project = f'[project]\nname = "{name}"\nrequires-python = ">=3.11,<3.12"\ndynamic = ["version"]\n'
    for path, text in {"pyproject.toml": project, "tool/__init__.py": "ANSWER = 42\n", "test_tool.py": seen}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    above = adopt(form, "--name", ".", "--registry", "127.0.0.1:5000/team")
    result = above.run("--engine", "docker")
    assert (result.code, list(result.verdicts)) == (0, ["."]), result.stderr
    assert result.of(".") == ("PASS", 0)
    assert "1 passed" in result.stdout
    checked = above.invoke("dir_check")
    assert checked.returncode == 0, checked.stdout
    # A test of the root that fails is seen, so that the one above was run.
    (root / "tool" / "__init__.py").write_text("ANSWER = 41\n")
    assert above.run("--engine", "docker").of(".") == ("FAIL", 1)
