"""Runs a command, and ends the command with its children when the driver asks for the end or dies.

The driver holds the other end of our standard input. A byte `t` on it asks the command to terminate; its end means that
the driver is gone, and everything here ends at once. In a container this process is the child of the engine's init, so
its end is the container's end.

With `--results` the command runs tests, and the first line on our standard input is the nonce of the run. Test code
never sees the nonce: the runner reads the nonce before the command starts, and no process of the same user can read our
memory. The command writes its verdict to a pipe. `Report` hands out nonce and verdict after the command's last process
has ended, so test code cannot change a verdict after the session of pytest.

The directory of results may be in the memory of a container, so its files leave in frames on our standard output. The
driver removes the frames (helpers/engine/handout.py). A frame is a zero byte, half of the nonce, `NAME OFFSET LENGTH`
(each after a blank), a line feed, and the bytes. The first half marks progress and failures while tests run; test code
may read this half. The second half marks the remaining files, and is sent after the last process of the command.

This process starts before every run of tests, and must import little: `subprocess` alone takes as long as a start of
Python.

With `--terminal` the command gets the terminal: it stays in our session, and reads from the file descriptor NUMBER.

usage: python -I -S runner.py [--results DIRECTORY | --terminal NUMBER] COMMAND [ARGUMENT...]

`prepared.py` calls `fork` and `follow` for a command that is itself, gone on in a child.
"""

from __future__ import annotations

import _thread
import ctypes
import os
import stat
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

PR_SET_DUMPABLE, PR_SET_CHILD_SUBREAPER = 4, 36  # linux/prctl.h
# `signal` would take as long to import as all else here (https://man7.org/linux/man-pages/man7/signal.7.html).
SIGKILL, SIGTERM = 9, 15
KILLED = 128 + SIGKILL
NOT_FOUND = 127  # as a shell says it
# SIGPIPE and SIGXFSZ: Python ignores them, and a program takes over what is ignored.
IGNORED = (13, 25)
# Holds the number of the file descriptor for the command's verdict, a line of JSON.
REPORT = "HELPERS_REPORT"
LIVE = ("progress", "failures")
# The tests that run now: the file, and its name in a frame. By the engine `venv` both are in one directory.
NOW, RUNNING = "now", "running"
WRITTEN = ("junit.xml", "coverage.json")
FULL, VERDICT = "full", "verdict.json"
MOST_REPORT_BYTES = 64 << 20
MOST_BYTES = 256 << 20
LIVE_SECONDS = 0.1
# Output of tests does not tear frames of this size: https://man7.org/linux/man-pages/man7/pipe.7.html.
PIPE_BUF = 4096
HEAD_BYTES = 128


