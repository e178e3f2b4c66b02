from __future__ import annotations

import builtins
import io
import os
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from helpers.model.blob import blob_id, blob_id_of
from helpers.repo import closed, state
from helpers.repo.contents import Contents, Unknown, contents, contents_of, is_still
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
        lambda root: (write("a/one.py", "x")(root), git(root, "checkout", "--quiet", "a/one.py")),
    ],
    ids=["staged", "committed", "touched", "changed and back", "restored"],
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
    assert sorted(read) == [".git", "new.py", "x.tmp", "y"]
    monkeypatch.setattr(state, "RACY_SECONDS", -1.0)
    read.clear()
    contents(root)
    assert sorted(read) == [".git", "new.py"]


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


@pytest.mark.parametrize("state_of_it", ["untracked", "tracked", "committed", "changed", "ignored"])
def test_a_name_that_is_not_utf_8_counts_like_any_other(root: Path, state_of_it: str) -> None:
    before = contents(root)
    name = "a/caf\udce9.tmp" if state_of_it == "ignored" else "a/caf\udce9.txt"
    (root / name).write_text("one")
    if state_of_it in ("tracked", "committed", "changed"):
        git(root, "add", "--all")
    if state_of_it in ("committed", "changed"):
        git(root, "commit", "--quiet", "--message", "named")
        assert name in contents_of(root, "HEAD").paths()
    if state_of_it == "changed":
        (root / name).write_text("two")
    now = contents(root)
    assert now.differences(before, ".") == [name] and name in now.paths()
    assert now.digest("ab") == before.digest("ab") and now.digest("a") != before.digest("a")
    (root / name).unlink()
    assert not is_still(now)


def make_special(path: Path, kind: str) -> None:
    if kind == "a FIFO":
        os.mkfifo(path)
    elif kind == "a socket":
        os.mknod(path, 0o140600)
    elif kind == "an empty directory":
        path.mkdir()
    elif kind == "an empty directory in another":
        (path / "below").mkdir(parents=True)
    else:
        os.mknod(path, 0o020600, os.makedev(0, 0))


@pytest.mark.parametrize(
    "kind", ["a FIFO", "a socket", "a whiteout", "an empty directory", "an empty directory in another"]
)
@pytest.mark.parametrize("where", ["a", "a/built", "a/sub"])
def test_what_git_does_not_list_counts_where_it_is_seen(root: Path, kind: str, where: str) -> None:
    seen = Seen(["a", "ab"])
    before = contents(root, seen=seen)
    make_special(root / where / "made", kind)
    now = contents(root, seen=seen)
    assert now.digest("a") != before.digest("a") and now.digest("ab") == before.digest("ab")
    assert not is_still(before) and contents(root, seen=Seen(["ab"])).digest("ab")
    # Another commit does not have the file.
    assert contents(root, exact=False).digest("a") == contents(root, exact=False).digest("a")


def test_a_big_file_is_never_read_and_never_held_in_memory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(state, "MOST_READ_BYTES", 1000)
    monkeypatch.setattr(state, "by_reading", lambda path: pytest.fail("reads it") if path.endswith("/big") else "x")
    with (root / "a" / "big").open("wb") as file:
        file.truncate(1 << 40)  # no memory holds it
    first, second = contents(root), contents(root)
    assert first.digest("a") != second.digest("a"), "a file that was just written is not known"
    monkeypatch.setattr(state, "RACY_SECONDS", -1.0)
    first, second = contents(root), contents(root)
    assert first.digest("a") == second.digest("a") and is_still(first)
    with (root / "a" / "big").open("r+b") as file:
        file.write(b"x")
    assert contents(root).digest("a") != first.digest("a") and not is_still(first)


def test_a_big_untracked_file_that_no_test_sees_is_not_looked_at(root: Path) -> None:
    with (root / "a" / "big").open("wb") as file:
        file.truncate(1 << 40)
    now = contents(root, seen=Seen(["ab"]))
    assert "a/big" not in now.paths() and now.digest("ab") and is_still(now)
    assert not now.knows("a") and not now.knows("a/big")


def set_attribute(file: Path) -> None:
    with suppress(OSError):  # where the file system has none, no test can see one
        os.setxattr(file, "user.helpers", b"x")


def set_owner(file: Path) -> None:
    with suppress(PermissionError):  # a container of tests has no right to it, and so no test can do it
        os.chown(file, 4711, 4711)


# docs/explanation.md lists the gaps of the key.
OUTSIDE: dict[str, Callable[[Path], object]] = {
    "its times": lambda file: os.utime(file, (1, 1)),
    "permissions of others": lambda file: file.chmod(0o600),
    "a hard link to it": lambda file: os.link(file, file.parents[2] / "another name"),
    "an extended attribute": set_attribute,
    "its inode": lambda file: (shutil.copy(file, file.with_suffix(".new")), file.with_suffix(".new").replace(file)),
    "permissions of others on its directory": lambda file: file.parent.chmod(0o700),
    "the times of its directory": lambda file: os.utime(file.parent, (1, 1)),
    "its owner": set_owner,
}


@pytest.mark.parametrize("name", OUTSIDE)
def test_a_tracked_file_keeps_its_name_whatever_happens_to(root: Path, name: str) -> None:
    before = contents(root).digest("a")
    OUTSIDE[name](root / "a" / "one.py")
    assert contents(root).digest("a") == before


@pytest.mark.parametrize("mode", [0o000, 0o655, 0o355, 0o477, 0o077])
@pytest.mark.parametrize("name", ["a", "a/sub"])
def test_directory_counts_if_its_owner_may_not_list_or_enter_it(root: Path, name: str, mode: int) -> None:
    place = root / name
    place.mkdir(exist_ok=True)
    (place / "one.txt").touch()
    seen = Seen(["a", "ab"])
    before = contents(root, seen=seen)
    place.chmod(mode)
    try:
        now = contents(root, seen=seen)
        assert now.digest("a") != before.digest("a") and now.digest("ab") == before.digest("ab")
        assert not is_still(before)
    finally:
        place.chmod(0o755)
    assert contents(root, seen=seen).digest("a") == before.digest("a")


def test_a_file_that_cannot_be_read_concerns_only_its_directory(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = builtins.open

    def refuses(path: object, *words: object) -> object:
        if str(path).endswith("a/new.py"):
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, *words)  # type: ignore[call-overload]

    monkeypatch.setattr(builtins, "open", refuses)
    first, second = contents(root), contents(root)
    assert first.digest("ab") == second.digest("ab") and first.digest("a") != second.digest("a")


@pytest.mark.parametrize("size", [0, 1, 5, 1 << 20, (1 << 20) + 1])
def test_a_name_that_is_made_in_pieces_is_the_one_of_git(size: int) -> None:
    content = os.urandom(size)
    assert blob_id_of(io.BytesIO(content), size) == blob_id(content)
    assert blob_id_of(io.BytesIO(content + b"x"), size) == "", "it grew"
    assert size == 0 or blob_id_of(io.BytesIO(content[1:]), size) == "", "it shrank"


def test_no_repo_can_not_be_vouched_for(tmp_path: Path) -> None:
    with pytest.raises(Unknown):
        contents(tmp_path)


def test_attributes_of_the_whole_machine_are_not_asked() -> None:
    assert closed.environment(state.EXACT)["GIT_ATTR_NOSYSTEM"] == "1"
    assert "GIT_ATTR_NOSYSTEM" not in closed.environment()
