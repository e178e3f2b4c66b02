"""What `main_pytest.py --watch` takes from a saved file to its verdict, beside `docker run` with the same flags.

This is the part `watch` of driver.py: 100 directories, one of them changes; at most 0.8 times as long.
"""

from __future__ import annotations

import os
import signal
import statistics
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

from driver_running import CHANGED_DIRS, ROUNDS, TEST, Suites
from timing import table

MOST = 0.8
# Until the next save somebody works; containers are prepared meanwhile.
PAUSE_SECONDS = 4.0
READY = "waiting for changes"


def watch(directory: Path, prefix: str) -> bool:
    """One of many directories changes while it is watched."""
    suites = Suites(directory / "watch", prefix, {f"d{number:02}": TEST for number in range(CHANGED_DIRS)})
    name = suites.names[CHANGED_DIRS // 2]
    suites.learn(name)
    bare = suites.bare(name)
    command = [*suites.ours("--watch").programs[0]]
    pairs = []
    with subprocess.Popen(
        command, cwd=suites.root, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stderr
        try:
            _until(process.stderr, READY)
            for number in range(ROUNDS + 1):
                time.sleep(PAUSE_SECONDS)
                began = time.monotonic()
                (suites.root / name / "module0.py").write_text(f"number = {1000 + number}\n")
                mine = _until(process.stderr, f"PASS {name} ") - began
                _until(process.stderr, READY)
                # What was prepared is there, and does not take its core from the bare one.
                time.sleep(PAUSE_SECONDS)
                pairs.append((mine, bare.seconds()))
        finally:
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGINT)
            process.stderr.read()
    # The first save finds what no directory of many was prepared for.
    mine, its = (statistics.median(times) for times in zip(*pairs[1:], strict=True))
    rows = [
        ("from the saved file to the verdict", "median, s", "ours / it"),
        ("main_pytest.py --watch", f"{mine:.3f}", ""),
    ]
    rows += [("docker run, same flags", f"{its:.3f}", f"{mine / its:.2f}")]
    print(f"1 of {CHANGED_DIRS} directories changes under --watch, medians of {ROUNDS}:\n\n{table(rows)}\n")
    print(f"limit {MOST}; the first save, for which nothing was prepared: {pairs[0][0]:.3f} s\n", flush=True)
    return bool(mine <= MOST * its)


def _until(stream: IO[str], text: str) -> float:
    """Read until a line holds a text and return when that was."""
    for line in stream:
        if text in line:
            return time.monotonic()
    raise SystemExit(f"the watch ended before it said {text!r}")
