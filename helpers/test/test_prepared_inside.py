"""What waits inside a container runs its order as a Python does that starts only then."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from helpers import inside
from helpers.engine.handout import Handout

# Every test here starts processes and waits for them.
pytestmark = pytest.mark.slow

INSIDE = Path(inside.__file__).parent
ENVIRONMENT = {"GIVEN": "now"}


@dataclass
class Place:
    """A directory of tests, and a process that may wait for an order on them."""

    tests: Path
    results: Path
    process: subprocess.Popen[str] | None = None
    inside: Path = INSIDE
    python: str = sys.executable

    def start(self, *options: str, **variables: str) -> None:
        """Let a process wait."""
        os.mkfifo(self.results / "order")
        self.process = self._start([*options, str(self.inside / "prepared.py"), str(self.results / "order")], variables)
        # Opening it for writing fails until it is read.
        until = time.monotonic() + 20
        while self.process.poll() is None:
            try:
                self.file = os.open(self.results / "order", os.O_WRONLY | os.O_NONBLOCK)
                return
            except OSError:
                assert time.monotonic() < until
                time.sleep(0.01)

    def go(self) -> tuple[dict[str, Any], str]:
        """Give the order, and return the verdict and the output."""
        assert self.process
        os.set_blocking(self.file, True)
        os.write(self.file, json.dumps({**self.order(), "environment": ENVIRONMENT}).encode())
        os.close(self.file)
        self._give_nonce()
        return self._verdict(self.process)

    def fresh(self, **variables: str) -> tuple[dict[str, Any], str]:
        """Return the same of a Python that starts now."""
        runner = ["-I", "-S", str(self.inside / "runner.py"), "--results", str(self.results), self.python]
        self.process = self._start([*runner, str(self.inside / "run_pytest.py"), json.dumps(self.order())], variables)
        self._give_nonce()
        return self._verdict(self.process)

    def order(self) -> dict[str, Any]:
        """Return the order to run all tests."""
        options = ["-p", "no:cacheprovider", "-c", "pytest.ini"]
        return {"results": str(self.results), "tier": "fast", "arguments": options}

    def _give_nonce(self) -> None:
        assert self.process and self.process.stdin
        self.process.stdin.write("a1\n")
        self.process.stdin.flush()

    def _start(self, arguments: list[str], variables: dict[str, str]) -> subprocess.Popen[str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
        env |= {"PYTHONPATH": str(self.tests), "PYTHONDONTWRITEBYTECODE": "1", **variables}
        pipe, merged = subprocess.PIPE, subprocess.STDOUT
        return subprocess.Popen(
            [self.python, *arguments],
            cwd=self.tests,
            env=env,
            # The driver holds it open.
            stdin=pipe,
            stdout=pipe,
            stderr=merged,
            encoding="utf-8",
        )

    def _verdict(self, process: subprocess.Popen[str]) -> tuple[dict[str, Any], str]:
        assert process.stdout and process.stdin
        limit = threading.Timer(60, process.kill)
        limit.start()
        with process:
            output = Handout("a1", self.results).feed(process.stdout.read().encode()).decode()
        limit.cancel()
        file = self.results / "verdict.json"
        nonce, verdict = file.read_text().split("\n") if file.exists() else ("a1", "{}")
        assert nonce == "a1"
        file.unlink(missing_ok=True)  # the next one is another one's
        return json.loads(verdict), output


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """A directory with a test that passes."""
    made = Place(tmp_path / "tests", tmp_path / "results")
    made.tests.mkdir()
    made.results.mkdir()
    (made.tests / "pytest.ini").write_text("[pytest]\n")
    write(made, "test_it.py", "def test_it(): pass\n")
    yield made
    if made.process and made.process.poll() is None:
        made.process.communicate(timeout=10)  # nobody holds its input then


def write(place: Place, name: str, text: str) -> None:
    (place.tests / name).parent.mkdir(exist_ok=True)
    (place.tests / name).write_text(textwrap.dedent(text))


def test_it_runs_what_the_files_hold_when_the_order_comes(place: Place) -> None:
    write(place, "conftest.py", "import pytest\n@pytest.fixture\ndef number(): return 1\n")
    write(place, "code_of_ours.py", "number = 1\n")
    place.start()
    write(place, "conftest.py", "import pytest\n@pytest.fixture\ndef number(): return 2\n")
    write(place, "code_of_ours.py", "number = 2\n")
    write(place, "test_it.py", "import code_of_ours\ndef test_it(number): assert number == code_of_ours.number == 2\n")
    write(place, "test_more.py", "import os\ndef test_it(): assert os.environ['GIVEN'] == 'now'\n")
    verdict, output = place.go()
    assert verdict.get("counts") == {"passed": 2}, output


@pytest.mark.parametrize("shadow, script", [("", "prepared.py"), ("textwrap.py", "run_pytest.py")])
def test_a_new_python_begins_only_where_another_module_would_be_imported(
    place: Place, shadow: str, script: str
) -> None:
    import textwrap as original

    if shadow:
        write(place, shadow, Path(original.__file__).read_text())
    write(place, "test_it.py", f"import sys\ndef test_it(): assert sys.orig_argv[1].endswith('/{script}')\n")
    place.start()
    verdict, output = place.go()
    assert verdict.get("counts") == {"passed": 1}, output


def test_a_new_python_begins_where_our_own_files_have_changed(place: Place, tmp_path: Path) -> None:
    place.inside = shutil.copytree(INSIDE, tmp_path / "inside", ignore=shutil.ignore_patterns("__pycache__"))
    place.start()
    plugin = place.inside / "helpers_verdict.py"
    plugin.write_text(plugin.read_text().replace('"collected": self.collected', '"collected": 41 + self.collected'))
    verdict, output = place.go()
    assert verdict.get("collected") == 42, output


def test_what_is_imported_is_no_garbage_and_what_tests_make_may_be(place: Place) -> None:
    test = "import gc\ndef test_it(): assert gc.get_freeze_count() > 10_000 and gc.isenabled()\n"
    write(place, "test_it.py", test)
    write(place, "pytest.ini", "[pytest]\nfilterwarnings = error\n")
    for number in range(2):
        if number:
            place.start()
        verdict, output = place.go() if number else place.fresh()
        assert verdict.get("counts") == {"passed": 1}, output
        # A plugin that was imported too early would be one.
        assert "warning" not in output


STATE = """
    import json, os, sys
    def test_it():
        main = sys.modules["__main__"]
        about = {
            "argv": sys.argv[0], "path": sys.path, "main": main.__file__, "name": main.__name__,
            "input": os.path.realpath("/proc/self/fd/0"), "cwd": os.getcwd(),
            "modules": sorted(name for name in sys.modules if "." not in name),
        }
        with open(os.environ["ABOUT"], "w") as file:
            json.dump(about, file)
