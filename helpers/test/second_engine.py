"""A docker engine of a test's own, which it may kill: in a network of its own, so that the machine's is left alone."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from helpers.test.conftest import until

# What it is started with: it ends with us, and without a bridge and rules of its own it changes nothing of the
# machine's network; its mounts go with it. It takes over the socket that is its standard input, as systemd hands one
# over (https://www.freedesktop.org/software/systemd/man/latest/sd_listen_fds.html).
_START = (
    *("setpriv", "--pdeathsig", "TERM", "unshare", "--net", "--mount", "sh", "-c"),
    'export LISTEN_FDS=1 LISTEN_PID=$$; exec "$@" 3<&0 0</dev/null',
    *("sh", "dockerd", "--host", "fd://", "--bridge", "none", "--iptables=false", "--ip6tables=false"),
    *("--exec-opt", "native.cgroupdriver=cgroupfs"),
)
_CGROUPS = Path("/sys/fs/cgroup")


class SecondEngine:
    """The engine; what it keeps stays when it is killed, and is there when it starts again.

    Arguments:
        directory: for all that it keeps; its path must be short, because sockets are in it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._address = str(directory / "s")
        self.host = f"unix://{self._address}"
        self._listening: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers; it copes with what a killed one left."""
        if not self._listening:
            Path(self._address).unlink(missing_ok=True)
            self._listening = socket.socket(socket.AF_UNIX)
            self._listening.bind(self._address)
            self._listening.listen(64)
        places = [f"--{name}={self._directory / name}" for name in ("data-root", "exec-root", "pidfile")]
        # The machine's engine has settings of its own.
        settings = self._directory / "settings"
        settings.write_text("{}")
        with (self._directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*_START, "--config-file", str(settings), "--cgroup-parent", f"/{self._directory.name}", *places],
                stdin=self._listening.fileno(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(self._answers, 90)

    def _answers(self) -> bool:
        assert self._process and self._process.poll() is None, (self._directory / "log").read_text()[-2000:]
        command = ["docker", "--host", self.host, "version"]
        with suppress(subprocess.TimeoutExpired):
            return not subprocess.run(command, capture_output=True, check=False, timeout=20).returncode
        return False

    def take(self, references: list[str]) -> None:
        """Copy images of the machine's engine into it; they may get other ids."""
        with subprocess.Popen(["docker", "save", *references], stdout=subprocess.PIPE) as saving:
            loading = ["docker", "--host", self.host, "load", "--quiet"]
            subprocess.run(loading, stdin=saving.stdout, capture_output=True, check=True)

    def kill(self, *, back: bool = False) -> None:
        """End it by SIGKILL; its containers go on.

        Arguments:
            back: whether who asks it waits until it is there again, as systemd sees to it; without, nobody answers.
        """
        assert self._process and self._listening
        # What `_START` names have become the engine, one after the other.
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()
        # Where nobody takes note of a dead process for seconds, the next engine takes it for one that still ends.
        (self._directory / "exec-root" / "containerd" / "containerd.pid").unlink(missing_ok=True)
        if not back:
            self._close()

    def _close(self) -> None:
        if self._listening:
            self._listening.close()
        self._listening = None

    def stop(self) -> None:
        """End it and all that it left."""
        try:
            if self._process and self._process.poll() is not None:
                # The next one ends the containers that a killed one left.
                self.start()
            if self._process:
                self._process.terminate()
                self._process.wait(60)
        finally:
            self._close()
            # All that stands on its mounts ends, else they would stay.
            until(self._is_gone, 30)
            self._remove_cgroups()

    def _is_gone(self) -> bool:
        """Say whether none of its processes is left, and end those that are."""
        left = self._processes()
        for process in left:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        return not left

    def _remove_cgroups(self) -> None:
        """Remove the groups of its containers: one that was killed while it made a container forgets that one's."""
        for group in self._cgroups():
            group.rmdir()

    def _cgroups(self) -> list[Path]:
        """Return the groups of its containers, innermost first."""
        # Of the first version there is a tree for each kind (https://man7.org/linux/man-pages/man7/cgroups.7.html).
        own = [tree / self._directory.name for tree in (_CGROUPS, *_CGROUPS.glob("*/"))]
        return [group for one in own if one.is_dir() for group in (*one.glob("*/"), one)]

    def _processes(self) -> list[int]:
        """Return the ids of its processes, of those that have come to watch its containers, and of all in these."""
        parents: dict[int, int] = {}
        found: set[int] = set()
        for entry in Path("/proc").iterdir():
            with suppress(OSError, ValueError):
                # The name of a program, in brackets, may hold anything.
                state, parent = (entry / "stat").read_text().rpartition(")")[2].split()[:2]
                if state == "Z":
                    continue
                parents[int(entry.name)] = int(parent)
                if str(self._directory / "exec-root").encode() in (entry / "cmdline").read_bytes():
                    found.add(int(entry.name))
        found.discard(os.getpid())
        for group in self._cgroups():
            found.update(map(int, (group / "cgroup.procs").read_text().split()))
        while more := {process for process, parent in parents.items() if parent in found} - found:
            found |= more
        return sorted(found)


@contextmanager
def second_engine(directory: Path) -> Iterator[SecondEngine]:
    """Yield an engine that runs, and leave nothing of it, nor the directory."""
    directory.mkdir(parents=True, exist_ok=True)
    engine = SecondEngine(directory)
    try:
        engine.start()
        yield engine
    finally:
        try:
            engine.stop()
        finally:
            shutil.rmtree(directory)
