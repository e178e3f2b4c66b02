"""Shows a run as plain lines, one after the other, as things happen."""

from __future__ import annotations

import sys
import threading
from typing import TextIO

from helpers.console import printable, put_line
from helpers.driver.events import Event, Observer
from helpers.driver.report.words import details, verdict_line
from helpers.driver.verdict import Verdict


class Lines(Observer):
    """Prints a line for each event.

    Arguments:
        stream: where to; None is standard error.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self.stream = stream or sys.stderr
        self.lock = threading.Lock()

    def event(self, event: Event) -> None:
        """Show one event."""
        with self.lock:
            if event.kind == "building":
                self.begun(printable(event.text))
            elif event.kind == "testing":
                self.begun(f"testing {printable(event.name)}")
            elif event.kind == "weaker":
                self.line(f"weaker {printable(event.name)}: {printable(event.text)}")
            elif event.verdict:
                self.done(event.verdict)

    def begun(self, doing: str) -> None:
        """Show that something has begun."""
        self.line(doing)

    def done(self, verdict: Verdict) -> None:
        """Show what came out for one directory."""
        self.line(verdict_line(verdict, self.stream))
        for text in details(verdict):
            self.line(text)

    def line(self, text: str) -> None:
        """Print one line."""
        put_line(text, self.stream)
