"""Containers of directories that changed are started before a run is planned; no verdict depends on them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers import spawn
from helpers.driver import headstart, memo
from helpers.driver.headstart import Handed
from helpers.engine.ownership import this_owner
from helpers.engine.specs import RunSpec
from helpers.proc import Child
from helpers.test.fake_engine import FAILS, PASSES, FakeEngine, FakePrepared, Tests
from helpers.test.unit_fixtures import cache, git, no_poetry
from helpers.test.verdict_scene import ALL, Scene, scene, setting, write

pytestmark = pytest.mark.slow

__all__ = ["cache", "no_poetry", "scene"]
ROOT = Path(__file__).parents[2]


def waits(self: FakeEngine, spec: RunSpec) -> list[str]:
    """Stand for the start of a container: say how it was started, and live until nobody holds the input."""
    owner = spec.labels["helpers.owner"]
    return ["sh", "-c", 'printf "%s\\n" "$@"; cat >/dev/null', "sh", spec.name, owner, spec.argv[-1]]


class Early:
    """A repo that was tested, and what is started for the next run of the same command."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.children: list[Child] = []
        self.guards: list[int] = []

    def begun(self, *more: str) -> dict[str, list[str]]:
        """Return the directories that are given a head start, and what the container of each was told."""
        assert headstart.answer(str(self.scene.root / "main_pytest.py"), [*self.scene.arguments, *more]) is None
        handed = headstart.handed()
        return self.take(handed) if handed else {}

    def take(self, handed: Handed) -> dict[str, list[str]]:
        guard, _, _, begun = handed
        self.guards.append(guard)
        told = {}
        for name, _, container, results, *process, held in begun:
            child = Child.adopted(*process)
            self.children.append(child)
            child.close_input()
            assert child.wait(5) == 0
            told[name] = child.output.read().decode().splitlines()
            child.output.close()
            assert told[name] == [container, this_owner(), f"{results}/order"]
            assert stat.S_ISFIFO(os.stat(f"{results}/order").st_mode)
            for path, number in held:
                assert os.path.samestat(os.stat(path), os.fstat(number))
                os.close(number)
        return told


@pytest.fixture
def early(scene: Scene) -> Iterator[Early]:
    scene.monkeypatch.setattr(FakeEngine, "start_command", waits)
    scene.arguments += ["--jobs", "2"]
    # pytest writes there what it is at.
    scene.monkeypatch.setattr(memo, "PASSING", (*memo.PASSING, "PYTEST_CURRENT_TEST"))
    assert scene.run() == (0, ALL)
    found = Early(scene)
    yield found
    for guard in found.guards:
        spawn.call_off(guard)
        os.close(guard)
        os.wait()


@pytest.mark.parametrize(
    ("change", "directories"),
    [
        (write("a/code.py", "code = 2\n"), ["a"]),
        (write("a/test/test_new.py", "def test_it(): pass\n"), ["a"]),
        (write("outer/inner/test/test_it.py", "def test_it(): assert 1\n"), ["outer/inner"]),
        (write("outer/inner/lib/z.py", "z = 2\n"), ["user", "outer/inner"]),
        (lambda scene: (scene.root / "b" / "test" / "test_it.py").unlink(), ["b"]),
        (write("README.md", "no directory\n"), []),
        (lambda scene: None, []),
    ],
)
def test_what_changed_since_the_same_command_ran_is_started(
    early: Early, change: Callable[[Scene], object], directories: list[str]
) -> None:
    change(early.scene)
    assert list(early.begun()) == directories


def test_a_change_counts_once(early: Early) -> None:
    write("a/code.py", "code = 2\n")(early.scene)
    assert early.scene.run() == (0, {"a"})
    assert early.begun() == {}
    write("a/code.py", "code = 3\n")(early.scene)
    assert list(early.begun()) == ["a"]


def test_it_is_found_whatever_git_has_noted_meanwhile(early: Early) -> None:
    write("a/code.py", "code = 2\n")(early.scene)
    git(early.scene.root, "add", "--all")
    assert list(early.begun()) == ["a"]


