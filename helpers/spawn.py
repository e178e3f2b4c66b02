"""The other half of the door to processes: for what is over, or under way, before `subprocess` would be imported.

`proc` is for all else: here is no time limit, and what a program that is asked says of itself is not kept.
"""

from __future__ import annotations

import _thread
import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import IO

_MANY_BYTES = 1 << 20
_KILL = 9
_MANY_FILES = 1 << 16
_TICK_SECONDS = 0.01


class Asked:
    """A program that was started, in our own session, and will print an answer.

    Arguments:
        argv: the program and its arguments.
        env: its whole environment.

    Raises:
        OSError: it can not be started.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self._output, end = os.pipe()
        # Files of ours are closed when it starts; what it prints about itself is for nobody.
        streams = (
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, end, 1),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        )
        try:
            self._pid = os.posix_spawnp(argv[0], list(argv), dict(env), file_actions=streams)
        except BaseException:
            os.close(self._output)
            raise
        finally:
            os.close(end)

    def answer(self) -> bytes | None:
        """Return what it prints, when it has ended; None when it does not end well."""
        parts = []
        while part := os.read(self._output, _MANY_BYTES):
            parts.append(part)
        return b"".join(parts) if self._end() == 0 else None

    def stop(self) -> None:
        """End it, if it still runs."""
        if self._pid:
            os.kill(self._pid, _KILL)
            self._end()

    def _end(self) -> int:
        os.close(self._output)
        pid, self._pid = self._pid, 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def begin(argv: Sequence[str]) -> tuple[int, int, int]:
    """Start a program in a session of its own; `proc.Child.adopted` follows it, also in a program that we become.

    It holds no other file of ours, nor of who started us, open.

    Arguments:
        argv: the program and its arguments.

    Returns:
        Its process id, and the file descriptors to write to its input and to read what it prints.

    Raises:
        OSError: it can not be started.
    """
    passed_on = [number for number in _open_files() if number > 2]
    read_input, write_input = os.pipe()
    read_output, write_output = os.pipe()
    streams = (
        (os.POSIX_SPAWN_DUP2, read_input, 0),
        (os.POSIX_SPAWN_DUP2, write_output, 1),
        (os.POSIX_SPAWN_DUP2, write_output, 2),
        *((os.POSIX_SPAWN_CLOSE, number) for number in passed_on),
    )
    try:
        pid = os.posix_spawnp(argv[0], list(argv), os.environ, file_actions=streams, setsid=True)
    except BaseException:
        os.close(write_input)
        os.close(read_output)
        raise
    finally:
        os.close(read_input)
        os.close(write_output)
    return pid, write_input, read_output


class Adopted:
    """A process that `begin` started, as `proc.Child` asks it; or the program that the process became.

    Arguments:
        pid: its id; it is a child of ours.
        write_input: file descriptor of its standard input.
        read_output: file descriptor of what it prints.
    """

    def __init__(self, pid: int, write_input: int, read_output: int) -> None:
        self.pid = pid
        self.stdin: IO[bytes] = open(write_input, "wb", buffering=0)  # noqa: SIM115
        self.stdout: IO[bytes] = open(read_output, "rb", buffering=0)  # noqa: SIM115
        self._code: int | None = None
        self._lock = _thread.allocate_lock()
        for number in (write_input, read_output):
            os.set_inheritable(number, False)

    def poll(self) -> int | None:
        """Return its exit code, negative for a signal; None while it runs."""
        with self._lock:
            if self._code is None:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                self._code = os.waitstatus_to_exitcode(status) if pid else None
            return self._code

    def wait(self, timeout: float) -> int:
        """Wait for its end and return its exit code.

        Raises:
            TimeoutError: it has not ended within `timeout` seconds.
        """
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() >= end:
                raise TimeoutError
            time.sleep(_TICK_SECONDS)
        return code


def _open_files() -> list[int]:
    """Return the file descriptors that a program inherits which we start."""
    found = []
    for number in map(int, os.listdir("/dev/fd")):
        try:
            if os.get_inheritable(number):
                found.append(number)
        except OSError:
            pass  # the list's own
    return found


def after_death(action: Callable[[], object]) -> int:
    """Leave a process behind that waits for our end, however we end (SIGKILL too), and then does `action`.

    It waits on a pipe that only we, and a program that we become, hold open. It has a session of its own and none of
    our streams, so that nobody who reads our output waits for it. Call it before any thread is started.

    Returns:
        The file descriptor by which `call_off` calls the action off.
    """
    read_end, write_end = os.pipe()
    if os.fork():
        os.close(read_end)
        os.set_inheritable(write_end, True)
        return write_end
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)
        # Nobody waits for the end of a pipe that is open here.
        os.closerange(3, read_end)
        os.closerange(read_end + 1, _MANY_FILES)
        import signal  # slow to import, and all others are gone on

        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        if not os.read(read_end, 1):
            action()
    finally:
        os._exit(0)


def beside(attempt: Callable[[], bool], pause: float) -> None:
    """Leave a process behind that has our streams and calls `attempt` until it succeeds, or until we end.

    It goes on beside a program that we become. Call it before any thread is started.

    Arguments:
        attempt: returns whether it succeeded.
        pause: seconds between two calls.
    """
    parent = os.getpid()
    if os.fork():
        return
    try:
        while os.getppid() == parent and not attempt():
            time.sleep(pause)
    finally:
        os._exit(0)


def call_off(guard: int) -> None:
    """Let the process that `after_death` left behind end at once, with nothing done."""
    try:
        os.write(guard, b"x")
    except BrokenPipeError:
        pass
