"""Settings and variables of the user do not change our commits, nor our reading of git."""

from __future__ import annotations

import shutil
import stat
from pathlib import Path

import pytest

from helpers.errors import OK
from helpers.repos import branch, publish, pull, roll_forward, status
from helpers.test.fleet import Fleet, git, one, pristine, user

__all__ = ["one", "pristine", "user"]
# These tests start processes, and there are many of them.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("user")]

HOSTILE = """
[i18n]
\tlogOutputEncoding = ISO-8859-1
\tcommitEncoding = ISO-8859-1
[core]
\tquotePath = true
\tpager = false
\tsafecrlf = true
\tcommentChar = "#"
\tabbrev = 4
\thooksPath = HOME/hooks
\tattributesFile = HOME/attributes
[color]
\tui = always
\tadvice = always
\tremote = always
\tstatus = always
\tdiff = always
\ttransport = always
[column]
\tui = always
[log]
\tshowSignature = true
\tdecorate = full
\tfollow = true
\tdate = relative
\tabbrevCommit = true
[format]
\tpretty = oneline
[status]
\tshowUntrackedFiles = no
\trenames = copies
\tshowStash = true
\trelativePaths = true
\tsubmoduleSummary = true
\tbranch = true
[diff]
\texternal = false
\tnoprefix = true
\tmnemonicPrefix = true
\torderFile = HOME/order
\tignoreSubmodules = all
\trenames = copies
[commit]
\tcleanup = strip
\ttemplate = HOME/order
\tgpgSign = true
\tverbose = true
[tag]
\tgpgSign = true
[trailer]
\tifexists = replace
[merge]
\tff = false
\tlog = true
\tverifySignatures = true
\tautoStash = true
[pull]
\trebase = true
[rebase]
\tautoStash = true
[push]
\tdefault = matching
\tfollowTags = true
\trecurseSubmodules = on-demand
\tgpgSign = true
\tpushOption = x
[fetch]
\tprune = true
\tpruneTags = true
\trecurseSubmodules = true
\twriteCommitGraph = true
[submodule]
\trecurse = true
\tpropagateBranches = true
[clone]
\tdefaultRemoteName = upstream
[init]
\tdefaultBranch = trunk
\ttemplateDir = HOME/template
[alias]
\tstatus = !false
\tsubtree = !false
[branch]
\tautoSetupRebase = always
"""
VARIABLES = {
    "GIT_EXTERNAL_DIFF": "false",
    "GIT_AUTHOR_DATE": "2001-01-01T00:00:00Z",
    "GIT_COMMITTER_DATE": "2001-01-01T00:00:00Z",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_TRACE": "1",
    "GIT_CONFIG_PARAMETERS": "'i18n.logOutputEncoding=ISO-8859-1' 'core.hooksPath=/nowhere'",
    "LC_ALL": "de_DE.ISO-8859-1",
    "LANGUAGE": "de",
}


def hostile(user: Path) -> None:
    """Write the configuration of a user, and hooks that refuse every operation."""
    home = user / "hostile"
    for folder in (home / "hooks", home / "template" / "hooks"):
        folder.mkdir(parents=True)
        for name in ("post-checkout", "post-commit", "post-merge", "pre-push", "post-index-change"):
            (folder / name).write_text("#!/bin/sh\nexit 1\n")
            (folder / name).chmod(stat.S_IRWXU)
    (home / "order").write_text("*.txt\n")
    (home / "attributes").write_text("")
    with (user / "gitconfig").open("a") as file:
        file.write(HOSTILE.replace("HOME", str(home)))


def texts(root: Path, *paths: str) -> list[str]:
    """Return the current commits, byte by byte."""
    return [git(root / path, "cat-file", "commit", "HEAD") for path in paths]


def flows(one: Fleet, capsys: pytest.CaptureFixture[str]) -> tuple[list[str], str]:
    """Run every command on a fleet; return the commits, and the words without the encoding of git."""
    git(one.top, "submodule", "--quiet", "deinit", "--force", "data")
    shutil.rmtree(one.top / ".git/modules/data")
    capsys.readouterr()
    codes = [pull.main(cwd=one.top), branch.main("topic", everywhere=True, cwd=one.top)]
    for path in (".", "apps/one", "apps/one/libs/shared", "tools", "data"):
        git(one.at(path), "switch", "--quiet", "main" if path == "." else "topic")
    codes.append(roll_forward.main(push=False, cwd=one.top))
    codes.append(status.main(as_json=False, check=False, offline=False, cwd=one.top))
    assert codes == [OK] * 4, capsys.readouterr()
    return texts(one.top, ".", "apps/one"), capsys.readouterr().out


def test_hostile_settings_and_variables_change_no_byte_of_a_commit_and_no_word(
    one: Fleet, user: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = one.home / "work of shared"
    (work / "ü.txt").write_text("ü\n")
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "drei ü -> „x“")
    git(work, "push", "--quiet", "origin", "HEAD:main")
    kept = one.home.with_name("as pushed")
    shutil.copytree(one.home, kept, symlinks=True)
    plain = flows(one, capsys)
    assert "drei ü -> „x“" in plain[0][1]
    shutil.rmtree(one.home)
    shutil.move(kept, one.home)
    hostile(user)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    assert flows(one, capsys) == plain
    assert not list((one.top / ".git").rglob("commit-graph*"))


def test_a_push_under_hostile_settings_pushes_the_named_branch_and_nothing_else(
    one: Fleet, user: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    one.push("shared")
    git(one.top, "tag", "--annotate", "--message", "t", "mine")
    hostile(user)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    assert roll_forward.main(push=True, cwd=one.top) == OK, capsys.readouterr()
    assert git(one.remotes / "top.git", "for-each-ref", "--format=%(refname)").split() == ["refs/heads/main"]
    assert git(one.remotes / "top.git", "rev-parse", "main").strip() == one.head(".")


def test_the_published_branch_has_the_same_commits_under_hostile_settings(
    tmp_path: Path, user: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    root, remote = tmp_path / "maker", tmp_path / "remote.git"
    git(tmp_path, "init", "--quiet", "--bare", str(remote))
    git(tmp_path, "init", "--quiet", "--initial-branch", "main", str(root))
    (root / "helpers").mkdir()
    (root / "helpers/changelog.txt").write_text("# helpers-0.1.0\n- 2026-01-01\n- it\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--author", "Jürgen <j@example.invalid>", "--message", "drei ü")
    git(root, "remote", "add", "origin", str(remote))
    assert publish.main(cwd=root) == OK
    plain = git(remote, "cat-file", "commit", "helpers")
    assert "Jürgen" in plain and "drei ü" in plain
    git(remote, "update-ref", "-d", "refs/heads/helpers")
    hostile(user)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    assert publish.main(cwd=root) == OK, capsys.readouterr()
    assert git(remote, "cat-file", "commit", "helpers") == plain
