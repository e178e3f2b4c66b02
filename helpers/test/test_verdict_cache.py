"""What passed is answered from the cache exactly until something changes that its container can see."""

from __future__ import annotations

import json
import os
import shutil
import signal
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from helpers import discover, host
from helpers.driver import cli, container, verdict_cache
from helpers.driver import plan as planner
from helpers.engine import choose as choosing
from helpers.engine.specs import RunSpec
from helpers.images import digests
from helpers.test.fake_engine import FAILS, PASSES, FakeEngine, Tests
from helpers.test.unit_fixtures import add_dir, cache, forget, git, make_repo, no_poetry

pytestmark = pytest.mark.slow

__all__ = ["cache", "no_poetry"]
ALL = {"a", "b", "base", "outer", "outer/inner", "user"}
JUNIT = '<testsuite name="x"><testcase name="test_it"/></testsuite>'


def write_junit(spec: RunSpec) -> None:
    (Path(json.loads(spec.argv[-1])["results"]) / "junit.xml").write_text(JUNIT)


@dataclass
class Scene:
    """A repo, the code of helpers that its tests are run by, and what the directories' tests do.

    Arguments:
        root: the repo.
        package: the copy of helpers.
        tests: what the tests of each directory do.
        arguments: of the driver.
        prefix: begins the ids of all images.
    """

    root: Path
    package: Path
    tests: dict[str, Tests]
    monkeypatch: pytest.MonkeyPatch
    arguments: list[str] = field(default_factory=list)
    prefix: str = "id"
    isolates: bool = True

    def run(self, *arguments: str) -> tuple[int, set[str]]:
        """Run the driver, and return its exit code and the directories whose tests ran."""
        forget()
        every = discover.runnable_paths(self.root)
        images = planner.make(self.root, every, every, "fast").images
        engine = FakeEngine(images, has=tuple(images), tests=self.tests)
        engine.isolates = self.isolates
        self.monkeypatch.setattr(choosing, "choose", lambda name: engine)
        code = cli.main([*self.arguments, *arguments], self.root)
        self.calls = engine.calls
        return code, {call.removeprefix("test ") for call in engine.calls if call.startswith("test ")}