"""


def test_tests_see_the_python_that_a_start_gives_them(place: Place, tmp_path: Path) -> None:
    write(place, "test_it.py", STATE)
    about = []
    for number in range(2):
        file = tmp_path / f"about{number}.json"
        if number:
            place.start(ABOUT=str(file))
            place.go()
        else:
            place.fresh(ABOUT=str(file))
        about.append(json.loads(file.read_text()))
    # What is loaded beforehand is there in any case.
    more = set(about[1].pop("modules")) ^ set(about[0].pop("modules"))
    assert about[0] == about[1]
    assert all(name in sys.stdlib_module_names for name in more), more


def test_a_module_of_the_checkout_is_not_imported_before_the_order(place: Place) -> None:
    import textwrap as original

    noted = place.results / "imported"
    note = f"\nimport os\nwith open({str(noted)!r}, 'a') as file:\n    print(os.getpid(), file=file)\n"
    write(place, "textwrap.py", Path(original.__file__).read_text() + note)
    place.start()
    assert not noted.exists()
    verdict, output = place.go()
    assert verdict.get("counts") == {"passed": 1} and len(noted.read_text().splitlines()) == 1, output


SHADOWS = {
    "a module of the same name": ("textwrap.py", "before"),
    "a module of the same name that comes later": ("textwrap.py", "after"),
    "a package of the same name": ("textwrap/__init__.py", "after"),
    "what Python imports when it starts": ("sitecustomize.py", "before"),
    "what Python imports when it starts, made later": ("sitecustomize.py", "after"),
}


@pytest.mark.parametrize("case", SHADOWS)
def test_a_module_of_the_checkout_is_the_one_that_is_imported(place: Place, case: str) -> None:
    name, when = SHADOWS[case]
    module = name.partition("/")[0].removesuffix(".py")
    import textwrap as original

    text = Path(original.__file__).read_text() if module == "textwrap" else ""
    write(place, "test_it.py", f"def test_it():\n    import {module}\n    assert {module}.MARK == 'new'\n")
    if when == "before":
        (place.tests / name).write_text(f"{text}\nMARK = 'old'\n")
    place.start()
    (place.tests / name).parent.mkdir(exist_ok=True)
    (place.tests / name).write_text(f"{text}\nMARK = 'new'\n")
    verdict, output = place.go()
    assert verdict.get("counts") == {"passed": 1}, output


@pytest.mark.parametrize(("order", "code"), [(b"t", 128 + 15), (b"", 128 + 9)])
@pytest.mark.parametrize("given", [False, True])
def test_it_ends_as_its_driver_says_or_with_it(place: Place, order: bytes, code: int, given: bool) -> None:
    write(place, "test_it.py", "import time\ndef test_it(): open('began', 'w').close(); time.sleep(60)\n")
    place.start()
    assert place.process and place.process.stdin
    if given:
        place._give_nonce()
        os.write(place.file, json.dumps({**place.order(), "environment": {}}).encode())
        os.close(place.file)
        until = time.monotonic() + 20
        while not (place.tests / "began").exists():
            assert time.monotonic() < until
            time.sleep(0.01)
    place.process.stdin.write(order.decode())
    place.process.stdin.flush() if order else place.process.stdin.close()
    assert place.process.wait(10) == code


def test_what_the_checkout_calls_like_a_module_of_the_runner_is_for_the_tests_alone(place: Place) -> None:
    write(place, "ctypes.py", "MARK = 1\n")
    write(place, "test_it.py", "def test_it():\n    import ctypes\n    assert ctypes.MARK\n")
    place.start()
    verdict, output = place.go()
    assert verdict.get("counts") == {"passed": 1}, output


def test_a_file_of_ours_that_leads_nowhere_is_no_fault(place: Place, tmp_path: Path) -> None:
    place.inside = shutil.copytree(INSIDE, tmp_path / "inside", ignore=shutil.ignore_patterns("__pycache__"))
    (place.inside / ".#runner.py").symlink_to("nobody@nowhere")
    place.start()
    verdict, output = place.go()
    assert verdict.get("counts") == {"passed": 1}, output


def installation(path: Path, *lines: str) -> str:
    """Return a Python with pytest that starts with `lines` (https://docs.python.org/3/library/site.html)."""
    (path / "bin").mkdir(parents=True)
    (path / "bin" / "python").symlink_to(os.path.realpath(sys.executable))
    home = os.path.dirname(os.path.realpath(sys.executable))
    (path / "pyvenv.cfg").write_text(f"home = {home}\ninclude-system-site-packages = false\n")
    packages = path / "lib" / f"python{sys.version_info[0]}.{sys.version_info[1]}" / "site-packages"
    packages.mkdir(parents=True)
    for one in Path(pytest.__file__).parents[1].iterdir():
        if one.suffix != ".pth":
            (packages / one.name).symlink_to(one)
    (packages / "begins.pth").write_text("\n".join(lines))
    return str(path / "bin" / "python")


@pytest.mark.parametrize("threads", [0, 1])
def test_a_python_that_has_threads_from_its_start_is_not_gone_on_with(
    place: Place, tmp_path: Path, threads: int
) -> None:
    thread = "import threading, time; threading.Thread(target=time.sleep, args=[30], daemon=True).start()"
    place.python = installation(tmp_path / "venv", *[thread] * threads)
    script = "run_pytest.py" if threads else "prepared.py"
    about = f"import sys, threading\ndef test_it(): assert sys.orig_argv[1].endswith('/{script}')\n"
    write(place, "test_it.py", f"{about}def test_all(): assert threading.active_count() > {threads}\n")
    place.start()
    verdict, output = place.go()
    assert verdict.get("counts") == {"passed": 2}, output


def test_without_pytest_it_says_what_a_start_says(place: Place) -> None:
    place.start("-S")
    verdict, output = place.go()
    assert verdict == {} and "No module named 'pytest'" in output
