"""Shows a run on a terminal: what is over as lines that stay, and below them a line for each thing that runs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from helpers.console import nearer, printable
from helpers.driver.estimate import seconds_left
from helpers.driver.events import Event, Work
from helpers.driver.failures import Follower
from helpers.driver.plan import Plan, image_step
from helpers.driver.report.lines import Lines
from helpers.driver.report.progress import Progress
from helpers.driver.report.region import Region, Span
from helpers.driver.report.words import commands, failure, is_bad, output, verdict_line
from helpers.driver.verdict import Verdict
from helpers.thin_env import slow_steps, streams
from helpers.thin_env.slow_steps import clock, in_words

_ESTIMATE_SECONDS = 1.0


@dataclass
class _Testing:
    """A directory whose tests run."""

    name: str
    progress: Progress
    failures: Follower
    told: int = 0
    since: float = field(default_factory=time.monotonic)


class Live(Lines):
    """Prints what is over as lines, and keeps the end of the terminal for what runs.

    Arguments:
        stream: a terminal; None is standard error.
        verbose: whether what tests print is shown while they run.
    """

    def __init__(self, stream: TextIO | None = None, *, verbose: bool = False) -> None:
        super().__init__(stream, verbose=verbose)
        self._region = Region(self.stream)
        self.over.set()
        self._begin(Work(Plan("fast", (), {}, ()), 1))

    def _begin(self, work: Work) -> None:
        self._work = work
        self._testing: dict[str, _Testing] = {}
        # Since when each image is built, by its step.
        self._building: dict[str, float] = {}
        self._over_steps: set[str] = set()
        self._done = self._bad = 0
        self._since = time.monotonic()
        # When it was reckoned, and what came out.
        self._left = (0.0, "")

    def begin(self, work: Work) -> None:
        """Show what runs from now on."""
        with self.lock:
            self._begin(work)
            if self.streams:
                self.streams.several = len(work.plan.dirs) > 1
            streams.shown_above = self._from_others
            slow_steps.shown_elsewhere = True
            self.start_ticking()

    def event(self, event: Event) -> None:
        """Show one event."""
        with self.lock:
            if event.kind == "building":
                self._building[image_step(event.name)] = time.monotonic()
            elif event.kind == "testing":
                results = Path(event.text)
                root = next((one.runnable.root for one in self._work.plan.dirs if one.runnable), Path("/"))
                self._testing[event.name] = _Testing(event.name, Progress(results), Follower(results, root))
            elif event.kind == "built":
                self._building.pop(image_step(event.name), None)
                self._over_steps.add(image_step(event.name))
            super().event(event)

    def begun(self, doing: str) -> None:
        """Show nothing more: it is seen while it runs."""

    def done(self, verdict: Verdict) -> None:
        """Show what came out for one directory; the table has what was known before."""
        if verdict.cached:
            return
        doing = self._testing.pop(verdict.name, None)
        if doing:
            self._tell_failures(doing)
        self._over_steps.add(f"test {verdict.name}")
        self._done += 1
        self._bad += is_bad(verdict)
        self.line(verdict_line(verdict, self.stream))
        if is_bad(verdict) and not self.streams:
            if not doing or not verdict.failures or doing.told < len(verdict.failures):
                self.lines(*output(verdict))
            elif verdict.log:
                self.line(f"output: {nearer(printable(verdict.log))}")
        self.lines(*commands(verdict, verbose=bool(self.streams)))

    def close(self) -> None:
        """Show nothing more of what runs."""
        with self.lock:
            super().close()
            streams.shown_above = None
            slow_steps.shown_elsewhere = False
            self._region.clear()

    def line(self, text: str) -> None:
        """Print a line that stays."""
        self._region.put(text, [] if self.over.is_set() else self._drawn())

    def tick(self) -> None:
        """Show failures and output that are new, and how far everything is."""
        super().tick()
        for doing in self._testing.values():
            doing.progress.update()
            self._tell_failures(doing)
        self._region.draw(self._drawn())

    def _from_others(self, text: str) -> None:
        with self.lock:
            self.line(text)

    def _tell_failures(self, doing: _Testing) -> None:
        for failed in doing.failures.new():
            doing.told += 1
            # Where all that is printed is shown, pytest itself shows them.
            if not self.streams:
                self.lines(*failure(doing.name, failed, self.stream))

    def _drawn(self) -> list[list[Span]]:
        """Return the lines that are shown now: one for each thing that runs, as many as there is room for."""
        room = max(1, self._region.size().lines - 3)
        testing = list(self._testing.values())
        width = max((len(printable(one.name)) for one in testing), default=0)
        counts = max((len(str(one.progress)) for one in testing), default=0)
        lines = [[(step.line(), "")] for step in list(slow_steps.running)]
        lines += [_line(one, width, counts) for one in testing]
        if len(lines) > room:
            lines[room - 1 :] = [[(f"and {len(lines) - room + 1} more", "dim")]]
        return [*lines, self._summary()]

    def _summary(self) -> list[Span]:
        total = len(self._work.plan.dirs)
        running = len(self._testing)
        parts = [f"{self._done} of {total} done"]
        waiting = total - self._done - running
        if waiting > 0:
            parts.append(f"{waiting} waiting")
        parts.append(clock(time.monotonic() - self._since))
        spans = [(", ".join(parts) + self._estimate(), "bold")]
        return [(f"{self._bad} did not pass, ", "red"), *spans] if self._bad else spans

    def _estimate(self) -> str:
        """Return how long it will take, in words; empty while nobody knows."""
        now = time.monotonic()
        if now - self._left[0] < _ESTIMATE_SECONDS:
            return self._left[1]
        begun = {f"test {one.name}": now - one.since for one in self._testing.values()}
        begun |= {step: now - since for step, since in self._building.items()}
        work = self._work
        left = seconds_left(work.plan.steps, work.seconds, begun, self._over_steps, work.jobs)
        # How long a build takes nobody knows.
        about = "more than" if self._building else "about"
        self._left = (now, f", {about} {in_words(left)} left" if left >= 1 else "")
        return self._left[1]


def _line(doing: _Testing, width: int, most: int) -> list[Span]:
    took = clock(time.monotonic() - doing.since)
    bad = "red" if doing.progress.failed else ""
    return [
        (f"testing {printable(doing.name):<{width}}  ", ""),
        (f"{doing.progress!s:<{most}}", bad),
        (f"  {took}", "dim"),
    ]
