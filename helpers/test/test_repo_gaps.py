"""A checkout with only a part of the history: an absent commit or branch is no fact there."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.driver import affected
from helpers.errors import OK, REFUSED, UsageError
from helpers.repos import branch, pull, status
from helpers.test.fleet import Fleet, commit, git, one, pristine, user
from helpers.test.test_repo_home import typed
from helpers.test.test_repo_roll_forward import pins, rolled

__all__ = ["one", "pristine", "user"]
# These tests start processes, and there are many of them.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("user")]


def _again(one: Fleet, *options: str) -> None:
    """Clone the super-repo once more, by a protocol with depths."""
    shutil.rmtree(one.top)
    git(one.home, "clone", "--quiet", *options, f"file://{one.remotes}/top.git", str(one.top))


def _shallow_submodules(one: Fleet) -> None:
    one.push("tools")
    _again(one, "--recurse-submodules", "--shallow-submodules")


def _shallow_at_the_pin(one: Fleet) -> None:
    one.push("tools")
    _again(one)
    git(one.top, "submodule", "--quiet", "update", "--init", "--recursive", "--depth", "1", "--no-single-branch")


def _single_branch(one: Fleet) -> None:
    work = one.home / "work of tools"
    git(work, "switch", "--quiet", "--create", "topic")
    made = commit(work, "topic.txt")
    git(work, "push", "--quiet", "origin", "topic")
    git(one.at("tools"), "config", "remote.origin.fetch", "+refs/heads/main:refs/remotes/origin/main")
    git(one.at("tools"), "fetch", "--quiet", "origin", made)
    git(one.at("tools"), "checkout", "--quiet", "--detach", made)
    git(one.top, "commit", "--quiet", "--all", "--message", "pin")
    git(one.top, "push", "--quiet")


def _nothing_fetched(one: Fleet) -> None:
    head = one.head("tools")
    shutil.rmtree(one.at("tools"))
    shutil.rmtree(one.top / ".git/modules/tools")
    git(one.top, "init", "--quiet", "tools")
    git(one.at("tools"), "remote", "add", "origin", f"file://{one.remotes}/tools.git")
    git(one.at("tools"), "fetch", "--quiet", "--depth", "1", "origin", head)
    git(one.at("tools"), "checkout", "--quiet", "--detach", head)


CLONES = [_shallow_submodules, _shallow_at_the_pin, _single_branch, _nothing_fetched]


def states(one: Fleet, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    """Return the line of the submodule `tools` in `repo_status`, and its printed fix."""
    capsys.readouterr()
    status.main(as_json=False, check=False, offline=False, cwd=one.top)
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("tools")]
    return {"row": lines[0], "fix": lines[1] if len(lines) > 1 else ""}


@pytest.mark.parametrize("clone", CLONES)
def test_status_names_the_incomplete_history_and_its_fix_completes_it(
    one: Fleet, capsys: pytest.CaptureFixture[str], clone: Callable[[Fleet], None]
) -> None:
    clone(one)
    told = states(one, capsys)
    assert "history incomplete (" in told["row"]
    assert "on no branch" not in told["row"] and "not pushed" not in told["row"]
    typed(one.top, told["fix"])
    assert states(one, capsys)["row"].split()[-1] == "ok"


@pytest.mark.parametrize("clone", [_shallow_submodules, _shallow_at_the_pin, _nothing_fetched])
def test_roll_forward_says_that_the_history_is_incomplete_and_its_fix_lets_it_go_on(
    one: Fleet, capsys: pytest.CaptureFixture[str], clone: Callable[[Fleet], None]
) -> None:
    clone(one)
    newest = one.push("tools")
    code, told = rolled(one, capsys, only="tools")
    if code != OK:
        assert code == REFUSED and "its history is incomplete (a shallow clone)" in told[0]
        typed(one.top, told[1])
        code, _ = rolled(one, capsys, only="tools")
    assert code == OK and pins(one)["tools"] == newest


def test_commits_of_the_user_are_named_in_a_single_branch_clone_and_beside_an_empty_remote(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    git(one.at("tools"), "config", "remote.origin.fetch", "+refs/heads/main:refs/remotes/origin/main")
    commit(one.at("tools"))
    assert "1 commit on no branch" in states(one, capsys)["row"]
    git(one.home, "init", "--quiet", "--bare", "empty.git")
    git(one.top, "remote", "set-url", "origin", str(one.home / "empty.git"))
    git(one.top, "update-ref", "-d", "refs/remotes/origin/main")
    git(one.top, "branch", "--quiet", "--unset-upstream")
    git(one.top, "fetch", "--quiet")
    capsys.readouterr()
    status.main(as_json=False, check=False, offline=True, cwd=one.top)
    told = capsys.readouterr().out.splitlines()[1]
    assert "(no upstream)" in told and "incomplete" not in told


def test_the_commit_of_a_roll_forward_is_the_same_in_a_shallow_clone(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    work = one.home / "work of tools"
    git(work, "switch", "--quiet", "--create", "side", "HEAD")
    commit(work, "side.txt")
    git(work, "switch", "--quiet", "main")
    pinned = one.push("tools")
    one.pin("top", tools="tools")
    git(work, "merge", "--quiet", "--no-ff", "--message", "merge", "side")
    one.push("tools")
    made = []
    for options in (["--recurse-submodules"], ["--recurse-submodules", "--shallow-submodules"]):
        _again(one, *options)
        assert one.head("tools") == pinned
        code, told = rolled(one, capsys, only="tools")
        if code != OK:
            typed(one.top, told[1])
            code, _ = rolled(one, capsys, only="tools")
        assert code == OK
        made.append(one.head("."))
    assert made[0] == made[1]


def test_pull_and_branch_do_not_take_a_shallow_history_for_another_way(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        one.push("top")
    _again(one, "--depth", "1")
    git(one.top, "update-ref", "refs/heads/topic", git(one.top, "commit-tree", "-m", "x", "HEAD^{tree}").strip())
    assert branch.main("topic", cwd=one.top) == REFUSED
    told = capsys.readouterr().out.splitlines()
    assert "incomplete (a shallow clone)" in told[0]
    typed(one.top, told[1])
    assert git(one.top, "rev-list", "--count", "HEAD").strip() == "3"
    assert pull.main(cwd=one.top) == OK


def test_affected_in_a_shallow_clone_names_the_command_that_finds_the_base(one: Fleet) -> None:
    work = one.home / "work of top"
    git(work, "switch", "--quiet", "--create", "topic")
    commit(work, "topic.txt")
    git(work, "push", "--quiet", "origin", "topic")
    git(work, "switch", "--quiet", "main")
    one.push("top")
    _again(one, "--depth", "1", "--no-single-branch", "--branch", "topic")
    git(one.top, "branch", "--quiet", "main")
    with pytest.raises(UsageError, match="no commit is known") as caught:
        affected.base_of(one.top, "")
    typed(Path("/"), str(caught.value.fix).partition("  (")[0])
    assert affected.base_of(one.top, "") == git(work, "merge-base", "main", "topic").strip()


def test_a_partial_clone_becomes_a_whole_one_by_the_fix(
    one: Fleet, user: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(one.remotes / "tools.git", "config", "uploadpack.allowFilter", "true")
    shutil.rmtree(one.top / ".git/modules/tools")
    shutil.rmtree(one.at("tools"))
    git(one.home, "clone", "--quiet", "--filter=blob:none", f"file://{one.remotes}/tools.git", str(one.at("tools")))
    newest = one.push("tools")
    code, told = rolled(one, capsys, only="tools")
    assert code == REFUSED and "partial clone" in told[0]
    typed(one.top, told[1])
    assert rolled(one, capsys, only="tools")[0] == OK and pins(one)["tools"] == newest


def test_replaced_commits_and_grafts_do_not_count_as_history(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    newest = one.push("tools")
    git(one.at("tools"), "fetch", "--quiet")
    git(one.at("tools"), "replace", "--graft", newest)
    (one.top / ".git/modules/tools/info").mkdir()
    (one.top / ".git/modules/tools/info/grafts").write_text(f"{newest}\n")
    assert rolled(one, capsys, only="tools")[0] == OK and pins(one)["tools"] == newest
