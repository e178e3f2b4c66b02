"""Runs that are killed at any moment: the next one is right without help, and leaves nothing.

DRIVER_KILLS says how often (default 6). The engine is not killed here: it is shared by all that runs on this machine.
"""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.storage import cache_dir
from helpers.test.conftest import Result, Scratch, scratch_repo, start, until

pytestmark = [pytest.mark.engine, pytest.mark.slow]

KILLS = int(os.environ.get("DRIVER_KILLS", "6"))
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
TESTS = {
    "steady": "def test_it(): pass\n",
    "bad": "def test_it(): assert False\n",
    "waits": "import time\ndef test_it(): time.sleep(0.5)\n",
    "changing": "import pathlib\ndef test_it():\n    assert int(pathlib.Path('number').read_text()) % 2 == 0\n",
}


class Campaign:
    """Runs of one repo that are killed, each followed by one that is not.

    Arguments:
        scratch: the repo; its directories are tested once, so that images and verdicts are there.
    """

    def __init__(self, scratch: Scratch) -> None:
        self.scratch = scratch
        self.moments = random.Random(5)
        self.number = 0
        self.ended: Counter[str] = Counter()
        self.seconds: list[float] = []
        for name, test in TESTS.items():
            scratch.add(name, test, image=name)
        self.change()
        self.check(self.run())
        # How long a run takes in which two directories are tested; that is when to kill one.
        self.change()
        begin = time.monotonic()
        self.check(self.run())
        self.whole = time.monotonic() - begin

    def change(self) -> None:
        """Write what was never written: with a verdict of an earlier run this would come out wrong half of the time."""
        self.number += self.moments.choice((1, 2, 3))
        (self.scratch.root / "changing" / "number").write_text(str(self.number))
        if self.moments.random() < 0.3:
            (self.scratch.root / "waits" / "more.py").write_text(f"number = {self.number}\n")

    def run(self) -> Result:
        """Run the driver to its end."""
        return self.scratch.run("--cached", "--engine", "docker", "-j", "2")

    def killed(self, kill: Callable[[int], Any]) -> None:
        """Change something, begin a run, kill at a random moment, and look at what the run said all the same."""
        self.change()
        report = self.scratch.root.parent / "killed.json"
        report.unlink(missing_ok=True)
        driver = self.scratch.driver("--cached", "--engine", "docker", "-j", "2", json_file=report)
        process = start(driver, self.scratch.root)
        time.sleep(self.moments.uniform(0.02, self.whole))
        kill(process.pid)
        process.communicate(timeout=180)
        self.ended[f"ended with {process.returncode}"] += 1
        if report.exists():
            said = {item["directory"]: item["verdict"] for item in json.loads(report.read_text())["directories"]}
            assert said["bad"] != "PASS"
            assert said["changing"] != ("FAIL" if self.number % 2 == 0 else "PASS")

    def signal(self, process: int) -> None:
        """Send a process one of the signals."""
        os.kill(process, self.moments.choice(SIGNALS))

    def check(self, result: Result) -> None:
        """Hold a run that nobody killed against what must come out."""
        changing = "FAIL" if self.number % 2 else "PASS"
        expected = {"steady": "PASS", "bad": "FAIL", "waits": "PASS", "changing": changing}
        assert {name: item["verdict"] for name, item in result.verdicts.items()} == expected, result.stderr
        assert result.code == 1 and not result.verdicts["bad"]["cached"]
        # What watches over a killed driver may be at work still.
        until(lambda: not self.scratch.containers(), 10)

    def next(self) -> None:
        """Run once more, without a kill."""
        begin = time.monotonic()
        self.check(self.run())
        self.seconds.append(time.monotonic() - begin)

    def told(self, what: str) -> None:
        """Print what happened, for docs/benchmarks.md."""
        assert not list((cache_dir() / "verdicts").rglob("*.damaged")), "a damaged verdict was put aside"
        ends = ", ".join(f"{count} {end}" for end, count in sorted(self.ended.items()))
        times = sorted(self.seconds)
        took = f"the next run took {times[0]:.1f} to {times[-1]:.1f} s"
        print(f"\n{sum(self.ended.values())} kills of {what}: {ends}; {took}")


@pytest.fixture
def campaign(tmp_path: Path) -> Iterator[Campaign]:
    """A repo whose directories have been tested once."""
    with scratch_repo(tmp_path / "repo") as scratch:
        yield Campaign(scratch)


def test_after_a_killed_driver_the_next_run_is_right_and_nothing_is_left(campaign: Campaign) -> None:
    for _ in range(KILLS):
        campaign.killed(campaign.signal)
        campaign.next()
    campaign.told("the driver")
