"""What we print: messages go to standard error, results to standard output, colours only to a terminal."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Sequence
from typing import TextIO

from helpers import errors

# Makes the thin environment, and puts our commands on PATH.
THIN_ENV = "source dev_scripts/setenv.sh"
_COLOURS = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}
_SHOWN_CHARS = 80
# While a region of lines is drawn at the end of the terminal, this prints a line above it.
shown_above: Callable[[str], None] | None = None


def wants_colour(stream: TextIO) -> bool:
    """Say whether `stream` gets colours: a terminal, unless NO_COLOR (https://no-color.org) or TERM=dumb says no."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def paint(text: str, colour: str, stream: TextIO) -> str:
    """Return `text` in `colour` when `stream` gets colours."""
    return f"\033[{_COLOURS[colour]}m{text}\033[0m" if wants_colour(stream) else text


def put_line(line: str, stream: TextIO) -> None:
    """Print `line` in one write: `print` writes the end of a line apart, and another thread's line gets in between."""
    if shown_above and stream.isatty():
        shown_above(line)
        return
    stream.write(f"{line}\n")
    stream.flush()


def say(message: str) -> None:
    """Print one message to the user on standard error."""
    put_line(f"helpers: {message}", sys.stderr)


def counted(number: int, what: str) -> str:
    """Return a number of things, as in `1 commit` and `2 commits`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def printable(text: str) -> str:
    """Return `text` with control characters (a directory's name may hold a newline) shown as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def excerpt(value: object) -> str:
    """Return a value from a file as a message shows a value: on a single line, cut to a bounded length."""
    return cut(repr(value))


def cut(text: str) -> str:
    """Return `text`, maybe with parts of a file, as a single line of bounded length for a message."""
    text = printable(text)
    return text if len(text) <= _SHOWN_CHARS else f"{text[: _SHOWN_CHARS - 3]}..."


def print_rows(rows: Sequence[Sequence[str]]) -> None:
    """Print rows as columns on standard output; the first one is the head."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def report_error(error: BaseException) -> int:
    """Print `error` for its reader and return the exit code that it stands for.

    A traceback is shown only for our own bugs, or for any error when HELPERS_DEBUG is set.
    """
    if os.environ.get("HELPERS_DEBUG"):
        _print_traceback(error)
    if isinstance(error, errors.HelpersError):
        label = paint(f"{error.title}:", "red", sys.stderr)
        more = where_invoke_is(error.fix or "")
        put_line(f"helpers: {label} {error}" + (f"\n  {more}" if more else ""), sys.stderr)
        return error.exit_code
    if isinstance(error, KeyboardInterrupt):
        say("interrupted")
        return errors.SIGINT_EXIT
    if isinstance(error, BrokenPipeError):
        # Whoever read our output has stopped, as `head` does; without this Python would complain once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return errors.INFRASTRUCTURE
    if isinstance(error, OSError) and error.errno is not None:
        return report_error(errors.InfrastructureError(os.strerror(error.errno), where=error.filename))
    label = paint("this is a bug in helpers:", "red", sys.stderr)
    print(f"helpers: {label} {type(error).__name__}: {error}", file=sys.stderr)
    print("  fix: run it again with HELPERS_DEBUG=1 and report what it prints", file=sys.stderr, flush=True)
    return errors.BUG


def where_invoke_is(text: str) -> str:
    """Return a line for who is told to call `invoke` by `text`, and has not got it on PATH; otherwise nothing."""
    if "invoke " not in text:
        return ""
    from shutil import which

    return "" if which("invoke") else f"invoke is there after: {THIN_ENV}  (in the repo's root)"


def unforeseen(error: Exception) -> errors.HelpersError:
    """Return what is shown for an error that no rule of ours foresaw; it ends one part of a run and not the others."""
    if os.environ.get("HELPERS_DEBUG"):
        _print_traceback(error)
    if isinstance(error, OSError):
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        fix = "df -h  (make room, then again)" if full else "invoke doctor"
        return errors.InfrastructureError(
            f"the system refused: {error.strerror or error}", where=error.filename, fix=fix
        )
    return errors.HelpersError(
        f"a bug in helpers: {type(error).__name__}: {error}", fix="run it again with HELPERS_DEBUG=1"
    )


def _print_traceback(error: BaseException) -> None:
    import traceback  # no start without an error needs it

    traceback.print_exception(error)
