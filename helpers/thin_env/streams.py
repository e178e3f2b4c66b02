"""Makes the standard streams safe: closed, without a reader, on a full disk, or of an encoding that lacks a character.

The exit code of a command must not depend on the reader of its output. Here too: the door by which a line reaches a
stream. Standard library only, read on every start.
"""

from __future__ import annotations

import errno
import io
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

_INPUT, _OUTPUT, _MESSAGES = 0, 1, 2
# The reader has stopped, as `head` does, or the caller opened the stream for reading only.
_NO_READER = (errno.EPIPE, errno.EBADF)
# While lines are drawn at the end of the terminal, this prints a line above them.
shown_above: Callable[[str], None] | None = None


def put_line(line: str, stream: TextIO) -> None:
    """Print `line` in one write: `print` writes the end of a line apart, and another thread's line gets in between."""
    if shown_above and stream.isatty():
        shown_above(line)
        return
    stream.write(f"{line}\n")
    stream.flush()


class _Stream(io.TextIOWrapper):
    """A standard stream that discards output without a reader; standard error discards unwritable output."""

    def write(self, text: str) -> int:
        try:
            return super().write(text)
        except OSError as error:
            self._discard(error)
            return len(text)

    def flush(self) -> None:
        try:
            super().flush()
        except OSError as error:
            self._discard(error)

    def _discard(self, error: OSError) -> None:
        """Discard further output; raise if the loss of standard output must be reported."""
        number = self.fileno()
        os.dup2(os.open(os.devnull, os.O_WRONLY), number)
        if number == _OUTPUT and error.errno not in _NO_READER:
            raise OSError(error.errno, error.strerror, "standard output") from None


def make_safe() -> None:
    """Open each closed standard stream on the null device, and escape characters outside of the encoding.

    Streams replaced by a caller in this process, as by pytest, stay unchanged. A process with file names in
    another encoding than UTF-8 starts again with them in UTF-8: a name must have the same bytes under every locale.
    """
    if sys.stdout is not sys.__stdout__ or isinstance(sys.stdout, _Stream):
        return
    if sys.getfilesystemencoding() != "utf-8" and os.environ.get("PYTHONUTF8") != "1":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    for number in (_INPUT, _OUTPUT, _MESSAGES):
        try:
            os.fstat(number)
        except OSError:
            # `os.open` takes the lowest free number: the closed stream. Child processes need the stream too.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    sys.stdin = sys.stdin or open(_INPUT, closefd=False)  # noqa: SIM115
    # `sys.__stdout__` and its holders keep the old stream, on the same buffer.
    sys.stdout = _safe(sys.stdout, _OUTPUT)
    sys.stderr = _safe(sys.stderr, _MESSAGES)


def _safe(stream: TextIO | None, number: int) -> _Stream:
    if stream is None:
        return _Stream(open(number, "wb", closefd=False), encoding="utf-8", errors="backslashreplace")
    assert isinstance(stream, io.TextIOWrapper)
    return _Stream(
        stream.buffer,
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