@pytest.fixture
def scene(tmp_path: Path, no_poetry: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A repo in which `a` uses `lib` and is given WORD, `b` stands on `base`, and `inner` lies in `outer`."""
    root = make_repo(tmp_path / "r")
    (root / "lib").mkdir()
    (root / "lib" / "x.py").write_text("x = 1\n")
    (root / "README.md").write_text("read\n")
    (root / ".gitignore").write_text("*.tmp\n")
    add_dir(root, "a", 'uses = ["../lib"]\nenv = ["WORD"]')
    (root / "a" / "code.py").write_text("code = 1\n")
    add_dir(root, "base")
    add_dir(root, "b", 'base = "dir:../base"')
    add_dir(root, "outer")
    add_dir(root, "outer/inner")
    (root / "outer" / "inner" / "lib").mkdir()
    (root / "outer" / "inner" / "lib" / "z.py").write_text("z = 1\n")
    add_dir(root, "user", 'uses = ["../outer/inner/lib"]')
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "first")
    package = tmp_path / "helpers"
    shutil.copytree(container.INSIDE, package / "inside")
    (package / "driver").mkdir()
    (package / "driver" / "verdict.py").write_text("judge\n")
    monkeypatch.setattr(container, "INSIDE", package / "inside")
    monkeypatch.setattr(verdict_cache, "_PACKAGE", package)
    monkeypatch.setenv("WORD", "one")
    monkeypatch.setenv("OTHER", "one")
    monkeypatch.chdir(root)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield Scene(root, package, {name: Tests(PASSES, write_junit) for name in ALL}, monkeypatch)
    for number, handler in before.items():
        signal.signal(number, handler)


def write(path: str, text: str) -> Callable[[Scene], object]:
    def change(scene: Scene) -> None:
        (scene.root / path).parent.mkdir(exist_ok=True)
        (scene.root / path).write_text(text)

    return change


def setting(name: str, line: str) -> Callable[[Scene], object]:
    def change(scene: Scene) -> None:
        file = scene.root / name / "pyproject.toml"
        file.write_text(f"{file.read_text()}{line}\n")

    return change


def in_helpers(path: str) -> Callable[[Scene], object]:
    return lambda scene: (scene.package / path).write_text("another\n")


def variable(name: str) -> Callable[[Scene], object]:
    return lambda scene: scene.monkeypatch.setenv(name, "two")


def another_user(scene: Scene) -> None:
    user = replace(host.user(), uid=4711)
    scene.monkeypatch.setattr(host, "user", lambda: user)


def version(scene: Scene) -> None:
    file = scene.root / "a" / "changelog.txt"
    file.write_text(file.read_text().replace("0.1.0", "0.1.1"))


def rebuilt(scene: Scene) -> None:
    every = [scene.root / "a"]
    (item,) = planner.make(scene.root, every, every, "fast").dirs
    digests.remember(item.chain[-1].reference, "id of another build")


def arguments(*words: str) -> Callable[[Scene], object]:
    return lambda scene: scene.arguments.extend(words)


CHANGES: dict[str, tuple[Callable[[Scene], object], set[str]]] = {
    "nothing": (lambda scene: None, set()),
    "a byte of a test": (write("a/test/test_it.py", "def test_it():\n    asserT\n"), {"a"}),
    "a byte of code": (write("a/code.py", "code = 2\n"), {"a"}),
    "a new test": (write("a/test/test_more.py", ""), {"a"}),
    "a new conftest": (write("a/conftest.py", ""), {"a"}),
    "a test less": (lambda scene: (scene.root / "a" / "code.py").unlink(), {"a"}),
    "it may be executed": (lambda scene: (scene.root / "a" / "code.py").chmod(0o755), {"a"}),
    "an ignored file": (write("a/data.tmp", "data"), {"a"}),
    "pytest's own settings": (write("a/pytest.ini", "[pytest]\n"), {"a"}),
    "a used file": (write("lib/x.py", "x = 2\n"), {"a"}),
    "a new file in a used directory": (write("lib/y.py", ""), {"a"}),
    "the lock": (write("a/poetry.lock", "# another lock\n"), {"a"}),
    "the lock of a base": (write("base/poetry.lock", "# another lock\n"), {"base", "b"}),
    "a test of a base": (write("base/test/test_it.py", "def test_it():\n    asserT\n"), {"base"}),
    "the base": (setting("outer", 'base = "archive:trixie"'), {"outer"}),
    "a system package": (setting("a", 'system_packages = ["gcc"]'), {"a"}),
    "memory": (setting("a", 'memory = "1g"'), {"a"}),
    "processes": (setting("a", "pids = 99"), {"a"}),
    "an own recipe": (write("a/devops/Dockerfile", "ARG BASE\nFROM ${BASE}\n"), {"a"}),
    "the version": (version, {"a"}),
    "a directory inside": (write("outer/inner/test/test_it.py", "def test_it():\n    asserT\n"), {"outer/inner"}),
    "a used part of a directory inside": (write("outer/inner/lib/z.py", "z = 2\n"), {"outer/inner", "user"}),
    "the directory around": (write("outer/more.py", ""), {"outer"}),
    "a declared variable": (variable("WORD"), {"a"}),
    "another variable": (variable("OTHER"), set()),
    "an argument of pytest": (arguments("--", "-k", "it"), ALL),
    "the tier": (arguments("--tier", "slow"), ALL),
    "the user": (another_user, ALL),
    "our plugin": (in_helpers("inside/helpers_verdict.py"), ALL),
    "who judges": (in_helpers("driver/verdict.py"), ALL),
    "the image, of the same inputs": (rebuilt, {"a"}),
    "a file that nobody uses": (write("README.md", "read it\n"), set()),
    "a commit": (lambda scene: git(scene.root, "commit", "--quiet", "--allow-empty", "--message", "next"), set()),
    "times": (lambda scene: (scene.root / "a" / "code.py").touch(), set()),
    "what Python makes": (write("a/__pycache__/code.cpython-311.pyc", "x"), set()),
    "more at a time": (arguments("-j", "7"), set()),
    "how long it may take": (arguments("--timeout", "77"), set()),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_reruns_exactly_what_can_see_it(scene: Scene, name: str) -> None:
    change, again = CHANGES[name]
    assert scene.run() == (0, ALL)
    change(scene)
    assert scene.run() == (0, again)
    if name != "the image, of the same inputs":  # our engine has the one that it had before
        assert scene.run() == (0, set())


def test_a_run_in_which_nothing_changed_asks_no_engine_and_says_so(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.run()
    capsys.readouterr()
    assert scene.run("--json", "r.json", "--junit", "r.xml") == (0, set())
    assert scene.calls == []
    out, err = capsys.readouterr()
    assert "6 directories: 6 PASS; 6 cached; " in out and "logs in" not in out
    assert "PASS outer/inner 1 passed" in err and ": cached" in err
    data = json.loads((scene.root / "r.json").read_text())
    assert {item["cached"] for item in data["directories"]} == {True} and data["engine"] == ""
    suites = list(ET.parse(scene.root / "r.xml").getroot())
    assert [suite.get("name") for suite in suites] == sorted(ALL)
    assert {case.get("name") for suite in suites for case in suite.iter("testcase")} == {"test_it"}


def test_a_kept_verdict_still_says_which_tests_were_flaky_and_slow(scene: Scene) -> None:
    told = {"id": "test_it.py::test_it", "file": "", "line": 1, "message": "OSError: no", "text": "t"}
    scene.tests["a"] = Tests({**PASSES, "flaky": [told], "slowest": [["test_it.py::test_it", 2.5]]}, write_junit)

    def said() -> object:
        data = json.loads((scene.root / "r.json").read_text())
        return [(item["flaky"], item["slowest"]) for item in data["directories"] if item["directory"] == "a"]

    scene.run("--json", "r.json")
    first = said()
    assert first == [(["test_it.py::test_it"], [{"test": "test_it.py::test_it", "seconds": 2.5}])]
    assert scene.run("--json", "r.json", "--junit", "r.xml") == (0, set())
    assert said() == first


def test_what_did_not_pass_is_never_kept(scene: Scene) -> None:
    scene.tests["a"] = Tests(FAILS)
    scene.tests["b"] = Tests(None)
    assert scene.run() == (8, ALL)
    assert scene.run() == (8, {"a", "b"})


def test_what_changes_while_its_tests_run_is_not_kept(scene: Scene) -> None:
    scene.tests["a"] = Tests(PASSES, lambda spec: (scene.root / "a" / "code.py").write_text("code = 3\n"))
    assert scene.run() == (0, ALL)
    assert scene.run() == (0, {"a"})


@pytest.mark.parametrize("line", ['network = "bridge"', 'writable = ["made"]', 'docker = "sibling"', "services"])
def test_tests_that_may_see_more_than_the_key_covers_always_run(scene: Scene, line: str) -> None:
    (scene.root / "a" / "made").mkdir()
    services = line == "services"
    docker = "sibling" if "docker" in line else ""
    if services:
        (scene.root / "a" / "devops" / "compose.yaml").write_text("services: {}\n")
    else:
        setting("a", line)(scene)
    scene.tests["a"] = Tests(PASSES, services=services, docker=docker)
    assert scene.run() == (0, ALL)
    assert scene.run() == (0, {"a"})


def test_without_the_cache_all_run_and_their_verdicts_stay(scene: Scene) -> None:
    assert scene.run("--no-cache") == (0, ALL)
    assert scene.run() == (0, ALL)
    assert scene.run("--no-cache") == (0, ALL)
    assert scene.run() == (0, set())


def test_a_part_of_a_hidden_directory_that_is_used_counts(scene: Scene) -> None:
    setting("outer", 'uses = ["inner/lib"]')(scene)
    assert scene.run() == (0, ALL)
    write("outer/inner/lib/z.py", "z = 2\n")(scene)
    assert scene.run() == (0, {"outer", "outer/inner", "user"})


@pytest.mark.parametrize("used", ["..", "../.git", "../.git/refs"])
def test_tests_that_see_gits_own_files_always_run(scene: Scene, used: str) -> None:
    setting("base", f'uses = ["{used}"]')(scene)
    assert scene.run() == (0, ALL)
    assert scene.run() == (0, {"base"})


def test_an_engine_that_does_not_isolate_leaves_nothing(scene: Scene) -> None:
    scene.isolates = False
    assert scene.run() == (0, ALL)
    assert scene.run() == (0, ALL)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"counts": 1}', '{"counts": {"passed": "x"}, "seconds": 1}', "\xff"])
def test_a_damaged_verdict_is_put_aside_and_its_tests_run(scene: Scene, cache: Path, text: str) -> None:
    scene.run()
    for file in (cache / "verdicts").glob("*/*.json"):
        file.write_text(text, encoding="latin-1")
    assert scene.run() == (0, ALL)
    assert len(list((cache / "verdicts").glob("*/*.damaged"))) == len(ALL)
    assert scene.run() == (0, set())


def test_a_cache_that_can_not_be_written_costs_only_the_time(scene: Scene, cache: Path) -> None:
    cache.mkdir()
    (cache / "verdicts").write_text("a file in its place")
    assert scene.run() == (0, ALL)
    assert scene.run() == (0, ALL)


def test_the_number_of_verdicts_is_bounded(scene: Scene, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verdict_cache, "_MOST", 2)
    monkeypatch.setattr(os, "urandom", lambda count: b"\0" * count)
    scene.run()
    assert len(list((cache / "verdicts").glob("*/*.json"))) == 2


def test_the_tasks_show_and_forget_verdicts(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    setting("b", 'network = "bridge"')(scene)
    scene.run()
    capsys.readouterr()
    assert verdict_cache.show(cwd=scene.root / "a") == 0
    out = capsys.readouterr().out
    assert out.startswith("5 verdicts, ") and 'never kept: b: network = "bridge"' in out
    assert verdict_cache.clear(dry_run=True) == 0
    assert scene.run() == (0, {"b"})
    assert verdict_cache.clear() == 0
    assert scene.run() == (0, ALL)
