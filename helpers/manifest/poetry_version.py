"""Version constraints of poetry (https://python-poetry.org/docs/dependency-specification/) in the words of PEP 440."""

from __future__ import annotations

import re
from dataclasses import dataclass

_MOST_CHARACTERS, _MOST_GAPS = 1000, 40
_PART = re.compile(r"(\^|~=|~|===|==|!=|>=|<=|>|<|=)? *v?([0-9][0-9A-Za-z.!+_*-]*|\*)[ ,]*")
_RELEASE = re.compile(r"[0-9]{1,30}(?:\.[0-9]{1,30}){0,9}(?![0-9])")
# Python 2 ended with 2.7: between the two only these were released.
_LAST_OF_2, _FIRST_OF_3 = (2, 7), (3, 0)
Release = tuple[int, ...]


@dataclass(frozen=True)
class Part:
    """One comparison of a constraint: an operator of PEP 440 and a version."""

    op: str
    version: str


def specifier(text: str, *, python: bool = False) -> str:
    """Return the PEP 440 specifier of a constraint; empty for any version.

    Arguments:
        text: as in `^1.2`, `>=1,<2` or `^2.7 || ^3.5`.
        python: whether the versions are those of Python.

    Raises:
        ValueError: the text is no constraint, or PEP 440 cannot express it.
    """
    alternatives = _alternatives(text)
    if any(not parts for parts in alternatives):
        return ""
    if len(alternatives) == 1:
        return ",".join(f"{part.op}{part.version}" for part in alternatives[0])
    ranges = sorted(_range(parts) for parts in alternatives)
    low, high = ranges[0]
    gaps: list[str] = []
    for start, end in ranges[1:]:
        if _more(start, high):
            gaps += _between(high, start, python=python)
        high = high if not high or (end and not _more(end, high)) else end
    first = [f">={_text(low)}"] if low else []
    return ",".join([*first, *(f"!={gap}.*" for gap in gaps), *([f"<{_text(high)}"] if high else [])])


def python_marker(text: str) -> str:
    """Return the PEP 508 marker of a constraint on the version of Python; empty for any version.

    Raises:
        ValueError: the text is no constraint.
    """
    alternatives = _alternatives(text)
    if any(not parts for parts in alternatives):
        return ""
    texts = [" and ".join(map(_python_comparison, parts)) for parts in alternatives]
    return " or ".join(texts)


def _python_comparison(part: Part) -> str:
    version = part.version.removesuffix(".*")
    if version != part.version and "." not in version:
        low, high = f'python_version {{}} "{version}"', f'python_version {{}} "{int(version) + 1}"'
        return f"{low} and {high}".format(">=", "<") if part.op == "==" else f"({low} or {high})".format("<", ">=")
    # The marker `python_version` is 3.11 for 3.11.4, too.
    precise = version.count(".") > 1 or part.op in (">", "<=")
    return f'python_{"full_" if precise else ""}version {part.op} "{version}"'


def _alternatives(text: str) -> list[list[Part]]:
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"has more than {_MOST_CHARACTERS} characters")
    return [_parts(" ".join(item.split())) for item in re.split(r"\|\|?", text)]


def _parts(text: str) -> list[Part]:
    found: list[Part] = []
    end = 0
    while end < len(text):
        item = _PART.match(text, end)
        if not item:
            raise ValueError(f"is no version constraint: {text[:50]!r}")
        found += _converted(item.group(1) or "", item.group(2).rstrip("."))
        end = item.end()
    return found


def _converted(op: str, version: str) -> list[Part]:
    version = re.sub(r"\.[xX](?=\.|$)", ".*", version)
    if version == "*":
        return []
    release = _RELEASE.match(version)
    if not release:
        raise ValueError(f"is no version: {version[:50]!r}")
    numbers = tuple(map(int, release.group().split(".")))
    if op == "^":
        return [Part(">=", version), Part("<", _text(_caret(numbers)))]
    if op == "~":
        level = min(len(numbers), 2)
        return [Part(">=", version), Part("<", _text(_next(numbers, level)))]
    wild = re.fullmatch(r"((?:[0-9]+\.)*[0-9]+)(?:\.\*)+", version)
    if "*" in version and not wild:
        raise ValueError(f"is no version: {version[:50]!r}")
    version = f"{wild.group(1)}.*" if wild else version
    return [Part("==" if op in ("", "=") else op, version)]


def _caret(numbers: Release) -> Release:
    first = next((index for index, number in enumerate(numbers) if number), len(numbers) - 1)
    return _next(numbers, first + 1)


def _next(numbers: Release, level: int) -> Release:
    """Return the release after all that begin with the first `level` numbers, in the length of `numbers`."""
    raised = (*numbers[: level - 1], numbers[level - 1] + 1)
    return (*raised, *(0 for _ in numbers[level:]))


def _range(parts: list[Part]) -> tuple[Release, Release]:
    """Return the first release of a range, and the first release after the range; empty without a limit."""
    low, high = Release(), Release()
    for part in parts:
        bare = part.version.removesuffix(".*")
        if not _RELEASE.fullmatch(bare):
            raise ValueError("joins a pre-release and others by ||")
        numbers = tuple(map(int, bare.split(".")))
        is_series = part.op == "==" and bare != part.version
        if part.op not in (">=", "<") and not is_series:
            raise ValueError(f"joins {part.op}{part.version} and others by ||, write one range, as in >=1.0,<=1.2")
        if part.op != "<":
            low = max(low, numbers, key=_stripped)
        if part.op != ">=":
            end = _next(numbers, len(numbers)) if is_series else numbers
            high = min(high or end, end, key=_stripped)
    return low, high


def _more(one: Release, other: Release) -> bool:
    length = max(len(one), len(other))
    return bool(other) and _padded(one, length) > _padded(other, length)


def _padded(numbers: Release, length: int) -> Release:
    return (*numbers, *(0 for _ in range(length - len(numbers))))


def _between(start: Release, end: Release, *, python: bool) -> list[str]:
    """Return the shortest prefixes of versions that cover a gap.

    Raises:
        ValueError: no finite list of prefixes covers the gap.
    """
    if python and start[0] == _LAST_OF_2[0] and start > _LAST_OF_2 and end[0] == _FIRST_OF_3[0]:
        start = _FIRST_OF_3
    short, long = _stripped(start), _stripped(end)
    level = max(len(short), len(long))
    short, long = _padded(short, level), _padded(long, level)
    if short[:-1] != long[:-1] or long[-1] - short[-1] > _MOST_GAPS:
        raise ValueError("joins versions by || that PEP 440 cannot join, write one range, as in >=1.0,<=1.2")
    return [_text((*short[:-1], number)) for number in range(short[-1], long[-1])]


def _stripped(numbers: Release) -> Release:
    while len(numbers) > 1 and not numbers[-1]:
        numbers = numbers[:-1]
    return numbers


def _text(numbers: Release) -> str:
    return ".".join(map(str, numbers))
