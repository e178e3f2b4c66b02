"""What a terminal shows after it has got some text: as much of ECMA-48 as our region of lines uses, and no more."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])|(\r)|(\n)|([^\x1b\r\n])", re.DOTALL)


class Screen:
    """A terminal of a given size, with all that has scrolled up; refuses a sequence that it does not know.

    Arguments:
        columns: its width.
        rows: its height.
    """

    def __init__(self, columns: int = 80, rows: int = 24) -> None:
        self.columns = columns
        self.rows = rows
        self.lines: list[list[str]] = [[]]
        self.row = self.column = 0
        self.highest = 0

    def feed(self, text: str) -> Screen:
        """Take text."""
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            assert found, f"no such sequence: {text[at : at + 20]!r}"
            at = found.end()
            number, final, back, down, char = found.groups()
            if final:
                self._obey(number, final)
            elif back:
                self.column = 0
            elif down:
                # A terminal in its usual mode makes of a line feed a new line.
                self.column = 0
                self._down()
            else:
                self._put(char)
        return self

    def text(self) -> str:
        """Return all lines, those too that have scrolled up, without blanks at their ends."""
        return "\n".join("".join(line).rstrip() for line in self.lines).rstrip("\n")

    def _put(self, char: str) -> None:
        if self.column == self.columns:
            self.column = 0
            self._down()
        line = self.lines[self.row]
        line.extend(" " * (self.column + 1 - len(line)))
        line[self.column] = char
        self.column += 1

    def _down(self) -> None:
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append([])

    def _obey(self, number: str, final: str) -> None:
        if final == "A":
            self.row -= int(number or 1)
            top = max(0, len(self.lines) - self.rows)
            assert self.row >= top, "what has scrolled up can not be reached"
        elif final == "K" and not number:
            del self.lines[self.row][self.column :]
        elif final == "J" and not number:
            del self.lines[self.row][self.column :]
            del self.lines[self.row + 1 :]
        else:
            assert final == "m", f"no such sequence: {number}{final}"