class Report:
    """The verdict and the result files of a command that runs tests, and their way out of the container.

    Arguments:
        results: directory of the files.
    """

    def __init__(self, results: str) -> None:
        self.results = results
        self.nonce = b""
        self.verdict = b""
        self.begin, self.go = os.pipe()
        self.read, self.write = os.pipe()
        self.complete = _thread.allocate_lock()
        self.sending = _thread.allocate_lock()
        self.sent = dict.fromkeys(LIVE, 0)
        self.running = [b"", b""]
        os.set_inheritable(self.write, True)
        os.environ[REPORT] = str(self.write)
        # The engine copies output and errors side by side: text of the errors could come within a frame.
        os.dup2(1, 2)

    def take(self, byte: bytes) -> bool:
        """Take a byte of the nonce; return whether the nonce is complete, and then let a child of `fork` begin."""
        if self.nonce[-1:] != b"\n":
            self.nonce += byte
            if byte == b"\n":
                os.close(self.go)
        return self.nonce[-1:] == b"\n"

    def wait(self) -> None:
        """Wait, in a child of `fork`, until its parent has the nonce."""
        for number in (self.go, self.read):
            os.close(number)
        os.read(self.begin, 1)
        os.close(self.begin)

    def listen(self) -> None:
        """Start to read the pipe, because a full pipe would block the command."""
        os.close(self.write)
        self.complete.acquire()
        _thread.start_new_thread(self.collect, ())
        _thread.start_new_thread(self.follow, ())

    def follow(self) -> None:
        """Hand out progress and failures while tests run."""
        while True:
            time.sleep(LIVE_SECONDS)
            if self.nonce[-1:] == b"\n":
                with self.sending:
                    self.send_new()
                    self.send_running()

    def send_new(self) -> None:
        """Hand out new progress and failures; if the output is full, the next call continues."""
        for name in LIVE:
            for piece in self.pieces(name, self.sent[name], PIPE_BUF - HEAD_BYTES):
                try:
                    self.send(name, self.sent[name], piece, final=False)
                except BlockingIOError:
                    return
                self.sent[name] += len(piece)

    def send_running(self, final: bool = False) -> None:
        """Hand out which tests run, if that has not changed since the last call; most tests are too short for it."""
        seen, sent = self.running
        now = next(self.pieces(NOW, 0, PIPE_BUF - HEAD_BYTES), b"")
        if now != sent and (now == seen or final):
            try:
                self.send(RUNNING, 0, now, final=final)
                sent = now
            except BlockingIOError:
                pass
        self.running = [now, sent]

    def pieces(self, name: str, at: int, size: int) -> Iterator[bytes]:
        """Yield the content of a regular file of results after the byte `at`; tests may have put anything there."""
        try:
            file = os.open(os.path.join(self.results, name), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return
        try:
            while stat.S_ISREG(os.fstat(file).st_mode) and at < MOST_BYTES:
                piece = os.pread(file, size, at)
                if not piece:
                    break
                at += len(piece)
                yield piece
        except OSError:
            pass
        finally:
            os.close(file)

    def send(self, name: str, at: int, data: bytes, *, final: bool = True) -> None:
        """Write a frame."""
        nonce = self.nonce.strip()
        half = len(nonce) // 2
        mark = nonce[half:] if final else nonce[:half]
        frame = b"\0%s %s %d %d\n%s" % (mark, name.encode(), at, len(data), data)
        while frame:
            frame = frame[os.write(1, frame) :]

    def collect(self) -> None:
        """Read the pipe until its last writer ends; keep no more than `MOST_REPORT_BYTES`."""
        while True:
            piece = os.read(self.read, 1 << 16)
            if not piece:
                break
            if len(self.verdict) <= MOST_REPORT_BYTES:
                self.verdict += piece
        self.complete.release()

    def hand_out(self) -> None:
        """Hand out each file, the verdict last, after the last process that could write to the files or to the pipe."""
        self.complete.acquire()
        if self.nonce[-1:] != b"\n":
            return
        self.sending.acquire()
        try:
            os.set_blocking(1, True)
            self.send_new()
            self.send_running(final=True)
            for name in WRITTEN:
                at = 0
                for piece in self.pieces(name, 0, 1 << 16):
                    self.send(name, at, piece)
                    at += len(piece)
            left = os.statvfs(self.results)
            # A file system without a limit of files says 0 of 0.
            if not left.f_bavail or (left.f_files and not left.f_favail):
                self.send(FULL, 0, b"full")
            if self.verdict and len(self.verdict) <= MOST_REPORT_BYTES:
                verdict = self.nonce + self.verdict
                for at in range(0, len(verdict), 1 << 16):
                    self.send(VERDICT, at, verdict[at : at + (1 << 16)])
        except OSError:
            pass  # nobody reads any more


def hide() -> None:
    """Keep processes of the same user from our memory with the nonce, and from attaching to us (Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


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


def kill_rest() -> bool:
    """End every process below us and return whether the last process ended.

    Orphans are our children. So no child means no descendant, even if processes fork faster than /proc is read.
    """
    for _ in range(50):
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return True
        for process in descendants(os.getpid()):
            try:
                os.kill(process, SIGKILL)
            except ProcessLookupError:
                pass
        time.sleep(0.01)
    return False


def start(argv: list[str]) -> int:
    """Start the command in a session of its own, with nothing to read, and return its process id."""
    nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    return os.posix_spawnp(argv[0], argv, os.environ, file_actions=[nothing], setsid=True, setsigdef=IGNORED)


def start_on_terminal(argv: list[str], keyboard: int) -> int:
    """Start the command where it reads `keyboard`, and leave the keys of the terminal to it; return its process id."""
    import signal

    keys = (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)
    for number in keys:
        signal.signal(number, signal.SIG_IGN)
    streams = ((os.POSIX_SPAWN_DUP2, keyboard, 0), (os.POSIX_SPAWN_CLOSE, keyboard))
    command = os.posix_spawnp(argv[0], argv, os.environ, file_actions=streams, setsigdef=(*IGNORED, *keys))
    os.close(keyboard)
    return command


def listen(command: int, gone: list[bool], report: Report | None) -> None:
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
        elif report:
            report.take(order)


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


def follow(command: int, report: Report | None = None) -> int:
    """Obey the driver until the command has ended, and all that it started; return the exit code.

    Arguments:
        command: its process id.
        report: takes its verdict; None if it has none.
    """
    gone: list[bool] = []
    if report:
        hide()
        report.listen()
    _thread.start_new_thread(listen, (command, gone, report))
    try:
        status = os.waitpid(command, 0)[1]
    except ChildProcessError:
        # The listener took its exit code. It may still be at its work, and ends with us.
        kill_rest()
        return KILLED
    ended = kill_rest()
    if gone:
        return KILLED
    if report and ended:
        report.hand_out()
    return 128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status)


def main(argv: list[str]) -> int:
    """Run the command `argv` and return its exit code, 128 + N for signal N."""
    adopt_orphans()
    report = None
    if argv[0] == "--results":
        hide()
        report = Report(argv[1])
        argv = argv[2:]
        # A process of the command could read the pipe of our standard input too, so the nonce is read first.
        for byte in iter(lambda: os.read(0, 1), b""):
            if byte == b"t":
                return 128 + SIGTERM
            if report.take(byte):
                break
        else:
            return KILLED
    try:
        command = start_on_terminal(argv[2:], int(argv[1])) if argv[0] == "--terminal" else start(argv)
    except OSError as error:
        print("cannot run %s: %s" % (argv[0], error.strerror), file=sys.stderr)
        return NOT_FOUND
    return follow(command, report)


if __name__ == "__main__":
    exit_code = main(sys.argv[1:])
    sys.stdout.flush()
    os._exit(exit_code)
