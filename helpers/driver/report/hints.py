"""What may be done about what did not pass: each thing once, with the directories that it concerns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from helpers.console import printable
from helpers.driver.verdict import Verdict

_MOST_NAMED = 10
# The same command for several directories is one loop; the word behind `--dir` is quoted as a shell needs it.
_FOR_ONE = re.compile(r"(fix: invoke \w+) --dir ('[^']*'|[^\s']+)")


def hint_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """Return a line for each thing that may be done.

    Arguments:
        verdicts: of one run; where it is only one, no directory is named.
    """
    lines = []
    for text, names in grouped((verdict.name, verdict.hints) for verdict in verdicts):
        kind, _, what = text.partition(": ")
        # A command stands last, to be taken from there.
        lines.append(printable(text if len(verdicts) == 1 else f"{kind} ({', '.join(_few(names))}): {what}"))
    return lines


def grouped(each: Iterable[tuple[str, Iterable[str]]]) -> list[tuple[str, list[str]]]:
    """Return all that may be done, each thing with the names of its directories.

    Arguments:
        each: the names of directories, with the hints of each.
    """
    found: dict[str, list[str]] = {}
    loops: dict[str, list[str]] = {}
    for name, texts in each:
        for text in texts:
            one = _FOR_ONE.fullmatch(text)
            key = one[1] if one else text
            if one:
                loops.setdefault(key, []).append(one[2])
            found.setdefault(key, []).append(name)
    return [(_loop(key, list(dict.fromkeys(loops[key]))) if key in loops else key, found[key]) for key in found]


def _loop(command: str, words: Sequence[str]) -> str:
    if len(words) == 1:
        return f"{command} --dir {words[0]}"
    fix, _, rest = command.partition(" ")
    return f'{fix} for dir in {" ".join(words)}; do {rest} --dir "$dir"; done'


def _few(names: Sequence[str]) -> list[str]:
    named = list(dict.fromkeys(names))
    more = len(named) - _MOST_NAMED
    return named if more <= 0 else [*named[:_MOST_NAMED], f"and {more} more"]
