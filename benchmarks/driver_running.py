"""What `main_pytest.py` costs where something has to be run, beside the bare `docker run` with the same flags.

These are parts of driver.py:

changed    one of 100 directories has changed: at most 1.25 times as long as its `docker run`
overhead   8 directories at -j1: at most 0.15 s more for each than its `docker run`
lengths    8 directories of unequal lengths on 2 cores: at most 1.1 times as long as max(longest, total / 2) of the
           lengths of their `docker run`, and faster than a loop, `xargs -P2`, tox and nox; beside it
           pytest-xdist, which isolates nothing
output     100 MB from one test: at most 1.2 times as long as `docker run > file`, with no more memory than for 1 MB

The bare `docker run` is the line "without helpers" that ours prints for a failure.
"""

from __future__ import annotations

import json
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import driver_sessions
from scratch import small_dirs
from timing import Command, table

ROUNDS = 5
CHANGED_DIRS, OVERHEAD_DIRS = 100, 8
MOST_CHANGED, MOST_OVERHEAD, MOST_LENGTHS, MOST_OUTPUT, MOST_MEMORY = 1.25, 0.15, 1.1, 1.2, 1.1
# Seconds of sleep or of a core, by directory: as unequal as suites are, and not in the order of their names.
LENGTHS = {"a": 1.0, "b": 2.5, "c": 1.5, "d": 4.0, "e": 1.0, "f": 3.0, "g": 2.0, "h": 6.0}
MEGABYTES = 100
PASSES = "    assert not Path('fail').exists()\n"
TEST = f"from pathlib import Path\ndef test_it():\n{PASSES}"
WAITS = f"import time\nfrom pathlib import Path\ndef test_it():\n{PASSES}    time.sleep({{}})\n"
WORKS = (
    # From the beginning of the test: one process may run several.
    f"import time\nfrom pathlib import Path\ndef test_it():\n{PASSES}    begin = time.process_time()\n"
    "    while time.process_time() - begin < {}:\n        sum(range(10000))\n"
)
PRINTS = f"""\
import sys
from pathlib import Path
def test_it():
{PASSES}    for _ in range(int(Path("megabytes").read_text()) * 10):
        sys.stdout.write(("x" * 99 + "\\n") * 1000)
"""


class Suites:
    """A repo whose directories have passed once, so that images, durations and verdicts are there.

    Arguments:
        root: where it is made.
        prefix: begins the names of all images.
        tests: the test file of each directory, by its name.
    """

    def __init__(self, root: Path, prefix: str, tests: Mapping[str, str]) -> None:
        prefix = f"{prefix}-{root.name}"
        self.root = small_dirs(root, prefix, tests, driver_sessions.ENVIRONMENTS)
        self.names = list(tests)
        self._driver = (sys.executable, str(root / "main_pytest.py"), "--engine", "docker")
        self._bare: dict[str, list[str]] = {}

    def learn(self, *names: str) -> None:
        """Run all directories, first with a failure in the named ones, which tells their bare `docker run`."""
        for name in names:
            (self.root / name / "fail").touch()
        report = self.root.with_name(f"{self.root.name}.json")
        subprocess.run([*self._driver, "--json", str(report)], cwd=self.root, capture_output=True)
        for item in json.loads(report.read_text())["directories"]:
            if item["directory"] in names:
                self._bare[item["directory"]] = shlex.split(item["again"][1])
                (self.root / item["directory"] / "fail").unlink()
        subprocess.run(self._driver, cwd=self.root, check=True, capture_output=True)

    def change(self, *names: str, number: int) -> None:
        """Write a file of each of the named directories anew, with `number` in it."""
        for name in names:
            (self.root / name / "module0.py").write_text(f"number = {1000 + number}\n")
        # What was written at this moment has to be read twice, which is no matter of the driver.
        time.sleep(2.5)

    def ours(self, *options: str) -> Command:
        """Return our command."""
        return Command("main_pytest.py", ((*self._driver, *options),), self.root)

    def bare(self, *names: str) -> Command:
        """Return the bare containers of directories, one after the other."""
        return Command("docker run", tuple(tuple(self._bare[name]) for name in names), self.root)


