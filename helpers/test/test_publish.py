"""`helpers_publish` to a real bare remote, and what other repos do with what is published."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.errors import InfrastructureError, PolicyError, UsageError
from helpers.repo import remotes
from helpers.repos import publish
from helpers.repos.shared_files import PACKAGE
from helpers.test.fleet import environment
from helpers.test.unit_fixtures import git, make_repo

pytestmark = pytest.mark.slow


class Maker:
    """The repo that helpers is made in, and its remote."""

    def __init__(self, home: Path) -> None:
        self.remote = make_repo(home / "remote.git")
        git(self.remote, "config", "core.bare", "true")
        self.root = make_repo(home / "the whole repo")
        (self.root / "helpers").mkdir()
        self.write("README.md", "outside\n")
        self.write("helpers/__init__.py", "")
        self.version("0.1.0")
        self.commit("first")
        git(self.root, "remote", "add", "origin", str(self.remote))

    def write(self, path: str, text: str) -> None:
        (self.root / path).write_text(text)

    def version(self, *versions: str) -> None:
        self.write("helpers/changelog.txt", "".join(f"# helpers-{v}\n- 2026-11-21\n- {v}\n" for v in versions))

    def commit(self, message: str) -> None:
        git(self.root, "add", "--all")
        git(self.root, "commit", "--quiet", "--message", message)

    def publish(self, *, dry_run: bool = False, remote: str = "origin") -> int:
        return publish.main(remote=remote, dry_run=dry_run, cwd=self.root)

    def tip(self) -> str:
        lines = git(self.root, "ls-remote", "origin").splitlines()
        return "".join(line[:40] for line in lines if line.endswith("\trefs/heads/helpers"))


@pytest.fixture
def maker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    remotes.local_allowed.cache_clear()
    return Maker(tmp_path)


def test_what_is_committed_is_published_and_a_second_time_there_is_nothing_to_do(
    maker: Maker, capsys: pytest.CaptureFixture[str]
) -> None:
    git(maker.root, "push", "--quiet", "origin", "main:refs/heads/a/refs/heads/helpers")
    assert maker.publish() == 0
    first = maker.tip()
    assert f"published new -> {first[:7]}" in capsys.readouterr().out
    assert git(maker.root, "ls-tree", "--name-only", first).split() == ["__init__.py", "changelog.txt"]
    assert maker.publish() == 0
    assert (maker.tip(), "nothing to do" in capsys.readouterr().err) == (first, True)
    # A commit outside of helpers/ is none of its history.
    maker.write("README.md", "other\n")
    maker.commit("outside")
    assert maker.publish() == 0
    assert maker.tip() == first
    maker.write("helpers/new.py", "")
    maker.version("0.2.0", "0.1.0")
    maker.commit("second")
    assert maker.publish() == 0
    assert git(maker.root, "rev-list", f"{first}..{maker.tip()}").split() == [maker.tip()]
    assert "helpers 0.2.0" in capsys.readouterr().out
    assert not list((maker.root / ".git").glob("subtree-cache/*"))
    assert git(maker.root, "branch", "--list").split() == ["*", "main"]


def test_a_dry_run_pushes_nothing(maker: Maker, capsys: pytest.CaptureFixture[str]) -> None:
    assert maker.publish(dry_run=True) == 0
    assert "would publish new -> " in capsys.readouterr().out
    assert maker.tip() == ""


@pytest.mark.parametrize("path", ["helpers/__init__.py", "helpers/new.py"])
def test_what_is_not_committed_is_refused(maker: Maker, path: str) -> None:
    maker.write(path, "x = 1\n")
    maker.write("README.md", "outside, of no concern\n")
    with pytest.raises(PolicyError, match="not committed") as caught:
        maker.publish()
    assert path in caught.value.what and "README.md" not in caught.value.what
    assert maker.tip() == ""


def test_the_only_remote_counts_whatever_its_name(maker: Maker) -> None:
    git(maker.root, "remote", "rename", "origin", "upstream")
    assert publish.main(cwd=maker.root) == 0
    git(maker.root, "remote", "rename", "upstream", "origin")
    assert maker.tip()


@pytest.mark.parametrize("to", ["X", "helpers/new.py", "a -> b"])
def test_a_staged_rename_is_refused_before_anything_is_published(maker: Maker, to: str) -> None:
    git(maker.root, "mv", "helpers/__init__.py", to)
    with pytest.raises(PolicyError, match=r"helpers/__init__\.py.*: not committed"):
        maker.publish(dry_run=True)


def test_other_content_needs_a_newer_version(maker: Maker) -> None:
    maker.publish()
    first = maker.tip()
    maker.write("helpers/__init__.py", "x = 1\n")
    maker.commit("no version")
    with pytest.raises(PolicyError, match=r"0\.1\.0 is published, and 0\.1\.0 is the newest version here"):
        maker.publish()
    assert maker.tip() == first
    maker.version("0.1.1", "0.1.0")
    maker.commit("a version")
    assert maker.publish() == 0


def test_what_is_published_is_never_rewritten(maker: Maker) -> None:
    maker.publish()
    first = maker.tip()
    maker.version("0.2.0", "0.1.0")
    git(maker.root, "commit", "--quiet", "--all", "--amend", "--message", "another first")
    with pytest.raises(PolicyError, match="is not in the history of"):
        maker.publish()
    assert maker.tip() == first


def test_another_clone_that_is_behind_what_is_published_is_refused(maker: Maker, tmp_path: Path) -> None:
    git(maker.root, "push", "--quiet", "origin", "main")
    git(tmp_path, "clone", "--quiet", "--branch", "main", str(maker.remote), "behind")
    maker.version("0.2.0", "0.1.0")
    maker.commit("second")
    maker.publish()
    tip = maker.tip()
    with pytest.raises(PolicyError, match="is not in the history of") as caught:
        publish.main(cwd=tmp_path / "behind")
    assert " pull  (" in str(caught.value.fix)
    assert maker.tip() == tip


def test_a_shallow_clone_is_refused(maker: Maker, tmp_path: Path) -> None:
    maker.write("helpers/__init__.py", "x = 1\n")
    maker.commit("second")
    git(maker.root, "push", "--quiet", "origin", "main")
    git(tmp_path, "clone", "--quiet", "--depth", "1", "--branch", "main", f"file://{maker.remote}", "shallow")
    with pytest.raises(PolicyError, match="only a part of its history") as caught:
        publish.main(cwd=tmp_path / "shallow")
    assert str(caught.value.fix).endswith(" fetch --unshallow")


def test_a_remote_that_is_none_or_does_not_answer_is_said(maker: Maker) -> None:
    with pytest.raises(UsageError, match="there is no remote 'nosuch'"):
        maker.publish(remote="nosuch")
    git(maker.root, "remote", "add", "evil", "ext::touch PWNED")
    with pytest.raises(UsageError, match="names a program"):
        maker.publish(remote="evil")
    shutil.rmtree(maker.remote)
    with pytest.raises(InfrastructureError, match="does not answer"):
        maker.publish()


def test_a_super_repo_is_not_where_helpers_is_made(maker: Maker, tmp_path: Path) -> None:
    maker.publish()
    root = make_repo(tmp_path / "super")
    git(root, "submodule", "--quiet", "add", "-b", "helpers", str(maker.remote), "helpers")
    with pytest.raises(UsageError, match="has no helpers/ of its own"):
        publish.main(cwd=root)


def test_a_push_that_the_remote_refuses_is_said(maker: Maker) -> None:
    hook = maker.remote / ".git" / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho no entry\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(InfrastructureError, match="not published"):
        maker.publish()
    assert maker.tip() == ""


@pytest.mark.host
def test_what_is_published_works_as_a_submodule_of_a_new_repo(maker: Maker, tmp_path: Path) -> None:
    shutil.rmtree(maker.root / "helpers")
    ignore = shutil.ignore_patterns("__pycache__", "test")
    shutil.copytree(PACKAGE, maker.root / "helpers", ignore=ignore)
    maker.version("1.0.0")
    maker.commit("all of it")
    assert maker.publish() == 0
    root = make_repo(tmp_path / "new super repo")
    git(root, "submodule", "--quiet", "add", "-b", "helpers", str(maker.remote), "helpers")
    env = {name: value for name, value in os.environ.items() if name != "HELPERS_CACHE"}
    started = [sys.executable, "helpers/thin_env/bootstrap.py"]
    done = subprocess.run([*started, "init"], cwd=root, env=env, capture_output=True, encoding="utf-8", stdin=-3)
    assert done.returncode == 0, done.stderr
    done = subprocess.run(
        [*started, "invoke", "sync_status", "--check", "--json"],
        cwd=root,
        env=env,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    assert {item["state"] for item in json.loads(done.stdout)["files"]} == {"same"}
