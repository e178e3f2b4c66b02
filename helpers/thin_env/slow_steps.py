"""Shows slow steps while they run: one rewritten line on a terminal, elsewhere a plain line every 20 s.

Each successful step is remembered with its seconds, which are the estimate for the next time. The one place for all
of this: environments, locks, assembled bases and builds. Standard library only.
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from helpers.thin_env import cache_path, streams
from helpers.thin_env.threads import started

PLAIN_SECONDS = 20.0
_TICK_SECONDS = 0.5
# Shorter steps are over before a reader sees their line.
_SHOWN_AFTER = 1.0
_REMEMBERED_AFTER = 2.0
_MOST_REMEMBERED = 500
_TAIL_BYTES = 16 << 10
_LINE_START = "\r\033[K"
_COLOURS = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")
# A line of BuildKit's plain progress: number of the step, seconds, text.
_BUILDKIT = re.compile(r"#(\d+) (?:\d+\.\d+ +)?(.*)")
# Of an instruction, as in `RUN --mount=type=bind,...`.
_OPTIONS = re.compile(r" --\w+=\S+")
# BuildKit prefixes an empty line of a program too.
_EMPTY = re.compile(r"(#\d+( \d+\.\d+)?)?")

# Whether another part of the program shows `running`.
shown_elsewhere = False
running: list[SlowStep] = []
_changing = threading.Lock()
# At most one, while steps run.
_tickers: list[_Ticker] = []


class SlowStep:
    """A step that runs.

    Arguments:
        doing: as in `building runnable_dirs/forecast`.
        usual: seconds that the step took the last time, or a stated typical duration; 0 if unknown.
        output: file that receives the output of its program.
    """

    def __init__(self, doing: str, usual: float = 0.0, output: Path | None = None) -> None:
        self.doing = doing
        self.usual = usual
        self.output = output
        self.since = time.monotonic()

    @property
    def seconds(self) -> float:
        """For how long the step has been running."""
        return time.monotonic() - self.since

    def line(self) -> str:
        """Return the step, its time, the estimate, and the last line of its output."""
        known = " of about" if self.seconds < self.usual else ", usually"
        estimate = f"{known} {in_words(self.usual)}" if self.usual else ""
        said = last_line(self.output) if self.output else ""
        text = f"{self.doing}: {clock(self.seconds)}{estimate}" + (f": {said}" if said else "")
        return "".join(char for char in text if char.isprintable())


@contextmanager
def shown(doing: str, *, key: str = "", usual: float = 0.0, output: Path | None = None) -> Iterator[None]:
    """Show a step as long as the block runs, and remember its seconds if the block succeeds.

    Arguments:
        doing: text for the reader.
        key: name of the step in the memory; empty is `doing`.
        usual: typical seconds, for the first time.
        output: file that receives the output of its program.
    """
    step = SlowStep(doing, usual_seconds(key or doing, usual), output)
    with _changing:
        running.append(step)
        if len(running) == 1:
            _tickers.append(_Ticker())
            started(_tickers[0])
    try:
        yield
    finally:
        with _changing:
            running.remove(step)
            if not running:
                _tickers.pop().stop()
    if step.seconds >= _REMEMBERED_AFTER:
        _remember(key or doing, step.seconds)


def usual_seconds(key: str, otherwise: float = 0.0) -> float:
    """Return the remembered seconds of a step, or else `otherwise`."""
    return _remembered().get(key, otherwise)


def in_words(seconds: float) -> str:
    """Return a span of time as a person says it: no more exact than it can be."""
    if seconds < 10:
        return f"{seconds:.0f} s"
    if seconds < 60:
        return f"{round(seconds / 5) * 5} s"
    return f"{round(seconds / 60)} min"


def clock(seconds: float) -> str:
    """Return a running time, as in `12 s` and `1:07 min`."""
    seconds = int(seconds)
    return f"{seconds} s" if seconds < 60 else f"{seconds // 60}:{seconds % 60:02} min"


def cells(char: str) -> int:
    """Return how many cells of a terminal a character takes."""
    if char.isascii():
        return 1
    import unicodedata  # most lines are ASCII

    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def last_line(file: Path) -> str:
    """Return the last line of a program's output; of BuildKit's with the instruction that printed the line."""
    try:
        with file.open("rb") as stream:
            stream.seek(max(0, stream.seek(0, os.SEEK_END) - _TAIL_BYTES))
            text = stream.read().decode("utf-8", "replace")
    except OSError:
        return ""
    lines = [line.strip() for line in re.split(r"[\r\n]+", _COLOURS.sub("", text))]
    lines = [line for line in lines if not (_EMPTY.fullmatch(line) or line.endswith(" ..."))]
    last = lines[-1] if lines else ""
    if not (found := _BUILDKIT.fullmatch(last)):
        return last.removeprefix("I: ")
    number, said = found.groups()
    heads = (re.match(rf"#{number} (\[[^]]+\])", line) for line in reversed(lines))
    head = next((found[1] for found in heads if found), "")
    return _OPTIONS.sub("", said) if said.startswith("[") else f"{head} {said}".strip()


class _Ticker(threading.Thread):
    """Shows `running` on standard error until it is stopped."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self._over = threading.Event()
        # A thread that prints a line holds it, and draws once more.
        self._drawing = threading.RLock()
        self._rewrites = False
        with suppress(ValueError):  # standard error is closed
            self._rewrites = sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._plain_at = time.monotonic() + PLAIN_SECONDS

    def run(self) -> None:
        while not self._over.wait(_TICK_SECONDS):
            with self._drawing:
                self._tick()

    def stop(self) -> None:
        """Remove the line; afterwards nothing is drawn."""
        self._over.set()
        if self.ident:
            self.join()
        if streams.shown_above == self._above:
            streams.shown_above = None
            self._write(_LINE_START)

    def _tick(self) -> None:
        steps = [step for step in list(running) if step.seconds >= _SHOWN_AFTER]
        if not steps or shown_elsewhere:
            return
        more = f" (and {len(steps) - 1} more)" if len(steps) > 1 else ""
        # The newest: a step may be a part of the step before it.
        if self._rewrites:
            streams.shown_above = self._above
            self._write(_LINE_START + _cut(steps[-1].line(), _columns() - len(more) - 1) + more)
        elif time.monotonic() >= self._plain_at:
            self._plain_at = time.monotonic() + PLAIN_SECONDS
            # GitHub Actions takes `##[` in the output of a build for a command.
            self._write(f"helpers: still {steps[-1].line()}{more}\n".replace("##[", "# #["))

    def _above(self, text: str) -> None:
        with self._drawing:
            self._write(f"{_LINE_START}{text}\n")
            self._tick()

    @staticmethod
    def _write(text: str) -> None:
        # The work goes on without its terminal. In one write: a terminal shows nothing half.
        with suppress(OSError, ValueError):
            sys.stderr.write(text)
            sys.stderr.flush()


def _columns() -> int:
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


def _cut(text: str, most: int) -> str:
    """Return `text` as far as it fits into `most` cells."""
    used = 0
    for number, char in enumerate(text):
        used += cells(char)
        if used > most:
            return text[:number]
    return text


def _file() -> Path:
    return Path(cache_path(), "durations", "slow-steps.json")


def _remembered() -> dict[str, float]:
    try:
        found = json.loads(_file().read_bytes())
        return {str(key): float(value) for key, value in found.items()}
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _remember(key: str, seconds: float) -> None:
    kept = _remembered()
    kept.pop(key, None)
    kept[key] = round(seconds, 1)
    file = _file()
    # A full disk only costs an estimate, and so do two processes that write at once.
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(f".{file.name}-{os.getpid()}")
        aside.write_text(json.dumps(dict(list(kept.items())[-_MOST_REMEMBERED:])), encoding="utf-8")
        os.replace(aside, file)