def test_what_python_wrote_for_itself_is_no_change(early: Early) -> None:
    write("a/__pycache__/code.pyc", "compiled\n")(early.scene)
    write("a/code.py", "code = 2\n")(early.scene)
    assert early.scene.run() == (0, {"a"})
    write("a/__pycache__/code.pyc", "compiled again\n")(early.scene)
    assert early.begun() == {}


def test_what_tests_may_write_themselves_is_no_change(early: Early) -> None:
    setting("a", 'writable = ["out"]')(early.scene)
    (early.scene.root / "a" / "out").mkdir()
    assert early.scene.run() == (0, {"a"})
    write("a/out/new.txt", "new\n")(early.scene)
    assert early.begun() == {}


@pytest.mark.parametrize("bound", ["MOST_LOOKED_AT", "MORE_LOOKED_AT"])
def test_so_many_files_are_looked_at_those_of_the_last_tested_first(early: Early, bound: str) -> None:
    write("b/code.py", "code = 2\n")(early.scene)
    assert early.scene.run() == (0, {"b"})
    write("a/code.py", "newer\n")(early.scene)
    write("b/code.py", "newer\n")(early.scene)
    assert set(early.begun()) == {"a", "b"}
    all_of_it = len(list((early.scene.root / "b").rglob("*")))
    early.scene.monkeypatch.setattr(headstart, bound, all_of_it if bound == "MOST_LOOKED_AT" else 0)
    assert list(early.begun()) == ["b"]


