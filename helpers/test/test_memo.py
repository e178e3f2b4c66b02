"""A run in which nothing changed is answered from its memo, and no other one is."""

from __future__ import annotations

import errno
import io
import marshal
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Thread

import pytest

from helpers.driver import container, memo, remember, report, verdict_cache
from helpers.driver.events import Observer, Observers
from helpers.driver.report.lines import Lines
from helpers.driver.report.table import Table
from helpers.errors import INFRASTRUCTURE
from helpers.repo import state
from helpers.repo.contents import contents
from helpers.test import test_contents
from helpers.test.fake_engine import FAILS, PASSES, SKIPS, Tests
from helpers.test.unit_fixtures import LOCK, cache, git, make_repo, no_poetry
from helpers.test.verdict_scene import ALL, CHANGES, Scene, scene, setting, write

pytestmark = pytest.mark.slow

__all__ = ["cache", "no_poetry", "scene"]
root = test_contents.root
# These change nothing that a run could see, and so little that the memo knows.
UNSEEN = {"nothing", "times", "a commit", "a FIFO that nobody sees", "a directory that others may not enter"}


@pytest.fixture
def inside(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Scene:
    """The scene with its helpers in the repo, as it is everywhere."""
    package = scene.root / "helpers"
    shutil.copytree(scene.package, package)
    (scene.root / "notes").mkdir()
    (scene.root / "notes" / "changelog.txt").write_text("# notes-1.0.0\n- 2026-01-01\n- first\n")
    git(scene.root, "add", "--all")
    git(scene.root, "commit", "--quiet", "--message", "helpers")
    monkeypatch.setattr(container, "INSIDE", package / "inside")
    monkeypatch.setattr(verdict_cache, "_PACKAGE", package)
    monkeypatch.setattr(memo, "PACKAGE", str(package))
    # pytest writes there what it is at.
    monkeypatch.setattr(memo, "PASSING", (*memo.PASSING, "PYTEST_CURRENT_TEST"))
    scene.package = package
    return scene


@pytest.fixture
def remembered(inside: Scene) -> Scene:
    """A scene with a memo of a run."""
    assert inside.run() == (0, ALL)
    assert inside.run() == (0, set())
    assert answer(inside) == 0
    return inside


def answer(scene: Scene, *more: str) -> int | None:
    return memo.answer(str(scene.root / "main_pytest.py"), [*scene.arguments, *more])


def another_user(scene: Scene) -> None:
    scene.monkeypatch.setattr(os, "getuid", lambda: 4711)


SEEN = {**{name: change for name, (change, _) in CHANGES.items() if name not in UNSEEN}, "the user": another_user}
EMPTY: dict[str, Callable[[Scene], object]] = {
    "a runnable dir loses its mark": lambda scene: (scene.root / "a" / "devops").rmdir(),
    "a directory becomes a runnable dir": lambda scene: (scene.root / "notes" / "devops").mkdir(),
    "there is a src": lambda scene: (scene.root / "a" / "src").mkdir(),
    "a used directory has a src": lambda scene: (scene.root / "lib" / "src").mkdir(),
    "a repo of its own": lambda scene: make_repo(scene.root / "a" / "new"),
    "a digest is not known any more": lambda scene: shutil.rmtree(scene.root.parent / "cache" / "digests"),
}


@pytest.mark.parametrize("name", [*SEEN, *EMPTY])
def test_whatever_changes_is_left_to_a_run_as_ever(remembered: Scene, name: str) -> None:
    {**SEEN, **EMPTY}[name](remembered)
    assert answer(remembered) is None


@pytest.mark.parametrize("name", sorted(UNSEEN))
def test_what_holds_the_same_is_answered(remembered: Scene, name: str) -> None:
    CHANGES[name][0](remembered)
    assert answer(remembered) == 0


@pytest.mark.parametrize("name", test_contents.CHANGES)
def test_any_change_of_a_file_is_seen(root: Path, name: str) -> None:
    looks = contents(root).looks
    assert looks and len(looks) == 2
    assert is_same(looks)
    test_contents.CHANGES[name](root)
    assert not is_same(looks)


def is_same(looks: list[state.Look]) -> bool:
    try:
        return all(state.Question(look).is_same() for look in looks)
    except OSError:
        return False


def test_a_change_within_the_tick_of_a_clock_is_seen(tmp_path: Path) -> None:
    root = make_repo(tmp_path / "r")
    for number in range(20):
        (root / "x.py").write_text(f"{number:03}")
        git(root, "add", "--all")
        looks = contents(root).looks
        (root / "x.py").write_text(f"{number + 1:03}")
        assert looks and not is_same(looks)


OVERLOOKS: dict[str, Callable[[Path], object]] = {
    "an entry that git is told not to look at": lambda root: git(
        root, "update-index", "--assume-unchanged", "a/one.py"
    ),
    "one that is left out": lambda root: git(root, "update-index", "--skip-worktree", "a/one.py"),
    "attributes": lambda root: (root / ".gitattributes").write_text("*.py text\n"),
    "attributes of one clone": lambda root: (root / ".git" / "info" / "attributes").write_text("*.py text\n"),
    "attributes that git takes from its index": lambda root: (
        (root / ".gitattributes").write_text("*.py text\n"),
        git(root, "add", "--all"),
        (root / ".gitattributes").rename(root / "attributes"),
    ),
    "a filter": lambda root: git(root, "config", "filter.x.clean", "cat"),
    "other settings": lambda root: git(root, "config", "include.path", "/nowhere"),
    "a submodule that is not there": lambda root: git(root, "submodule", "--quiet", "deinit", "--force", "a/sub"),
}


@pytest.mark.parametrize("name", OVERLOOKS)
def test_where_git_can_overlook_something_nobody_vouches(root: Path, name: str) -> None:
    OVERLOOKS[name](root)
    assert contents(root).looks is None


def test_it_prints_what_the_run_printed(remembered: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    remembered.run()
    run = capsys.readouterr()
    assert answer(remembered) == 0
    again = capsys.readouterr()
    assert again.err == run.err and "PASS a 1 passed" in again.err
    seconds = re.compile(r"; [0-9]+\.[0-9] s$", re.MULTILINE)
    assert seconds.sub("; T", again.out) == seconds.sub("; T", run.out) != again.out
    assert "6 directories: 6 PASS; 6 cached; " in again.out


class Full(io.StringIO):
    """A stream that takes nothing more."""

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, "no")


def test_a_memo_on_a_full_disk_is_an_infrastructure_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Full())
        code = memo._print(("", "all pass in ", " s\n"), 1.0)
    assert code == INFRASTRUCTURE
    assert "No space left" in capsys.readouterr().err


