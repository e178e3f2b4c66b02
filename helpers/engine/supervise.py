"""Watches one child process: takes its output, holds its deadline, and stops it step by step when it must end."""

from __future__ import annotations

import os
import selectors
import signal
import termios
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from helpers import inside
from helpers.engine.handout import Handout
from helpers.engine.seam import Control, Outcome, Stop
from helpers.engine.specs import RunSpec
from helpers.errors import SIGINT_EXIT, SIGTERM_EXIT, BuildError, InfrastructureError
from helpers.proc import Child, OnTerminal
from helpers.thin_env.threads import started

_RUNNER = Path(inside.__file__).with_name("runner.py")
_HEAD_BYTES = 8 << 20
_TAIL_BYTES = 256 << 10
_READ_BYTES = 1 << 16
_POLL_SECONDS = 0.1
_LAST_SECONDS = 1.6
# A longer step of the loop shows a stop of this process, as by Ctrl-Z, or a sleep of the machine.
_LONGEST_STEP_SECONDS = 1.0

# One rung of the ladder by which a child is ended: what to do, and how many seconds to wait before the next one.
Rung = tuple[Callable[[], object], float]


@dataclass(frozen=True)
class Ended:
    """How a supervised child ended; `output` is the end of what it printed."""

    code: int
    seconds: float
    output: str
    timed_out: bool
    stopped: bool

    def check_complete(self, where: str, log: Path) -> None:
        """Refuse a program that was stopped: its output tells nothing about its work.

        Arguments:
            where: the image or environment that it made.
            log: file with its output.

        Raises:
            InfrastructureError: the user stopped it.
            BuildError: it was stopped at its deadline.
        """
        if self.stopped:
            raise InfrastructureError("stopped by the user", where=where)
        if self.timed_out:
            minutes = round(self.seconds / 60)
            raise BuildError(f"did not end within {minutes} min, and was stopped", where=where, fix=f"read {log}")


class Log:
    """A log file that keeps the head and the end of any amount of output, in bounded memory and disk.

    Arguments:
        path: the file.
        handout: takes frames out of the output; None if there are none.
    """

    def __init__(self, path: Path, handout: Handout | None = None) -> None:
        self._handout = handout
        path.parent.mkdir(parents=True, exist_ok=True)
        # Without a buffer: who looks at the file while the tests run sees all that they have printed.
        self._file: BinaryIO = path.open("ab", buffering=0)
        self._room = _HEAD_BYTES
        self._tail: deque[bytes] = deque()
        self._tail_size = 0
        self._dropped = 0

    def write(self, data: bytes) -> None:
        """Take one piece of output."""
        self._keep(self._handout.feed(data) if self._handout else data)

    def _keep(self, data: bytes) -> None:
        self._file.write(data[: self._room])
        over = data[self._room :]
        self._room = max(0, self._room - len(data))
        self._dropped += len(over)
        self._tail.append(data)
        self._tail_size += len(data)
        while self._tail_size - len(self._tail[0]) > _TAIL_BYTES:
            self._tail_size -= len(self._tail.popleft())

    def close(self) -> str:
        """Finish the file and return the end of the output; bytes that are not UTF-8 are replaced."""
        if self._handout:
            self._keep(self._handout.rest())
        tail = b"".join(self._tail)
        if self._dropped:
            cut = max(0, self._dropped - len(tail))
            self._file.write(f"\n... {cut} bytes left out ...\n".encode())
            self._file.write(tail[-min(self._dropped, len(tail)) :])
        self._file.close()
        return tail[-_TAIL_BYTES:].decode("utf-8", errors="replace")


def run_here(child: Child, spec: RunSpec, log: Path, timeout: float, control: Control) -> Outcome:
    """Follow a process of our runner on this machine, and end the process with its children.

    Arguments:
        child: the runner, with orders on its standard input.
        spec: the command of the runner.
        log: file that its output goes to.
        timeout: seconds until it is stopped.
        control: stops it earlier.
    """
    try:
        child.write(f"{spec.nonce}\n".encode())
        ladder = [(lambda: child.write(b"t"), 3.0), (child.close_input, 2.0), (child.kill, 5.0)]
        handout = Handout(spec.nonce, spec.results) if spec.results else None
        ended = supervise(child, log, timeout, control, ladder, handout=handout)
    finally:
        child.kill()
    return Outcome(
        code=ended.code,
        seconds=ended.seconds,
        output=ended.output,
        log=log,
        image=spec.image,
        timed_out=ended.timed_out,
        stopped=ended.stopped,
    )


def attend_here(command: Sequence[str], spec: RunSpec, env: Mapping[str, str], log: Path, control: Control) -> Outcome:
    """Run a command on the caller's terminal and on this machine, and end the command with its children.

    Arguments:
        command: a Python, and its arguments.
        spec: where the command runs.
        env: the whole environment of the command.
        log: the file of a run; stays empty.
        control: stops it.
    """
    keyboard = os.dup(0)
    words = [command[0], "-I", "-S", str(_RUNNER), "--terminal", str(keyboard), *command]
    try:
        child = OnTerminal(words, cwd=spec.cwd, env=env, keyboard=keyboard)
    finally:
        os.close(keyboard)
    ended = attend(child, control, [(child.close_input, 3.0), (child.kill, 5.0)])
    return Outcome(ended.code, ended.seconds, "", log, spec.image, stopped=ended.stopped)


