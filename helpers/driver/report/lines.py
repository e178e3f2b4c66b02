"""Shows a run as plain lines, one after the other, as things happen."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path
from typing import TextIO

from helpers.console import printable
from helpers.driver.events import Event, Observer, Work
from helpers.driver.report.progress import Progress
from helpers.driver.report.words import commands, is_bad, output, verdict_line
from helpers.driver.verdict import Verdict
from helpers.thin_env.slow_steps import clock
from helpers.thin_env.streams import put_line
from helpers.thin_env.threads import started

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helpers.driver.report.stream import Streams

_TICK_SECONDS = 0.1
# Between two lines about tests that still run: programs that read logs end a job that is silent for minutes.
_STILL_SECONDS = 60.0


class Still:
    """Tests that run, for a line from time to time.

    Arguments:
        results: the directory with their results.
    """

    def __init__(self, results: Path) -> None:
        self._progress = Progress(results)
        self._began = self._told = time.monotonic()

    def told(self, now: float) -> str:
        """Return the time and the number of tests, if it is time for a line; else nothing."""
        if now - self._told < _STILL_SECONDS:
            return ""
        self._told = now
        self._progress.update()
        counts = str(self._progress)
        return clock(now - self._began) + (f", tests {counts}" if counts else "")


class Lines(Observer):
    """Prints a line for each event, and what a directory printed that did not pass.

    Arguments:
        stream: where to; None is standard error.
        verbose: whether what tests print is shown while they run.
    """

    def __init__(self, stream: TextIO | None = None, *, verbose: bool = False) -> None:
        self.stream = stream or sys.stderr
        # Whoever holds it may print a line, which takes it once more.
        self.lock = threading.RLock()
        self.streams = _streams() if verbose else None
        # Set when nothing is shown any more of what goes on.
        self.over = threading.Event()
        self._still: dict[str, Still] = {}

    def begin(self, work: Work) -> None:
        """Show what is printed from now on."""
        if self.streams:
            self.streams.several = len(work.plan.dirs) > 1
        self.start_ticking()

    def event(self, event: Event) -> None:
        """Show one event."""
        with self.lock:
            if event.kind == "building":
                self.begun(printable(event.text))
            elif event.kind == "testing":
                self.begun(f"testing {printable(event.name)}")
                self._still[event.name] = Still(Path(event.text))
                if self.streams:
                    self.streams.begin(event.name, Path(event.text).with_name("output.log"))
            elif event.kind == "weaker":
                self.line(f"weaker {printable(event.name)}: {printable(event.text)}")
            elif event.verdict:
                self._still.pop(event.name, None)
                if self.streams:
                    self.lines(*self.streams.end(event.name))
                self.done(event.verdict)

    def close(self) -> None:
        """Show nothing more."""
        with self.lock:
            self.over.set()

    def begun(self, doing: str) -> None:
        """Show that something has begun."""
        self.line(doing)

    def done(self, verdict: Verdict) -> None:
        """Show what came out for one directory."""
        self.line(verdict_line(verdict, self.stream))
        if is_bad(verdict) and not self.streams:
            self.lines(*output(verdict))
        self.lines(*commands(verdict, verbose=bool(self.streams)))

    def line(self, text: str) -> None:
        """Print one line."""
        put_line(text, self.stream)

    def lines(self, *texts: str) -> None:
        """Print several lines together."""
        if texts:
            self.line("\n".join(texts))

    def tick(self) -> None:
        """Show what is new since the last time."""
        if self.streams:
            self.lines(*self.streams.new())
            return
        for name, still in self._still.items():
            if told := still.told(time.monotonic()):
                self.line(f"still testing {printable(name)}: {told}")

    def start_ticking(self) -> None:
        """Call `tick` again and again until `close`."""
        self.over = threading.Event()
        started(threading.Thread(target=self._ticking, args=(self.over,), daemon=True))

    def _ticking(self, over: threading.Event) -> None:
        while not over.wait(_TICK_SECONDS):
            try:
                with self.lock:
                    if not over.is_set():
                        self.tick()
            except (OSError, ValueError):
                return  # the terminal has gone, and with it who reads


def _streams() -> Streams:
    from helpers.driver.report.stream import Streams

    return Streams()


class Quiet(Lines):
    """Prints only what did not pass."""

    def begin(self, work: Work) -> None:
        """Show nothing of what runs."""
        from helpers.thin_env import slow_steps  # a run that finds all verdicts has no slow step

        slow_steps.shown_elsewhere = True

    def close(self) -> None:
        """End that."""
        from helpers.thin_env import slow_steps  # as above

        slow_steps.shown_elsewhere = False
        super().close()

    def event(self, event: Event) -> None:
        """Show one event, if it is that a directory did not pass."""
        if event.verdict and is_bad(event.verdict):
            super().event(event)
