from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.repo import closed, state
from helpers.repo.contents import Contents, Unknown, contents, is_still
from helpers.repo.seen import Seen
from helpers.test.unit_fixtures import git, make_repo


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repo with committed files, an untracked and an ignored one, and a submodule."""
    for number, (key, value) in enumerate(
        (("protocol.file.allow", "always"), ("user.name", "t"), ("user.email", "t@t"))
    ):
        monkeypatch.setenv(f"GIT_CONFIG_KEY_{number}", key)
        monkeypatch.setenv(f"GIT_CONFIG_VALUE_{number}", value)
    monkeypatch.setenv("GIT_CONFIG_COUNT", "3")
    sub = make_repo(tmp_path / "sub")
    (sub / "s.py").write_text("s\n")
    git(sub, "add", "--all")
    git(sub, "commit", "--quiet", "--message", "first")
    root = make_repo(tmp_path / "a repo")
    for path in ("a/one.py", "a/two.py", "ab/three.py", "a.b/four.py", "link to", "a/__pycache__/data.txt"):
        (root / path).parent.mkdir(exist_ok=True)
        (root / path).write_text(f"{path}\n")
    (root / ".gitignore").write_text("*.tmp\nbuilt/\n")
    git(root, "submodule", "--quiet", "add", str(sub), "a/sub")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "first")
    (root / "a" / "new.py").write_text("new\n")
    (root / "a" / "x.tmp").write_text("ignored\n")
    (root / "a" / "built").mkdir()
    (root / "a" / "built" / "y").write_text("ignored too\n")
    return root


def write(path: str, text: str) -> Callable[[Path], object]:
    return lambda root: (root / path).write_text(text)


def hidden_from_git(option: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        git(root, "update-index", option, "a/one.py")
        (root / "a" / "one.py").write_text("a/one.pY\n")

    return change


def setting_that_overlooks(key: str, value: str, change: Callable[[Path], object]) -> Callable[[Path], object]:
    def both(root: Path) -> None:
        git(root, "config", key, value)
        change(root)

    return both


def same_times(root: Path) -> None:
    file = root / "a" / "one.py"
    git(root, "config", "core.trustctime", "false")
    git(root, "config", "core.checkStat", "minimal")
    before = file.stat()
    file.write_text("a/one.pY\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def a_link_instead(root: Path) -> None:
    (root / "a" / "one.py").unlink()
    os.symlink("two.py", root / "a" / "one.py")


def equal_by_attributes(root: Path) -> None:
    write(".git/info/attributes", "*.py text\n")(root)
    other_line_ends(root)


def other_line_ends(root: Path) -> None:
    (root / "a" / "one.py").write_bytes(b"a/one.py\r\n")


CHANGES: dict[str, Callable[[Path], object]] = {
    "a byte of a tracked file": write("a/one.py", "a/one.pY\n"),
    "a byte, and it is staged": lambda root: (write("a/one.py", "a/one.pY\n")(root), git(root, "add", "a/one.py")),
    "a byte, staged and changed again": lambda root: (
        write("a/one.py", "1\n")(root),
        git(root, "add", "a/one.py"),
        write("a/one.py", "2\n")(root),
    ),
    "a byte of an untracked file": write("a/new.py", "neW\n"),
    "a byte of an ignored file": write("a/x.tmp", "ignoreD\n"),
    "a byte in an ignored directory": write("a/built/y", "ignored toO\n"),
    "a new file": write("a/more.py", ""),
    "a new ignored file": write("a/more.tmp", ""),
    "a file is gone": lambda root: (root / "a" / "two.py").unlink(),
    "an untracked file is gone": lambda root: (root / "a" / "new.py").unlink(),
    "a name": lambda root: (root / "a" / "two.py").rename(root / "a" / "twO.py"),
    "it may be executed": lambda root: (root / "a" / "one.py").chmod(0o755),
    "a link in its place": a_link_instead,
    "a byte in a submodule": write("a/sub/s.py", "S\n"),
    "a new file in a submodule": write("a/sub/new.py", ""),
    "a submodule is not checked out": lambda root: git(root, "submodule", "--quiet", "deinit", "--force", "a/sub"),
    "a repo in it that is no submodule": lambda root: write("a/other/x.py", "")(
        make_repo(root / "a" / "other").parents[1]
    ),
    "a file where a submodule is not checked out": lambda root: (
        git(root, "submodule", "--quiet", "deinit", "--force", "a/sub"),
        write("a/sub/s.py", "by hand\n")(root),
    ),
    "a tracked file with a name of Python's": write("a/__pycache__/data.txt", "other\n"),
    "a byte, and the times are those of before": same_times,
    "git was told not to look": hidden_from_git("--assume-unchanged"),
    "git was told to leave it out": hidden_from_git("--skip-worktree"),
    "a mode, where git ignores them": setting_that_overlooks(
        "core.fileMode", "false", lambda root: (root / "a" / "one.py").chmod(0o755)
    ),
    "line ends, where git takes them for equal": setting_that_overlooks("core.autocrlf", "input", other_line_ends),
    "line ends, where attributes make them equal": equal_by_attributes,
}


@pytest.mark.parametrize("name", CHANGES)
def test_any_change_gives_another_name_there_and_nowhere_else(root: Path, name: str) -> None:
    before = contents(root)
    assert before.looks
    CHANGES[name](root)
    assert not is_still(before)
    after = contents(root)
    assert after.digest("a") != before.digest("a")
    assert after.digest(".") != before.digest(".")
    if "attributes" not in name:  # from then on git's names are not taken, for no file
        assert [after.digest(path) for path in ("ab", "a.b", "link to")] == [
            before.digest(path) for path in ("ab", "a.b", "link to")
        ]


@pytest.mark.parametrize(
    "change",
    [
        lambda root: git(root, "add", "--all"),
        lambda root: (git(root, "add", "--all"), git(root, "commit", "--quiet", "--message", "second")),
        lambda root: (root / "a" / "one.py").touch(),
        lambda root: (write("a/one.py", "x")(root), write("a/one.py", "a/one.py\n")(root)),
        lambda root: ((root / "a" / "__pycache__").mkdir(exist_ok=True), write("a/__pycache__/one.pyc", "x")(root)),
        lambda root: (write("a/one.py", "x")(root), git(root, "checkout", "--quiet", "a/one.py")),
    ],
    ids=["staged", "committed", "touched", "changed and back", "what Python makes", "restored"],
)
def test_what_holds_the_same_has_the_same_name(root: Path, change: Callable[[Path], object]) -> None:
    before = contents(root).digest("a")
    change(root)
    assert contents(root).digest("a") == before


def test_what_is_as_it_was_is_still_the_same(root: Path) -> None:
    git(root, "add", "--all")
    (root / "a" / "x.tmp").unlink()  # ignored, so that its age counts
    then = contents(root)
    assert then.looks and is_still(then)
    (root / "a" / "one.py").touch()
    assert is_still(then)
    assert not is_still(Contents({}))


def test_a_clone_has_the_same_names(root: Path, tmp_path: Path) -> None:
    git(root, "clone", "--quiet", "--recurse-submodules", str(root), str(tmp_path / "clone"))
    for path in ("a/new.py", "a/x.tmp", "a/built"):
        found = root / path
        shutil.rmtree(found) if found.is_dir() else found.unlink()
    assert contents(tmp_path / "clone").digest(".") == contents(root).digest(".")


def test_what_is_left_out_does_not_count(root: Path) -> None:
    before = contents(root)
    assert before.digest("a", ["a/sub"]) != before.digest("a")
    write("a/sub/s.py", "S\n")(root)
    after = contents(root)
    assert after.digest("a", ["a/sub"]) == before.digest("a", ["a/sub"])
    assert after.digest("a", ["a/su"]) != before.digest("a", ["a/su"])


def test_an_ignored_file_is_read_only_when_it_is_new(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    by_reading = state.by_reading

    def noted(path: str) -> str:
        read.append(os.path.basename(path))
        return by_reading(path)

    monkeypatch.setattr(state, "by_reading", noted)
    contents(root)
    assert sorted(read) == ["new.py", "x.tmp", "y"]
    monkeypatch.setattr(state, "RACY_SECONDS", -1.0)
    read.clear()
    contents(root)
    assert read == ["new.py"]


def test_an_ignored_directory_that_nobody_looks_into_is_asked_for_in_vain(root: Path) -> None:
    (root / "a" / "sub" / "built").mkdir()
    (root / "a" / "sub" / "built" / "z").write_text("ignored by the submodule")
    (root / "a" / "sub" / ".gitignore").write_text("built/\n")
    paths = {"a/built/y", "a/sub/built/z"}
    assert paths <= set(contents(root).paths())
    now = contents(root, seen=Seen(["ab", "a/sub/s.py"]))
    assert paths.isdisjoint(now.paths()) and "a/x.tmp" in now.paths()
    assert now.digest("ab") and now.digest("a/sub/s.py") and now.digest("a/one.py")
    for path in (".", "a", "a/built", "a/built/y", "a/sub", "a/sub/built", "a/sub/built/z"):
        assert not now.knows(path)
        with pytest.raises(Unknown, match=f"^{path}: "):
            now.digest(path)
    (root / "a" / "built" / "y").write_text("another")
    assert is_still(now)
    deep = {"a/sub/built/z"}
    for seen, found in (("a", paths), ("a/built", paths - deep), ("a/sub", deep), ("a/sub/built/z", deep)):
        assert paths & set(contents(root, seen=Seen([seen])).paths()) == found


def test_names_that_are_not_utf_8_can_not_be_vouched_for(root: Path) -> None:
    (Path(os.fsdecode(os.fsencode(root) + b"/a/\xff"))).touch()
    with pytest.raises(Unknown, match="not UTF-8"):
        contents(root)


def test_no_repo_can_not_be_vouched_for(tmp_path: Path) -> None:
    with pytest.raises(Unknown):
        contents(tmp_path)


def test_attributes_of_the_whole_machine_are_not_asked() -> None:
    assert closed.environment(state.EXACT)["GIT_ATTR_NOSYSTEM"] == "1"
    assert "GIT_ATTR_NOSYSTEM" not in closed.environment()
