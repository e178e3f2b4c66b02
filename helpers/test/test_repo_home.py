"""A submodule's repo moves to another URL; commits of only the earlier home are never pinned."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.errors import OK, REFUSED
from helpers.repos import branch, pull, roll_forward, status
from helpers.test.fleet import Fleet, commit, git, one, pristine, user
from helpers.test.test_repo_roll_forward import rolled

__all__ = ["one", "pristine", "user"]
# These tests start processes, and there are many of them.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("user")]


def typed(cwd: Path, fix: str) -> None:
    """Type a fix at a prompt as printed."""
    command = fix.rpartition("fix: ")[2]
    done = subprocess.run(["bash", "-c", command], cwd=cwd, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, f"{command}: {done.stderr}"


def moved(one: Fleet, name: str, path: str, *, relative: bool = False) -> str:
    """Give a remote a new declared home, and add a stray commit to the old home; return the commit."""
    shutil.copytree(one.remotes / f"{name}.git", one.remotes / f"{name}-new.git")
    above, _, sub = path.rpartition("//")
    url = f"../{name}-new.git" if relative else f"file://{one.remotes / f'{name}-new.git'}"
    declare(one.at(above or "."), sub, url)
    if above:
        git(one.at(above), "push", "--quiet", "origin", "HEAD:main")
        git(one.top, "commit", "--quiet", "--all", "--message", "pin")
    return one.push(name)


def declare(root: Path, path: str, url: str) -> None:
    git(root, "config", "--file", ".gitmodules", f"submodule.{path}.url", url)
    git(root, "commit", "--quiet", "--message", "a new home", "--", ".gitmodules")


def fixes(one: Fleet, capsys: pytest.CaptureFixture[str], cwd: Path) -> list[str]:
    """Return the printed fixes of `repo_status`."""
    capsys.readouterr()
    status.main(as_json=False, check=True, offline=False, cwd=cwd)
    return [line for line in capsys.readouterr().out.splitlines() if "; fix: " in line]


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("path", ["tools", "apps/one//libs/shared"])
@pytest.mark.parametrize("from_inside", [False, True])
def test_status_and_roll_forward_name_the_new_home_and_their_fix_follows_it(
    one: Fleet, capsys: pytest.CaptureFixture[str], path: str, relative: bool, from_inside: bool
) -> None:
    stray = moved(one, path.rpartition("/")[2], path, relative=relative)
    whole = path.replace("//", "/")
    before = one.head(whole)
    (told,) = fixes(one, capsys, one.at(whole) if from_inside else one.top)
    assert told.startswith(f"{whole}: URL differs; fix: ")
    assert roll_forward.main(only=whole, push=True, cwd=one.top) == REFUSED
    assert one.head(whole) == before and stray not in capsys.readouterr().out
    typed(one.at(whole) if from_inside else one.top, told)
    assert fixes(one, capsys, one.top) == []
    assert roll_forward.main(only=whole, cwd=one.top) == OK
    assert one.head(whole) == before
    assert git(one.at(whole), "for-each-ref", "--contains", before, "refs/remotes").count("\n") == 2


def _renamed(one: Fleet) -> None:
    git(one.at("tools"), "remote", "rename", "origin", "upstream")


def _beside_a_fork(one: Fleet) -> None:
    fork = one.at("tools")
    shutil.copytree(one.remotes / "tools.git", one.remotes / "fork.git")
    git(fork, "remote", "add", "fork", str(one.remotes / "fork.git"))
    git(fork, "fetch", "--quiet", "fork")
    git(fork, "switch", "--quiet", "--create", "mine", "--track", "fork/main")


def _no_remote(one: Fleet) -> None:
    git(one.at("tools"), "remote", "remove", "origin")


def _inactive(one: Fleet) -> None:
    git(one.top, "config", "submodule.tools.active", "false")


def _other_name(one: Fleet) -> None:
    git(one.top, "config", "--file", ".gitmodules", "--rename-section", "submodule.tools", "submodule.a 'name")
    git(one.top, "config", "--rename-section", "submodule.tools", "submodule.a 'name")
    git(one.top, "commit", "--quiet", "--message", "another name", "--", ".gitmodules")


@pytest.mark.parametrize("state", [_renamed, _beside_a_fork, _no_remote, _inactive, _other_name])
def test_the_fix_works_whatever_the_remote_and_the_submodule_are_called(
    one: Fleet, capsys: pytest.CaptureFixture[str], state: Callable[[Fleet], None]
) -> None:
    state(one)
    name = git(one.top, "config", "--file", ".gitmodules", "--get-regexp", "path").split(".path tools")[0]
    shutil.copytree(one.remotes / "tools.git", one.remotes / "tools-new.git")
    declare(one.top, name.splitlines()[-1].removeprefix("submodule."), f"file://{one.remotes / 'tools-new.git'}")
    one.push("tools")
    (told,) = fixes(one, capsys, one.top)
    typed(one.top, told)
    assert fixes(one, capsys, one.top) == []
    if state is _beside_a_fork:
        assert git(one.at("tools"), "config", "remote.fork.url").strip() == str(one.remotes / "fork.git")


def _prefers(one: Fleet) -> None:
    git(one.top, "config", "--global", "clone.defaultRemoteName", "upstream")


def _two_urls(one: Fleet) -> None:
    git(one.at("tools"), "remote", "set-url", "--add", "upstream", str(one.remotes / "data.git"))
    (one.top / ".git/modules/tools/config").write_text(
        (one.top / ".git/modules/tools/config").read_text() + "[branch]\n\tautoSetupMerge = false\n# include\n"
    )


def _two_remotes(one: Fleet) -> None:
    for path in ("tools", "apps/one"):
        git(one.at(path), "remote", "add", "aside", str(one.remotes / "nothing.git"))


@pytest.mark.parametrize("more", [lambda one: None, _prefers, _two_remotes, _two_urls])
def test_all_commands_work_with_remotes_of_another_name(
    one: Fleet, capsys: pytest.CaptureFixture[str], more: Callable[[Fleet], None]
) -> None:
    for path in (".", "tools", "data", "apps/one", "apps/one/libs/shared"):
        git(one.at(path), "remote", "rename", "origin", "upstream")
    more(one)
    one.push("shared")
    capsys.readouterr()
    assert status.main(as_json=False, check=True, offline=False, cwd=one.top) == OK, capsys.readouterr()
    assert roll_forward.main(push=True, cwd=one.top) == OK, capsys.readouterr()
    assert pull.main(cwd=one.top) == OK and branch.main("topic", everywhere=True, cwd=one.top) == OK
    for name, path in (("top", "."), ("one", "apps/one"), ("shared", "apps/one/libs/shared")):
        assert git(one.remotes / f"{name}.git", "rev-parse", "main").strip() == one.head(path)


def test_a_mirror_that_the_user_names_in_the_configuration_of_the_user_is_no_other_home(
    one: Fleet, user: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (one.remotes / "tools.git").rename(one.remotes / "mirror.git")
    with (user / "gitconfig").open("a") as file:
        file.write(f'[url "{one.remotes}/mirror.git"]\n\tinsteadOf = {one.remotes}/tools.git\n')
    git(one.at("tools"), "remote", "set-url", "origin", str(one.remotes / "mirror.git"))
    assert fixes(one, capsys, one.top) == []
    assert rolled(one, capsys, only="tools") == (OK, [])


def test_pull_says_which_home_has_the_pin(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    moved(one, "tools", "tools")
    work = one.home / "work of tools"
    git(work, "reset", "--quiet", "--hard", "HEAD^")
    made = commit(work, "new.txt")
    git(work, "push", "--quiet", str(one.remotes / "tools-new.git"), "HEAD:main")
    git(one.top, "update-index", "--cacheinfo", f"160000,{made},tools")
    git(one.top, "commit", "--quiet", "--message", "pin")
    git(one.top, "push", "--quiet")
    assert pull.main(cwd=one.top) == REFUSED
    told = capsys.readouterr().out.splitlines()
    assert ".gitmodules names" in told[0]
    typed(one.top, told[1])
    assert pull.main(cwd=one.top) == OK and one.head("tools") == made


def test_a_branch_that_only_the_earlier_home_has_is_left(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    moved(one, "tools", "tools")
    git(one.remotes / "tools.git", "branch", "topic", "main")
    git(one.at("tools"), "fetch", "--quiet")
    before = one.head("tools")
    assert branch.main("topic", everywhere=True, cwd=one.top) == REFUSED
    assert one.head("tools") == before and ".gitmodules names" in capsys.readouterr().out


def test_a_pin_on_a_branch_that_the_home_has_deleted_is_not_pinned(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    made = commit(one.at("data"))
    git(one.at("data"), "push", "--quiet", "origin", "HEAD:refs/heads/topic")
    git(one.remotes / "data.git", "update-ref", "-d", "refs/heads/topic")
    git(one.top, "add", "data")
    code, told = rolled(one, capsys, push=True)
    assert code == REFUSED and "not in origin/main: 1 commit of yours" in told[0]
    assert made not in git(one.remotes / "top.git", "ls-tree", "-r", "main")


@pytest.mark.parametrize("declared", [False, True])
def test_a_branch_that_the_home_has_deleted_is_not_followed(
    one: Fleet, capsys: pytest.CaptureFixture[str], declared: bool
) -> None:
    work, bare = one.home / "work of data", one.remotes / "data.git"
    git(bare, "branch", "trunk", "main")
    git(work, "switch", "--quiet", "--create", "topic")
    made = commit(work, "topic.txt")
    git(work, "push", "--quiet", "origin", "topic")
    git(one.at("data"), "fetch", "--quiet")
    if declared:
        git(one.top, "config", "--file", ".gitmodules", "submodule.data.branch", "topic")
    else:
        git(one.at("data"), "remote", "set-head", "origin", "topic")
        git(bare, "symbolic-ref", "HEAD", "refs/heads/trunk")
    git(bare, "branch", "--quiet", "-D", "topic")
    before = one.head("data")
    code, told = rolled(one, capsys, only="data")
    assert (code, one.head("data")) == (REFUSED if declared else OK, before) and made != before
    if declared:
        assert "its remote has no branch topic" in told[0]
    assert one.head("data", "refs/remotes/origin/topic") == made


@pytest.mark.parametrize("staged", [False, True])
def test_a_pin_of_a_home_that_is_not_committed_is_left(
    one: Fleet, capsys: pytest.CaptureFixture[str], staged: bool
) -> None:
    shutil.copytree(one.remotes / "tools.git", one.remotes / "tools-new.git")
    git(one.top, "config", "--file", ".gitmodules", "submodule.tools.url", str(one.remotes / "tools-new.git"))
    git(one.at("tools"), "remote", "set-url", "origin", str(one.remotes / "tools-new.git"))
    if staged:
        git(one.top, "add", ".gitmodules")
    git(one.home / "work of tools", "remote", "set-url", "origin", str(one.remotes / "tools-new.git"))
    made = one.push("tools")
    code, told = rolled(one, capsys, push=True)
    assert code == REFUSED and "the URL in .gitmodules is not committed" in told[0]
    typed(one.top, told[1])
    assert rolled(one, capsys)[0] == OK and one.head("tools") == made