def attend(child: OnTerminal, control: Control, ladder: Sequence[Rung]) -> Ended:
    """Wait for a process on the caller's terminal, without a deadline; Ctrl-C is for that process.

    Arguments:
        child: the process.
        control: stops it.
        ladder: how to stop it; the last rung must be one that nothing survives.
    """
    clock = _Clock()
    steps = _Ladder(ladder)
    with _lent_terminal():
        try:
            while (code := child.wait(_POLL_SECONDS)) is None:
                clock.tick()
                if control.level:
                    steps.climb(hurry=control.level is Stop.NOW)
        finally:
            child.kill()
    return Ended(code, clock.tick(), "what it says is above", timed_out=False, stopped=bool(control.level))


@contextmanager
def _lent_terminal() -> Iterator[None]:
    """Leave Ctrl-C to another process, and set the terminal back afterwards: a debugger may be killed at its prompt."""
    modes = termios.tcgetattr(0)
    before = signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        termios.tcsetattr(0, termios.TCSADRAIN, modes)


def supervise(
    child: Child,
    log: Path,
    timeout: float,
    control: Control,
    ladder: Sequence[Rung],
    *,
    handout: Handout | None = None,
) -> Ended:
    """Follow `child` to its end and return how that was.

    Arguments:
        child: the process.
        log: file that its output goes to.
        timeout: seconds until it is stopped.
        control: stops it earlier; `Stop.NOW` goes to the second rung at once.
        ladder: how to stop it, mildest first; the last rung must be one that nothing survives.
        handout: takes files of results out of the output.
    """
    try:
        return _follow(child, Log(log, handout), timeout, control, _Ladder(ladder))
    finally:
        # Whatever ends us here must not leave the child running.
        child.kill()


def _follow(child: Child, sink: Log, timeout: float, control: Control, steps: _Ladder) -> Ended:
    clock = _Clock()
    timed_out = False
    os.set_blocking(child.output.fileno(), False)
    with selectors.DefaultSelector() as selector, child.watched() as end:
        selector.register(child.output, selectors.EVENT_READ)
        if end is not None:
            selector.register(end, selectors.EVENT_READ)
        while (code := child.poll()) is None:
            if not selector.get_map():
                child.wait(_POLL_SECONDS)
            for key, _ in selector.select(_POLL_SECONDS) if selector.get_map() else ():
                if key.fileobj is child.output and not _read(child, sink):
                    selector.unregister(child.output)
            timed_out = timed_out or (clock.tick() > timeout and control.level is Stop.NO)
            if timed_out or control.level:
                steps.climb(hurry=control.level is Stop.NOW)
    # What it had written before it ended is still in the pipe. A process that it left behind may hold the pipe open,
    # so this reads what is there and does not wait for the end of the stream.
    while _read(child, sink):
        pass
    child.close_input()
    child.output.close()
    return Ended(code, clock.tick(), sink.close(), timed_out, bool(control.level) and not timed_out)


class _Clock:
    """Counts the seconds in which this process ran, because a stop of the driver must not count as time of a test."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._last = time.monotonic()

    def tick(self) -> float:
        """Return the seconds so far."""
        now = time.monotonic()
        self._seconds += min(now - self._last, _LONGEST_STEP_SECONDS)
        self._last = now
        return self._seconds


def obey_signals(control: Control) -> None:
    """Stop what `control` stops politely at the first Ctrl-C and at SIGTERM, at once at the second Ctrl-C."""

    def interrupted(number: int, frame: object) -> None:
        if control.level:
            # What looks at no switch, an installer for example, must not keep the user waiting. The process that waits
            # for our death removes our containers.
            last = threading.Timer(_LAST_SECONDS, os._exit, [SIGINT_EXIT])
            last.daemon = True
            started(last)
        control.stop(Stop.NOW if control.level else Stop.POLITELY, SIGINT_EXIT)

    def terminated(number: int, frame: object) -> None:
        control.stop(Stop.POLITELY, SIGTERM_EXIT)

    # A shell may have started us with SIGINT ignored, as it does for background jobs; a signal sent on purpose counts.
    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, terminated)


class _Ladder:
    """The position on a ladder of ever harder ways to end a process."""

    def __init__(self, rungs: Sequence[Rung]) -> None:
        self._rungs = list(rungs)
        self._mildest = len(self._rungs)
        self._next_at = 0.0
        self._hurried = False

    def climb(self, *, hurry: bool) -> None:
        """Take the next rung if the grace of the last one is over; in a hurry, skip the mildest and its grace."""
        now = time.monotonic()
        if hurry and not self._hurried:
            self._hurried = True
            self._next_at = now
            if len(self._rungs) == self._mildest > 1:
                self._rungs.pop(0)
        if self._rungs and now >= self._next_at:
            action, grace = self._rungs.pop(0)
            action()
            self._next_at = now + grace


def _read(child: Child, sink: Log) -> bool:
    """Move one piece of output to `sink`; return whether there may be more."""
    try:
        data = os.read(child.output.fileno(), _READ_BYTES)
    except BlockingIOError:
        return False
    sink.write(data)
    return bool(data)
