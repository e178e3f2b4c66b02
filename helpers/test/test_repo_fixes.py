"""What the repo_ commands say when they leave a repo, and that the command they name does it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.errors import OK, REFUSED
from helpers.repos import branch, pull, roll_forward
from helpers.test import fleet
from helpers.test.fleet import Fleet, commit, git, one, pristine, user
from helpers.test.test_repo_roll_forward import left, pins, rolled, words

__all__ = ["one", "pristine", "user"]
# These tests start processes, and there are many of them.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("user")]


def test_a_push_of_a_branch_that_follows_none_is_left_with_the_command_that_does_it(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    git(one.top, "switch", "--quiet", "--create", "topic")
    assert rolled(one, capsys, push=True) == (OK, [])
    one.push("tools")
    code, told = rolled(one, capsys, push=True)
    assert (code, words(told)) == (REFUSED, ["check out tools", "commit .", "left ."])
    assert "topic follows no branch of a remote, and no remote has 1 commit of it" in told[-2]
    fix = told[-1].strip()
    assert fix == "fix: git push -u origin topic"
    git(one.top, *fix.split()[2:])
    assert rolled(one, capsys, push=True) == (OK, [])


def test_a_push_without_any_remote_is_left(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    git(one.top, "remote", "remove", "origin")
    assert rolled(one, capsys) == (OK, [])
    code, told = rolled(one, capsys, push=True)
    assert (code, words(told), told[-1].strip()) == (REFUSED, ["left ."], "fix: git remote add origin URL")


@pytest.mark.parametrize("path", ["tools", "."])
def test_an_unfinished_rebase_is_what_is_said_of_a_repo(
    one: Fleet, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    one.push("tools")
    fleet.in_a_rebase(one, path)
    assert left(one, capsys, path).startswith("a rebase is under way\nfix: git ")


def typed(cwd: Path, fix: str) -> None:
    """Type a fix at a prompt as it is printed."""
    command = fix.rpartition("fix: ")[2]
    done = subprocess.run(["bash", "-c", command], cwd=cwd, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"


def test_own_commits_without_a_branch_are_pushed_to_the_branch_that_is_followed(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    made = commit(one.at("tools"))
    told = left(one, capsys, "tools")
    assert told.endswith("\nfix: git -C tools push origin HEAD:main")
    typed(one.top, told)
    assert rolled(one, capsys)[0] == OK and pins(one)["tools"] == made


@pytest.mark.parametrize("push", [False, True])
def test_pins_staged_at_commits_that_are_not_pushed_are_left(
    one: Fleet, capsys: pytest.CaptureFixture[str], push: bool
) -> None:
    git(one.at("data"), "switch", "--quiet", "main")
    made = commit(one.at("data"))
    git(one.top, "add", "data")
    code, told = rolled(one, capsys, push=push)
    assert (code, words(told)) == (REFUSED, ["left data"])
    assert told[0].endswith("not in origin/main: 1 commit of yours") and told[1].endswith("fix: git -C data push")
    typed(one.top, told[1])
    assert rolled(one, capsys, push=push)[0] == OK and one.head("data") == made


def test_a_pin_on_another_branch_of_the_remote_is_no_unpushed_commit(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(one.at("data"))
    git(one.at("data"), "push", "--quiet", "origin", "HEAD:refs/heads/topic")
    git(one.top, "add", "data")
    assert rolled(one, capsys, dry_run=True) == (OK, [])


def test_a_pin_that_no_remote_has_is_told_alike_by_both_commands(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    made = commit(one.home / "work of tools")
    git(one.top, "update-index", "--cacheinfo", f"160000,{made},tools")
    code, told = rolled(one, capsys, dry_run=True)
    assert code == REFUSED
    assert pull.main(dry_run=True, cwd=one.top) == REFUSED
    assert capsys.readouterr().out.splitlines() == told
    assert told[1].endswith("fix: whoever made that commit: git push")


def test_a_pin_that_is_on_no_branch_of_the_remote_is_fetched_before_it_is_judged(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    made = one.push("tools")
    git(one.remotes / "tools.git", "update-ref", "refs/tags/aside", made)
    git(one.remotes / "tools.git", "update-ref", "refs/heads/main", f"{made}^")
    git(one.top, "update-index", "--cacheinfo", f"160000,{made},tools")
    assert f"its pin {made[:10]} is not in origin/main" in left(one, capsys, "tools")


@pytest.mark.parametrize("state", ["detached", "new branch", "branch of the remote", "no remote"])
def test_an_outermost_repo_without_an_upstream_is_told_how_it_gets_one(
    one: Fleet, capsys: pytest.CaptureFixture[str], state: str
) -> None:
    wanted = {
        "detached": "git switch BRANCH",
        "new branch": "git push -u origin topic",
        "branch of the remote": "git branch --set-upstream-to=origin/main",
        "no remote": "git remote add origin URL",
    }[state]
    if state == "branch of the remote":
        git(one.top, "branch", "--unset-upstream")
    elif state == "no remote":
        git(one.top, "remote", "remove", "origin")
    else:
        git(one.top, "switch", "--quiet", *(["--detach"] if state == "detached" else ["--create", "topic"]))
    assert pull.main(cwd=one.top) == REFUSED
    first = capsys.readouterr().out.splitlines()[1].strip()
    assert first == f"fix: {wanted}"
    typed(one.top, first.replace("BRANCH", "main").replace("URL", "../remotes/top.git"))
    if state != "no remote":
        assert pull.main(cwd=one.top) == OK


def _on_branch(one: Fleet, path: str, name: str) -> None:
    git(one.at(path), "switch", "--quiet", *([] if name == "main" else ["--create"]), name)
    commit(one.at(path), "mine.txt")


def _pin_staged(one: Fleet) -> None:
    _on_branch(one, "data", "main")
    git(one.top, "add", "data")


def _another_way(one: Fleet) -> None:
    _on_branch(one, "tools", "main")
    one.push("tools")


def _in_the_way(one: Fleet) -> None:
    one.push("tools")
    (one.at("tools") / "file.txt").write_text("mine")


def _rewritten(one: Fleet) -> None:
    git(one.remotes / "shared.git", "update-ref", "refs/heads/old", "main")
    work = one.home / "work of shared"
    git(work, "commit", "--quiet", "--amend", "--message", "another one")
    git(work, "push", "--quiet", "--force", "origin", "main")


def _no_such_branch(one: Fleet) -> None:
    git(one.at("apps/one"), "config", "--file", ".gitmodules", "submodule.libs/shared.branch", "none")


def _other_names(one: Fleet) -> None:
    """Name submodules otherwise than their paths, with characters special to a shell, and follow no branch."""
    for root, path in ((one.top, "tools"), (one.at("apps/one"), "libs/shared")):
        name = f"submodule.it's $HOME {path}"
        for file in (".gitmodules", git(root, "rev-parse", "--git-path", "config").strip()):
            git(root, "config", "--file", file, "--rename-section", f"submodule.{path}", name)
        git(root, "config", "--file", ".gitmodules", f"{name}.branch", "none")
        git(root, "commit", "--quiet", "--message", "names", "--", ".gitmodules")
    git(one.at("apps/one"), "push", "--quiet", "origin", "HEAD:main")
    git(one.top, "add", "apps/one")
    git(one.top, "commit", "--quiet", "--message", "pin")


def _unlisted(one: Fleet) -> None:
    git(one.top, "config", "--file", ".gitmodules", "--remove-section", "submodule.tools")


def _unpinned(one: Fleet) -> None:
    git(one.top, "rm", "--quiet", "--cached", "tools")
    git(one.top, "config", "--file", ".gitmodules", "submodule.gone.path", "gone")
    git(one.top, "config", "--file", ".gitmodules", "submodule.gone.url", "../gone.git")


def _not_forward(one: Fleet) -> None:
    _on_branch(one, "tools", "topic")
    git(one.at("tools"), "switch", "--quiet", "--detach", "origin/main")
    commit(one.at("tools"))


def _roll(cwd: Path) -> int:
    return roll_forward.main(cwd=cwd)


def _push(cwd: Path) -> int:
    return roll_forward.main(push=True, cwd=cwd)


def _pull(cwd: Path) -> int:
    return pull.main(cwd=cwd)


def _branch(cwd: Path) -> int:
    return branch.main("topic", everywhere=True, cwd=cwd)


INSIDE = "apps/one/libs/shared"
LEFT: dict[str, tuple[Callable[[Fleet], object], Callable[[Path], int]]] = {
    "own commits on main": (lambda one: _on_branch(one, "tools", "main"), _roll),
    "own commits on a new branch": (lambda one: _on_branch(one, "tools", "topic"), _roll),
    "own commits on no branch": (lambda one: commit(one.at("tools")), _roll),
    "own commits on no branch, deep": (lambda one: commit(one.at(INSIDE)), _roll),
    "own commits on no branch, to be pulled": (lambda one: commit(one.at(INSIDE)), _pull),
    "own commits of the outermost repo": (lambda one: (one.push("data"), commit(one.top, "mine.txt")), _push),
    "a new branch of the outermost repo": (lambda one: _on_branch(one, ".", "topic"), _push),
    "a new branch, to be pulled": (lambda one: _on_branch(one, ".", "topic"), _pull),
    "no upstream": (lambda one: git(one.top, "branch", "--unset-upstream"), _pull),
    "detached": (lambda one: git(one.top, "switch", "--quiet", "--detach"), _pull),
    "detached, to be committed to": (lambda one: git(one.top, "switch", "--quiet", "--detach"), _roll),
    "a rebase": (lambda one: fleet.in_a_rebase(one, "tools"), _roll),
    "a rebase of the outermost repo": (lambda one: fleet.in_a_rebase(one, "."), _pull),
    "a rebase and a branch": (lambda one: fleet.in_a_rebase(one, "."), _branch),
    "staged pins": (_pin_staged, _roll),
    "another way": (_another_way, _roll),
    "a file in the way": (_in_the_way, _roll),
    "a rewritten branch": (_rewritten, _roll),
    "a branch that is not there": (_no_such_branch, _roll),
    "a branch that is not there, of a submodule with another name": (_other_names, _roll),
    "no entry in .gitmodules": (_unlisted, _pull),
    "no pin": (_unpinned, _pull),
    "own commits on main, to be pulled": (lambda one: _on_branch(one, "tools", "main"), _pull),
    "a branch of the same name": (_not_forward, _branch),
}


@pytest.mark.parametrize("inside", [".", INSIDE])
@pytest.mark.parametrize("state", LEFT)
def test_each_fix_works_as_it_is_printed_where_the_user_is(
    one: Fleet, capsys: pytest.CaptureFixture[str], state: str, inside: str
) -> None:
    prepare, command = LEFT[state]
    prepare(one)
    assert command(one.at(inside)) == REFUSED
    fixes = [line.partition("fix: ")[2] for line in capsys.readouterr().out.splitlines() if "  fix: " in line]
    assert fixes
    for fix in fixes:
        assert " -C . " not in fix
        typed(one.at(inside), fix.replace("BRANCH", "main").replace("NAME", "kept").replace("URL", "../tools.git"))
    if prepare in (_other_names, _unlisted, _unpinned):
        command(one.at(inside))
        assert "  fix: " not in capsys.readouterr().out
