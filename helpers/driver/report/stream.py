"""What tests print while they run, as lines behind the name of their directory."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path

from helpers.console import printable
from helpers.driver.report.words import BAR, quoted

_READ_BYTES = 1 << 20


class Tail:
    """Reads a file of text while it is written, in whole lines.

    Arguments:
        file: may not be there yet.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._at = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def new(self) -> str:
        """Return the lines that were written since the last call, without the last end of a line."""
        try:
            with self._file.open("rb") as file:
                file.seek(self._at)
                data = file.read(_READ_BYTES)
        except OSError:
            return ""
        self._at += len(data)
        whole, end, rest = (self._rest + self._decoder.decode(data)).rpartition("\n")
        # A line without an end is shown in pieces, or it would be held in memory.
        self._rest, cut = (rest, "") if len(rest) < _READ_BYTES else ("", rest)
        return whole + (end if cut else "") + cut

    def rest(self) -> Iterator[str]:
        """Yield all that there is to its end, when nothing more is written."""
        while text := self.new():
            yield text
        if self._rest:
            yield self._rest


class Streams:
    """What the tests of several directories print."""

    def __init__(self) -> None:
        self.several = False
        self._tails: dict[str, Tail] = {}

    def begin(self, name: str, log: Path) -> None:
        """Follow what a directory prints.

        Arguments:
            name: the directory.
            log: the file that its output goes to.
        """
        self._tails[name] = Tail(log)

    def new(self) -> Iterator[str]:
        """Yield the lines that are new."""
        for name, tail in self._tails.items():
            if text := tail.new():
                yield from quoted(text, self._bar(name))

    def end(self, name: str) -> Iterator[str]:
        """Yield the last lines of a directory that is done."""
        tail = self._tails.pop(name, None)
        for text in tail.rest() if tail else ():
            yield from quoted(text, self._bar(name))

    def _bar(self, name: str) -> str:
        return f"{printable(name)}{BAR[1:]}" if self.several else BAR
