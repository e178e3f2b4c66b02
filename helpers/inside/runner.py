"""Runs one command and sees to it that it, and all that it started, ends when the driver says so or dies.

The driver holds the other end of our standard input. A byte `t` on it asks the command to terminate; its end means that
the driver is gone, and everything here ends at once. In a container this process is the child of the engine's init, so
its end is the container's end.

usage: python runner.py COMMAND [ARGUMENT...]
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from typing import Dict, List, Set

PR_SET_CHILD_SUBREAPER = 36  # linux/prctl.h
KILLED = 128 + signal.SIGKILL


def adopt_orphans() -> None:
    """Become the parent of processes whose own parent ends, so that none can slip away (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(of: int) -> Set[int]:
    """Return the ids of all processes below the process `of`; empty where there is no /proc."""
    children: Dict[int, List[int]] = {}
    for entry in os.listdir("/proc") if os.path.isdir("/proc") else []:
        if entry.isdigit():
            try:
                with open("/proc/%s/stat" % entry, "rb") as file:
                    # The command's name stands in brackets and may itself hold spaces and brackets.
                    parent = int(file.read().rpartition(b")")[2].split()[1])
            except (OSError, IndexError):
                continue
            children.setdefault(parent, []).append(int(entry))
    found: Set[int] = set()
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
                os.kill(process, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            pass
        time.sleep(0.01)


def listen(command: "subprocess.Popen[bytes]", gone: threading.Event) -> None:
    """Obey the driver until it is gone; say so with `gone` before anything is killed for it."""
    while True:
        try:
            order = os.read(0, 1)
        except OSError:
            order = b""
        if order == b"t":
            try:
                os.killpg(command.pid, signal.SIGTERM)
            except ProcessLookupError:
                pass
        elif not order:
            gone.set()
            try:
                os.killpg(command.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            kill_rest()
            os._exit(KILLED)


def main(argv: List[str]) -> int:
    """Run the command `argv` and return its exit code, 128 + N for signal N."""
    adopt_orphans()
    command = subprocess.Popen(argv, stdin=subprocess.DEVNULL, start_new_session=True)
    gone = threading.Event()
    threading.Thread(target=listen, args=(command, gone), daemon=True).start()
    code = command.wait()
    kill_rest()
    if gone.is_set():
        # The listener may have taken the command's exit code, and then `wait` makes a 0 of it.
        return KILLED
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(exit_code)
