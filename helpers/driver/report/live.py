"""Shows a run on a terminal: what is over as lines that stay, and below them a line for each thing that runs."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from helpers import console
from helpers.console import nearer, printable
from helpers.driver.estimate import in_words, seconds_left
from helpers.driver.events import Event, Work
from helpers.driver.failures import Follower
from helpers.driver.plan import Plan, image_step
from helpers.driver.report.lines import Lines
from helpers.driver.report.progress import Progress
from helpers.driver.report.region import Region, Span
from helpers.driver.report.words import commands, failure, is_bad, output, verdict_line
from helpers.driver.verdict import Verdict

_ESTIMATE_SECONDS = 1.0


@dataclass
class _Doing:
    """Something that runs: what is done, the step of the plan that it is, and what is known of its tests."""

    what: str
    name: str
    step: str
    progress: Progress | None = None
    failures: Follower | None = None
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
        self._doing: dict[tuple[str, str], _Doing] = {}
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
            console.shown_above = self._from_others
            self.start_ticking()

    def event(self, event: Event) -> None:
        """Show one event."""
        with self.lock:
            if event.kind == "building":
                self._doing[event.kind, event.name] = _Doing(event.text, "", image_step(event.name))
            elif event.kind == "testing":
                results = Path(event.text)
                root = next((one.runnable.root for one in self._work.plan.dirs if one.runnable), Path("/"))
                doing = _Doing("testing", event.name, f"test {event.name}", Progress(results), Follower(results, root))
                self._doing[event.kind, event.name] = doing
            elif event.kind == "built":
                self._doing.pop(("building", event.name), None)
                self._over_steps.add(image_step(event.name))
            super().event(event)

    def begun(self, doing: str) -> None:
        """Show nothing more: it is seen while it runs."""

    def done(self, verdict: Verdict) -> None:
        """Show what came out for one directory; the table has what was known before."""
        if verdict.cached:
            return
        doing = self._doing.pop(("testing", verdict.name), None)
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
            console.shown_above = None
            self._region.clear()

    def line(self, text: str) -> None:
        """Print a line that stays."""
        self._region.put(text, [] if self.over.is_set() else self._drawn())

    def tick(self) -> None:
        """Show failures and output that are new, and how far everything is."""
        super().tick()
        for doing in self._doing.values():
            if doing.progress:
                doing.progress.update()
            self._tell_failures(doing)
        self._region.draw(self._drawn())

    def _from_others(self, text: str) -> None:
        with self.lock:
            self.line(text)

    def _tell_failures(self, doing: _Doing) -> None:
        for failed in doing.failures.new() if doing.failures else ():
            doing.told += 1
            # Where all that is printed is shown, pytest itself shows them.
            if not self.streams:
                self.lines(*failure(doing.name, failed, self.stream))

    def _drawn(self) -> list[list[Span]]:
        """Return the lines that are shown now: one for each thing that runs, as many as there is room for."""
        room = max(1, self._region.size().lines - 3)
        doing = list(self._doing.values())
        shown = doing if len(doing) <= room else doing[: room - 1]
        width = max((len(printable(one.name)) for one in shown), default=0)
        counts = max((len(str(one.progress)) for one in shown), default=0)
        lines = [_line(one, width, counts) for one in shown]
        if len(shown) < len(doing):
            lines.append([(f"and {len(doing) - len(shown)} more", "dim")])
        return [*lines, self._summary()]

    def _summary(self) -> list[Span]:
        total = len(self._work.plan.dirs)
        running = sum(one.progress is not None for one in self._doing.values())
        parts = [f"{self._done} of {total} done"]
        waiting = total - self._done - running
        if waiting > 0:
            parts.append(f"{waiting} waiting")
        parts.append(_clock(time.monotonic() - self._since))
        spans = [(", ".join(parts) + self._estimate(), "bold")]
        return [(f"{self._bad} did not pass, ", "red"), *spans] if self._bad else spans

    def _estimate(self) -> str:
        """Return how long it will take, in words; empty while nobody knows."""
        now = time.monotonic()
        if now - self._left[0] < _ESTIMATE_SECONDS:
            return self._left[1]
        begun = {one.step: now - one.since for one in self._doing.values()}
        work = self._work
        left = seconds_left(work.plan.steps, work.seconds, begun, self._over_steps, work.jobs)
        # How long a build takes nobody knows.
        about = "more than" if any(one.progress is None for one in self._doing.values()) else "about"
        self._left = (now, f", {about} {in_words(left)} left" if left >= 1 else "")
        return self._left[1]


def _line(doing: _Doing, width: int, most: int) -> list[Span]:
    took = _clock(time.monotonic() - doing.since)
    if not doing.progress:
        return [(f"{printable(doing.what)}  {took}", "")]
    bad = "red" if doing.progress.failed else ""
    return [
        (f"{doing.what} {printable(doing.name):<{width}}  ", ""),
        (f"{doing.progress!s:<{most}}", bad),
        (f"  {took}", "dim"),
    ]


def _clock(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 60 else f"{seconds // 60:.0f}:{seconds % 60:02.0f} min"
