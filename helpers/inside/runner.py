"""Runs one command and sees to it that it, and all that it started, ends when the driver says so or dies.

The driver holds the other end of our standard input. A byte `t` on it asks the command to terminate; its end means that
the driver is gone, and everything here ends at once. In a container this process is the child of the engine's init, so
its end is the container's end.

It stands before every run of tests, so it imports little: `subprocess` alone takes as long as a start of Python.

usage: python -I -S runner.py COMMAND [ARGUMENT...]

`prepared.py` calls `fork` and `follow` for a command that is itself, gone on in a child.
"""

from __future__ import annotations

import _thread
import ctypes
import os
import sys
import time

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
# `signal` would take as long to import as all else here (https://man7.org/linux/man-pages/man7/signal.7.html).
SIGKILL, SIGTERM = 9, 15
KILLED = 128 + SIGKILL
NOT_FOUND = 127  # as a shell says it
# SIGPIPE and SIGXFSZ: Python ignores them, and a program takes over what is ignored.
IGNORED = (13, 25)


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent ends, so that none can slip away (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(of: int) -> set[int]:
    """Return the ids of all processes below the process `of`; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if entry.isdigit():
            try:
                with open("/proc/%s/stat" % entry, "rb") as file:
                    # The command's name stands in brackets and may itself hold spaces and brackets.
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry))
    found: set[int] = set()
    todo = [of]
    while todo:
        below = [child for child in children.get(todo.pop(), []) if child not in found]
        found.update(below)
        todo.extend(below)
    return found


def kill_rest() -> None:
    """End all that is still running below us."""
    for _ in range(50):
        rest = descendants(os.getpid())
        if not rest:
            return
        for process in rest:
            try:
                os.kill(process, SIGKILL)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        time.sleep(0.01)


def start(argv: list[str]) -> int:
    """Start the command in a session of its own, with nothing to read, and return its process id."""
    nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    return os.posix_spawnp(argv[0], argv, os.environ, file_actions=[nothing], setsid=True, setsigdef=IGNORED)


def listen(command: int, gone: list[bool]) -> None:
    """Obey the driver until it is gone; say so in `gone` before anything is killed for it."""
    while True:
        try:
            order = os.read(0, 1)
        except OSError:
            order = b""
        if order == b"t":
            end(command, SIGTERM)
        elif not order:
            gone.append(True)
            end(command, SIGKILL)
            kill_rest()
            os._exit(KILLED)


def end(command: int, number: int) -> None:
    """Send a signal to the command and all that is still in its group."""
    try:
        os.killpg(command, number)
    except ProcessLookupError:
        pass


def fork() -> int:
    """Go on as a command that was started does, in a child; the parent is to `follow` it.

    Returns:
        The process id of the child; 0 in the child.
    """
    adopt_orphans()
    begun, end_of_begun = os.pipe()
    command = os.fork()
    if command:
        os.close(end_of_begun)
        os.read(begun, 1)  # until the child can be told to end
        os.close(begun)
        return command
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    for number in (nothing, begun, end_of_begun):
        os.close(number)
    return 0


def follow(command: int) -> int:
    """Obey the driver until the command has ended, and all that it started; return the exit code.

    Arguments:
        command: its process id.
    """
    gone: list[bool] = []
    _thread.start_new_thread(listen, (command, gone))
    try:
        status = os.waitpid(command, 0)[1]
    except ChildProcessError:
        return KILLED  # the listener has taken its exit code
    kill_rest()
    if gone:
        return KILLED
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def main(argv: list[str]) -> int:
    """Run the command `argv` and return its exit code, 128 + N for signal N."""
    adopt_orphans()
    try:
        command = start(argv)
    except OSError as error:
        print("cannot run %s: %s" % (argv[0], error.strerror), file=sys.stderr)
        return NOT_FOUND
    return follow(command)


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(exit_code)
