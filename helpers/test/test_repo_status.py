from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import repo
from helpers.errors import INFRASTRUCTURE, OK, TESTS_FAILED, InfrastructureError, PolicyError
from helpers.repo import location, remotes, submodules
from helpers.repos import status, tree
from helpers.test import fleet
from helpers.test.fleet import Fleet, git, in_a_rebase

# These tests start processes, and there are many of them.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SHARED = ("apps/one/libs/shared", "apps/two/libs/shared")


@pytest.fixture(scope="module", autouse=True)
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A user of git who allows paths on this machine, and has no other settings."""
    home = tmp_path_factory.mktemp("user")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in fleet.environment(home).items():
            patch.setenv(name, value)
        remotes.local_allowed.cache_clear()
        yield home
    remotes.local_allowed.cache_clear()


@pytest.fixture(scope="module")
def troubled(tmp_path_factory: pytest.TempPathFactory) -> Fleet:
    """A fleet with a repo in every state; no test changes it."""
    return fleet.troubled(tmp_path_factory.mktemp("a fleet"))


@pytest.fixture(scope="module")
def told(troubled: Fleet) -> dict[str, str]:
    """What is said of each repo of that fleet."""
    return said(troubled.top)


def said(root: Path, *, offline: bool = False) -> dict[str, str]:
    """Return the states of each repo of a tree, as they are shown."""
    return {row.path: ", ".join(map(str, row.states)) for row in tree.rows(root, offline=offline)}


def short(root: Path, name: str = "HEAD") -> str:
    return git(root, "rev-parse", name)[:10]


def test_every_repo_has_a_row_after_its_super_repo(told: dict[str, str]) -> None:
    assert list(told) == [
        *(".", "absent", "apps/one", SHARED[0], f"{SHARED[0]}/vendor/deep"),
        *("apps/two", SHARED[1], f"{SHARED[1]}/vendor/deep", "data", "moved", "my docs", "plots", "secret", "tools"),
    ]


@pytest.mark.parametrize(
    "path, wanted",
    [
        (".", "dirty (1 changed)"),
        ("absent", "not checked out"),
        ("apps/one", ""),
        (f"{SHARED[0]}/vendor/deep", ""),
        ("data", "ahead 2, pin not pushed"),
        ("my docs", "dirty (2 changed), untracked (1)"),
        ("plots", ""),
        ("tools", "behind 1"),
    ],
)
def test_each_state_is_shown(told: dict[str, str], path: str, wanted: str) -> None:
    assert told[path] == wanted


def test_a_sub_repo_pinned_at_two_commits_is_named_in_both_places(troubled: Fleet, told: dict[str, str]) -> None:
    for path, other in (SHARED, SHARED[::-1]):
        assert told[path] == f"pin differs ({other} has {short(troubled.at(other))})"


def test_a_checkout_that_is_not_at_its_pin_says_where_it_is(troubled: Fleet, told: dict[str, str]) -> None:
    assert told["moved"] == f"differs from its pin (at {short(troubled.at('moved'))})"


def test_no_access_is_told_from_not_checked_out(troubled: Fleet, told: dict[str, str]) -> None:
    assert told["secret"].startswith("no access (") and "does not appear to be a git repository" in told["secret"]
    assert said(troubled.top, offline=True)["secret"] == "not checked out"


def test_the_table_has_branch_and_pin(troubled: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    assert status.main(as_json=False, check=False, offline=True, cwd=troubled.top) == OK
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["repo", "branch", "pin", "state"]
    assert "my docs                           main      " in lines[11]
    assert lines[12].split() == ["plots", "detached", short(troubled.at("plots")), "ok"]
    assert lines[2].split()[:2] == ["absent", "-"]


@pytest.mark.parametrize("inside", [".", "apps/one/libs/shared", "absent", "my docs/new dir"])
def test_it_shows_the_same_from_anywhere_inside(
    troubled: Fleet, inside: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status.main(as_json=True, check=True, offline=True, cwd=troubled.at(inside)) == TESTS_FAILED
    data = json.loads(capsys.readouterr().out)
    assert (data["root"], len(data["repos"]), data["exit_code"]) == (str(troubled.top), 14, 1)


@pytest.mark.parametrize("options, code", [((), OK), (("--check",), TESTS_FAILED)])
def test_the_task_ends_with_that_code_and_keeps_messages_off_its_output(
    troubled: Fleet, options: tuple[str, ...], code: int
) -> None:
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), "repo_status", "--json", *options]
    done = subprocess.run(
        command, cwd=troubled.at("my docs"), capture_output=True, stdin=subprocess.DEVNULL, check=False
    )
    assert (done.returncode, done.stderr) == (code, b"")
    assert {"no access", "pin differs"} <= {
        state["state"] for row in json.loads(done.stdout)["repos"] for state in row["states"]
    }


def test_data_for_programs_has_whole_commits_and_counts(troubled: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    status.main(as_json=True, check=False, offline=True, cwd=troubled.top)
    rows = {row["path"]: row for row in json.loads(capsys.readouterr().out)["repos"]}
    head = git(troubled.at("data"), "rev-parse", "HEAD").strip()
    assert rows["data"] == {
        "path": "data",
        "branch": "main",
        "detached": False,
        "head": head,
        "pin": head,
        "url": str(troubled.remotes / "data.git"),
        "in_order": False,
        "states": [
            {"state": "ahead", "count": 2, "detail": None},
            {"state": "pin not pushed", "count": None, "detail": None},
        ],
    }
    assert rows["plots"]["detached"] and rows["plots"]["in_order"]
    assert rows["absent"]["head"] is None and not rows["absent"]["detached"]


def test_a_fleet_in_order_passes_the_check_and_stops_when_one_byte_changes(tmp_path: Path) -> None:
    one = fleet.clean(tmp_path)
    assert set(said(one.top).values()) == {""} and len(said(one.top)) == 12
    assert status.main(as_json=True, check=True, offline=False, cwd=one.top) == OK
    (one.at(SHARED[0]) / "vendor/deep/file.txt").write_text("x")
    assert status.main(as_json=True, check=True, offline=False, cwd=one.top) == TESTS_FAILED
    assert status.main(as_json=True, check=False, offline=False, cwd=one.top) == OK


def test_a_pin_that_was_pushed_long_ago_and_one_that_is_not_here_are_known(tmp_path: Path) -> None:
    one = fleet.small(tmp_path)
    for name in ("tools", "data"):
        one.push(name)
    git(one.at("tools"), "fetch", "--quiet")
    there = git(one.remotes / "data.git", "rev-parse", "main").strip()
    git(one.top, "update-index", "--cacheinfo", f"160000,{there},data")
    told = said(one.top)
    assert told["tools"] == ""
    assert told["data"] == f"differs from its pin (at {short(one.at('data'))}), pin not fetched"


def test_an_empty_directory_is_not_answered_for_by_the_repo_around_it(troubled: Fleet) -> None:
    absent = troubled.at("absent")
    assert absent.is_dir() and git(absent, "rev-parse", "--show-toplevel").strip() == str(troubled.top)
    assert location.git_dir(absent) is None
    for ask in (submodules.status, submodules.remote_url):
        with pytest.raises(InfrastructureError, match="no repo is checked out"):
            ask(absent)


@pytest.mark.parametrize("mark", ["gitdir: /nowhere\n", "nonsense", ""])
def test_a_broken_git_file_is_an_error_of_that_repo_alone(tmp_path: Path, mark: str) -> None:
    one = fleet.small(tmp_path)
    (one.at("tools") / ".git").write_text(mark)
    told = said(one.top)
    assert told.pop("tools") == "error: its .git leads to no repo"
    assert set(told.values()) == {""}
    assert status.main(as_json=True, check=False, offline=True, cwd=one.top) == INFRASTRUCTURE


def test_an_empty_git_directory_inside_is_not_answered_for_either(tmp_path: Path) -> None:
    one = fleet.small(tmp_path)
    (one.at("tools") / ".git").unlink()
    (one.at("tools") / ".git").mkdir()
    assert said(one.top)["tools"] == "error: its .git leads to no repo"


def test_a_git_directory_that_git_finds_wrong_is_not_answered_for_by_the_repo_around_it(tmp_path: Path) -> None:
    one = fleet.small(tmp_path)
    mark = one.at("tools") / ".git"
    mark.unlink()
    (mark / "objects").mkdir(parents=True)
    (mark / "HEAD").write_text("nonsense\n")
    # Git itself goes on to the super-repo, and would answer for that.
    assert git(one.at("tools"), "rev-parse", "--show-toplevel").strip() == str(one.top)
    assert said(one.top)["tools"].startswith("error: git ")


def test_a_branch_that_was_taken_back_does_not_count_by_its_old_packed_place(tmp_path: Path) -> None:
    one = fleet.small(tmp_path)
    tools = one.at("tools")
    first = git(tools, "rev-parse", "HEAD").strip()
    made = one.push("tools")
    git(tools, "fetch", "--quiet")
    git(tools, "checkout", "--quiet", made)
    git(tools, "pack-refs", "--all")
    git(one.top, "update-index", "--cacheinfo", f"160000,{made},tools")
    assert said(one.top)["tools"] == ""
    git(tools, "update-ref", "refs/remotes/origin/main", first)
    assert said(one.top)["tools"] == "1 commit on no branch, pin not pushed"


def test_a_submodule_that_says_it_is_its_super_repo_is_refused(tmp_path: Path) -> None:
    one = fleet.small(tmp_path)
    (one.at("tools") / ".git").write_text("gitdir: ../.git\n")
    (one.at(SHARED[0]) / ".git").write_text("gitdir: ../../../../.git\n")
    told = said(one.top)
    assert told["tools"] == "refused: a submodule's .git is that of its super-repo"
    assert told[SHARED[0]] == "refused: its .git is that of a repo around it"
    with pytest.raises(PolicyError):
        submodules.submodule_at(one.top, "tools")


def test_changes_inside_a_submodule_are_changes_of_the_super_repo(tmp_path: Path) -> None:
    one = fleet.small(tmp_path)
    assert repo.changes(one.top) == []
    (one.at(SHARED[0]) / "new.txt").write_text("x")
    (one.at("tools") / "file.txt").write_text("x")
    (one.top / "file.txt").write_text("x")
    assert repo.changes(one.top) == ["file.txt", "apps/one", "tools"]


def test_it_works_in_a_linked_worktree(tmp_path: Path) -> None:
    one = fleet.small(tmp_path)
    other = tmp_path / "other tree"
    git(one.top, "worktree", "add", "--quiet", "--detach", str(other))
    git(other, "submodule", "update", "--quiet", "--init", "tools")
    told = said(other)
    assert told["tools"] == "" and told["data"] == "not checked out"


def test_commits_of_a_branch_without_an_upstream_are_counted_until_they_are_pushed(tmp_path: Path) -> None:
    one = fleet.small(tmp_path)
    for path in (".", "tools"):
        git(one.at(path), "switch", "--quiet", "--create", "topic")
    # What a remote has needs no upstream.
    assert set(said(one.top).values()) == {""}
    for path in ("tools", ".", "."):
        fleet.commit(one.at(path))
    told = said(one.top)
    assert (told["."], told["tools"]) == ("ahead 2 (no upstream)", "ahead 1 (no upstream), pin not pushed")
    assert status.main(as_json=True, check=True, offline=True, cwd=one.top) == TESTS_FAILED
    for path in ("tools", "."):
        git(one.at(path), "push", "--quiet", "--set-upstream", "origin", "topic")
    assert set(said(one.top).values()) == {""}


def test_all_commits_are_counted_where_there_is_no_remote(tmp_path: Path) -> None:
    one = fleet.small(tmp_path)
    git(one.top, "remote", "remove", "origin")
    number = git(one.top, "rev-list", "--count", "HEAD").strip()
    assert said(one.top, offline=True)["."] == f"ahead {number} (no upstream)"


def test_commits_that_are_on_no_branch_are_named_before_a_checkout_puts_them_out_of_sight(tmp_path: Path) -> None:
    one = fleet.small(tmp_path)
    tools = one.at("tools")
    fleet.commit(tools)
    made = fleet.commit(tools)
    assert said(one.top)["tools"] == f"2 commits on no branch, differs from its pin (at {made[:10]})"
    git(one.top, "add", "tools")
    assert said(one.top)["tools"] == "2 commits on no branch, pin not pushed"
    git(tools, "branch", "mine", "HEAD^")
    assert said(one.top)["tools"] == "1 commit on no branch, pin not pushed"
    git(tools, "tag", "kept")
    assert said(one.top)["tools"] == "pin not pushed"
    assert status.exit_code(tree.rows(one.top, offline=True), check=True) == TESTS_FAILED
    # A packed tag counts the same, and so does one above.
    git(tools, "pack-refs", "--all")
    git(tools, "checkout", "--quiet", "HEAD^")
    assert "on no branch" not in said(one.top)["tools"]


def test_what_waits_to_be_gone_on_with_is_a_state(tmp_path: Path) -> None:
    one = fleet.small(tmp_path)
    in_a_rebase(one, "tools")
    (one.top / ".git" / "BISECT_LOG").touch()
    told = said(one.top)
    assert told["."] == "a bisection under way"
    assert told["tools"].startswith("a rebase under way, dirty (1 changed), differs from its pin (")
    assert "on no branch" not in told["tools"]
