"""Times whole commands in turn and compares their medians; for the programs beside it."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Command:
    """A command that is timed: one or more programs, one after the other.

    Arguments:
        name: what it is called in the table.
        programs: their argument lists.
        cwd: where they run.
        env: variables besides those of this process.
    """

    name: str
    programs: tuple[tuple[str, ...], ...]
    cwd: Path
    env: tuple[tuple[str, str], ...] = ()

    def seconds(self) -> float:
        """Run it once and return how long it took.

        Raises:
            RuntimeError: it failed; a time of a failed run means nothing.
        """
        start = time.perf_counter()
        for program in self.programs:
            done = subprocess.run(
                program,
                cwd=self.cwd,
                env={**os.environ, **dict(self.env)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
            )
            if done.returncode:
                raise RuntimeError(f"{self.name}: {program} ended with {done.returncode}:\n{done.stderr.decode()}")
        return time.perf_counter() - start


def compare(ours: Command, other: Command, rounds: int) -> tuple[float, float]:
    """Run both in turn, after one run each that does not count, and return the median seconds of each."""
    ours.seconds()
    other.seconds()
    pairs = [(ours.seconds(), other.seconds()) for _ in range(rounds)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def machine() -> str:
    """Return one line about the machine, to stand above results."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    system = f"{platform.system()} {platform.release()}, Python {platform.python_version()}"
    return f"{os.cpu_count()} cores, {memory:.0f} GiB, {system}"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Return rows as a Markdown table; the first one is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
