"""A region of lines at the end of a terminal that is drawn again and again, below the lines that stay.

The sequences are those of ECMA-48 (https://ecma-international.org/publications-and-standards/standards/ecma-48/) that
every terminal knows: cursor up, erase to the end of the line, erase to the end of the screen.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import TextIO

from helpers.console import paint
from helpers.thin_env.slow_steps import cells

_UP, _ERASE_LINE, _ERASE_BELOW = "\033[{}A", "\033[K", "\033[J"

# A piece of a line, and its colour; empty is none.
Span = tuple[str, str]


class Region:
    """The lines.

    Arguments:
        stream: the terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: list[list[Span]] = []
        # How many cells each line had that stands on the terminal now.
        self._drawn: list[int] = []
        self._shown_at: os.terminal_size | None = None

    def size(self) -> os.terminal_size:
        """Return the columns and lines of the terminal."""
        try:
            size = os.get_terminal_size(self._stream.fileno())
        except (OSError, ValueError):
            return shutil.get_terminal_size()
        # A terminal that does not know its size says 0.
        return size if size.columns and size.lines else shutil.get_terminal_size()

    def draw(self, lines: Sequence[Sequence[Span]]) -> None:
        """Show other lines; those beyond the height of the terminal are not shown, the last one always is."""
        wanted = [list(line) for line in lines]
        if wanted != self._lines or (wanted and self.size() != self._shown_at):
            self._lines = wanted
            self._write("")

    def put(self, text: str, lines: Sequence[Sequence[Span]]) -> None:
        """Print text above the region, and show these lines in it."""
        self._lines = [list(line) for line in lines]
        self._write(f"{text}\n")

    def clear(self) -> None:
        """Remove the region."""
        self.draw([])

    def _write(self, above: str) -> None:
        self._shown_at = self.size()
        columns, rows = self._shown_at
        shown = self._lines if len(self._lines) < rows else [*self._lines[: max(0, rows - 2)], self._lines[-1]]
        cut = [_cut(line, columns - 1) for line in shown]
        painted = "\n".join(self._painted(line) + _ERASE_LINE for line in cut)
        erase = _ERASE_BELOW if above or not cut else ""
        after = "" if erase and not above else _ERASE_BELOW
        # In one write: a terminal that shows what it has got so far shows nothing half.
        self._stream.write(f"{self._home(columns)}{erase}{above}{painted}{after}")
        self._stream.flush()
        self._drawn = [sum(map(cells, "".join(text for text, _ in line))) for line in cut]

    def _home(self, columns: int) -> str:
        """Return what moves the cursor to the region's beginning; a terminal that became narrower has folded lines."""
        up = sum(max(1, -(-width // columns)) for width in self._drawn) - 1
        return "\r" + (_UP.format(up) if up > 0 else "")

    def _painted(self, line: Sequence[Span]) -> str:
        return "".join(paint(text, colour, self._stream) if colour else text for text, colour in line)


def _cut(line: Sequence[Span], most: int) -> list[Span]:
    """Return a line as far as it fits into `most` cells."""
    left, found = most, []
    for text, colour in line:
        end = 0
        while end < len(text) and cells(text[end]) <= left:
            left -= cells(text[end])
            end += 1
        found.append((text[:end], colour))
        if end < len(text):
            break
    return found
