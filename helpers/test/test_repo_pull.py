from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import proc
from helpers.errors import INFRASTRUCTURE, OK, REFUSED, LockHeldError
from helpers.repo import changing
from helpers.repos import branch, foreach, pull, roll_forward
from helpers.test import fleet
from helpers.test.fleet import Fleet, commit, git, one, pristine, user

__all__ = ["one", "pristine", "user"]
# These tests start processes, and there are many of them.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("user")]

ROOT = Path(__file__).resolve().parents[2]
SHARED = "apps/one/libs/shared"


def pulled(one: Fleet, capsys: pytest.CaptureFixture[str], *, dry_run: bool = False) -> tuple[int, str]:
    """Pull, and return the exit code and what was printed."""
    capsys.readouterr()
    code = pull.main(dry_run=dry_run, cwd=one.top)
    return code, capsys.readouterr().out


def newest_everywhere(one: Fleet) -> None:
    """Let the remote of each super-repo pin a new commit of each submodule."""
    for name in ("shared", "tools", "data"):
        one.push(name)
    one.pin("one", libs__shared="shared")
    one.pin("top", apps__one="one", tools="tools", data="data")


def pins_are_checked_out(one: Fleet) -> bool:
    """Say whether git itself finds every submodule at its pin."""
    lines = git(one.top, "submodule", "status", "--recursive").splitlines()
    return len(lines) == 4 and all(line.startswith(" ") for line in lines)


