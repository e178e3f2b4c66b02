"""Part `many` of `driver.py`: a run in which nothing changed, over 1,000 and 5,000 directories."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from scratch import FILES, ROOT, ask, small_dirs
from timing import table

ROUNDS = 5
MANY = (1000, 5000)
MOST_SECONDS, MOST_TIMES = 0.3, 3.0
MOST_MEMORY = 120.0
MOST_GROWTH = 5.5
TEST = "def test_it():\n    assert True\n"
ABOUT = """\
Of each repo one directory was tested in a container. The verdicts on the others are written by our own cache as if they
were, too: 6,000 containers would take an hour, and no time here depends on who wrote a verdict.
"""


class Place:
    """A repo with very many small runnable dirs, on all of which there is a verdict, and a cache of its own.

    Arguments:
        directory: for files; does not exist yet.
        prefix: begins the names of all images.
        count: how many directories.
    """

    def __init__(self, directory: Path, prefix: str, count: int) -> None:
        directory.mkdir()
        names = [f"d{number:04}" for number in range(count)]
        self.root = small_dirs(directory / "repo", prefix, dict.fromkeys(names, TEST))
        self.cache = directory / "cache"
        _link_cache(self.cache)
        self.env = {**os.environ, "HELPERS_CACHE": str(self.cache)}
        self.driver = [sys.executable, str(self.root / "main_pytest.py"), "--engine", "docker"]
        result = directory / "first.json"
        subprocess.run([*self.driver, "--dir", "d0000", "--json", str(result)], env=self.env, cwd=self.root, check=True)
        ran = json.loads(result.read_text())["directories"][0]
        script = ROOT / "helpers" / "thin_env" / "bootstrap.py"
        thin = subprocess.run([sys.executable, str(script)], check=True, capture_output=True, encoding="utf-8")
        # It must be that of the driver, by its name too.
        python = self.cache / "envs" / Path(thin.stdout.strip()).name / "bin" / "python"
        kept = ask("keep_verdicts", self.root, python, json.dumps(ran), cache=self.cache)
        if kept != count:
            raise RuntimeError(f"{kept} of {count} verdicts are kept")

    def forget_memos(self) -> None:
        """Let the next run look up each verdict by itself."""
        shutil.rmtree(self.cache / "verdicts" / "runs", ignore_errors=True)

    def run(self, argv: list[str]) -> tuple[float, float]:
        """Run a command in the repo; return its seconds, and the MB of memory that the largest of its processes had."""
        start = time.perf_counter()
        with open(os.devnull, "r+b") as null:
            child = subprocess.Popen(argv, cwd=self.root, env=self.env, stdin=null, stdout=null, stderr=null)
            _, status, usage = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            raise RuntimeError(f"{argv} ended with {child.returncode}")
        return seconds, usage.ru_maxrss / 1024


def _link_cache(cache: Path) -> None:
    """Make a cache that has what the user's own has, but for all that is known of tests."""
    own = Path(os.environ.get("HELPERS_CACHE") or Path.home() / ".cache" / "helpers")
    cache.mkdir()
    for entry in own.iterdir():
        if entry.name not in ("verdicts", "digests", "runs", "shares"):
            (cache / entry.name).symlink_to(entry)


def many(directory: Path, prefix: str) -> bool:
    """Time runs in which nothing changed, print them, and return whether all is within the limits.

    Arguments:
        directory: for files.
        prefix: begins the names of all images.
    """
    rows: list[tuple[str, ...]] = [
        ("directories", "ours, ms", "git status, ms", "limit, ms", "MB", "without the memo, ms", "MB")
    ]
    ours, well = [], True
    for count in MANY:
        place = Place(directory / f"many{count}", f"{prefix}-{count}", count)
        status = ["git", "status", "--porcelain"]
        place.run(status)  # refreshes git's index
        looked_up = _each(place, ROUNDS, place.driver, place.forget_memos)
        pairs = [(place.run(place.driver), place.run(status)) for _ in range(ROUNDS)]
        seconds, git = (statistics.median(pair[side][0] for pair in pairs) for side in (0, 1))
        memory = max(pair[0][1] for pair in pairs)
        limit = MOST_TIMES * git + MOST_SECONDS
        well = well and seconds <= limit and max(memory, looked_up[1]) <= MOST_MEMORY
        ours.append(seconds)
        figures = [f"{value * 1000:.0f}" for value in (seconds, git, limit)]
        rows.append((str(count), *figures, f"{memory:.0f}", f"{looked_up[0] * 1000:.0f}", f"{looked_up[1]:.0f}"))
        shutil.rmtree(place.root.parent)
    growth = ours[1] / ours[0]
    print(f"{FILES} files a directory, medians of {ROUNDS}:\n\n{table(rows)}\n\n{ABOUT}")
    print(f"{MANY[1]} directories take {growth:.1f} times as long as {MANY[0]}; limit {MOST_GROWTH}\n", flush=True)
    return well and growth <= MOST_GROWTH


def _each(place: Place, rounds: int, argv: list[str], before: Callable[[], None]) -> tuple[float, float]:
    times = []
    for _ in range(rounds):
        before()
        times.append(place.run(argv))
    return statistics.median(seconds for seconds, _ in times), max(memory for _, memory in times)
