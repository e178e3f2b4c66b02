"""Shows on a terminal what is running right now, below the lines that stay."""

from __future__ import annotations

import shutil
import threading
import time
from pathlib import Path
from typing import TextIO

from helpers.console import printable
from helpers.driver.events import Event, Work
from helpers.driver.report.lines import Lines

_REFRESH_SECONDS = 0.3


class Live(Lines):
    """Prints what is over as lines, and keeps the last line for what runs.

    Arguments:
        stream: a terminal; None is standard error.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        super().__init__(stream)
        # What is shown of each thing that runs, the directory that its tests' progress is in, and since when it runs.
        self._running: dict[tuple[str, str], tuple[str, Path | None, float]] = {}
        self._over = threading.Event()
        self._shown = False

    def begin(self, work: Work) -> None:
        """Show what runs from now on."""
        self._over.clear()
        threading.Thread(target=self._refresh, daemon=True).start()

    def event(self, event: Event) -> None:
        """Show one event."""
        with self.lock:
            self._clear()
            if event.kind == "building":
                self._running[event.kind, event.name] = (event.text, None, time.monotonic())
            elif event.kind == "testing":
                self._running[event.kind, event.name] = (f"testing {event.name}", Path(event.text), time.monotonic())
            elif event.kind == "built":
                self._running.pop(("building", event.name), None)
            elif event.verdict:
                self._running.pop(("testing", event.name), None)
        super().event(event)

    def begun(self, doing: str) -> None:
        """Show nothing: it is seen while it runs."""

    def close(self) -> None:
        """Show nothing more."""
        with self.lock:
            self._over.set()
            self._clear()

    def _clear(self) -> None:
        if self._shown:
            self.stream.write("\r\033[K")
            self._shown = False

    def _refresh(self) -> None:
        while not self._over.wait(_REFRESH_SECONDS):
            with self.lock:
                self._clear()
                parts = [_doing(*state) for state in self._running.values()]
                if parts and not self._over.is_set():
                    width = shutil.get_terminal_size().columns
                    self.stream.write(" | ".join(parts)[: width - 1])
                    self.stream.flush()
                    self._shown = True


def _doing(what: str, folder: Path | None, since: float) -> str:
    count = ""
    if folder:
        try:
            lines = (folder / "progress").read_bytes().split(b"\n")
            total = next((line.split()[1].decode() for line in lines if line.startswith(b"collected ")), "?")
            count = f" {max(0, len(lines) - 2)}/{total}"
        except OSError:
            pass
    return f"{printable(what)}{count} {time.monotonic() - since:.0f} s"
