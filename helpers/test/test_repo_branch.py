from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.errors import INFRASTRUCTURE, OK, REFUSED, UsageError
from helpers.repos import branch
from helpers.test.fleet import Fleet, commit, git, one, pristine, user

__all__ = ["one", "pristine", "user"]
# These tests start processes, and there are many of them.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("user")]

ROOT = Path(__file__).resolve().parents[2]
SHARED = "apps/one/libs/shared"
ALL = (".", "apps/one", SHARED, "data", "tools")


def branched(
    one: Fleet, capsys: pytest.CaptureFixture[str], name: str = "topic", *, everywhere: bool = False, dry: bool = False
) -> tuple[int, str]:
    """Ask for the branch, and return the exit code and what was printed."""
    capsys.readouterr()
    code = branch.main(name, everywhere=everywhere, dry_run=dry, cwd=one.top)
    return code, capsys.readouterr().out


def on(one: Fleet, name: str = "topic") -> list[str]:
    """Return the repos in which that branch is checked out."""
    there = [path for path in ALL if (one.at(path) / ".git").exists()]
    return [path for path in there if git(one.at(path), "branch", "--show-current").strip() == name]


def test_without_work_the_outermost_repo_alone_gets_it(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    assert branched(one, capsys)[0] == OK and on(one) == ["."]
    assert branched(one, capsys) == (OK, "")


def test_work_anywhere_takes_it_to_its_repo_and_to_all_above(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    (one.at(SHARED) / "file.txt").write_text("mine\n")
    git(one.at("data"), "switch", "--quiet", "--detach", commit(one.at("data")))
    before = {path: one.head(path) for path in ALL}
    code, told = branched(one, capsys)
    assert code == OK and on(one) == [".", "apps/one", SHARED, "data"]
    assert [line.split()[1] for line in told.splitlines()] == [SHARED, "apps/one", "data", "."]
    assert {path: one.head(path) for path in ALL} == before
    assert (one.at(SHARED) / "file.txt").read_text() == "mine\n"


def test_a_new_file_is_work(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    (one.at("tools") / "new.txt").write_text("mine")
    assert branched(one, capsys)[0] == OK and on(one) == [".", "tools"]


def test_it_is_made_in_all_repos_when_asked(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    assert branched(one, capsys, everywhere=True)[0] == OK and on(one) == list(ALL)


def test_a_dry_run_makes_nothing(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    code, told = branched(one, capsys, everywhere=True, dry=True)
    assert code == OK and told.count("branch     ") == 5 and on(one) == []
    assert "topic" not in git(one.top, "branch")


def test_one_that_is_there_and_newer_is_checked_out(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    git(one.top, "switch", "--quiet", "--create", "topic")
    made = commit(one.top, "other.txt")
    git(one.top, "switch", "--quiet", "main")
    (one.top / "mine.txt").write_text("mine")
    assert branched(one, capsys)[0] == OK
    assert (on(one), one.head(".")) == (["."], made) and (one.top / "mine.txt").exists()


def test_one_that_is_there_and_older_goes_forward(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    git(one.top, "branch", "topic")
    made = commit(one.top, "other.txt")
    assert branched(one, capsys)[0] == OK
    assert (on(one), one.head(".")) == (["."], made)


def test_one_of_the_remote_is_taken_and_followed(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    work = one.home / "work of top"
    made = commit(work, "other.txt")
    git(work, "push", "--quiet", "origin", "HEAD:topic")
    git(one.top, "fetch", "--quiet")
    assert branched(one, capsys)[0] == OK
    assert one.head(".") == made
    assert git(one.top, "rev-parse", "--abbrev-ref", "topic@{upstream}").strip() == "origin/topic"


def refused(one: Fleet, capsys: pytest.CaptureFixture[str], code: int = REFUSED) -> str:
    """Ask for the branch in all repos where one can not have it, which stops them all; return what was printed."""
    ended, told = branched(one, capsys, everywhere=True)
    assert (ended, on(one)) == (code, []), told
    assert "branch     " not in told
    return told


def test_one_that_went_another_way_stops_them_all(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    tools = one.at("tools")
    git(tools, "switch", "--quiet", "--create", "topic")
    commit(tools, "other.txt")
    git(tools, "switch", "--quiet", "--detach", "origin/main")
    commit(tools, "mine.txt")
    assert "left       tools  topic and what is checked out have gone different ways\n" in refused(one, capsys)


@pytest.mark.parametrize("tracked", [False, True])
def test_a_file_in_the_way_stops_them_all(one: Fleet, capsys: pytest.CaptureFixture[str], tracked: bool) -> None:
    tools = one.at("tools")
    git(tools, "switch", "--quiet", "--create", "topic")
    commit(tools, "file.txt" if tracked else "other.txt", "theirs\n")
    git(tools, "switch", "--quiet", "--detach", "origin/main")
    file = tools / ("file.txt" if tracked else "other.txt")
    file.write_text("mine\n")
    assert "left       tools  in the way" in refused(one, capsys)
    assert file.read_text() == "mine\n"


def test_a_merge_under_way_stops_them_all(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    (one.top / ".git" / "modules" / "tools" / "MERGE_HEAD").write_text(one.head("tools"))
    assert "left       tools  a merge is under way\n" in refused(one, capsys)


def test_a_branch_whose_name_leaves_no_room_stops_them_all(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    git(one.at("tools"), "branch", "topic/one")
    assert "left       tools  it has a branch topic/one, beside which topic can not be\n" in refused(one, capsys)


def test_a_branch_in_another_worktree_stops_them_all(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    git(one.at("tools"), "worktree", "add", "--quiet", "-b", "topic", str(one.home / "other"))
    assert "left       tools  topic is checked out in " in refused(one, capsys)


def test_a_repo_without_a_commit_stops_them_all(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    git(one.at("tools"), "switch", "--quiet", "--orphan", "empty")
    assert "left       tools  it has no commit yet\n" in refused(one, capsys)


def test_a_repo_that_can_not_be_read_stops_them_all(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    (one.at("tools") / ".git").write_text("gitdir: /nowhere\n")
    code, told = branched(one, capsys)
    assert (code, told) == (INFRASTRUCTURE, "error      tools  its .git leads to no repo\n")
    assert git(one.top, "branch", "--show-current").strip() == "main"


def test_what_is_not_checked_out_is_named_and_holds_up_nobody(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    git(one.top, "submodule", "deinit", "--quiet", "--force", "tools")
    code, told = branched(one, capsys, everywhere=True)
    assert code == REFUSED and "left       tools  not checked out, so without the branch\n" in told
    assert git(one.at("data"), "branch", "--show-current").strip() == "topic"
    git(one.top, "switch", "--quiet", "main")
    assert branched(one, capsys, "next")[0] == OK


@pytest.mark.parametrize("name", ["--upload-pack=x", "-x", "", "a..b", "a b", "HEAD", "@{-1}", "a/.b", "x.lock", "a~1"])
def test_a_bad_name_is_bad_usage(one: Fleet, name: str) -> None:
    with pytest.raises(UsageError, match="is no name of a branch"):
        branch.main(name, cwd=one.top)


def test_the_task_takes_the_name(one: Fleet) -> None:
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), "repo_branch", "topic", "--every-repo"]
    done = subprocess.run(command, cwd=one.at(SHARED), capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == OK and on(one) == list(ALL) and "5 repos: 5 branch" in done.stderr


@pytest.mark.parametrize("dry", [True, False])
def test_a_submodule_without_access_is_named_where_all_are_asked_for_and_holds_up_nobody(
    one: Fleet, capsys: pytest.CaptureFixture[str], dry: bool
) -> None:
    git(one.top, "submodule", "deinit", "--quiet", "--force", "data")
    (one.remotes / "data.git").rename(one.home / "gone")
    code, told = branched(one, capsys, everywhere=True, dry=dry)
    assert code == INFRASTRUCTURE and "no access  data  " in told and told.count("branch     ") == 4
    assert on(one) == ([] if dry else [path for path in ALL if path != "data"])
    assert branched(one, capsys, dry=True)[0] == OK
