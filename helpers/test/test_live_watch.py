"""A watch on the live engine: from a saved file to its verdict, each container used once, and none left at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.test.conftest import Scratch, until

pytestmark = pytest.mark.engine

# It fails where an earlier run has left something; the number of its tests says which state of the file they are from.
TEST = """
from pathlib import Path
import pytest
@pytest.fixture(scope="session", autouse=True)
def nothing_is_left():
    for left in (Path("/tmp/left"), Path.home() / "left"):
        assert not left.exists()
        left.write_text("x")
@pytest.mark.parametrize("number", range({number}))
def test_it(number):
    pass
"""


class Watching:
    """A watch over a scratch repo, and all that it has printed."""

    def __init__(self, scratch: Scratch) -> None:
        self.scratch = scratch
        program = str(scratch.root / "main_pytest.py")
        self.process = subprocess.Popen(
            [sys.executable, "-u", program, "--engine", "docker", "--watch"],
            cwd=scratch.root,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stderr
        self.lines.extend(line.rstrip() for line in self.process.stderr)

    def _ready(self) -> int:
        return sum("waiting for changes" in line for line in self.lines)

    def verdicts(self) -> list[str]:
        """Return the lines of verdicts so far."""
        return [line for line in self.lines if line.startswith(("PASS ", "FAIL "))]

    def until_ready(self, count: int) -> None:
        """Wait until so many runs are over."""
        until(lambda: self._ready() >= count or self.process.poll() is not None, 120)
        assert self.process.poll() is None, self.lines

    def until_another_waits(self, used: set[str]) -> set[str]:
        """Wait for a container that waits, beside those that were used and are being removed, and return its name."""
        until(lambda: self._waiting() - used, 20)
        return self._waiting() - used

    def _waiting(self) -> set[str]:
        return {name for name in self.scratch.containers() if name.endswith("-next")}

    def end(self, number: signal.Signals) -> int:
        """End it by a signal and return its exit code."""
        os.kill(self.process.pid, number)
        return self.process.wait(20)


@pytest.fixture
def watching(scratch: Scratch) -> Iterator[Watching]:
    """A watch whose first run has passed."""
    scratch.add("a", TEST.format(number=1))
    (scratch.root / ".gitignore").write_text("__pycache__\n")
    made = Watching(scratch)
    made.until_ready(1)
    made.until_another_waits(set())
    yield made
    if made.process.poll() is None:
        made.end(signal.SIGTERM)


def save(scratch: Scratch, number: int) -> None:
    """Save the file of tests with so many of them."""
    (scratch.root / "a" / "test" / "test_it.py").write_text(TEST.format(number=number))


def test_each_save_is_tested_on_the_newest_state_in_a_container_of_its_own(watching: Watching) -> None:
    used: set[str] = set()
    for number in range(2, 5):
        used |= watching.until_another_waits(used)
        save(watching.scratch, number)
        watching.until_ready(number)
    assert [line.partition(" (")[0] for line in watching.verdicts()] == [f"PASS a {n} passed" for n in range(1, 5)]
    assert len(used) == 3


def test_a_directory_that_is_replaced_is_seen_as_it_is_now(watching: Watching) -> None:
    path = watching.scratch.root / "a"
    watching.scratch.git("add", "--all")
    watching.scratch.git("commit", "--quiet", "--message", "one")
    os.rename(path, watching.scratch.root.parent / "aside")
    watching.scratch.git("checkout", "--quiet", "--", "a")
    (path / "test" / "test_it.py").write_text("def test_new(): assert 0\n")
    until(lambda: any(line.startswith("FAIL a ") for line in watching.lines), 30)


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_at_the_end_nothing_is_left(watching: Watching, number: signal.Signals, code: int) -> None:
    begin = time.monotonic()
    assert watching.end(number) == code
    assert time.monotonic() - begin < 5
    assert watching.scratch.leftovers() == []


def test_after_sigkill_what_waited_is_gone_within_five_seconds(watching: Watching) -> None:
    assert watching.end(signal.SIGKILL) == -signal.SIGKILL
    until(lambda: watching.scratch.leftovers() == [], 5)


def test_a_change_while_tests_run_stops_them(scratch: Scratch) -> None:
    scratch.add("a", "import time\ndef test_it(): time.sleep(600)\n")
    made = Watching(scratch)
    try:
        until(lambda: any(line == "testing a" for line in made.lines), 120)
        until(lambda: any(Path(file).read_text().startswith("collected") for file in _progress(scratch)), 30)
        (scratch.root / "a" / "test" / "test_it.py").write_text("def test_it(): pass\n")
        until(made.verdicts, 30)
        assert made.verdicts()[0].startswith("PASS a 1 passed")
        assert any(line.startswith("STOPPED a") for line in made.lines)
        assert made.end(signal.SIGINT) == 130
    finally:
        made.process.kill()


def _progress(scratch: Scratch) -> list[Path]:
    runs = Path(os.environ.get("HELPERS_CACHE") or Path.home() / ".cache" / "helpers") / "runs"
    begun = (scratch.root / "main_pytest.py").stat().st_ctime
    return [file for file in runs.glob("*/*/*/results/progress") if file.stat().st_mtime > begun]
