"""Shows a run: lines while it goes on, a table at its end."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from helpers import errors
from helpers.console import paint, print_rows, printable, put_line, wants_colour
from helpers.driver.run import Event
from helpers.driver.verdict import Status, Verdict

_COLOURS = {Status.PASS: "green", Status.SKIP: "yellow", Status.STOPPED: "yellow", Status.EMPTY: "yellow"}
_COLUMNS = ("directory", "verdict", "passed", "failed", "skipped", "time", "image", "why")
_OUTPUT_CHARACTERS = 20_000
_REFRESH_SECONDS = 0.3


class Reporter:
    """Shows events as they come: plain lines, and on a terminal also what is running right now.

    Arguments:
        stream: where to; None is standard error.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stderr
        self._lock = threading.Lock()
        self._live = wants_colour(self._stream)
        # What is shown of each thing that runs, the directory that its tests' progress is in, and since when it runs.
        self._running: dict[tuple[str, str], tuple[str, Path | None, float]] = {}
        self._over = threading.Event()
        self._shown = False
        if self._live:
            threading.Thread(target=self._refresh, daemon=True).start()

    def __call__(self, event: Event) -> None:
        """Show one event."""
        with self._lock:
            self._clear()
            if event.kind == "building":
                self._begin(event, event.text, None)
            elif event.kind == "testing":
                self._begin(event, f"testing {event.name}", Path(event.text))
            elif event.kind == "built":
                self._running.pop(("building", event.name), None)
            elif event.kind == "weaker":
                self._line(f"weaker {printable(event.name)}: {printable(event.text)}")
            elif event.verdict:
                self._running.pop(("testing", event.name), None)
                self._done(event.verdict)

    def close(self) -> None:
        """Show nothing more."""
        with self._lock:
            self._over.set()
            self._clear()

    def _begin(self, event: Event, doing: str, folder: Path | None) -> None:
        self._running[event.kind, event.name] = (doing, folder, time.monotonic())
        if not self._live:
            self._line(printable(doing))

    def _done(self, verdict: Verdict) -> None:
        known = {"passed": verdict.passed, "failed": verdict.failed, "skipped": verdict.skipped}
        counts = "".join(f" {number} {what}" for what, number in known.items() if number)
        why = f": {printable(verdict.why)}" if verdict.why else ""
        status = paint(verdict.status.value, _COLOURS.get(verdict.status, "red"), self._stream)
        self._line(f"{status} {printable(verdict.name)}{counts} ({verdict.seconds:.1f} s){why}")
        if verdict.output and verdict.status not in (Status.PASS, Status.SKIP):
            self._line(f"----- output of {printable(verdict.name)} (whole: {verdict.log})")
            self._line(safe_text(verdict.output[-_OUTPUT_CHARACTERS:]).rstrip())
            self._line("-----")
        for what, command in zip(("again", "without helpers"), verdict.again, strict=False):
            self._line(f"{what}: {printable(command)}")

    def _line(self, text: str) -> None:
        put_line(text, self._stream)

    def _clear(self) -> None:
        if self._shown:
            self._stream.write("\r\033[K")
            self._shown = False

    def _refresh(self) -> None:
        import shutil

        while not self._over.wait(_REFRESH_SECONDS):
            with self._lock:
                self._clear()
                parts = [_doing(*state) for state in self._running.values()]
                if parts and not self._over.is_set():
                    width = shutil.get_terminal_size().columns
                    self._stream.write(" | ".join(parts)[: width - 1])
                    self._stream.flush()
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


def safe_text(text: str) -> str:
    """Return what a test printed without control characters, so that it can not steer the reader's terminal."""
    return "".join(char for char in text if char in "\n\t" or char.isprintable())


def print_table(
    verdicts: Sequence[Verdict], *, interrupted: bool, engine: str, seconds: float, folder: Path | None
) -> None:
    """Print the table that a run ends with, and the counts of tests as the last line.

    Arguments:
        verdicts: one for each directory.
        interrupted: whether a signal came first.
        engine: name of what ran tests.
        seconds: how long it took.
        folder: with all logs; None when nothing was run.
    """
    if interrupted:
        print(paint("INTERRUPTED: this report is partial", "red", sys.stdout))
    rows = [_COLUMNS, *map(_row, verdicts)]
    if not folder or not _print_rich(rows, verdicts):
        # Where nothing was run the start of rich would be most of the time.
        print_rows(rows)
    how_many = ", ".join(
        f"{sum(verdict.status is status for verdict in verdicts)} {status.value}"
        for status in Status
        if any(verdict.status is status for verdict in verdicts)
    )
    directories = "1 directory" if len(verdicts) == 1 else f"{len(verdicts)} directories"
    cached = sum(verdict.cached for verdict in verdicts)
    known = f"; {cached} cached" if cached else ""
    where = f"; engine {engine}; {seconds:.1f} s; logs in {folder}" if folder else f"; {seconds:.1f} s"
    print(f"{directories}: {how_many}{known}{where}")
    passed, failed, skipped = (
        sum(getattr(item, what) for item in verdicts) for what in ("passed", "failed", "skipped")
    )
    print(f"{passed} passed, {failed} failed, {skipped} skipped")


def _row(verdict: Verdict) -> tuple[str, ...]:
    counts = (str(number) for number in (verdict.passed, verdict.failed, verdict.skipped))
    end = (f"{verdict.seconds:.1f} s", _short_image(verdict.image), printable(verdict.why))
    return (printable(verdict.name), verdict.status.value, *counts, *end)


def _print_rich(rows: Sequence[tuple[str, ...]], verdicts: Sequence[Verdict]) -> bool:
    """Print the table with colours, and say whether that could be done."""
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        return False  # inside a container tests run without the thin environment

    # A pipe has no width of its own; a table that is cut or folded could not be searched.
    console = Console(file=sys.stdout, width=None if sys.stdout.isatty() else 200, highlight=False)
    table = Table(title=None, box=None, pad_edge=False)
    for name in rows[0]:
        right = name in ("passed", "failed", "skipped", "time")
        table.add_column(
            name, justify="right" if right else "left", no_wrap=name in ("verdict", "image"), overflow="fold"
        )
    for verdict, row in zip(verdicts, rows[1:], strict=True):
        styles = {1: _COLOURS.get(verdict.status, "red")}
        table.add_row(*(Text(cell, style=styles.get(column, "")) for column, cell in enumerate(row)))
    with console.capture() as capture:
        console.print(table)
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in capture.get().splitlines()))
    sys.stdout.flush()
    return True


def _short_image(image: str) -> str:
    if image.startswith("sha256:"):
        return image[: len("sha256:") + 12]
    return Path(image).name if image else "-"


def exit_code(verdicts: Sequence[Verdict], *, allow_empty: bool) -> int:
    """Return the exit code of a run with these verdicts; a run in which no test ran is never a success by itself."""
    codes = [errors.OK if allow_empty and verdict.status is Status.EMPTY else verdict.code for verdict in verdicts]
    ran = any(verdict.status not in (Status.SKIP, Status.EMPTY) for verdict in verdicts)
    cut_short = any(verdict.status is Status.STOPPED for verdict in verdicts)
    if cut_short or (not ran and not allow_empty):
        codes.append(errors.NOTHING_RAN)
    return errors.worst(codes) if codes else errors.OK
