from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers import config, discover, selection
from helpers.errors import NotCheckedOutError, NothingSelectedError, UsageError
from helpers.test.unit_fixtures import add_dir, git, make_repo

# These tests start processes, and there are many of them.
pytestmark = pytest.mark.slow

ODD_NAMES = ["a b", "$(touch PWNED)", "-rf", "co:lon", "com,ma", "new\nline", 'quo"te', "gr\u00fcn"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repo with runnable dirs at its root, nested in one another, in a submodule, and in an ignored place."""
    inner = make_repo(tmp_path / "inner")
    add_dir(inner, "theirs")
    (inner / "theirs" / "devops" / ".gitkeep").touch()
    git(inner, "add", "--all")
    git(inner, "commit", "--quiet", "--message", "x")
    root = make_repo(tmp_path / "root")
    for name in (".", "group/one", "group/one/nested", "group/two", "junk/old"):
        add_dir(root, name)
    (root / ".gitignore").write_text("junk/\n")
    (root / "group" / "no_changelog" / "devops").mkdir(parents=True)
    (root / "group" / "no_devops").mkdir()
    (root / "group" / "no_devops" / "changelog.txt").touch()
    git(root, "submodule", "add", "--quiet", str(inner), "sub")
    return root


def names(root: Path, paths: list[Path]) -> list[str]:
    return [path.relative_to(root).as_posix() for path in paths]


def test_all_runnable_dirs_of_this_repo_are_found_and_no_others(root: Path) -> None:
    assert (root / "sub" / "theirs" / "changelog.txt").is_file()
    assert names(root, discover.runnable_paths(root)) == [".", "group/one", "group/one/nested", "group/two"]


@pytest.mark.parametrize(
    "chosen, cwd, selected",
    [
        ([], ".", [".", "group/one", "group/one/nested", "group/two"]),
        (["group/one"], ".", ["group/one", "group/one/nested"]),
        (["group/two", "group/two/", "./group/../group/two"], ".", ["group/two"]),
        (["group"], ".", ["group/one", "group/one/nested", "group/two"]),
        (["."], "group/two", ["group/two"]),
        (["../two", "nested"], "group/one", ["group/one/nested", "group/two"]),
        (["."], ".", [".", "group/one", "group/one/nested", "group/two"]),
        (["sub/theirs"], ".", ["sub/theirs"]),
        (["sub"], ".", ["sub/theirs"]),
        (["."], "sub", ["sub/theirs"]),
        (["sub", "group/two"], ".", ["group/two", "sub/theirs"]),
        (["--submodules"], ".", [".", "group/one", "group/one/nested", "group/two", "sub/theirs"]),
        (["--submodules", "sub", "group/two"], ".", ["group/two", "sub/theirs"]),
        (["--only-this", "."], ".", ["."]),
        (["--only-this", "group/one"], ".", ["group/one"]),
        (["--only-this", "sub/theirs"], ".", ["sub/theirs"]),
    ],
)
def test_a_name_selects_the_runnable_dirs_at_and_below_it(
    root: Path, chosen: list[str], cwd: str, selected: list[str]
) -> None:
    assert names(root, select(root, chosen, root / cwd)) == selected


def choose(root: Path, words: list[str], cwd: Path) -> selection.Selection:
    chosen = [word for word in words if not word.startswith("--")]
    return selection.choose(root, chosen, cwd, only_this="--only-this" in words, submodules="--submodules" in words)


def select(root: Path, words: list[str], cwd: Path) -> list[Path]:
    return choose(root, words, cwd).paths


def test_a_runnable_dir_of_a_submodule_is_never_nested_in_one_of_the_super_repo(root: Path) -> None:
    chosen = choose(root, ["--submodules"], root)
    load = config.loader(root, chosen.every, chosen.checkouts)
    assert names(root, [*load(root).nested]) == ["group/one", "group/one/nested", "group/two"]
    assert load(root).nested == config.loader(root, discover.runnable_paths(root))(root).nested


@pytest.mark.parametrize("words", [["sub"], ["sub/theirs"], ["--submodules"], ["--submodules", "group"]])
def test_a_submodule_that_is_not_checked_out_is_named(root: Path, words: list[str]) -> None:
    git(root, "commit", "--quiet", "--all", "--message", "x")
    git(root, "submodule", "deinit", "--force", "sub")
    if words == ["sub/theirs"]:
        words = ["sub/theirs/.."]
        (root / "sub" / "theirs").mkdir()
    if "--submodules" not in words:
        with pytest.raises(NotCheckedOutError, match="is in a submodule that is not checked out") as raised:
            select(root, words, root)
        assert raised.value.fix and "update --init --recursive -- sub " in raised.value.fix
        return
    faults = choose(root, words, root).faults
    assert names(root, [*faults]) == ([] if "group" in words else ["sub"])
    assert all(isinstance(fault, NotCheckedOutError) for fault in faults.values())


def test_submodules_of_submodules_are_found_and_the_toolchain_is_not(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(root / "sub", "submodule", "add", "--quiet", str(root.parent / "inner"), "deep")
    assert names(root, select(root, ["--submodules", "sub"], root)) == ["sub/deep/theirs", "sub/theirs"]
    assert names(root, select(root, ["sub"], root)) == ["sub/theirs"]
    monkeypatch.setattr(selection, "__file__", str(root / "sub" / "deep" / "helpers" / "selection.py"))
    assert names(root, select(root, ["--submodules", "sub"], root)) == ["sub/theirs"]
    assert names(root, select(root, ["sub/deep"], root)) == ["sub/deep/theirs"]


def test_only_this_needs_the_name_of_a_runnable_dir(root: Path) -> None:
    for words, says in ((["--only-this"], "needs --dir"), (["--only-this", "group"], "'group' is not a runnable dir")):
        with pytest.raises(UsageError, match=says):
            select(root, words, root)


def test_a_name_above_submodules_alone_says_which_option_adds_them(root: Path) -> None:
    git(root, "mv", "sub", "group/sub")
    for name in ("group/one", "group/two"):
        shutil.rmtree(root / name)
    with pytest.raises(NothingSelectedError) as raised:
        select(root, ["group"], root)
    assert raised.value.fix and "--submodules" in raised.value.fix


@pytest.mark.parametrize("name", ["../../etc", "/etc", "link", "..", "group/../../inner"])
def test_a_name_that_leads_out_of_the_repo_is_refused(root: Path, name: str) -> None:
    (root / "link").symlink_to("/etc")
    with pytest.raises(UsageError, match="leads out of the repo"):
        select(root, [name], root)


def test_a_linked_directory_is_not_found_twice(root: Path) -> None:
    (root / "alias").symlink_to(root / "group" / "two")
    assert "alias" not in names(root, discover.runnable_paths(root))
    assert names(root, select(root, ["alias"], root)) == ["group/two"]


def test_names_that_select_nothing_say_so(root: Path) -> None:
    with pytest.raises(UsageError, match="'nowhere' is not a directory"):
        select(root, ["nowhere"], root)
    with pytest.raises(NothingSelectedError, match="'group/no_devops' is not a runnable dir and has none below"):
        select(root, ["group/no_devops"], root)


def test_a_name_with_a_slip_of_the_pen_is_answered_with_the_one_that_was_meant(root: Path) -> None:
    with pytest.raises(UsageError) as raised:
        select(root, ["tow"], root / "group")
    assert raised.value.fix == "did you mean --dir two?"
    for name, fix in (
        ("nowhere", "invoke dir_list"),
        ("group/nope", "invoke dir_list"),
        ("group/tow", "did you mean --dir group/two?"),
        ("gruop/two", "did you mean --dir group/two?"),
        ("grup", "did you mean --dir group?"),
        ("subs", "did you mean --dir sub?"),
    ):
        with pytest.raises(UsageError) as raised:
            select(root, [name], root)
        assert raised.value.fix == fix


def test_no_name_is_not_taken_for_all(root: Path) -> None:
    with pytest.raises(UsageError, match="'' names no directory"):
        select(root, [""], root)


def test_an_empty_repo_has_nothing_to_run(tmp_path: Path) -> None:
    with pytest.raises(NothingSelectedError, match="no runnable dir in this repo"):
        select(make_repo(tmp_path / "r"), [], tmp_path)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_any_name_that_a_file_system_allows_is_found_and_selected(tmp_path: Path, name: str) -> None:
    root = make_repo(tmp_path / "r")
    path = add_dir(root, name)
    assert select(root, [], root) == [path]
    assert select(root, [name], root) == [path]
    assert sorted(item.name for item in root.iterdir()) == sorted([".git", name])


def test_the_enclosing_one_is_the_nearest_and_never_outside_the_repo(root: Path) -> None:
    inside = root / "group" / "one" / "nested" / "test"
    assert discover.enclosing(inside) == (root, inside.parent)
    assert discover.enclosing(root / "group") == (root, root)
    bare = make_repo(root / "bare")
    with pytest.raises(UsageError, match="is not inside a runnable dir"):
        discover.enclosing(bare)
