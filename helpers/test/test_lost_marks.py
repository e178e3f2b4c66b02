"""A directory that git knows as runnable does not leave the plan in silence, whatever the checkout lacks."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest

from helpers import config, discover
from helpers.dirs import check
from helpers.driver import cli
from helpers.errors import ConfigError
from helpers.test.dirs_fixtures import agreed, sound
from helpers.test.unit_fixtures import cache, git, make_repo

__all__ = ["cache"]
# These tests start git, and there are many of them.
pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repo with the runnable dirs `a`, `It's/b` and `c`; `a` has no settings of helpers."""
    root = make_repo(tmp_path / "r")
    for name in ("a", "It's/b", "c"):
        (sound(root, name) / "devops" / ".gitkeep").touch()
    file = root / "a" / "pyproject.toml"
    file.write_text(re.sub(r"\[tool\.helpers\][^[]*", "", file.read_text()))
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "x")
    assert "helpers" not in file.read_text()
    monkeypatch.chdir(root)
    return root


def absent(root: Path) -> tuple[str, ...]:
    return discover.listing(root).absent


@pytest.mark.parametrize("untracked", [False, True])
@pytest.mark.parametrize("lost", [("devops",), ("changelog.txt",), ("devops", "changelog.txt")], ids="+".join)
def test_lost_mark_that_git_tracks_is_an_error_with_a_fix(root: Path, lost: tuple[str, ...], untracked: bool) -> None:
    path = root / "a"
    for mark in lost:
        (path / mark).rename(root / ".git" / mark)
    for mark in {"devops", "changelog.txt"} - set(lost) if untracked else ():
        git(root, "rm", "-r", "--quiet", "--cached", f"a/{mark}")
    assert path in discover.runnable_paths(root) and absent(root) == ()
    assert discover.enclosing(path) == (root, path)
    with pytest.raises(ConfigError, match=f"has no {lost[0]}") as caught:
        config.load(root, path, [path])
    assert os.system(caught.value.fix or "false") == 0
    assert config.load(root, path, [path]).name == "a"


def test_root_that_lost_both_marks_is_an_error(tmp_path: Path, cache: Path) -> None:
    root = make_repo(tmp_path / "one")
    (sound(root, ".") / "devops" / ".gitkeep").touch()
    git(root, "add", "--all")
    shutil.rmtree(root / "devops")
    (root / "changelog.txt").unlink()
    assert discover.runnable_paths(root) == [root]


def test_mark_that_git_does_not_track_is_not_missed(root: Path) -> None:
    git(root, "rm", "-r", "--quiet", "a/devops")
    (root / "plain").mkdir()
    (root / "plain" / "changelog.txt").touch()
    git(root, "add", "--all")
    assert discover.runnable_paths(root) == [root / "It's/b", root / "c"]
    git(root, "rm", "-r", "--quiet", "c")
    assert absent(root) == ()


@pytest.mark.parametrize("how", ["sparse", "removed", "leftovers"])
def test_absent_runnable_dirs_are_named_with_a_fix(root: Path, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    if how == "sparse":
        git(root, "sparse-checkout", "set", "c")
    else:
        shutil.rmtree(root / "a")
        shutil.rmtree(root / "It's")
    if how == "leftovers":
        (root / "a" / "__pycache__").mkdir(parents=True)
    assert absent(root) == ("It's/b", "a")
    assert cli.main(["--list", "--dir", "c"], root) == 0
    assert "not in the checkout" not in capsys.readouterr().err
    assert cli.main(["--list", "--strict-tests"], root) == 4
    assert "refused: 2 runnable dirs are tracked, but not in the checkout" in capsys.readouterr().err
    assert cli.main(["--list"], root) == 0
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "note: 2 runnable dirs" in line]
    assert "not in the checkout: It's/b, a; why: " in line
    assert check.main(directory="", every=True, cwd=root, requirements=agreed) == 0
    assert "note: 2 runnable dirs" in capsys.readouterr().err
    assert os.system(line.partition("; fix: ")[2]) == 0
    assert absent(root) == () and len(discover.runnable_paths(root)) == 3
