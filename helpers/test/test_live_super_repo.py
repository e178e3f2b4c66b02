"""All that this repo tests also passes where helpers is a submodule: here in a worktree, at a path with a space."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.test.conftest import ROOT
from helpers.test.unit_fixtures import git, make_repo

pytestmark = [pytest.mark.engine, pytest.mark.superslow]


def _copied(source: Path, target: Path, names: list[str]) -> Path:
    """Make a repo of the files `names` of `source`, those that git knows, and return it."""
    make_repo(target)
    for name in names:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source / name, target / name)
    return target


def _committed(root: Path) -> None:
    git(root, "add", "--all", "--force")
    git(root, "commit", "--quiet", "--message", "first")


def _tracked(directory: Path) -> list[str]:
    names = git(directory, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".").split("\0")
    return [name for name in names if name and (directory / name).is_file()]


@pytest.fixture
def work_tree(tmp_path: Path) -> Path:
    """A linked worktree of a copy of this repo that has helpers as a submodule."""
    published = _copied(ROOT / "helpers", tmp_path / "published", _tracked(ROOT / "helpers"))
    _committed(published)
    own = [name for name in _tracked(ROOT) if not name.startswith("helpers/")]
    above = _copied(ROOT, tmp_path / "super repo", own)
    git(above, "submodule", "--quiet", "add", str(published), "helpers")
    _committed(above)
    tree = tmp_path / "work tree"
    git(above, "worktree", "add", "--quiet", "-b", "other", str(tree))
    git(tree, "submodule", "--quiet", "update", "--init")
    return tree


def test_the_whole_suite_passes_in_a_worktree_of_a_super_repo(work_tree: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, "main_pytest.py", "--engine", "docker", "--json", str(report)]
    done = subprocess.run(command, cwd=work_tree, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    verdicts = {item["directory"]: item["verdict"] for item in json.loads(report.read_text())["directories"]}
    examples = {f"runnable_dirs/{path.parent.name}" for path in ROOT.glob("runnable_dirs/*/changelog.txt")}
    assert set(verdicts) >= {".", *examples} and set(verdicts.values()) == {"PASS"}
    assert git(work_tree, "status", "--porcelain") == ""
    assert (work_tree / "helpers" / ".git").is_file()
