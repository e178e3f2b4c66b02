"""`--affected` follows locks of other tools, also above a directory and below its image."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import discover
from helpers.driver import affected
from helpers.driver import plan as planner
from helpers.test.lock_samples import REQUIREMENTS, UV, B
from helpers.test.unit_fixtures import add_dir, cache, forget, git, make_repo, no_poetry

__all__ = ["cache", "no_poetry"]


@pytest.fixture
def root(tmp_path: Path, no_poetry: Path) -> Path:
    """A repo in which `b` is based on `a` with the lock above, and `d` on `c` with requirements in two files."""
    root = make_repo(tmp_path / "r")
    add_dir(root, "a", 'lock = "../uv.lock"', locked=False)
    add_dir(root, "b", 'base = "dir:../a"')
    add_dir(root, "c", locked=False)
    add_dir(root, "d", 'base = "dir:../c"')
    (root / "uv.lock").write_text(UV)
    (root / "c" / "requirements.txt").write_text(REQUIREMENTS)
    (root / "c" / "more.txt").write_text(f"pytest==8.0 --hash {B}\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "one")
    return root


@pytest.mark.parametrize(
    ("file", "names"),
    [
        ("uv.lock", {"a", "b"}),
        ("c/requirements.txt", {"c", "d"}),
        ("c/more.txt", {"c", "d"}),
        ("pdm.lock", set()),
    ],
)
def test_change_of_a_lock_affects_the_images_that_it_decides(root: Path, file: str, names: set[str]) -> None:
    with (root / file).open("a") as stream:
        stream.write("\n# another line\n")
    assert changed(root) == names


def test_lock_of_another_kind_affects_the_images_above_it(root: Path) -> None:
    (root / "c" / "requirements.txt").unlink()
    (root / "c" / "poetry.lock").write_text((root / "b" / "poetry.lock").read_text())
    assert changed(root) == {"c", "d"}


def changed(root: Path) -> set[str]:
    forget()
    paths = discover.runnable_paths(root)
    plan = planner.make(root, paths, paths, "fast")
    assert not [item.error for item in plan.dirs if item.error]
    return {item.name for item in affected.only(root, plan, git(root, "rev-parse", "HEAD").strip()).dirs}
