"""A developer who may not see one submodule follows the recipe of the docs, in a clone of his own."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.repos.shared_files import PACKAGE
from helpers.test.fleet import environment
from helpers.test.helpers_repo import HelpersRepo
from helpers.test.unit_fixtures import git, make_repo
from helpers.thin_env import cache_path

# These tests start processes, and there are many of them.
pytestmark = pytest.mark.slow

HOW_TO = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "repos.md"


@pytest.fixture
def clone(tmp_path: Path) -> Iterator[Path]:
    """Where the recipe's clone of a super-repo lands, two of whose submodules may be seen and one not."""
    repo = HelpersRepo(tmp_path, code=True)
    # The closed one comes first: git stops there.
    for name in ("closed", "open"):
        made = make_repo(tmp_path / f"remote of {name}")
        (made / "file.txt").write_text(name)
        git(made, "add", "--all")
        git(made, "commit", "--quiet", "--message", name)
        git(repo.root, "submodule", "--quiet", "add", str(made), f"a {name} one")
    shutil.copytree(PACKAGE / "templates" / "super_repo", repo.root, dirs_exist_ok=True)
    repo.commit("common files")
    (tmp_path / "remote of closed").rename(tmp_path / "taken away")
    root = tmp_path / "clone"
    yield root
    (Path(cache_path()) / "checkouts" / str(root).replace("/", "%")).unlink(missing_ok=True)


def recipe() -> str:
    """Return the commands of the recipe."""
    text = HOW_TO.read_text("utf-8").partition("## Give a developer partial access")[2]
    found = re.search(r"```\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return found[1]


def in_shell(cwd: Path, commands: str) -> subprocess.CompletedProcess[str]:
    """Give commands to a shell as this user, and with this Python as `python3`."""
    env = {**os.environ, **environment(cwd), "HELPERS_PYTHON": sys.executable}
    return subprocess.run(
        ["bash", "--norc", "-c", commands], cwd=cwd, env=env, capture_output=True, encoding="utf-8", check=False
    )


def test_the_recipe_of_the_docs_works_from_the_clone_on(tmp_path: Path, clone: Path) -> None:
    lines = recipe().replace("URL", f"'{tmp_path / 'a super repo'}' clone").replace("NAME", "clone")
    done = in_shell(tmp_path, lines.replace("invoke repo_pull", "invoke repo_pull; echo code $?;"))
    assert "no access  a closed one" in done.stdout and "\ncode 6\n" in done.stdout, done
    assert (clone / "a open one" / "file.txt").read_text() == "open"
    assert re.search(r"^a closed one .* no access \(", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("command", ["python3 tasks.py", "python3 main_pytest.py", "source dev_scripts/setenv.sh"])
def test_the_command_that_a_shim_names_brings_helpers_though_another_one_is_closed(
    tmp_path: Path, clone: Path, command: str
) -> None:
    git(tmp_path, "clone", "--quiet", str(tmp_path / "a super repo"), str(clone))
    told = in_shell(clone, command)
    assert "is empty; fix: " in told.stderr
    mended = in_shell(clone, told.stderr.partition("fix: ")[2])
    assert mended.returncode == 0, mended.stderr
    assert (clone / "helpers" / "thin_env" / "bootstrap.py").exists()