def test_no_more_of_a_big_directory_is_looked_at(early: Early, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(50):
        write(f"a/file{number}", "")(early.scene)
    monkeypatch.setattr(headstart, "MOST_LOOKED_AT", 20)
    look = headstart._Look()
    look.last_change(str(early.scene.root / "a"), [])
    assert look.left == 0


def test_a_guess_that_was_wrong_is_not_made_again(early: Early) -> None:
    (early.scene.root / "a" / "code.py").touch()
    assert list(early.begun()) == ["a"]
    with early.scene.monkeypatch.context() as patched:
        patched.setattr(headstart, "handed", lambda: (os.pipe()[1], "none", time.time(), []))
        assert early.scene.run() == (0, set())
    assert early.begun() == {}
    write("a/code.py", "code = 2\n")(early.scene)
    assert list(early.begun()) == ["a"]


def test_a_note_of_an_older_code_of_ours_is_not_read(early: Early) -> None:
    assert all(note.stem.endswith(f"-{headstart._FORMAT}") for note in notes())
    write("a/code.py", "code = 2\n")(early.scene)
    early.scene.monkeypatch.setattr(headstart, "_FORMAT", "next")
    assert early.begun() == {}


def test_what_did_not_pass_is_started_as_it_will_be_tested_again(early: Early) -> None:
    early.scene.tests["b"] = Tests(FAILS)
    write("b/test/test_it.py", "another\n")(early.scene)
    assert early.scene.run() == (1, {"b"})
    assert list(early.begun()) == ["b"]
    write("b/test/test_it.py", "still another\n")(early.scene)
    write("a/code.py", "code = 2\n")(early.scene)
    assert list(early.begun()) == ["a", "b"]


def test_no_more_are_started_than_may_be_tested_at_a_time(early: Early) -> None:
    for name in ("a", "b", "base"):
        write(f"{name}/code.py", "newer\n")(early.scene)
    assert early.scene.run()[0] == 0
    for name in ("a", "b", "base"):
        write(f"{name}/code.py", "newest\n")(early.scene)
    assert len(early.begun()) == 2


def test_those_are_started_that_a_run_begins_first_the_longest(early: Early) -> None:
    for content in ("newer", "newest"):
        for name, seconds in {"a": 2.0, "b": 9.0, "base": 5.0}.items():
            early.scene.tests[name] = Tests(PASSES, changes={"seconds": seconds})
            write(f"{name}/code.py", f"{content}\n")(early.scene)
        if content == "newer":
            assert early.scene.run()[0] == 0
    assert list(early.begun()) == ["b", "base"]


@pytest.mark.parametrize(
    "change",
    [
        lambda early: early.scene.arguments.append("--exitfirst"),
        lambda early: early.scene.monkeypatch.setenv("ANOTHER", "1"),
        lambda early: [file.write_bytes(file.read_bytes()[:-1]) for file in notes()],
        lambda early: [file.write_bytes(b"") for file in notes()],
        lambda early: notes()[0].rename(notes()[0].with_suffix(".old")),
    ],
)
def test_nothing_is_started_where_the_command_is_another_one_or_the_note_is_damaged(
    early: Early, change: Callable[[Early], object]
) -> None:
    write("a/code.py", "code = 2\n")(early.scene)
    change(early)
    assert early.begun() == {}


def notes() -> list[Path]:
    found = list(Path(headstart.folder()).glob("*.note"))
    assert found
    return found


def test_a_directory_one_of_whose_paths_is_gone_has_none_and_the_others_have(early: Early) -> None:
    (early.scene.root / "lib").rename(early.scene.root / "lib2")
    write("a/code.py", "code = 2\n")(early.scene)
    write("b/code.py", "code = 2\n")(early.scene)
    assert list(early.begun()) == ["b"]


@pytest.mark.parametrize("arguments", [["--no-cache"], ["--coverage"], ["--list"]])
def test_a_run_that_keeps_no_verdicts_or_starts_nothing_leaves_no_note(
    scene: Scene, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    scene.run(*arguments)
    assert not list(Path(headstart.folder()).glob("*"))


def test_what_was_tested_in_an_earlier_run_is_still_known(early: Early) -> None:
    setting("a", "timeout = 77")(early.scene)
    assert early.scene.run() == (0, {"a"})
    write("a/code.py", "code = 2\n")(early.scene)
    write("base/code.py", "code = 2\n")(early.scene)
    assert set(early.begun()) == {"a", "base"}


def test_what_was_stopped_is_known_as_before(early: Early) -> None:
    scene = early.scene
    scene.arguments += ["--exitfirst", "--jobs", "1"]
    for text in ("newer\n", "newest\n"):
        write("a/code.py", text)(scene)
        write("b/code.py", text)(scene)
        code = scene.run()
        scene.tests["a"] = Tests(FAILS)
    assert code == (1, {"a"})
    note = memo.read(headstart.path_of(str(scene.root), scene.arguments))
    assert set(note[2]) == {"a", "b"}


def test_no_more_paths_are_held_open_than_a_run_can_spare(early: Early) -> None:
    early.scene.monkeypatch.setattr(headstart, "MOST_HELD", 4)
    write("a/code.py", "code = 2\n")(early.scene)
    write("b/code.py", "code = 2\n")(early.scene)
    assert list(early.begun()) == ["b"], "of 2 paths, and the other one of 3"


@pytest.fixture
def adopted(early: Early) -> Scene:
    """A scene in which a container was started first, for `a`."""

    def prepare(engine: FakeEngine, spec: RunSpec, begun: Child | None = None) -> FakePrepared:
        assert begun
        begun.close_input()
        assert begun.wait(5) == 0
        begun.output.close()
        return FakePrepared(engine, spec)

    scene = early.scene
    scene.monkeypatch.setattr(FakeEngine, "prepare", prepare)
    write("a/code.py", "code = 2\n")(scene)
    assert headstart.answer(str(scene.root / "main_pytest.py"), scene.arguments) is None
    assert "HELPERS_HEADSTART" in os.environ
    return scene


def test_tests_run_in_the_one_that_was_started_first(adopted: Scene) -> None:
    assert adopted.run() == (0, {"a"})
    assert "go a" in adopted.calls
    os.wait()
    assert not [path for path in Path(headstart.folder()).iterdir() if path.is_dir()]


def test_one_that_nobody_wants_ends_at_once_and_is_removed_at_the_end(adopted: Scene) -> None:
    guard = memo.read(os.environ["HELPERS_HEADSTART"])[0]
    dropped: list[str] = []

    def drop(engine: FakeEngine, name: str, begun: Child) -> None:
        assert begun.wait(5) == 0, "its input is still held"
        begun.output.close()
        dropped.append(name)

    adopted.monkeypatch.setattr(FakeEngine, "drop", drop)
    write("a/code.py", "code = 1\n")(adopted)
    write("b/code.py", "code = 2\n")(adopted)
    assert adopted.run() == (0, {"b"})
    assert len(dropped) == 1 and dropped[0].startswith("helpers-") and "go a" not in adopted.calls
    spawn.call_off(guard)
    os.close(guard)
    os.wait()


def test_one_that_another_code_of_ours_would_start_in_another_way_is_not_used(adopted: Scene) -> None:
    def otherwise(engine: FakeEngine, spec: RunSpec) -> list[str]:
        return [*waits(engine, spec), "--another-option"]

    adopted.monkeypatch.setattr(FakeEngine, "start_command", otherwise)
    assert adopted.run() == (0, {"a"})
    assert "drop a" in adopted.calls and "go a" not in adopted.calls
    os.wait()


def test_a_variable_that_names_nothing_is_no_head_start(scene: Scene) -> None:
    scene.monkeypatch.setenv("HELPERS_HEADSTART", "what is this")
    assert scene.run() == (0, ALL)


@pytest.mark.parametrize(("after", "again"), [(0.0, set()), (60.0, {"a"})])
def test_what_was_changed_after_a_container_was_started_keeps_no_verdict(
    early: Early, after: float, again: set[str]
) -> None:
    # By the clock of the file system: the container stands since then.
    write("a/code.py", "code = 2\n")(early.scene)
    time.sleep(0.1)
    handed: Handed = (os.pipe()[1], str(early.scene.root.parent / "none"), time.time() - after, [])
    early.scene.monkeypatch.setattr(headstart, "handed", lambda: handed)
    assert early.scene.run() == (0, {"a"})
    early.scene.monkeypatch.setattr(headstart, "handed", lambda: None)
    assert early.scene.run() == (0, again)


# Becomes another program, as the shim does when it enters the environment, and follows there what it began.
BECOMES = """
import os, sys
sys.path.insert(0, {root!r})
from helpers.driver import headstart
if "HELPERS_HEADSTART" not in os.environ:
    begun = headstart._begin([(name, {command!r}, [{root!r}]) for name in "x" * {many}])
    os.environ["HELPERS_HEADSTART"] = headstart.hand_over(begun)
    os.execv(sys.executable, [sys.executable, *sys.argv])
from helpers.proc import Child
guard, directory, when, [*_, (name, words, container, results, *process, held)] = headstart.handed()
assert os.path.samestat(os.fstat(held[0][1]), os.stat({root!r}))
child = Child.adopted(*process)
child.write(b"told\\n")
code = child.wait(5)
print(code, child.output.read().decode().strip(), os.path.isdir(directory), "HELPERS_HEADSTART" in os.environ)
print(directory, flush=True)
{end}
"""


@pytest.mark.parametrize(("end", "many", "words"), [("", 1, []), ("os.kill(os.getpid(), 9)", 4, ["x" * 60_000])])
def test_it_goes_on_in_the_program_that_this_one_becomes_and_is_removed_after_its_death(
    cache: Path, tmp_path: Path, end: str, many: int, words: list[str]
) -> None:
    command = ["sh", "-c", "read word; echo $word; exit 7", *words]
    script = tmp_path / "script.py"
    script.write_text(BECOMES.format(root=str(ROOT), command=command, end=end, many=many))
    done = subprocess.run([sys.executable, str(script)], capture_output=True, encoding="utf-8", timeout=20)
    said, directory = done.stdout.splitlines()
    assert said == "7 told True False", done.stderr
    limit = time.monotonic() + 15
    while os.path.exists(directory):
        assert time.monotonic() < limit, "the directory is left"
        time.sleep(0.05)


def test_nothing_is_started_where_a_standard_stream_is_closed(cache: Path) -> None:
    code = f"import sys\nsys.path.insert(0, {str(ROOT)!r})\nfrom helpers.driver import headstart\n"
    code += "headstart.read = lambda path: sys.exit(3)\nheadstart.answer('x', [])"
    for closed, expected in (("", 3), ("<&-", 0), (">&-", 0), ("2>&-", 0)):
        done = subprocess.run(["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", code], timeout=10)
        assert done.returncode == expected, closed
