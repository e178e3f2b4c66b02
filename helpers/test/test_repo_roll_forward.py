from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from helpers.errors import INFRASTRUCTURE, OK, REFUSED, UsageError
from helpers.repos import pin_message, roll_forward, upgrade
from helpers.repos.pin_message import Moved
from helpers.test import fleet
from helpers.test.fleet import Fleet, commit, git, one, pristine, user

__all__ = ["one", "pristine", "user"]
# These tests start processes, and there are many of them.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("user")]

ROOT = Path(__file__).resolve().parents[2]
SHARED = "apps/one/libs/shared"


def rolled(
    one: Fleet, capsys: pytest.CaptureFixture[str], *, only: str = "", push: bool = False, dry_run: bool = False
) -> tuple[int, list[str]]:
    """Roll forward, and return the exit code and the lines that were printed."""
    capsys.readouterr()
    code = roll_forward.main(only=only, push=push, dry_run=dry_run, cwd=one.top)
    return code, capsys.readouterr().out.splitlines()


def words(lines: Sequence[str]) -> list[str]:
    """Return what was done with which repo."""
    return [" ".join([*line[:9].split(), line[11:].partition("  ")[0]]) for line in lines if line[:1].strip()]


def newest(one: Fleet, name: str) -> str:
    """Return the newest commit of a remote."""
    return git(one.remotes / f"{name}.git", "rev-parse", "main").strip()


def pins(one: Fleet, path: str = ".") -> dict[str, str]:
    """Return the pins that the commit at `path` records."""
    out = git(one.at(path), "ls-tree", "-r", "HEAD").splitlines()
    return {line.split("\t")[1]: line.split()[2] for line in out if line.startswith("160000")}


