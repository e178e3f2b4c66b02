"""What we print: messages go to standard error, results to standard output, colours only to a terminal."""

from __future__ import annotations

import errno
import os
import re
import sys
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from helpers import errors
from helpers.thin_env.streams import put_line

# Makes the thin environment, and puts our commands on PATH.
THIN_ENV = "source dev_scripts/setenv.sh"
_COLOURS = {"red": "31", "green": "32", "yellow": "33", "dim": "2", "bold": "1"}
_COLOUR = re.compile(r"\033\[\d*m")
_SHOWN_CHARS = 80
_FIX = "fix: "
_USUAL_COLUMNS = 80


def wants_colour(stream: TextIO) -> bool:
    """Say whether `stream` gets colours: a terminal, unless NO_COLOR (https://no-color.org) or TERM=dumb says no."""
    if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
        return False
    return stream.isatty()


def has_terminal() -> bool:
    """Say whether a person can be asked: standard input and standard output are terminals."""
    # Python has None for a stream that is closed.
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stdout))


def paint(text: str, colour: str, stream: TextIO) -> str:
    """Return `text` in `colour` when `stream` gets colours."""
    return f"\033[{_COLOURS[colour]}m{text}\033[0m" if wants_colour(stream) else text


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


def terminal_width(stream: TextIO) -> int | None:
    """Return how many columns the terminal `stream` has; None for a pipe or file, which has any number."""
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or _USUAL_COLUMNS
    except (OSError, ValueError):
        return _USUAL_COLUMNS


def from_here(root: Path, name: str) -> str:
    """Return a path below `root` as it is shown: to a person relative to the current directory, else to `root`."""
    return os.path.relpath(root / name) if sys.stdout.isatty() else name


def as_argument(path: str) -> str:
    """Return a relative path, or the id of a test, as an argument that no program takes for an option."""
    return f"./{path}" if path.startswith("-") else path


def nearer(text: str) -> str:
    """Return `text` with paths as a person at the current directory writes them: relative in the checkout, and by `~`.

    A name with a blank stays whole: only the begin of a path is replaced.
    """
    here = os.getcwd()
    root = next((place for place in _upwards(here) if os.path.lexists(os.path.join(place, ".git"))), here)
    text = _replaced(text, here, ".")
    text = _replaced(text, root, os.path.relpath(root))
    # A shell does not read `~` in quotes.
    return _replaced(text, os.path.expanduser("~"), "~", but="'\"")


def _replaced(text: str, place: str, short: str, but: str = "") -> str:
    """Return `text` with `short` for the directory `place`, where no character of `but` stands before it."""

    def shorter(found: re.Match[str]) -> str:
        return "" if found[1] and short == "." else f"{short}{found[1]}"

    return text if place == os.sep else re.sub(rf"(?<![\w./~{but}-]){re.escape(place)}(/|(?![\w./-]))", shorter, text)


def _upwards(path: str) -> Iterator[str]:
    yield path
    while path != os.path.dirname(path):
        path = os.path.dirname(path)
        yield path


def in_columns(
    rows: Sequence[Sequence[str]], width: int | None = None, *, spare: Sequence[str] = (), right: Collection[str] = ()
) -> list[str]:
    """Return rows as lines of columns; a cell may have colours.

    What does not fit into a line stands below it. No word of a cell is cut, because it may be a path.

    Arguments:
        rows: the first one is the head; the last cell of a row with fewer cells is a text that takes the rest.
        width: columns of a line; None is any number.
        spare: names of columns that are left out of narrow lines, the least needed one first.
        right: names of columns that are aligned at their right.
    """
    names = list(rows[0])
    whole = [row if len(row) == len(names) else row[:-1] for row in rows]
    lengths = [[_length(row[at]) for row in whole if at < len(row)] for at in range(len(names))]
    widths = dict(zip(names, _widths(lengths, width), strict=True))
    shown = list(names)

    def cells_of(row: Sequence[str], known: Sequence[str]) -> list[str]:
        named = [(name, cell) for name, cell in zip(names, known, strict=False) if name in shown]
        return [*(_padded(cell, widths[name], name in right) for name, cell in named), *row[len(known) :]]

    table = list(map(cells_of, rows, whole))
    for name in spare:
        # A few rows that are too long do not cost all rows a column.
        long = [_length("  ".join(cells).rstrip()) > (width or 0) for cells in table[1:] if len(cells) == len(shown)]
        if width and 2 * sum(long) >= max(1, len(long)):
            shown.remove(name)
            table = list(map(cells_of, rows, whole))
    return [line for cells in table for line in _folded(cells, width)]


def _widths(lengths: Sequence[Sequence[int]], width: int | None) -> list[int]:
    """Return how wide each column is; the longest cells of few rows do not count where they would fill the line."""
    widths = [max(column) for column in lengths]
    wanted = (width or 0) - 2 * (len(widths) - 1)
    widest = widths.index(max(widths))
    rest = sum(widths) - widths[widest]
    head, *cells = lengths[widest]
    most = [length for length in cells if length + rest <= wanted]
    if width and len(most) < len(cells) < 2 * len(most) and widest < len(widths) - 1:
        widths[widest] = max(head, *most)
    return widths


def _folded(cells: Sequence[str], width: int | None) -> Iterator[str]:
    """Yield the line of a row, and below it lines for the cells that have no room in it."""
    fits = len(cells)
    while width and fits > 1 and _length("  ".join(cells[:fits]).rstrip()) > width:
        fits -= 1
    yield "  ".join(cells[:fits]).rstrip()
    if rest := "  ".join(filter(None, map(str.strip, cells[fits:]))):
        yield from _wrapped(rest, width or 0)


def _wrapped(text: str, width: int) -> list[str]:
    import textwrap  # only a narrow terminal needs it

    indent = 4 * " "
    reason, mark, command = text.partition(_FIX)
    lines = textwrap.wrap(
        reason, width, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )
    # A command in two lines cannot be pasted; the terminal wraps a long line itself.
    return [*lines, f"{indent}{mark}{command}"] if mark else lines


def _length(cell: str) -> int:
    return len(_COLOUR.sub("", cell))


def _padded(cell: str, width: int, right: bool) -> str:
    blanks = " " * (width - _length(cell))
    return f"{blanks}{cell}" if right else f"{cell}{blanks}"


def print_rows(rows: Sequence[Sequence[str]], *, spare: Sequence[str] = ()) -> None:
    """Print rows as columns on standard output, made to fit a terminal.

    Arguments:
        rows: the first one is the head.
        spare: names of columns that a narrow terminal does not show, the least needed one first.
    """
    for line in in_columns(rows, terminal_width(sys.stdout), spare=spare):
        print(line)


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
    if _is_refused_thread(error):
        return report_error(_no_thread())
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
    if _is_refused_thread(error):
        return _no_thread()
    return errors.HelpersError(
        f"a bug in helpers: {type(error).__name__}: {error}", fix="run it again with HELPERS_DEBUG=1"
    )


def _is_refused_thread(error: BaseException) -> bool:
    return isinstance(error, RuntimeError) and "can't start new thread" in str(error)


def _no_thread() -> errors.InfrastructureError:
    return errors.InfrastructureError("the system refused another thread", fix="ulimit -u  (the limit of processes)")


def _print_traceback(error: BaseException) -> None:
    import traceback  # no start without an error needs it

    traceback.print_exception(error)
