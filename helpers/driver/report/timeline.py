"""When each step of a run could begin, began and ended, and what it waited for."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from helpers.driver.events import Event, Observer, Work
from helpers.driver.plan import image_step

_BEGINS = {"building": "built", "testing": "done"}


@dataclass(frozen=True)
class Span:
    """One step that was done; all times are in seconds since the work began.

    Arguments:
        name: the image or directory.
        kind: `building` or `testing`.
        ready: when all that it needed was there.
        begin: when it began; between the two it waited for others to end, because only so many run at a time.
        end: when it ended.
        needed: what it waited for at first; empty where it needed nothing that took time.
    """

    name: str
    kind: str
    ready: float
    begin: float
    end: float
    needed: str = ""


class Timeline(Observer):
    """Takes the time of every step.

    Arguments:
        clock: tells the time in seconds, as `time.monotonic` does.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._zero: float | None = None
        self._needs: Mapping[str, tuple[str, ...]] = {}
        self._began: dict[tuple[str, str], float] = {}
        self._ended: dict[tuple[str, str], float] = {}
        self.jobs = 0
        self.seconds = 0.0

    def begin(self, work: Work) -> None:
        """Take note of when the work began, and of what needs what."""
        self._zero = self._clock()
        self._needs = {step.key: step.needs for step in work.plan.steps}
        self.jobs = work.jobs

    def event(self, event: Event) -> None:
        """Take the time of one event."""
        if self._zero is None:
            return  # what is known already takes no time
        now = self._clock() - self._zero
        with self._lock:
            if event.kind in _BEGINS:
                self._began[event.kind, event.name] = now
            for kind, end in _BEGINS.items():
                if event.kind == end and (kind, event.name) in self._began:
                    self._ended[kind, event.name] = now

    def close(self) -> None:
        """Take the time of the end."""
        if self._zero is not None:
            self.seconds = self._clock() - self._zero

    def spans(self) -> list[Span]:
        """Return what was done, in the order in which it began."""
        found = []
        for (kind, name), begin in sorted(self._began.items(), key=lambda one: one[1]):
            ready, needed = self._ready(_step(kind, name))
            end = self._ended.get((kind, name), self.seconds)
            found.append(Span(name, kind, min(ready, begin), begin, end, needed))
        return found

    def _ready(self, step: str) -> tuple[float, str]:
        """Return when all that a step needs was there, and which of that came last."""
        latest, last = 0.0, ""
        for need in self._needs.get(step, ()):
            name = need.partition(" ")[2]
            end, why = self._ended.get(("building", name), 0.0), name
            if not end:
                # It was there already, and waited itself for what it stands on at most.
                end, why = self._ready(need)
            if end > latest:
                latest, last = end, why
        return latest, last


def _step(kind: str, name: str) -> str:
    return image_step(name) if kind == "building" else f"test {name}"
