"""Runs that are killed at any moment, they or their engine: the next one is right without help, and leaves nothing.

DRIVER_KILLS says how often (default 8); the figures in docs/benchmarks.md say of how many they are. A quarter of them
kill the engine: one of our own, for which this must run as root. Half of all kills hit a test that runs, for sure; the
others any moment of a run.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from helpers.engine import api
from helpers.model.image import LABEL_DIR, LABEL_ROOT
from helpers.storage import cache_dir
from helpers.test.conftest import Result, Scratch, scratch_repo, start, until
from helpers.test.second_engine import SecondEngine, second_engine

pytestmark = [pytest.mark.engine, pytest.mark.slow]

KILLS = int(os.environ.get("DRIVER_KILLS", "8"))
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGKILL)
# How long a test sleeps, and how long after it was seen a kill hits it for sure, in seconds.
SLEEPS, HIT = 0.6, 0.4
TESTS = {
    "steady": "def test_it(): pass\n",
    "bad": "def test_it(): assert False\n",
    "waits": f"import time\ndef test_it(): time.sleep({SLEEPS})\n",
    "changing": "import pathlib\ndef test_it():\n    assert int(pathlib.Path('number').read_text()) % 2 == 0\n",
}
TESTED = "while tests ran"


@dataclass
class Killed:
    """How a run ended that was killed.

    Arguments:
        phase: when it was killed.
        sure: whether a test ran then for sure, the one that sleeps.
        code: its exit code; negative for a signal.
        verdicts: what it reported of each directory; None if it reported nothing.
    """

    phase: str
    sure: bool
    code: int
    verdicts: dict[str, dict[str, Any]] | None


class Campaign:
    """Runs of one repo that are killed, each followed by one that is not.

    Arguments:
        scratch: the repo; its directories are tested once, so that images and verdicts are there.
    """

    def __init__(self, scratch: Scratch) -> None:
        self.scratch = scratch
        self.moments = random.Random(5)
        self.begin = time.time()
        self.number = 0
        self.ended: Counter[str] = Counter()
        self.hit: Counter[str] = Counter()
        self.seconds: list[float] = []
        for name, test in TESTS.items():
            scratch.add(name, test, image=name)
        self.whole = self.measured()

    def measured(self) -> float:
        """Return how long a run takes in which three directories are tested; that is when to kill one."""
        for _ in range(2):
            self.change(waits=True)
            begin = time.monotonic()
            self.check(self.run())
        return time.monotonic() - begin

    def change(self, *, waits: bool) -> None:
        """Write what was never written: with a verdict of an earlier run this would come out wrong half of the time."""
        self.number += self.moments.choice((1, 2, 3))
        (self.scratch.root / "changing" / "number").write_text(str(self.number))
        if waits:
            (self.scratch.root / "waits" / "more.py").write_text(f"number = {self.number}\n")

    def run(self) -> Result:
        """Run the driver to its end."""
        return self.scratch.run("--cached", "--engine", "docker", "-j", "2")

    def tested(self) -> set[str]:
        """Return the directories whose tests run now: not those whose containers wait, or have just been started."""
        ours = json.dumps({"label": [f"{LABEL_ROOT}={self.scratch.root}"]})
        answer = api.ask("/containers/json", query={"filters": ours})
        found = answer.data if answer and answer.status == 200 else []
        # The runner hands out the progress of pytest from its collection. A command names the results of its container.
        results = {one["Labels"][LABEL_DIR]: re.search(r"/\S+/results\b", one["Command"]) for one in found}
        return {name for name, place in results.items() if place and Path(place[0], "progress").exists()}

    def killed(self, kill: Callable[[int], Any]) -> Killed:
        """Change something, begin a run, kill at a random moment, and look at what the run said all the same."""
        sure = sum(self.hit.values()) % 2 == 0
        waits = sure or self.moments.random() < 0.5
        self.change(waits=waits)
        # The very words of a run that is not killed: then this one has a head start as well.
        report = self.scratch.root.parent / "report.json"
        report.unlink(missing_ok=True)
        driver = self.scratch.driver("--cached", "--engine", "docker", "-j", "2", json_file=report)
        process = start(driver, self.scratch.root)
        seconds = (
            self.moments.uniform(0, HIT) if sure else self.moments.uniform(0.02, self.whole - SLEEPS * (not waits))
        )
        phase = self.moment(process, seconds, sure=sure)
        kill(process.pid)
        process.communicate(timeout=180)
        self.hit[phase] += 1
        self.ended[f"ended with {process.returncode}"] += 1
        verdicts = None
        if report.exists():
            verdicts = {item["directory"]: item for item in json.loads(report.read_text())["directories"]}
            said = {name: item["verdict"] for name, item in verdicts.items()}
            assert said["bad"] != "PASS"
            assert said["changing"] != ("FAIL" if self.number % 2 == 0 else "PASS")
        return Killed(phase, sure, process.returncode, verdicts)

    def moment(self, process: subprocess.Popen[str], seconds: float, *, sure: bool) -> str:
        """Wait until a run is to be killed, and return how far it has come.

        Arguments:
            process: the run.
            seconds: how long to wait.
            sure: whether that begins with the test that sleeps, in place of the run.
        """
        begin = None if sure else time.monotonic()
        seen: set[str] = set()
        while begin is None or time.monotonic() - begin < seconds:
            time.sleep(0.01)
            seen |= (now := self.tested())
            if begin is None:
                assert process.poll() is None, f"the run ended, and no test was seen:\n{process.communicate()}"
                begin = time.monotonic() if "waits" in now else None
        if process.poll() is not None:
            return "after its end"
        return TESTED if self.tested() else "after its tests" if seen else "before its tests"

    def expected(self) -> dict[str, str]:
        """Return the verdicts that are right now."""
        changing = "FAIL" if self.number % 2 else "PASS"
        return {"steady": "PASS", "bad": "FAIL", "waits": "PASS", "changing": changing}

    def check(self, result: Result) -> None:
        """Hold a run that nobody killed against what must come out."""
        assert {name: item["verdict"] for name, item in result.verdicts.items()} == self.expected(), result.stderr
        assert result.code == 1
        # What fails is never kept; this holds where it was wrong, too.
        assert not any(item["cached"] for item in result.verdicts.values() if item["verdict"] != "PASS")
        # What watches over a killed driver may be at work still.
        until(lambda: not self.scratch.containers(), 10)

    def next(self, killed: Killed) -> None:
        """Run once more, without a kill: what had passed before is known still, and nothing that did not end."""
        begin = time.monotonic()
        result = self.run()
        self.seconds.append(time.monotonic() - begin)
        self.check(result)
        assert result.verdicts["steady"]["cached"], result.stderr
        not_passed = {name for name, item in (killed.verdicts or {}).items() if item["verdict"] != "PASS"}
        not_passed |= {"waits"} if killed.sure else set()
        assert not any(result.verdicts[name]["cached"] for name in not_passed), (killed, result.stderr)

    def told(self, what: str) -> None:
        """Hold the campaign as a whole against what must come out, and print what happened, for docs/benchmarks.md."""
        damaged = [file for file in (cache_dir() / "verdicts").rglob("*.damaged") if file.stat().st_mtime > self.begin]
        assert not damaged, "a damaged verdict was put aside"
        assert not self.scratch.leftovers()
        kills = sum(self.hit.values())
        assert self.hit[TESTED] >= kills / 2
        phases, ends = (
            ", ".join(f"{count} {name}" for name, count in sorted(all_.items())) for all_ in (self.hit, self.ended)
        )
        times = sorted(self.seconds)
        took = f"the next run took {times[0]:.1f} to {times[-1]:.1f} s"
        print(f"\n{kills} kills of {what}: {phases}; {ends}; {took}")


@pytest.fixture
def campaign(tmp_path: Path) -> Iterator[Campaign]:
    """A repo whose directories have been tested once."""
    with scratch_repo(tmp_path / "repo") as scratch:
        yield Campaign(scratch)


def test_after_a_killed_driver_the_next_run_is_right_and_nothing_is_left(campaign: Campaign) -> None:
    sent: Counter[str] = Counter()
    for _ in range(KILLS - KILLS // 4):
        number = campaign.moments.choice(SIGNALS)
        sent[number.name] += 1

        def kill(process: int, number: int = number) -> None:
            # A run may have ended before.
            with suppress(ProcessLookupError):
                os.kill(process, number)

        killed = campaign.killed(kill)
        # Python gives the number of the signal that ended a process as a negative one.
        assert killed.code == {"SIGINT": 130, "SIGTERM": 143, "SIGKILL": -9}[number.name] or not killed.sure
        campaign.next(killed)
    campaign.told(f"the driver ({', '.join(f'{count} {name}' for name, count in sorted(sent.items()))})")


@pytest.fixture
def own_engine() -> Iterator[SecondEngine]:
    """An engine that may be killed."""
    if os.geteuid() or not shutil.which("dockerd"):
        pytest.skip("an engine of our own needs root and dockerd")
    # Sockets have short names; and the images of a test are no small thing to leave in pytest's directory.
    with second_engine(Path(tempfile.mkdtemp(prefix="helpers-engine-", dir="/tmp"))) as engine:
        yield engine


def test_after_a_killed_engine_the_next_run_is_right_and_nothing_is_left(
    campaign: Campaign, own_engine: SecondEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = campaign.scratch.root.parent / "plan.json"
    start(campaign.scratch.driver("--list", json_file=plan), campaign.scratch.root).communicate(timeout=60)
    # What they are built on is not needed where they are there.
    own_engine.take([item["image"] for item in json.loads(plan.read_text())["directories"]])
    monkeypatch.setenv("DOCKER_HOST", own_engine.host)
    campaign.whole = campaign.measured()
    backs: Counter[bool] = Counter()

    for number in range(max(1, KILLS // 4)):
        # Both with a kill that hits a test for sure and with one that may, and the first two are one of each.
        back = number % 4 in (0, 3)
        backs[back] += 1

        def kill(process: int, *, back: bool = back) -> None:
            own_engine.kill(back=back)
            if back:
                own_engine.start()

        killed = campaign.killed(kill)
        right = {name: item["verdict"] for name, item in (killed.verdicts or {}).items()} == campaign.expected()
        # It is no fault of a directory, and so none of them has failed for it.
        assert killed.code == 6 or (killed.code == 1 and right and not killed.sure), killed
        if killed.sure:
            assert killed.verdicts and killed.verdicts["waits"]["verdict"] == "INFRA", killed
            assert "the engine went away" in killed.verdicts["waits"]["why"], killed
        if not back:
            own_engine.start()
        campaign.next(killed)
    campaign.told(f"the engine ({backs[True]} back at once, {backs[False]} after the run)")
