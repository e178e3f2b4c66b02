"""Conflict markers in any file of a checkout: file, line, and a fix for the state of git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from helpers import checkout_file, config, discover
from helpers.driver import plan as planner
from helpers.errors import ConfigError
from helpers.images import lock_source
from helpers.test.unit_fixtures import add_dir, cache, forget, git, make_repo

__all__ = ["cache"]

FILES = (
    *("pyproject.toml", "poetry.lock", "changelog.txt", "devops/base.lock", "devops/system-packages.lock"),
    *("devops/compose.yaml", "devops/Dockerfile"),
)


def conflict(root: Path, name: str, how: str = "merge") -> Path:
    """Leave `name` of the repo at `root` in conflict, its first line agreed on, and return the file."""
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    before = file.read_text().splitlines()[0] if file.exists() else "# first"
    file.write_text(f"{before}\nbase\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "base")
    for branch, text in (("theirs", "their line"), ("main", "our line")):
        git(root, "checkout", "--quiet", *(["-b"] if branch == "theirs" else []), branch)
        file.write_text(f"{before}\n{text}\n")
        git(root, "commit", "--quiet", "--all", "--message", branch)
    style = "diff3" if how == "diff3" else "merge"
    command = {"rebase": "rebase", "cherry-pick": "cherry-pick"}.get(how, "merge")
    with pytest.raises(subprocess.CalledProcessError):
        git(root, "-c", f"merge.conflictStyle={style}", command, "theirs")
    if how == "committed":
        git(root, "commit", "--quiet", "--all", "--message", "markers and all")
    return file


@pytest.mark.parametrize("name", FILES)
def test_markers_in_any_file_are_named_with_their_line(tmp_path: Path, name: str) -> None:
    root = make_repo(tmp_path / "r")
    file = conflict(add_dir(root, "d").parent, f"d/{name}")
    with pytest.raises(ConfigError, match="has conflict markers") as caught:
        checkout_file.read_text(file)
    assert caught.value.where == f"{file}:2"


@pytest.mark.parametrize("how", ["merge", "diff3", "rebase", "cherry-pick", "committed"])
@pytest.mark.parametrize("here", ["d", "d/test", "."])
def test_the_fix_for_a_lock_takes_a_side_from_wherever_it_is_pasted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str, here: str
) -> None:
    root = make_repo(tmp_path / "r")
    add_dir(root, "d")
    file = conflict(root, "d/poetry.lock", how)
    monkeypatch.chdir(root / here)
    with pytest.raises(ConfigError) as caught:
        lock_source.pins(root / "d")
    side, relock = str(caught.value.fix).split(" && ")
    option = {"d": "", "d/test": " --dir ..", ".": " --dir d"}[here]
    assert relock == f"invoke docker_lock{option}"
    if here == "d" and how in ("merge", "rebase"):
        assert side == "git checkout --ours poetry.lock"
    subprocess.run(["sh", "-c", side], check=True)
    # The upstream's side is "ours" in a rebase.
    assert file.read_text() == f"# a lock\n{'their' if how == 'rebase' else 'our'} line\n"


def test_the_fix_works_in_a_super_repo_for_a_file_of_a_submodule(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = make_repo(tmp_path / "super")
    inner = make_repo(root / "a lib")
    add_dir(inner, "d")
    file = conflict(inner, "d/changelog.txt")
    monkeypatch.chdir(root)
    with pytest.raises(ConfigError) as caught:
        config.read_text(file)
    subprocess.run(["sh", "-c", str(caught.value.fix).partition("  (")[0]], check=True)
    assert "our line" in config.read_text(file)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("poetry.lock", "a = 1\n=======\nb = 2\n", 2),
        ("pyproject.toml", "a = 1\r\n>>>>>>> theirs\r\n", 2),
        ("changelog.txt", "<<<<<<<\n", 1),
        ("changelog.txt", "# x-1.0.0\n=======\n- the line `<<<<<<< HEAD` in a text, ======= and >>>>>>> too\n", 0),
        ("pyproject.toml", "# =======\n# <<<<<<< HEAD\na = '======='\n", 0),
    ],
)
def test_what_is_a_marker(tmp_path: Path, name: str, text: str, line: int) -> None:
    file = tmp_path / name
    file.write_bytes(text.encode())
    if not line:
        assert checkout_file.read_text(file) == text
        return
    with pytest.raises(ConfigError) as caught:
        checkout_file.read_text(file)
    assert caught.value.where == f"{file}:{line}"


def test_markers_of_one_directory_leave_the_plan_of_the_other_one_alone(tmp_path: Path, cache: Path) -> None:
    root = make_repo(tmp_path / "r")
    for name in ("a", "b"):
        add_dir(root, name)
    conflict(root, "a/pyproject.toml")
    forget()
    paths = discover.runnable_paths(root)
    one, other = planner.make(root, paths, paths, "fast").dirs
    assert one.error and "has conflict markers" in one.error.what and other.error is None


@pytest.mark.parametrize("committed", ["sound", "broken", "none"])
def test_the_fix_for_a_lock_that_is_not_toml_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, committed: str
) -> None:
    root = make_repo(tmp_path / "r")
    path = add_dir(root, "d", locked=committed != "none")
    file = path / "poetry.lock"
    if committed == "broken":
        file.write_text("x =\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "one")
    file.write_text("y =\n")
    monkeypatch.chdir(path / "test")
    with pytest.raises(ConfigError, match="is not TOML") as caught:
        lock_source.pins(path)
    fix = str(caught.value.fix)
    assert (fix == "rm ../poetry.lock && invoke docker_lock --dir ..") == (committed != "sound")
    subprocess.run(["sh", "-c", fix.partition(" && ")[0]], check=True)
    lock_source.pins(path)
    assert os.path.exists(file) == (committed == "sound")
