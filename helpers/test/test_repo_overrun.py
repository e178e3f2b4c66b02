"""A commit that has a file where a submodule is checked out: git would delete all that is in it, and says nothing."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.errors import OK, REFUSED
from helpers.repos import branch, pull, roll_forward
from helpers.test.fleet import Fleet, commit, git, one, pristine, user

__all__ = ["one", "pristine", "user"]
# These tests start processes, and there are many of them.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("user")]

SHARED = "apps/one/libs/shared"


def replace(one: Fleet, name: str, path: str, kind: str) -> None:
    """Let the remote `name` have something else at `path`, where a submodule is, or the directory around one."""
    work = one.home / f"work of {name}"
    git(work, "rm", "-r", "--quiet", "--force", path)
    shutil.rmtree(work / path, ignore_errors=True)
    if kind == "file":
        (work / path).write_text("theirs\n")
    elif kind == "link":
        (work / path).symlink_to("file.txt")
    elif kind == "directory":
        (work / path).mkdir()
        (work / path / "theirs.txt").write_text("theirs\n")
    one.push(name)


def work_in(root: Path) -> Callable[[], bool]:
    """Change, add and commit files at `root`, and return what says that all of that is still there."""
    head = commit(root, "committed.txt", "mine")
    (root / "file.txt").write_text("mine\n")
    (root / "new.txt").write_text("mine\n")

    def is_there() -> bool:
        texts = [(root / name).read_text() for name in ("file.txt", "new.txt")]
        return texts == ["mine\n", "mine\n"] and git(root, "rev-parse", "HEAD").strip() == head

    return is_there


def acted(one: Fleet, capsys: pytest.CaptureFixture[str], act: str) -> tuple[int, str]:
    capsys.readouterr()
    if act == "pull":
        code = pull.main(cwd=one.top)
    elif act == "roll_forward":
        code = roll_forward.main(cwd=one.top)
    else:
        git(
            one.top, "fetch", "--quiet", "origin", "main:topic" if act == "branch" else "main:refs/remotes/origin/topic"
        )
        code = branch.main("topic", cwd=one.top)
    return code, capsys.readouterr().out


@pytest.mark.parametrize("own_git_dir", [False, True])
@pytest.mark.parametrize("kind", ["file", "link"])
@pytest.mark.parametrize("act", ["pull", "roll_forward", "branch", "branch of the remote"])
def test_a_submodule_that_a_file_would_replace_stays(
    one: Fleet, capsys: pytest.CaptureFixture[str], act: str, kind: str, own_git_dir: bool
) -> None:
    if own_git_dir:
        kept = one.top / ".git" / "modules" / "tools"
        git(kept, "config", "--unset", "core.worktree")
        (one.at("tools") / ".git").unlink()
        kept.rename(one.at("tools") / ".git")
    is_there = work_in(one.at("tools"))
    replace(one, "top", "tools", kind)
    before = one.head(".")
    code, told = acted(one, capsys, act)
    assert code == REFUSED and "in the way: tools, where a file replaces the submodule" in told
    assert is_there() and one.head(".") == before


def test_a_submodule_below_a_directory_that_becomes_a_file_stays(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    is_there = work_in(one.at("apps/one"))
    replace(one, "top", "apps", "file")
    code, told = acted(one, capsys, "pull")
    assert code == REFUSED and "in the way: apps/one, where" in told and is_there()


def test_a_submodule_in_a_submodule_stays(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    is_there = work_in(one.at(SHARED))
    replace(one, "one", "libs/shared", "file")
    one.pin("top", apps__one="one")
    code, told = acted(one, capsys, "pull")
    assert code == REFUSED and "left       apps/one  in the way: libs/shared, where" in told and is_there()


def test_files_in_place_of_a_submodule_git_itself_does_not_write_over_it(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    (one.at("tools") / "theirs.txt").write_text("mine")
    replace(one, "top", "tools", "directory")
    code, told = acted(one, capsys, "pull")
    assert code == REFUSED and "tools/theirs.txt" in told
    assert (one.at("tools") / "theirs.txt").read_text() == "mine"


def test_a_submodule_that_is_no_more_and_one_that_is_not_checked_out_are_not_in_the_way(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    is_there = work_in(one.at("tools"))
    replace(one, "top", "tools", "nothing")
    git(one.top, "submodule", "deinit", "--quiet", "--force", "data")
    replace(one, "top", "data", "file")
    assert acted(one, capsys, "pull")[0] == OK
    assert is_there() and one.at("data").read_text() == "theirs\n"


def test_a_submodule_that_is_staged_in_place_of_a_file_is_not_in_the_way_of_a_new_branch(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    git(one.top, "mv", "tools", "moved")
    one.at("tools").write_text("a file\n")
    commit(one.top)
    git(one.top, "rm", "--quiet", "tools")
    git(one.top, "mv", "moved", "tools")
    assert branch.main("topic", cwd=one.top) == OK
    assert one.head(".", "topic") == one.head(".")