def changed(directory: Path, prefix: str) -> bool:
    """One of many directories has changed."""
    suites = Suites(directory / "changed", prefix, {f"d{number:02}": TEST for number in range(CHANGED_DIRS)})
    name = suites.names[CHANGED_DIRS // 2]
    suites.learn(name)
    ours, bare = suites.ours(), suites.bare(name)
    pairs = []
    for number in range(ROUNDS + 1):
        suites.change(name, number=number)
        pairs.append((ours.seconds(), bare.seconds()))
    mine, its = (statistics.median(times) for times in zip(*pairs[1:], strict=True))
    print(f"1 of {CHANGED_DIRS} directories changed, medians of {ROUNDS}:\n")
    return _judged("docker run, same flags", mine, its, MOST_CHANGED)


def overhead(directory: Path, prefix: str) -> bool:
    """Many directories, one after the other."""
    suites = Suites(directory / "overhead", prefix, {f"d{number:02}": TEST for number in range(OVERHEAD_DIRS)})
    suites.learn(*suites.names)
    ours, bare = suites.ours("--no-cache", "-j1"), suites.bare(*suites.names)
    pairs = [(ours.seconds(), bare.seconds()) for _ in range(ROUNDS)]
    mine, its = (statistics.median(times) for times in zip(*pairs, strict=True))
    each = (mine - its) / OVERHEAD_DIRS
    rows = [("at -j1", "median, s", "a directory, s"), ("main_pytest.py", f"{mine:.2f}", f"{mine / OVERHEAD_DIRS:.3f}")]
    rows += [("docker run, same flags, in a loop", f"{its:.2f}", f"{its / OVERHEAD_DIRS:.3f}")]
    print(f"{OVERHEAD_DIRS} directories, medians of {ROUNDS}:\n\n{table(rows)}\n")
    print(f"above the bare one: {each:.3f} s a directory, limit {MOST_OVERHEAD} s\n", flush=True)
    return bool(each <= MOST_OVERHEAD)


def lengths(directory: Path, prefix: str) -> bool:
    """Directories of unequal lengths, two at a time."""
    tests = {
        name: (WORKS if number % 2 else WAITS).format(seconds) for number, (name, seconds) in enumerate(LENGTHS.items())
    }
    suites = Suites(directory / "lengths", prefix, tests)
    suites.learn(*suites.names)
    others = [Command("a loop of docker run", suites.bare(*suites.names).programs, suites.root), _xargs(suites)]
    others += driver_sessions.others(suites.root, suites.names)
    ours = suites.ours("-j2")
    suites.change(*suites.names, number=ROUNDS)
    ours.seconds()  # the first run of a command has nothing to go by
    seconds: list[list[float]] = [[] for _ in (ours, *others)]
    alone: list[list[float]] = [[] for _ in suites.names]
    for number in range(ROUNDS):
        suites.change(*suites.names, number=number)
        for command, times in zip((ours, *others), seconds, strict=True):
            times.append(command.seconds())
        for name, times in zip(suites.names, alone, strict=True):
            times.append(suites.bare(name).seconds())
    medians = [statistics.median(times) for times in alone]
    bound = max(*medians, sum(medians) / 2)
    walls = [statistics.median(times) for times in seconds]
    rows = [("all changed", "median, s", "ours / it")]
    for command, wall in zip((ours, *others), walls, strict=True):
        rows.append((command.name, f"{wall:.2f}", "" if command is ours else f"{walls[0] / wall:.2f}"))
    rows.append(("the lower bound", f"{bound:.2f}", f"{walls[0] / bound:.2f}"))
    print(f"{len(tests)} directories of {min(medians):.1f} to {max(medians):.1f} s, medians of {ROUNDS}:\n")
    print(f"{table(rows)}\n\nlimit: {MOST_LENGTHS} times the lower bound, and faster than what isolates\n", flush=True)
    isolate = [wall for one, wall in zip(others, walls[1:], strict=True) if one.name != driver_sessions.ONE_ENVIRONMENT]
    return walls[0] <= MOST_LENGTHS * bound and walls[0] < min(isolate)


def output(directory: Path, prefix: str) -> bool:
    """One test prints much."""
    suites = Suites(directory / "output", prefix, {"d": PRINTS})
    amount = suites.root / "d" / "megabytes"
    amount.write_text("1")
    suites.learn("d")
    ours = suites.ours("--no-cache", "--", "-s")
    file = directory / "output.txt"
    script = f"{shlex.join(suites.bare('d').programs[0])} -s > {shlex.quote(str(file))}"
    bare = Command("docker run > file", (("sh", "-c", script),), suites.root)
    little = [_peak(ours) for _ in range(ROUNDS)]
    amount.write_text(str(MEGABYTES))
    much, pairs = [], []
    for _ in range(ROUNDS):
        pairs.append((ours.seconds(), bare.seconds()))
        much.append(_peak(ours))
    assert file.stat().st_size > MEGABYTES * 1000_000
    peaks = statistics.median(little), statistics.median(much)
    mine, its = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"{MEGABYTES} MB from one test, medians of {ROUNDS}:\n")
    well = _judged("docker run > file, same flags", mine, its, MOST_OUTPUT)
    print(f"peak memory: {peaks[0]:.1f} MB for 1 MB, {peaks[1]:.1f} MB for {MEGABYTES} MB: {peaks[1] / peaks[0]:.2f}")
    print(f"limit: {MOST_MEMORY}\n", flush=True)
    return well and peaks[1] <= MOST_MEMORY * peaks[0]


def _judged(other: str, mine: float, its: float, limit: float) -> bool:
    rows = [("", "median, ms", "ours / it", "limit"), ("main_pytest.py", f"{mine * 1000:.0f}", "", "")]
    rows += [(other, f"{its * 1000:.0f}", f"{mine / its:.2f}", f"{limit}")]
    print(f"{table(rows)}\n", flush=True)
    return mine <= limit * its


def _peak(command: Command) -> float:
    """Return the most memory, in MB, that the program, or one that it waited for, has had at a time."""
    quiet = subprocess.DEVNULL
    process = subprocess.Popen(command.programs[0], cwd=command.cwd, stdout=quiet, stderr=quiet)
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = status
    if status:
        raise RuntimeError(f"{command.name} ended with status {status}")
    return used.ru_maxrss / 1024


def _xargs(suites: Suites) -> Command:
    runs = [shlex.join(program) for program in suites.bare(*suites.names).programs]
    file = suites.root.with_name("runs.txt")
    file.write_text("".join(f"{run}\0" for run in runs))
    script = f"xargs -0 -P2 -I{{}} sh -c '{{}}' < {shlex.quote(str(file))} > /dev/null"
    return Command("xargs -P2 docker run", (("sh", "-c", script),), suites.root)


PARTS = {"changed": changed, "overhead": overhead, "lengths": lengths, "output": output}
