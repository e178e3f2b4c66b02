"""What somebody puts into a commit of `repo_roll_forward` is his own, whatever the commit says."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.errors import REFUSED
from helpers.model import sync_lock
from helpers.model.sync_lock import Merged
from helpers.repos import pin_message, roll_forward
from helpers.repos.own_commits import all_ours
from helpers.repos.pin_message import Moved
from helpers.test.fleet import Fleet, commit, git, one, pristine, user

__all__ = ["one", "pristine", "user"]
# These tests start processes, and there are many of them.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("user")]

OLD, NEW, OTHER = "1" * 40, "2" * 40, "3" * 40


def remote_heads(one: Fleet) -> list[str]:
    return [git(one.remotes / f"{name}.git", "rev-parse", "main") for name in ("shared", "one", "top")]


@pytest.mark.parametrize("pinned", [False, True])
@pytest.mark.parametrize("mine", ["a file", "a pin"])
def test_it_is_neither_pushed_nor_pinned(
    one: Fleet, capsys: pytest.CaptureFixture[str], mine: str, pinned: bool
) -> None:
    one.push("shared")
    # As a kill leaves it, between the two commits.
    roll_forward.main(cwd=one.top)
    if not pinned:
        git(one.top, "reset", "--quiet", "--hard", "origin/main")
    if mine == "a file":
        (one.at("apps/one") / "mine.txt").write_text("mine")
    else:
        commit(one.at("apps/one/libs/shared"), "mine.txt")
    git(one.at("apps/one"), "add", "--all")
    git(one.at("apps/one"), "commit", "--quiet", "--amend", "--no-edit")
    if pinned:
        git(one.top, "commit", "--quiet", "--all", "--amend", "--no-edit")
    before = remote_heads(one), one.head(".")
    capsys.readouterr()
    code, told = roll_forward.main(push=True, cwd=one.top), capsys.readouterr().out
    assert code == REFUSED and "of yours" in told and "\npush " not in f"\n{told}", told
    assert (remote_heads(one), one.head(".")) == before


def change(root: Path, files: dict[str, str], pins: dict[str, str], moved: list[Moved]) -> bool:
    """Commit files and pins with the message that moves pins, and say whether that commit counts as ours."""
    before = git(root, "rev-parse", "HEAD").strip()
    for path, text in files.items():
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(text)
        git(root, "add", path)
    for path, pin in pins.items():
        git(root, "update-index", "--add", "--cacheinfo", f"160000,{pin},{path}")
    git(root, "commit", "--quiet", "--message", pin_message.message(moved))
    return all_ours(root, before, git(root, "rev-parse", "HEAD").strip())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch", "main")
    git(tmp_path, "update-index", "--add", "--cacheinfo", f"160000,{OLD},helpers")
    git(tmp_path, "update-index", "--add", "--cacheinfo", f"160000,{OLD},tools")
    git(tmp_path, "commit", "--quiet", "--message", "first")
    return tmp_path


def test_pins_that_the_message_names_are_ours_and_no_others(root: Path) -> None:
    assert change(root, {}, {"helpers": NEW}, [Moved("helpers", OLD, NEW)])
    assert change(root, {}, {"new one": NEW}, [Moved("new one", "", NEW)])
    assert not change(root, {}, {"helpers": OTHER, "tools": NEW}, [Moved("helpers", NEW, OTHER)])
    assert not change(root, {}, {"tools": OTHER}, [Moved("tools", NEW, OLD)])


def test_common_files_are_ours_where_helpers_has_moved_and_no_other_files(root: Path) -> None:
    record = sync_lock.text({"invoke.yaml": Merged("4" * 40, "5" * 40)})
    files = {"invoke.yaml": "one", sync_lock.PATH: record}
    assert change(root, files, {"helpers": NEW}, [Moved("helpers", OLD, NEW)])
    assert not change(root, {"invoke.yaml": "two", "mine.txt": "x"}, {"helpers": OLD}, [Moved("helpers", NEW, OLD)])
    assert not change(root, {"invoke.yaml": "three"}, {"tools": NEW}, [Moved("tools", OLD, NEW)])


def test_a_file_in_place_of_a_pin_and_a_pin_in_place_of_a_file_are_not_ours(root: Path) -> None:
    git(root, "update-index", "--force-remove", "tools")
    assert not change(root, {"tools": "x"}, {}, [Moved("tools", OLD, NEW)])
    git(root, "rm", "--quiet", "tools")
    assert not change(root, {}, {"tools": NEW}, [Moved("tools", git(root, "rev-parse", "HEAD:tools").strip(), NEW)])