def does(name: str, **changes: object) -> Callable[[Scene], object]:
    return lambda scene: scene.tests.update({name: Tests(**changes)})  # type: ignore[arg-type]


class Watched(Observers):
    """What a run tells, and somebody who takes note of it."""

    def __init__(self, **files: object) -> None:
        super().__init__([Lines(), Table(), Observer()])


def link_out(name: str) -> Callable[[Scene], object]:
    def change(scene: Scene) -> None:
        file = scene.root / name
        there = scene.root.parent / "outside.txt"
        shutil.move(file, there)
        file.symlink_to(there)

    return change


NEVER: dict[str, tuple[Callable[[Scene], object], list[str]]] = {
    "a failure": (does("a", report=FAILS), []),
    "skipped tests": (does("a", report=SKIPS), []),
    "a crash": (does("a"), []),
    "a directory that is never kept": (setting("a", 'network = "bridge"'), []),
    "a broken directory": (write("a/changelog.txt", "nonsense"), []),
    "without the cache": (lambda scene: None, ["--no-cache"]),
    "a file of results": (lambda scene: None, ["--json", "/dev/null"]),
    "a report": (lambda scene: None, ["--junit", "r.tmp"]),
    "what is affected": (write("a/code.py", "code = 2\n"), ["--affected", "HEAD"]),
    "a part": (lambda scene: None, ["--shard", "1/1"]),
    "somebody who does more than print": (lambda scene: scene.monkeypatch.setattr(report, "choose", Watched), []),
    "tests are given what each shell counts": (setting("b", 'env = ["SHLVL"]'), []),
    "a lock that lies elsewhere": (link_out("a/poetry.lock"), []),
    "a part of helpers that lies elsewhere": (link_out("helpers/driver/verdict.py"), []),
    "git can overlook something": (write(".gitattributes", "*.py text\n"), []),
}


@pytest.mark.parametrize("name", NEVER)
def test_no_memo_is_left_by(inside: Scene, name: str) -> None:
    change, arguments = NEVER[name]
    change(inside)
    inside.arguments += arguments
    for _ in range(3):
        inside.run()
    assert memo.files() == []
    assert answer(inside) is None


