"""How far the tests of one directory are, from the file that our plugin writes a line to for each of them."""

from __future__ import annotations

from pathlib import Path

from helpers.driver.results import read_more

# As many tests as one directory has are counted in less; a longer number is none of theirs.
_MOST_BYTES = 16 << 20
_DIGITS = 9


class Progress:
    """Counts tests while they run.

    Arguments:
        results: the directory with the file.
    """

    def __init__(self, results: Path) -> None:
        self._file = results / "progress"
        self._at = 0
        self.total = 0
        self.done = 0
        self.failed = 0

    def update(self) -> None:
        """Count what was written since the last time."""
        whole, end, _ = read_more(self._file, self._at, _MOST_BYTES).rpartition(b"\n")
        self._at += len(whole) + len(end)
        for words in (line.split() for line in whole.splitlines() if line.strip()):
            if words[0] == b"collected" and len(words) > 1 and words[1].isdigit():
                self.total = int(words[1][:_DIGITS])
            else:
                self.done += 1
                self.failed += words.count(b"failed") + words.count(b"error")

    def __str__(self) -> str:
        if not self.total:
            return ""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{min(self.done, self.total)}/{self.total}{failed}"
