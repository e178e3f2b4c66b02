"""A repo of several runnable dirs that is tested by a fake engine, and changes of it with what each makes run again."""

from __future__ import annotations

import json
import os
import shutil
import signal
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
from helpers.repo import state
from helpers.test.fake_engine import PASSES, FakeEngine, Tests
from helpers.test.unit_fixtures import LOCK, add_dir, forget, git, make_repo

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
        isolates: whether the engine does.
        prepares: whether the engine lets containers wait.
    """

    root: Path
    package: Path
    tests: dict[str, Tests]
    monkeypatch: pytest.MonkeyPatch
    arguments: list[str] = field(default_factory=list)
    prefix: str = "id"
    isolates: bool = True
    prepares: bool = False

    def run(self, *arguments: str) -> tuple[int, set[str]]:
        """Run the driver, and return its exit code and the directories whose tests ran."""
        forget()
        every = discover.runnable_paths(self.root)
        images = planner.make(self.root, every, every, "fast").images
        engine = FakeEngine(images, has=tuple(images), tests=self.tests)
        engine.isolates, engine.prepares = self.isolates, self.prepares
        self.monkeypatch.setattr(choosing, "choose", lambda name: engine)
        self.engine, self.calls = engine, engine.calls
        code = cli.main([*self.arguments, *arguments], self.root)
        return code, {call.removeprefix("test ") for call in engine.calls if call.startswith("test ")}


@pytest.fixture
def scene(tmp_path: Path, no_poetry: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """A repo in which `a` uses `lib` and is given WORD, `b` stands on `base`, and `inner` lies in `outer`."""
    # An ignored file gets a new name at this age: on a slow machine in the midst of a test.
    monkeypatch.setattr(state, "RACY_SECONDS", -1.0)
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


def forbidden(directory: str) -> Callable[[Scene], object]:
    return lambda scene: (scene.root / directory).chmod(0)


def not_utf8(directory: str) -> Callable[[Scene], object]:
    return lambda scene: Path(os.fsdecode(os.fsencode(scene.root / directory) + b"/caf\xe9.txt")).write_text("x")


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
    "the lock": (write("a/poetry.lock", f"# another lock\n{LOCK}"), {"a"}),
    "the lock of a base": (write("base/poetry.lock", f"# another lock\n{LOCK}"), {"base", "b"}),
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
    "what Python makes": (write("a/__pycache__/code.cpython-311.pyc", "x"), {"a"}),
    "a module without its source": (write("a/more.pyc", "x"), {"a"}),
    "a FIFO": (lambda scene: os.mkfifo(scene.root / "a" / "x"), {"a"}),
    "a FIFO in a used directory": (lambda scene: os.mkfifo(scene.root / "lib" / "x"), {"a"}),
    "a socket": (lambda scene: os.mknod(scene.root / "a" / "x", 0o140600), {"a"}),
    "an empty directory": (lambda scene: (scene.root / "a" / "made").mkdir(), {"a"}),
    "a directory that may not be entered": (forbidden("outer/inner/lib"), {"outer/inner", "user"}),
    "a directory that others may not enter": (lambda scene: (scene.root / "a" / "test").chmod(0o700), set()),
    "a FIFO in a directory inside": (lambda scene: os.mkfifo(scene.root / "outer" / "inner" / "x"), {"outer/inner"}),
    "a FIFO that nobody sees": (lambda scene: os.mkfifo(scene.root / "x"), set()),
    "a name that is not UTF-8": (not_utf8("a"), {"a"}),
    "a name that is not UTF-8 and that nobody sees": (not_utf8("."), set()),
    "more at a time": (arguments("-j", "7"), set()),
    "how long it may take": (arguments("--timeout", "77"), set()),
}
