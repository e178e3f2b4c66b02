"""The only door to other processes. Nothing here is ever given to a shell."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from helpers import spawn
from helpers.errors import InfrastructureError

_TICK_SECONDS = 0.01
# What a pipe holds (https://man7.org/linux/man-pages/man7/pipe.7.html).
_MANY_BYTES = 65536
_KEPT_BYTES = 16 * _MANY_BYTES
_TELL_SECONDS = 10
_GRACE_SECONDS = 0.2
# Programs start here unless a caller names a directory: many read configuration, or load code, of the current one.
_NEUTRAL = Path("/")


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
    cwd: Path = _NEUTRAL,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout: float | None = 60,
    errors: str = "replace",
) -> Completed:
    """Run `argv` to its end and return what it printed; an exit code other than 0 is not an error here.

    Arguments:
        argv: the program and its arguments.
        cwd: where it runs; `/` holds no configuration of a checkout.
        env: its whole environment; None hands ours on.
        stdin: what it reads.
        timeout: seconds until it is killed.
        errors: the handler of bytes outside of UTF-8 (https://docs.python.org/3/library/codecs.html#error-handlers).
            With `surrogateescape` the output holds names, and keeps each carriage return.

    Raises:
        InfrastructureError: the program is not there or did not end in time.
    """
    pipe = subprocess.PIPE
    try:
        with _Process(
            argv,
            cwd=cwd,
            env=env,
            stdin=pipe if stdin else subprocess.DEVNULL,
            stdout=pipe,
            stderr=pipe,
        ) as process:
            try:
                out, err = _communicate(process, stdin, timeout)
            except BaseException:
                process.kill()
                raise
    except (FileNotFoundError, PermissionError) as error:
        raise _cannot_start(argv, error) from None
    except subprocess.TimeoutExpired:
        raise InfrastructureError(f"'{argv[0]}' gave no answer within {timeout:g} s", why=" ".join(argv)) from None
    return Completed(tuple(argv), process.returncode, _text(out, errors), _text(err, errors))


def _text(output: bytes, errors: str) -> str:
    text = output.decode("utf-8", errors)
    return text if errors == "surrogateescape" else text.replace("\r\n", "\n").replace("\r", "\n")


def _communicate(process: _Process, stdin: str, timeout: float | None) -> tuple[bytes, bytes]:
    try:
        return process.communicate(stdin.encode("utf-8", "surrogateescape") or None, timeout)
    except subprocess.TimeoutExpired:
        # The program may have ended while we were stopped, as by Ctrl-Z.
        return process.communicate(timeout=_GRACE_SECONDS)


class _Process(subprocess.Popen[bytes]):
    """A process whose end is noticed at once: with a timeout Python looks for it once a millisecond or less often."""

    def wait(self, timeout: float | None = None) -> int:
        if timeout is not None and self.returncode is None and hasattr(os, "pidfd_open"):
            try:
                end = os.pidfd_open(self.pid)
            except OSError:
                return super().wait(timeout)
            try:
                watch = select.poll()
                watch.register(end, select.POLLIN)
                watch.poll(max(0.0, timeout) * 1000)
            finally:
                os.close(end)
            timeout = 0
        return super().wait(timeout)


_Env = Mapping[str, str] | None


class Child:
    """A running process in a session of its own, so that a Ctrl-C at the terminal reaches us and not it.

    Arguments:
        argv: the program and its arguments.
        cwd: where it runs; `/` holds no configuration of a checkout.
        env: its whole environment; None hands ours on.
        fds: file descriptors of ours that it holds open too, by the same numbers.
    """

    def __init__(self, argv: Sequence[str], *, cwd: Path = _NEUTRAL, env: _Env = None, fds: Sequence[int] = ()) -> None:
        self._process: subprocess.Popen[bytes] | spawn.Adopted
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
                pass_fds=fds,
            )
        except (FileNotFoundError, PermissionError) as error:
            raise _cannot_start(argv, error) from None

    @classmethod
    def adopted(cls, pid: int, write_input: int, read_output: int) -> Child:
        """Return the process that `spawn.begin` started; it, or the program that became this one."""
        child = cls.__new__(cls)
        child._process = spawn.Adopted(pid, write_input, read_output)
        return child

    @property
    def output(self) -> IO[bytes]:
        """Its standard output and error, as one stream."""
        assert self._process.stdout is not None
        return self._process.stdout

    def printed(self) -> bytes:
        """Return what it has printed and nobody has read; what it left running may hold the stream open."""
        os.set_blocking(self.output.fileno(), False)
        return self.output.read(_MANY_BYTES) or b""

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
        except (subprocess.TimeoutExpired, TimeoutError):
            return None

    @contextmanager
    def watched(self) -> Iterator[int | None]:
        """Yield a file descriptor that can be read as soon as it has ended; None where the system has no such thing."""
        try:
            end = os.pidfd_open(self._process.pid) if hasattr(os, "pidfd_open") else None
        except OSError:
            end = None
        try:
            yield end
        finally:
            if end is not None:
                os.close(end)

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


class OnTerminal(Child):
    """A running process on our terminal, in our own session: it reads the keyboard, and a Ctrl-C reaches it, too.

    Arguments:
        argv: the program and its arguments.
        cwd: where it runs; `/` holds no configuration of a checkout.
        env: its whole environment; None hands ours on.
        fds: file descriptors of ours that it holds open too, by the same numbers.
        keyboard: a file descriptor that it inherits in place of our standard input, which is a pipe then.
    """

    def __init__(
        self,
        argv: Sequence[str],
        *,
        cwd: Path = _NEUTRAL,
        env: _Env = None,
        fds: Sequence[int] = (),
        keyboard: int | None = None,
    ) -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        stdin, passed_on = (None, fds) if keyboard is None else (subprocess.PIPE, (*fds, keyboard))
        try:
            self._process = subprocess.Popen(argv, cwd=cwd, env=env, stdin=stdin, pass_fds=passed_on, bufsize=0)
        except (FileNotFoundError, PermissionError) as error:
            raise _cannot_start(argv, error) from None

    def _signal(self, number: signal.Signals) -> None:
        # Its process group is ours.
        if self._process.poll() is None:
            os.kill(self._process.pid, number)


def finish(
    argv: Sequence[str], *, env: Mapping[str, str], stdin: str = "", keep: int, tell: Callable[[], object]
) -> Completed:
    """Run a program that changes files, to its end whatever becomes of us, and return what it printed.

    It has a session of its own, so that neither a Ctrl-C nor a SIGKILL of our process group stops it halfway, and files
    instead of pipes, so that it can go on printing when we are gone. It can ask nobody.

    Arguments:
        argv: the program and its arguments.
        env: its whole environment.
        stdin: what it reads.
        keep: a file descriptor that it holds open, such as that of a lock.
        tell: called every 10 s while it runs; there is no limit, as it would be stopped halfway.

    Raises:
        InfrastructureError: the program is not there.
    """
    import tempfile  # brings random numbers, which most starts do without

    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin.encode("utf-8", "surrogateescape"))
        given.seek(0)
        try:
            process = _Process(
                argv,
                cwd=_NEUTRAL,
                env=env,
                stdin=given,
                stdout=out,
                stderr=err,
                start_new_session=True,
                pass_fds=(keep,),
            )
        except (FileNotFoundError, PermissionError) as error:
            raise _cannot_start(argv, error) from None
        try:
            while process.poll() is None:
                with suppress(subprocess.TimeoutExpired):
                    process.wait(_TELL_SECONDS)
                    break
                tell()
        except BaseException:
            process.wait()
            raise
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
        return Completed(tuple(argv), process.returncode, texts[0], texts[1])


def show(argv: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> int:
    """Run `argv`, which prints where we print and has nothing to read; return its exit code, negative for a signal.

    Raises:
        InfrastructureError: the program can not be started.
    """
    sys.stdout.flush()
    try:
        return subprocess.run(argv, cwd=cwd, env=env, stdin=subprocess.DEVNULL, check=False).returncode
    except OSError as error:  # also a script without a first line that names its interpreter
        raise _cannot_start(argv, error) from None


def together(
    commands: Sequence[Sequence[str]],
    *,
    cwd: Path,
    env: Mapping[str, str],
    seconds: float,
    at_once: int = 8,
    tell: Callable[[Sequence[int]], object] | None = None,
) -> list[Completed]:
    """Run commands side by side that may ask somebody, or wait for a network, and return how each one ended.

    None has a terminal or anything to read, so that none can ask. One that has not ended in time is killed with all
    that it started, and so are all of them when we are interrupted. All that one prints is read, or it would wait for
    that; the first 1 MB is kept.

    Arguments:
        commands: the argument lists.
        cwd: where they run.
        env: their whole environment.
        seconds: how long each one may take.
        at_once: how many run at a time.
        tell: is given the numbers of the commands that still run, every 10 s.

    Raises:
        InfrastructureError: a program is not there.
    """
    told = time.monotonic()
    waiting = list(enumerate(commands))[::-1]
    running: dict[int, tuple[Child, float]] = {}
    said = [b""] * len(commands)
    ended: dict[int, Completed] = {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                index, argv = waiting.pop()
                running[index] = (Child(argv, cwd=cwd, env=env), time.monotonic() + seconds)
                running[index][0].close_input()
            for index, (child, end) in list(running.items()):
                code = child.poll()
                said[index] += child.printed()[: _KEPT_BYTES - len(said[index])]
                if code is not None or time.monotonic() >= end:
                    text = said[index].decode("utf-8", "replace")
                    text = text if code is not None else f"gave no answer within {seconds:g} s"
                    child.kill()
                    ended[index] = Completed(tuple(commands[index]), code if code is not None else -9, "", text)
                    del running[index]
            if tell and time.monotonic() > told + _TELL_SECONDS:
                told = time.monotonic()
                tell(list(running))
            time.sleep(_TICK_SECONDS)
    finally:
        for child, _ in running.values():
            child.kill()
    return [ended[index] for index in range(len(commands))]


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


def _cannot_start(argv: Sequence[str], error: OSError) -> InfrastructureError:
    return InfrastructureError(
        f"cannot run '{argv[0]}': {os.strerror(error.errno or 0).lower()}", fix="invoke doctor  (says what is missing)"
    )
