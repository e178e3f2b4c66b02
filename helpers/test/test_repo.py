from __future__ import annotations

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