def test_nothing_to_do_makes_no_commit(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    before = git(one.top, "reflog")
    assert rolled(one, capsys, push=True) == (OK, [])
    assert git(one.top, "reflog") == before


def test_each_super_repo_gets_one_commit_of_all_that_is_new_in_it(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("shared", "tools", "data", "data"):
        one.push(name)
    old = pins(one)
    code, told = rolled(one, capsys)
    assert code == OK
    assert words(told) == [
        *(f"check out {SHARED}", "commit apps/one"),
        *("check out data", "check out tools", "commit ."),
    ]
    assert pins(one) == {"apps/one": one.head("apps/one"), "data": newest(one, "data"), "tools": newest(one, "tools")}
    assert pins(one, "apps/one") == {"libs/shared": newest(one, "shared")}
    assert git(one.top, "status", "--porcelain") == git(one.at("apps/one"), "status", "--porcelain") == ""
    for path in (".", "apps/one"):
        assert git(one.at(path), "rev-list", "--count", "origin/main..main").strip() == "1"
    text = git(one.top, "log", "-1", "--format=%an <%ae>%n%B")
    assert text.startswith("t <t@example.invalid>\nroll forward: apps/one, data, tools\n\napps/one ")
    assert text.count("  - change file.txt\n") == 3 and "  - roll forward: libs/shared\n" in text
    assert f"\nRolled-forward: data {old['data']}..{newest(one, 'data')}\n" in text
    assert rolled(one, capsys) == (OK, [])


def test_a_dry_run_says_it_and_changes_nothing(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("shared", "tools"):
        one.push(name)
    before = [git(one.at(path), "reflog") for path in (".", "apps/one", "tools", SHARED)]
    code, told = rolled(one, capsys, dry_run=True)
    assert (code, words(told)) == (OK, [f"check out {SHARED}", "commit apps/one", "check out tools", "commit ."])
    assert [git(one.at(path), "reflog") for path in (".", "apps/one", "tools", SHARED)] == before


def test_it_pushes_each_submodule_before_its_super_repo(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    one.push("shared")
    code, told = rolled(one, capsys, push=True)
    assert (code, words(told)[-2:]) == (OK, ["push apps/one", "push ."])
    assert (newest(one, "one"), newest(one, "top")) == (one.head("apps/one"), one.head("."))
    assert git(one.top, "rev-parse", "origin/main").strip() == one.head(".")
    assert git(one.top, "status", "--porcelain", "--branch") == "## main...origin/main\n"


def test_what_was_committed_and_not_pushed_is_pushed_later(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    one.push("shared")
    rolled(one, capsys)
    one.push("tools")
    assert rolled(one, capsys)[0] == OK
    code, told = rolled(one, capsys, push=True)
    assert (code, words(told)) == (OK, ["push apps/one", "push ."])
    assert git(one.top, "rev-list", "--count", "HEAD").strip() == "3"


def test_only_one_pin_moves_and_those_of_what_it_lies_in(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("shared", "tools", "data"):
        one.push(name)
    before = pins(one)
    assert rolled(one, capsys, only="tools/")[0] == OK
    assert pins(one) == {**before, "tools": newest(one, "tools")}
    assert rolled(one, capsys, only=SHARED)[0] == OK
    assert pins(one) == {**before, "tools": newest(one, "tools"), "apps/one": one.head("apps/one")}
    with pytest.raises(UsageError, match="is no submodule"):
        rolled(one, capsys, only="libs")


def test_what_is_staged_changed_and_untracked_stays_exactly_so(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    for path in (".", "apps/one", "tools"):
        root = one.at(path)
        (root / "staged.txt").write_text("staged")
        git(root, "add", "staged.txt")
        (root / "staged.txt").write_text("staged, and changed")
        (root / "new.txt").write_text("new")
        if path != "tools":
            (root / "file.txt").unlink()
    before = {path: git(one.at(path), "status", "--porcelain=v2") for path in (".", "apps/one")}
    diff = git(one.top, "diff", "--cached")
    one.push("shared")
    work = one.home / "work of tools"
    commit(work, "other.txt")
    git(work, "push", "--quiet", "origin", "HEAD:main")
    code, told = rolled(one, capsys)
    assert code == OK, told
    after = {path: git(one.at(path), "status", "--porcelain=v2") for path in (".", "apps/one")}
    assert after["apps/one"].splitlines()[:1] == before["apps/one"].splitlines()[:1]
    assert git(one.top, "diff", "--cached") == diff
    assert git(one.top, "show", "--format=", "--name-only", "HEAD").split() == ["apps/one", "tools"]
    assert git(one.at("tools"), "status", "--porcelain") == "AM staged.txt\n?? new.txt\n"
    assert (one.top / "staged.txt").read_text() == "staged, and changed"


def test_a_pin_that_the_user_has_staged_is_not_committed(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    git(one.at("data"), "switch", "--quiet", "main")
    mine = commit(one.at("data"))
    git(one.top, "add", "data")
    one.push("tools")
    before = pins(one)["data"]
    code, told = rolled(one, capsys, push=True)
    assert (code, words(told)) == (REFUSED, ["left data", "check out tools", "commit .", "push ."])
    assert pins(one)["data"] == before
    assert git(one.top, "ls-files", "--stage", "data").split()[1] == mine


def test_a_shared_sub_repo_gets_one_commit_everywhere(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    many = fleet.clean(tmp_path / "fleet")
    many.push("deep")
    code, told = rolled(many, capsys, push=True)
    assert code == OK, told
    assert many.head(SHARED) == many.head("apps/two/libs/shared") == newest(many, "shared")
    assert pins(many, "apps/one") == pins(many, "apps/two")
    assert git(many.top, "submodule", "status", "--recursive").count("\n") == 11
    assert rolled(many, capsys, push=True) == (OK, [])


def test_a_branch_of_gitmodules_is_followed(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    work = one.home / "work of tools"
    git(work, "switch", "--quiet", "--create", "next")
    made = commit(work)
    git(work, "push", "--quiet", "origin", "next")
    git(one.top, "config", "--file", ".gitmodules", "submodule.tools.branch", "next")
    commit(one.top)
    git(one.top, "push", "--quiet")
    assert rolled(one, capsys)[0] == OK
    assert pins(one)["tools"] == made


def test_the_branch_of_the_super_repo_is_followed_where_gitmodules_says_so(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    work = one.home / "work of tools"
    git(work, "switch", "--quiet", "--create", "topic")
    made = commit(work)
    git(work, "push", "--quiet", "origin", "topic")
    git(one.top, "config", "--file", ".gitmodules", "submodule.tools.branch", ".")
    git(one.top, "switch", "--quiet", "--create", "topic")
    commit(one.top)
    assert rolled(one, capsys)[0] == OK
    assert pins(one)["tools"] == made


def test_an_outermost_repo_that_is_behind_moves_first(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    one.push("tools")
    one.push("top")
    code, told = rolled(one, capsys, push=True)
    assert (code, words(told)) == (OK, ["forward .", "check out tools", "commit .", "push ."])


def test_a_local_branch_that_is_older_is_taken_along(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    one.push("one")
    one.push("shared")
    assert rolled(one, capsys)[0] == OK
    assert git(one.at("apps/one"), "branch", "--show-current").strip() == "main"
    assert git(one.at("apps/one"), "rev-parse", "main~1", "main@{1}").split() == [newest(one, "one")] * 2


def left(one: Fleet, capsys: pytest.CaptureFixture[str], path: str, code: int = REFUSED) -> str:
    """Roll forward where one repo must be left as it is; return why, and how it is mended."""
    there = (one.at(path) / ".git").exists()
    before = (one.head(path), git(one.at(path), "status", "--porcelain")) if there else None
    ended, told = rolled(one, capsys, push=True)
    assert ended == code, told
    assert not there or (one.head(path), git(one.at(path), "status", "--porcelain")) == before
    word = "no access" if code == INFRASTRUCTURE else "left"
    at = next(number for number, line in enumerate(told) if line.startswith(f"{word:9}  {path}  "))
    fix = "".join(line.strip() for line in told[at + 1 : at + 2] if line.startswith(" "))
    return f"{told[at].partition(f'{path}  ')[2]}\n{fix}"


def test_commits_of_the_user_are_not_pinned_for_him(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    one.push("data")
    git(one.at("tools"), "switch", "--quiet", "main")
    commit(one.at("tools"), "mine.txt")
    before = pins(one)
    told = left(one, capsys, "tools")
    assert told == "not in origin/main: 1 commit of yours\nfix: git -C tools push"
    assert pins(one) == {**before, "data": newest(one, "data")}


def test_a_branch_that_went_another_way_is_left(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    one.push("tools")
    git(one.at("tools"), "switch", "--quiet", "main")
    commit(one.at("tools"), "mine.txt")
    assert "have gone different ways" in left(one, capsys, "tools")


def test_a_pin_that_the_branch_does_not_have_is_left(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    git(one.remotes / "tools.git", "update-ref", "refs/heads/old", "main")
    work = one.home / "work of tools"
    git(work, "commit", "--quiet", "--amend", "--message", "another one")
    git(work, "push", "--quiet", "--force", "origin", "main")
    assert "so there is no way forward\nfix: git config -f .gitmodules submodule.tools.branch BRANCH" in left(
        one, capsys, "tools"
    )


def test_a_changed_file_in_the_way_is_left(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    one.push("tools")
    (one.at("tools") / "file.txt").write_text("mine")
    assert "in the way, as changed or not tracked: file.txt" in left(one, capsys, "tools")


def test_a_branch_that_the_remote_has_not_is_named(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    git(one.top, "config", "--file", ".gitmodules", "submodule.tools.branch", "none")
    assert "its remote has no branch none\nfix: git config -f .gitmodules submodule.tools.branch BRANCH" in left(
        one, capsys, "tools"
    )


def test_a_pin_that_nobody_pushed_is_named(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    made = commit(one.home / "work of tools")
    git(one.top, "update-index", "--cacheinfo", f"160000,{made},tools")
    assert f"its remote has not got its pin, {made[:10]}\n" in left(one, capsys, "tools")


@pytest.mark.parametrize("access", [False, True])
def test_what_is_not_checked_out_is_named_and_the_rest_goes_on(
    one: Fleet, capsys: pytest.CaptureFixture[str], access: bool
) -> None:
    git(one.top, "submodule", "deinit", "--quiet", "--force", "tools")
    one.push("shared")
    if not access:
        (one.remotes / "tools.git").rename(one.home / "gone")
    before = pins(one)
    told = left(one, capsys, "tools", REFUSED if access else INFRASTRUCTURE)
    assert ("fix: invoke repo_pull" if access else "does not appear to be a git repository") in told
    assert pins(one) == {**before, "apps/one": newest(one, "one")}


def test_a_super_repo_whose_branch_has_commits_of_its_own_is_left_with_what_is_in_it(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    root = one.at("apps/one")
    git(root, "switch", "--quiet", "main")
    commit(root, "mine.txt")
    git(root, "switch", "--quiet", "--detach", "origin/main")
    for name in ("shared", "tools"):
        one.push(name)
    before = pins(one)
    told = left(one, capsys, SHARED)
    assert told.startswith("not moved, because the branch main in apps/one has commits of its own\n")
    assert pins(one) == {**before, "tools": newest(one, "tools")}


def test_nothing_moves_below_an_outermost_repo_that_can_not_be_committed_to(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    one.push("tools")
    git(one.top, "switch", "--quiet", "--detach")
    assert left(one, capsys, ".") == "no branch is checked out to commit to\nfix: git switch BRANCH"
    git(one.top, "switch", "--quiet", "main")
    (one.top / ".git" / "MERGE_HEAD").write_text(one.head("."))
    assert "a merge is under way" in left(one, capsys, ".")
    assert "not moved, because " in left(one, capsys, "tools")


def test_a_push_that_would_take_commits_of_the_user_along_is_left_to_him(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(one.top, "mine.txt")
    one.push("tools")
    before = newest(one, "top")
    code, told = rolled(one, capsys, push=True)
    assert (code, words(told)) == (REFUSED, ["check out tools", "commit .", "left ."])
    assert "not pushed, as commits of yours are not in origin/main" in told[-2] and newest(one, "top") == before


def test_a_push_from_another_branch_than_the_one_that_is_followed_is_left_to_the_user(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    git(one.at("apps/one"), "switch", "--quiet", "--create", "topic")
    one.push("shared")
    before = newest(one, "one"), newest(one, "top")
    code, told = rolled(one, capsys, push=True)
    assert (code, words(told)[-2:]) == (REFUSED, ["left apps/one", "left ."])
    assert "not pushed, as topic is checked out, and main is what its super-repo follows" in told[-4]
    assert "fix: git -C apps/one push " in told[-3]
    assert (newest(one, "one"), newest(one, "top")) == before


def test_a_push_that_the_remote_refuses_is_never_forced(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    hook = one.remotes / "one.git" / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    # More words than a pipe holds.
    hook.write_text("#!/bin/sh\nyes not today | head -n 20000 >&2\nexit 1\n")
    hook.chmod(0o755)
    one.push("shared")
    before = (newest(one, "one"), newest(one, "top"))
    code, told = rolled(one, capsys, push=True)
    assert code == REFUSED and words(told)[-2:] == ["left apps/one", "left ."]
    assert "as it pins a commit of apps/one that is not" in told[-2]
    assert (newest(one, "one"), newest(one, "top")) == before
    hook.unlink()
    assert rolled(one, capsys, push=True)[0] == OK and newest(one, "top") == one.head(".")


def test_a_kill_between_commit_and_index_is_mended(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    old = one.head("tools")
    one.push("tools")
    rolled(one, capsys)
    git(one.top, "update-index", "--cacheinfo", f"160000,{old},tools")
    head = one.head(".")
    assert rolled(one, capsys) == (OK, [])
    assert one.head(".") == head and git(one.top, "status", "--porcelain") == ""


def test_what_goes_with_a_pin_is_in_its_commit(
    one: Fleet, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = one.head("tools"), one.push("tools")
    given: list[tuple[Path, str, str]] = []

    def files(root: Path, path: str, before: str, after: str, *, test: bool) -> Sequence[str]:
        given.append((root, before, after))
        (root / "from tools.txt").write_text("new")
        return ["from tools.txt"]

    monkeypatch.setattr(upgrade, "files", files)
    (one.top / "mine.txt").write_text("mine")
    assert rolled(one, capsys)[0] == OK
    assert given == [(one.top, old, new)]
    assert git(one.top, "show", "--format=", "--name-only", "HEAD").splitlines() == ["from tools.txt", "tools"]
    assert git(one.top, "status", "--porcelain") == "?? mine.txt\n"


def test_without_a_name_nothing_is_moved(one: Fleet, user: Path) -> None:
    (user / "gitconfig").write_text('[user]\n\tuseConfigOnly = true\n[protocol "file"]\n\tallow = always\n')
    one.push("tools")
    before = one.head("tools")
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), "repo_roll_forward"]
    done = subprocess.run(command, cwd=one.top, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == REFUSED and "fix: git config --global user.name NAME" in done.stderr
    assert one.head("tools") == before


def test_a_message_names_a_few_and_counts_many() -> None:
    many = [Moved(f"s{number}", "a" * 40, "b" * 40, ["x"] * 25) for number in range(4)]
    text = pin_message.message(many)
    assert text.startswith("roll forward: 4 submodules\n\ns0 aaaaaaaaaa..bbbbbbbbbb\n  - x\n")
    assert text.count("  - and 5 more\n") == 4
    assert pin_message.is_ours(text) and not pin_message.is_ours("roll forward: mine\n")
