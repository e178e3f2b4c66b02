from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import repo
from helpers.errors import InfrastructureError, UsageError
from helpers.test.unit_fixtures import git, make_repo

# These tests start processes, and there are many of them.
pytestmark = pytest.mark.slow


def committed(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "x")
    return root


@pytest.fixture
def super_repo(tmp_path: Path) -> Path:
    """A repo with a submodule at `sub dir/sub`."""
    inner = committed(make_repo(tmp_path / "inner"), "changelog.txt")
    root = committed(make_repo(tmp_path / "super"), "changelog.txt", "a/changelog.txt")
    git(root, "submodule", "add", "--quiet", str(inner), "sub dir/sub")
    return committed(root, "b.txt")


def test_files_are_tracked_or_new_but_neither_ignored_nor_in_a_submodule(super_repo: Path) -> None:
    (super_repo / ".gitignore").write_text("junk/\n")
    for name in ("new/changelog.txt", "junk/changelog.txt", "a\nb/changelog.txt"):
        (super_repo / name).parent.mkdir()
        (super_repo / name).write_text("")
    committed(make_repo(super_repo / "nested"), "changelog.txt")
    found = {path.relative_to(super_repo).as_posix() for path in repo.files(super_repo, "**/changelog.txt")}
    assert found == {"changelog.txt", "a/changelog.txt", "new/changelog.txt", "a\nb/changelog.txt"}


def test_the_root_is_the_nearest_checkout(super_repo: Path) -> None:
    assert repo.find_root(super_repo / "a") == super_repo
    assert repo.find_root(super_repo / "sub dir" / "sub") == super_repo / "sub dir" / "sub"
    with pytest.raises(UsageError, match="not inside a git checkout"):
        repo.find_root(super_repo.parent)


def test_git_in_a_submodule_needs_the_outermost_repo(super_repo: Path) -> None:
    assert repo.work_trees(super_repo / "sub dir" / "sub") == (super_repo,)
    assert repo.work_trees(super_repo) == (super_repo,)


def test_git_in_a_linked_worktree_needs_the_repo_that_keeps_the_objects(super_repo: Path) -> None:
    tree = super_repo.parent / "tree"
    git(super_repo, "worktree", "add", "--quiet", str(tree))
    assert repo.find_root(tree) == tree
    assert repo.work_trees(tree) == (tree, super_repo / ".git")


def test_variables_of_a_hook_do_not_point_us_at_another_repo(
    super_repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = committed(make_repo(tmp_path / "other"), "x.txt")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / ".git" / "index"))
    assert repo.files(super_repo, "*.txt") == [super_repo / "b.txt", super_repo / "changelog.txt"]


def test_a_failure_of_git_says_what_git_said(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: /nowhere\n")
    with pytest.raises(InfrastructureError, match="git ls-files failed: fatal: not a git repository"):
        repo.files(tmp_path, "*")


NAMES = ("a -> b", "-dash", 'quo"te', "new\nline", " space ", "tab\t", "ü", "R100 a", "2 R. x")


def _renamed(root: Path, name: str) -> set[str]:
    git(root, "mv", "--", "b.txt", name)
    return {"b.txt", name}


def _copied(root: Path, name: str) -> set[str]:
    (root / name).write_text((root / "b.txt").read_text())
    (root / "b.txt").write_text("another text\n")
    git(root, "add", "--all")
    return {"b.txt", name}


def _renamed_then_edited(root: Path, name: str) -> set[str]:
    git(root, "mv", "--", "b.txt", name)
    (root / name).write_text("another text\n")
    return {"b.txt", name}


def _intended(root: Path, name: str) -> set[str]:
    (root / name).write_text("new\n")
    git(root, "add", "--intent-to-add", "--", name)
    return {name}


def _typed(root: Path, name: str) -> set[str]:
    committed(root, name)
    (root / name).unlink()
    (root / name).symlink_to("b.txt")
    return {name}


def _deleted(root: Path, name: str) -> set[str]:
    committed(root, name)
    git(root, "rm", "--quiet", "--cached", "--", name)
    return {name}


def _unmerged(root: Path, name: str) -> set[str]:
    committed(root, name)
    git(root, "checkout", "--quiet", "-B", "theirs")
    (root / name).write_text("theirs\n")
    git(root, "commit", "--quiet", "--all", "--message", "theirs")
    git(root, "checkout", "--quiet", "-")
    git(root, "rm", "--quiet", "--", name)
    git(root, "commit", "--quiet", "--message", "ours")
    with pytest.raises(subprocess.CalledProcessError):
        git(root, "merge", "--quiet", "theirs")
    return {name}


def _untracked_beside_an_ignored_file(root: Path, name: str) -> set[str]:
    (root / ".git" / "info" / "exclude").write_text("junk\n")
    (root / "junk").write_text("")
    (root / name).write_text("")
    return {name}


CHANGES = (
    *(_renamed, _copied, _renamed_then_edited, _intended, _typed, _deleted, _unmerged),
    _untracked_beside_an_ignored_file,
)


@pytest.mark.parametrize("settings", ["", "copies"])
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__.strip("_"))
def test_changes_name_every_path_of_every_kind_of_change(
    super_repo: Path, change: Callable[[Path, str], set[str]], settings: str
) -> None:
    if settings:
        git(super_repo, "config", "status.renames", settings)
        git(super_repo, "config", "status.showUntrackedFiles", "no")
        git(super_repo, "config", "core.quotePath", "true")
    for name in NAMES:
        expected = change(super_repo, name)
        assert set(repo.changes(super_repo)) == expected, name
        git(super_repo, "reset", "--quiet", "--hard")
        git(super_repo, "clean", "--quiet", "--force", "-d")
    assert repo.changes(super_repo) == []


@pytest.mark.parametrize("change", ["moved", "edited", "untracked"])
def test_changes_name_a_submodule_that_has_moved_or_holds_changes(super_repo: Path, change: str) -> None:
    sub = super_repo / "sub dir" / "sub"
    (sub / "changelog.txt" if change == "edited" else sub / "new").write_text("changed")
    if change == "moved":
        committed(sub, "new")
    assert repo.changes(super_repo) == ["sub dir/sub"]


def test_changes_name_a_path_that_is_not_utf_8(super_repo: Path) -> None:
    (super_repo / os.fsdecode(b"caf\xe9.txt")).write_text("")
    (found,) = repo.changes(super_repo)
    assert found.startswith("caf") and found.endswith(".txt")