def test_a_policy_belongs_to_the_question_and_a_policy_in_a_file_leaves_no_memo(
    inside: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = inside.root.parent / "policy"
    file.write_text("env\n")
    for text, left in ((f"@{file}", 0), ("env", 1)):
        for _ in range(3):
            inside.run("--policy", text)
        assert len(memo.files()) == left
    assert answer(inside, "--policy", "env") == 0
    assert answer(inside, "--policy", "strict") is None
    # A kept verdict does not count for a directory that may have lost its rights.
    assert inside.run("--policy", "strict")[0] == 4
    monkeypatch.setenv("HELPERS_POLICY", "strict")
    assert answer(inside, "--policy", "env") is None


def test_a_run_that_tested_something_leaves_none(inside: Scene) -> None:
    inside.run()
    assert memo.files() == []


BUILT = '\n[build-system]\nrequires = []\nbuild-backend = "hatchling.build"\n'


@pytest.mark.parametrize(
    "name",
    [
        *("setup.py", "setup.cfg", "PKG-INFO", "requirements-test.txt", "deps/base.in", "uv.lock", "pdm.lock"),
        *("pylock.toml", "devops/helpers.toml", "base/code/_c.c"),
    ],
)
def test_file_of_a_plan_that_changes_after_the_plan_leaves_no_memo(
    inside: Scene, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # Where only the name tells, the place is one that no plan reads.
    file = inside.root / (name if name.startswith("base/") else f"notes/{name}")
    with (inside.root / "base" / "pyproject.toml").open("a") as manifest:
        manifest.write(BUILT)
    write(str(file.parent.relative_to(inside.root) / "x"), "")(inside)
    file.write_text("one\n")
    inside.run()
    inside.arguments[:] = ["--dir", "b"]
    find = verdict_cache.VerdictCache.find

    def found(self: verdict_cache.VerdictCache, dirs: list[object]) -> object:
        file.write_text("two\n")
        return find(self, dirs)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(verdict_cache.VerdictCache, "find", found)
        assert inside.run() == (0, set())
    assert memo.files() == []


@pytest.mark.parametrize("what", ["a directory", "a file that is written in place"])
def test_what_comes_after_the_plan_was_made_leaves_none(
    inside: Scene, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    inside.run()
    inside.arguments[:] = ["--dir", "b"]
    find = verdict_cache.VerdictCache.find

    def found(self: verdict_cache.VerdictCache, dirs: list[object]) -> object:
        if what == "a directory":
            (inside.root / "notes" / "devops").mkdir(exist_ok=True)
        else:
            (inside.root / "base" / "poetry.lock").write_text(f"# another lock\n{LOCK}")
        return find(self, dirs)  # type: ignore[arg-type]

    monkeypatch.setattr(verdict_cache.VerdictCache, "find", found)
    assert inside.run() == (0, set())
    assert memo.files() == []


def damage(data: bytes) -> dict[str, bytes]:
    middle = len(data) // 2
    return {
        "empty": b"",
        "cut": data[:middle],
        "a byte": data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :],
        "longer": data + b"\0",
        "another hash": b"0" * 64 + data[64:],
        "no text": b"\xff" * 80,
    }


@pytest.mark.parametrize("name", damage(b"0" * 99))
def test_a_damaged_memo_is_none_and_is_written_again(remembered: Scene, name: str) -> None:
    (file,) = memo.files()
    Path(file).write_bytes(damage(Path(file).read_bytes())[name])
    assert answer(remembered) is None
    assert remembered.run() == (0, set())
    assert answer(remembered) == 0


def test_a_memo_of_another_make_is_none(remembered: Scene) -> None:
    (file,) = memo.files()
    data = marshal.dumps(("something else",))
    Path(file).write_bytes(state.fingerprint(data).encode() + data)
    assert answer(remembered) is None


def test_another_call_has_no_memo(remembered: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    for more in (["--no-cache"], ["--engine", "docker"], ["--tier", "all"], ["--dir", "a"], ["--", "-x"], ["--list"]):
        assert answer(remembered, *more) is None
    monkeypatch.chdir(remembered.root / "a")
    assert answer(remembered) is None


def test_verdicts_and_memos_are_forgotten_together(remembered: Scene) -> None:
    verdict_cache.clear(dry_run=True)
    assert answer(remembered) == 0
    verdict_cache.clear()
    assert answer(remembered) is None and memo.files() == []


def test_the_number_of_memos_is_bounded(remembered: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remember, "_MOST", 3)
    for number in range(1, 6):
        remembered.run("--jobs", str(number))
    assert len(memo.files()) == 3
    assert answer(remembered, "--jobs", "5") == 0


def test_memos_are_written_whole_while_others_read_them(tmp_path: Path, cache: Path) -> None:
    file = os.path.join(memo.folder(), "x.memo")
    made = [memo.as_bytes(([], {str(number): number}, {}, {}, ("", "", "x" * 100_000))) for number in range(4)]

    def write_often(data: bytes) -> None:
        for _ in range(50):
            remember.write(file, data)

    threads = [Thread(target=write_often, args=(data,)) for data in made]
    remember.write(file, made[0])
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert memo.read(file)
    assert memo.files() == [file]


def test_a_memo_that_can_not_be_written_costs_only_time(inside: Scene, cache: Path) -> None:
    inside.run()
    (cache / "verdicts" / "runs").write_text("a file in its place")
    assert inside.run() == (0, set())
    assert answer(inside) is None


@pytest.mark.parametrize("lost", ["notes/test_lost.py", "a/test/test_lost.py"])
def test_a_memo_names_the_lost_tests_again_and_refused_ones_have_no_memo(
    lost: str, inside: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    (inside.root / lost).write_text("def test_it():\n    assert False\n")
    inside.tests["a"].report = {**PASSES, "files": ["test/test_it.py"]}
    git(inside.root, "add", "--all")
    git(inside.root, "commit", "--quiet", "--message", "lost")
    assert inside.run() == (0, ALL)
    assert inside.run() == (0, set())
    told = [line for line in capsys.readouterr().err.splitlines() if f"never runs: {lost};" in line]
    assert len(told) == 2 and answer(inside) == 0
    assert told[1] in capsys.readouterr().err.splitlines()
    with (inside.root / "pyproject.toml").open("a") as file:
        file.write("[tool.helpers]\nstrict_tests = true\n")
    for _ in range(2):
        assert inside.run()[0] == 4
    assert answer(inside) is None
