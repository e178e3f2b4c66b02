"""Takes the result files of the runner in a container out of the output of the tests: the files come in frames.

Tests cannot write to this machine: their directory of results is in the memory of the container. The runner reads
the files and sends frames through its standard output (form: `helpers/inside/runner.py`). Names, sizes and
the number of files are bounded here, for any input.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

# The files of a run during the tests, and the files after the end of their last process. A test compares the
# names and marks with the runner; this module does not import the runner, because the runner imports ctypes.
LIVE = ("progress", "failures", "running")
FINAL = ("junit.xml", "coverage.json", "full", "verdict.json")
# More than the driver reads of any file. Tests can forge frames while tests run.
_MOST_LIVE_BYTES, _MOST_BYTES = 65 << 20, 257 << 20
_MOST_HEAD = 80
_HEAD = re.compile(rb"([a-z.]{1,20}) (\d{1,10}) (\d{1,5})\n")
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def marks(nonce: bytes) -> tuple[bytes, bytes]:
    """Return the start of a frame during the tests, and the start of a frame after their last process."""
    half = len(nonce) // 2
    return b"\0%s " % nonce[:half], b"\0%s " % nonce[half:]


class Handout:
    """Takes the frames out of the output of a run and writes their content.

    Arguments:
        nonce: of the run; frames begin with a part of it.
        directory: for the files.
    """

    def __init__(self, nonce: str, directory: Path) -> None:
        live, final = marks(nonce.encode())
        self._names = {live: LIVE, final: (*LIVE, *FINAL)}
        self._mark = re.compile(b"|".join(map(re.escape, self._names)))
        self._longest = max(map(len, self._names))
        self._directory = directory
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return the output in `data` without frames; the begin of a frame is held until the rest comes."""
        data = self._held + data
        self._held = b""
        # A mark begins with a byte outside of text. A search for the byte takes 1 % of the time of the expression.
        if b"\0" not in data:
            return data
        output = []
        at = 0
        while found := self._mark.search(data, at):
            head = _HEAD.match(data, found.end())
            if not head and len(data) - found.end() < _MOST_HEAD and b"\n" not in data[found.end() :]:
                break
            if not head:
                output.append(data[at : found.end()])
                at = found.end()
                continue
            end = head.end() + int(head[3])
            if end > len(data):
                break
            output.append(data[at : found.start()])
            self._write(self._names[found[0]], head[1].decode(), int(head[2]), data[head.end() : end])
            at = end
        if found:
            output.append(data[at : found.start()])
            self._held = data[found.start() :]
            return b"".join(output)
        begun = data.rfind(b"\0", max(at, len(data) - self._longest))
        cut = begun if begun >= 0 else len(data)
        self._held = data[cut:]
        return b"".join([*output, data[at:cut]])

    def rest(self) -> bytes:
        """Return the held bytes that are no frame, at the end of the output."""
        rest, self._held = self._held, b""
        return rest

    def _write(self, names: tuple[str, ...], name: str, at: int, data: bytes) -> None:
        if name not in names or at + len(data) > (_MOST_LIVE_BYTES if name in LIVE else _MOST_BYTES):
            return
        try:
            file = os.open(self._directory / name, _FLAGS, 0o644)
            try:
                os.pwrite(file, data, at)
            finally:
                os.close(file)
        except OSError:
            pass  # the run gets CRASH for a missing verdict
