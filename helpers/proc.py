"""The only door to other processes. Nothing here is ever given to a shell."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from helpers.errors import InfrastructureError


@dataclass(frozen=True)
class Completed:
    """A process that has ended: its exit code (negative for a signal) and what it printed."""

    argv: tuple[str, ...]
    code: int
    stdout: str
    stderr: str

    @property
    def reason(self) -> str:
        """The last line that it printed about itself, for an error message."""
        lines = (self.stderr.strip() or self.stdout.strip()).splitlines()
        return lines[-1].strip() if lines else f"exit code {self.code}"


def run(
    argv: Sequence[str],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout: float | None = 60,
) -> Completed:
    """Run `argv` to its end and return what it printed; an exit code other than 0 is not an error here.

    Arguments:
        argv: the program and its arguments.
        cwd: where it runs; None is the current directory.
        env: its whole environment; None hands ours on.
        stdin: what it reads.
        timeout: seconds until it is killed.

    Raises:
        InfrastructureError: the program is not there or did not end in time.
    """
    try:
        done = subprocess.run(
            argv,
            cwd=cwd,
            env=env,
            input=stdin,
            timeout=timeout,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
    except (FileNotFoundError, PermissionError) as error:
        raise _cannot_start(argv, error) from None
    except subprocess.TimeoutExpired:
        raise InfrastructureError(f"'{argv[0]}' gave no answer within {timeout:g} s", why=" ".join(argv)) from None
    return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)


class Child:
    """A running process in a session of its own, so that a Ctrl-C at the terminal reaches us and not it.

    Arguments:
        argv: the program and its arguments.
        cwd: where it runs.
        env: its whole environment; None hands ours on.
    """

    def __init__(self, argv: Sequence[str], *, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> None:
        try:
            self._process = subprocess.Popen(
                argv,
                cwd=cwd,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                bufsize=0,
            )
        except (FileNotFoundError, PermissionError) as error:
            raise _cannot_start(argv, error) from None

    @property
    def output(self) -> IO[bytes]:
        """Its standard output and error, as one stream."""
        assert self._process.stdout is not None
        return self._process.stdout

    def write(self, data: bytes) -> None:
        """Write to its standard input; nothing happens when it does not read any more."""
        try:
            if self._process.stdin and not self._process.stdin.closed:
                self._process.stdin.write(data)
        except BrokenPipeError:
            pass

    def close_input(self) -> None:
        """Close its standard input."""
        if self._process.stdin:
            self._process.stdin.close()

    def poll(self) -> int | None:
        """Return its exit code (negative for a signal), or None while it runs."""
        return self._process.poll()

    def wait(self, timeout: float) -> int | None:
        """Wait at most `timeout` seconds for its end; return its exit code, or None while it runs."""
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            return None

    def terminate(self) -> None:
        """Ask it, and all that it started in its session, to end."""
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it and all that it started in its session; nothing happens when it has ended."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        # Once its exit code is known its id may name another process.
        if self._process.poll() is None:
            os.killpg(self._process.pid, number)


def replace(argv: Sequence[str], env: Mapping[str, str] | None = None) -> NoReturn:
    """Become the program `argv`: it gets our terminal, our signals, our process id, and its exit code is ours.

    Raises:
        InfrastructureError: the program is not there.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    try:
        os.execvpe(argv[0], list(argv), dict(os.environ if env is None else env))
    except OSError as error:
        raise _cannot_start(argv, error) from None


def after_death(action: Callable[[], object]) -> None:
    """Leave a process behind that waits for our end, however we end (SIGKILL too), and then does `action`.

    It waits on a pipe that only we, and a program that we become, hold open. It has a session of its own and none of
    our streams, so that nobody who reads our output waits for it. Call it before any thread is started.
    """
    read_end, write_end = os.pipe()
    if os.fork():
        os.close(read_end)
        os.set_inheritable(write_end, True)
        return
    try:
        os.setsid()
        os.close(write_end)
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.read(read_end, 1)
        action()
    finally:
        os._exit(0)


def _cannot_start(argv: Sequence[str], error: OSError) -> InfrastructureError:
    return InfrastructureError(
        f"cannot run '{argv[0]}': {os.strerror(error.errno or 0).lower()}", fix="invoke doctor  (says what is missing)"
    )