def test_nothing_to_do_is_said_and_changes_nothing(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    before = git(one.top, "reflog")
    assert pulled(one, capsys) == (OK, "")
    assert git(one.top, "reflog") == before


def test_all_repos_go_where_the_remote_of_the_outermost_one_is(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    newest_everywhere(one)
    git(one.at("tools"), "switch", "--quiet", "main")
    code, told = pulled(one, capsys)
    assert code == OK and pins_are_checked_out(one)
    assert one.head(".") == git(one.remotes / "top.git", "rev-parse", "main").strip()
    assert [line.split()[:2] for line in told.splitlines()] == [
        *(["forward", "."], ["check", "out"], ["check", "out"], ["forward", "tools"], ["check", "out"]),
    ]
    assert git(one.at("tools"), "branch", "--show-current").strip() == "main"
    assert git(one.at("data"), "branch", "--show-current").strip() == ""
    assert pulled(one, capsys) == (OK, "")


def test_a_dry_run_says_what_would_be_done_and_changes_no_file_and_no_branch(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    newest_everywhere(one)
    before = one.head(".")
    code, told = pulled(one, capsys, dry_run=True)
    assert (code, told.split()[:3]) == (OK, ["forward", ".", "main:"])
    assert one.head(".") == before and pins_are_checked_out(one)


def test_a_submodule_that_is_new_or_not_checked_out_is_cloned_with_those_in_it(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    git(one.top, "submodule", "deinit", "--quiet", "--force", "data")
    one.remote("more", in__it="shared")
    git(one.home / "work of top", "submodule", "add", "--quiet", "../more.git", "a place/more")
    one.push("top")
    code, told = pulled(one, capsys)
    assert code == OK, told
    assert [line.split()[0] for line in told.splitlines()] == ["forward", "clone", "clone", "clone"]
    for path in ("data", "a place/more", "a place/more/in/it"):
        assert git(one.at(path), "status", "--porcelain") == "" and (one.at(path) / "file.txt").exists()
    assert all(line.startswith(" ") for line in git(one.top, "submodule", "status", "--recursive").splitlines())
    # Git itself goes on with what we cloned.
    assert git(one.top, "submodule", "update", "--init", "--recursive") == ""
    assert git(one.top, "config", "submodule.a place/more.url").strip() == str(one.remotes / "more.git")


def test_a_pin_that_is_on_no_branch_of_the_remote_is_fetched_by_its_id(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    made = one.push("tools")
    git(one.remotes / "tools.git", "update-ref", "refs/tags/aside", made)
    git(one.remotes / "tools.git", "update-ref", "refs/heads/main", f"{made}^")
    git(one.top, "update-index", "--cacheinfo", f"160000,{made},tools")
    assert pulled(one, capsys)[0] == OK
    assert one.head("tools") == made


def test_what_is_not_committed_stays_where_nothing_is_in_its_way(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    newest_everywhere(one)
    tools = one.at("tools")
    (tools / "staged.txt").write_text("staged")
    git(tools, "add", "staged.txt")
    (tools / "new.txt").write_text("new")
    assert pulled(one, capsys)[0] == OK
    assert pins_are_checked_out(one)
    assert git(tools, "status", "--porcelain") == "A  staged.txt\n?? new.txt\n"


def standing(one: Fleet, path: str) -> str:
    """Return what is checked out at `path`, and what is changed there."""
    return git(one.at(path), "rev-parse", "HEAD", "--symbolic-full-name", "HEAD") + git(
        one.at(path), "status", "--porcelain", "--ignore-submodules=all"
    )


def left(one: Fleet, capsys: pytest.CaptureFixture[str], path: str) -> str:
    """Pull where one repo must be left as it is; return why, and how it is mended."""
    before = standing(one, path)
    code, told = pulled(one, capsys)
    assert code == REFUSED, told
    assert standing(one, path) == before
    lines = told.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(f"left       {path}  "))
    # The others have gone where they should.
    assert sum(line.startswith("left") for line in lines) == 1
    return lines[at].partition(f"{path}  ")[2] + "\n" + lines[at + 1].strip()


@pytest.mark.parametrize("staged", [False, True])
def test_a_changed_file_in_the_way_is_left(one: Fleet, capsys: pytest.CaptureFixture[str], staged: bool) -> None:
    newest_everywhere(one)
    (one.at("tools") / "file.txt").write_text("mine\n")
    if staged:
        git(one.at("tools"), "add", "file.txt")
    told = left(one, capsys, "tools")
    assert ("in the way" in told and "file.txt" in told) or "not uptodate" in told
    assert told.endswith("fix: git -C tools status")
    assert (one.at("tools") / "file.txt").read_text() == "mine\n"


@pytest.mark.parametrize("ignored", [False, True])
@pytest.mark.parametrize("branch", [False, True])
def test_a_file_that_git_does_not_track_is_not_overwritten_even_an_ignored_one(
    one: Fleet, capsys: pytest.CaptureFixture[str], ignored: bool, branch: bool
) -> None:
    work = one.home / "work of tools"
    (work / "later.txt").write_text("theirs")
    one.push("tools")
    one.pin("top", tools="tools")
    if branch:
        git(one.at("tools"), "switch", "--quiet", "main")
    (one.at("tools") / "later.txt").write_text("mine")
    if ignored:
        info = one.top / ".git" / "modules" / "tools" / "info"
        info.mkdir(exist_ok=True)
        (info / "exclude").write_text("later.txt\n")
    assert "later.txt" in left(one, capsys, "tools")
    assert (one.at("tools") / "later.txt").read_text() == "mine"


def test_a_branch_that_went_another_way_than_its_pin_is_left(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    newest_everywhere(one)
    git(one.at("tools"), "switch", "--quiet", "main")
    commit(one.at("tools"), "mine.txt")
    told = left(one, capsys, "tools")
    assert told.startswith("main and its pin, ") and "have gone different ways\nfix: git -C tools rebase " in told


def test_a_branch_that_is_ahead_of_its_pin_is_left(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    git(one.at("tools"), "switch", "--quiet", "main")
    commit(one.at("tools"), "mine.txt")
    assert left(one, capsys, "tools").startswith("main is ahead of its pin, ")


def test_commits_that_are_on_no_branch_are_not_left_behind(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    commit(one.at("tools"), "mine.txt")
    assert left(one, capsys, "tools").endswith("fix: git -C tools branch NAME")
    git(one.at("tools"), "branch", "mine")
    assert pulled(one, capsys)[0] == OK and pins_are_checked_out(one)


@pytest.mark.parametrize("file", ["MERGE_HEAD", "rebase-merge", "BISECT_LOG"])
def test_what_somebody_is_in_the_middle_of_is_left(one: Fleet, capsys: pytest.CaptureFixture[str], file: str) -> None:
    newest_everywhere(one)
    kept = one.top / ".git" / "modules" / "tools"
    if file == "rebase-merge":
        (kept / file).mkdir()
    else:
        (kept / file).write_text(one.head("tools"))
    assert " is under way\nfix: git -C tools status" in left(one, capsys, "tools")


def test_a_pin_that_nobody_pushed_is_named(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    work = one.home / "work of tools"
    made = commit(work)
    git(one.top, "update-index", "--cacheinfo", f"160000,{made},tools")
    assert f"its remote has not got its pin, {made[:10]}" in left(one, capsys, "tools")


def test_the_outermost_repo_is_neither_merged_nor_rebased(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    commit(one.top, "mine.txt")
    assert pulled(one, capsys) == (OK, "")  # it is only ahead
    newest_everywhere(one)
    assert "main and origin/main, " in left(one, capsys, ".")


def test_an_outermost_repo_without_an_upstream_is_named_and_its_submodules_go_to_their_pins(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    made = one.push("tools")
    git(one.top, "update-index", "--cacheinfo", f"160000,{made},tools")
    git(one.top, "switch", "--quiet", "--detach")
    assert "follows no branch of a remote" in left(one, capsys, ".")
    assert one.head("tools") == made


def test_a_submodule_without_access_is_named_and_the_rest_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = fleet.troubled(tmp_path / "fleet")
    one.pin("one", libs__shared="shared")
    one.pin("top", apps__one="one")
    code, told = pulled(one, capsys)
    assert code == INFRASTRUCTURE
    lines = told.splitlines()
    assert [line.split()[:2] for line in lines if line.startswith("no access")] == [["no", "access"]]
    assert "secret  " in told and "fix: ask for access, or work without it" in told
    assert any(line.startswith("clone      absent") for line in lines)
    assert (one.at("absent") / "file.txt").exists() and not any(one.at("secret").iterdir())
    assert one.head(SHARED) == git(one.remotes / "shared.git", "rev-parse", "main").strip()
    # What was not committed is as it was.
    assert git(one.at("my docs"), "status", "--porcelain").count("\n") == 3


def test_a_remote_that_is_gone_is_no_access_and_others_go_on(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    newest_everywhere(one)
    (one.remotes / "tools.git").rename(one.home / "gone")
    code, told = pulled(one, capsys)
    assert code == INFRASTRUCTURE and "no access  tools  " in told
    assert one.head("data") == git(one.remotes / "data.git", "rev-parse", "main").strip()


def test_a_remote_that_has_moved_is_told_from_no_access(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    (one.remotes / "tools.git").rename(one.remotes / "moved.git")
    work = one.home / "work of tools"
    git(work, "remote", "set-url", "origin", str(one.remotes / "moved.git"))
    made = one.push("tools")
    git(one.top, "config", "--file", ".gitmodules", "submodule.tools.url", "../moved.git")
    git(one.top, "update-index", "--cacheinfo", f"160000,{made},tools")
    code, told = pulled(one, capsys)
    assert code == REFUSED and ".gitmodules names" in told
    fix = told.partition("fix: ")[2].partition("\n")[0]
    assert fix.startswith("git submodule sync --recursive -- tools && ")
    subprocess.run(["bash", "-c", fix], cwd=one.top, check=True, capture_output=True)
    assert pulled(one, capsys)[0] == OK and one.head("tools") == made


@pytest.mark.parametrize("by_user", [False, True])
def test_what_is_not_wanted_is_skipped_and_named_and_is_no_failure(
    one: Fleet, capsys: pytest.CaptureFixture[str], by_user: bool
) -> None:
    git(one.top, "submodule", "deinit", "--quiet", "--force", "data")
    (one.remotes / "data.git").rename(one.home / "gone")
    where = [] if by_user else ["--file", ".gitmodules"]
    git(one.top, "config", *where, "submodule.data.update", "none")
    commands: list[Callable[[], int]] = [
        lambda: pull.main(cwd=one.top),
        lambda: roll_forward.main(cwd=one.top),
        lambda: branch.main("topic", everywhere=True, cwd=one.top),
        lambda: foreach.main(["true"], cwd=one.top),
    ]
    for command in commands:
        assert command() == OK
        assert "skipped    data  not checked out, as its update = none says\n" in capsys.readouterr().out
    assert not any(one.at("data").iterdir())


def test_an_outermost_repo_without_a_commit_is_named(
    one: Fleet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    empty = tmp_path / "empty"
    git(tmp_path, "init", "--quiet", "--initial-branch", "main", str(empty))
    git(empty, "remote", "add", "origin", str(one.remotes / "tools.git"))
    git(empty, "config", "branch.main.remote", "origin")
    git(empty, "config", "branch.main.merge", "refs/heads/main")
    assert pull.main(cwd=empty) == REFUSED
    assert capsys.readouterr().out == "left       .  it has no commit yet\n           fix: git pull\n"


def test_a_directory_that_is_not_empty_is_not_cloned_over(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    git(one.top, "submodule", "deinit", "--quiet", "--force", "data")
    (one.at("data") / "mine.txt").write_text("mine")
    code, told = pulled(one, capsys)
    assert code == REFUSED and "left       data  its directory is not empty\n" in told
    assert [file.name for file in one.at("data").iterdir()] == ["mine.txt"]


def test_a_clone_whose_files_were_never_checked_out_is_filled(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    # As it is after a kill between two steps.
    (one.top / ".git" / "modules" / "data" / "index").unlink()
    (one.at("data") / "file.txt").unlink()
    (one.top / ".git" / "modules" / ".helpers-clone-1-0").mkdir()
    code, told = pulled(one, capsys)
    assert (code, told.split()[:2]) == (OK, ["clone", "data"])
    assert pins_are_checked_out(one) and git(one.at("data"), "status", "--porcelain") == ""


def test_one_command_at_a_time_changes_a_tree(one: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changing, "_LOCK_SECONDS", 0.2)
    with changing.hand(one.top), pytest.raises(LockHeldError, match="another command changes these repos"):
        pull.main(cwd=one.at("tools"))
    assert pull.main(cwd=one.top) == OK


def test_a_lock_that_a_killed_git_has_left_is_named(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    newest_everywhere(one)
    (one.top / ".git" / "modules" / "tools" / "index.lock").touch()
    assert "another git works there, or one was killed and left index.lock" in left(one, capsys, "tools")


def test_long_work_is_told(
    one: Fleet, user: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (user / "attributes").write_text("file.txt filter=slow\n")
    for key, value in (("core.attributesFile", str(user / "attributes")), ("filter.slow.smudge", "sleep 0.5; cat")):
        git(one.top, "config", "--file", str(user / "gitconfig"), key, value)
    monkeypatch.setattr(proc, "_TELL_SECONDS", 0.1)
    made = one.push("tools")
    git(one.top, "update-index", "--cacheinfo", f"160000,{made},tools")
    assert pull.main(cwd=one.top) == OK
    assert f"helpers: still at git switch in {one.at('tools')}\n" in capsys.readouterr().err


def test_a_clone_that_a_kill_left_half_placed_is_filled(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    git(one.top, "submodule", "deinit", "--quiet", "--force", "data")
    (one.at("data") / ".git.helpers").write_text("gitdir: ../.git/mod")
    assert pulled(one, capsys)[0] == OK
    assert pins_are_checked_out(one) and git(one.at("data"), "status", "--porcelain") == ""


def test_it_works_in_a_linked_worktree_and_from_inside(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    other = one.home / "other tree"
    git(one.top, "worktree", "add", "--quiet", "-b", "other", str(other))
    git(other, "branch", "--quiet", "--set-upstream-to", "origin/main")
    (other / "dir").mkdir()
    assert pull.main(cwd=other / "dir") == OK
    assert len(git(other, "submodule", "status", "--recursive").splitlines()) == 4
    assert (other / SHARED / "file.txt").exists()
    assert pins_are_checked_out(one)


def test_the_task_ends_with_that_code(one: Fleet) -> None:
    commit(one.at("tools"), "mine.txt")
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), "repo_pull"]
    done = subprocess.run(command, cwd=one.at("data"), capture_output=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == REFUSED and b"5 repos: 1 left" in done.stderr


def test_an_unfinished_rebase_of_the_outermost_repo_is_said(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    fleet.in_a_rebase(one, ".")
    assert left(one, capsys, ".") == "a rebase is under way\nfix: git status"
