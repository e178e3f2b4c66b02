"""Versions `X.Y.Z`, compared as numbers."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass

from helpers.console import excerpt

_COMPARE = {"<=": operator.le, ">=": operator.ge, "==": operator.eq, "<": operator.lt, ">": operator.gt}
_BOUND = re.compile(r"(<=|>=|==|<|>)\s*((?:0|[1-9]\d{0,8})(?:\.(?:0|[1-9]\d{0,8})){0,2})", re.ASCII)
_PATTERN = re.compile(r"(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})\.(0|[1-9]\d{0,8})", re.ASCII)


@dataclass(frozen=True, order=True)
class Version:
    """A version of a runnable dir's image; 1.9.0 < 1.10.0."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str) -> Version:
        """Return the version that `text` spells.

        Raises:
            ValueError: `text` is not three dot-separated numbers without leading zeros.
        """
        match = _PATTERN.fullmatch(text)
        if not match:
            raise ValueError(f"{excerpt(text)} is not a version X.Y.Z")
        return cls(*(int(part) for part in match.groups()))

    def runs_in(self, image: Version) -> bool:
        """Say whether code of this version may run in an image of version `image`: same major and minor."""
        return (self.major, self.minor) == (image.major, image.minor)

    def newest_image(self, images: Iterable[Version]) -> Version | None:
        """Return the newest of `images` that code of this version may run in; None if there is none."""
        return max(filter(self.runs_in, images), default=None)

    @property
    def images(self) -> str:
        """The images that code of this version may run in, for a reader: `1.2.*`."""
        return f"{self.major}.{self.minor}.*"

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


@dataclass(frozen=True)
class Range:
    """Versions between bounds, such as `>=0.1,<1`; a number that is left out is 0."""

    text: str
    bounds: tuple[tuple[str, Version], ...]

    @classmethod
    def parse(cls, text: str) -> Range:
        """Return the range that `text` spells.

        Raises:
            ValueError: it is no list of bounds, or one is no version.
        """
        matches = [_BOUND.fullmatch(part.strip()) for part in text.split(",")]
        if not all(matches):
            raise ValueError(f"{excerpt(text)} is no range of versions such as '>=0.1,<1'")
        return cls(text, tuple((match[1], _padded(match[2])) for match in matches if match))

    def allows(self, version: Version) -> bool:
        """Say whether `version` is between the bounds."""
        return all(_COMPARE[sign](version, bound) for sign, bound in self.bounds)

    def is_above(self, version: Version) -> bool:
        """Say whether only newer versions than `version` can be between the bounds."""
        return any(not _COMPARE[sign](version, bound) for sign, bound in self.bounds if sign in (">=", ">")) or any(
            version < bound for sign, bound in self.bounds if sign == "=="
        )

    def __str__(self) -> str:
        return self.text


def _padded(text: str) -> Version:
    numbers = [int(number) for number in text.split(".")]
    return Version(*numbers, *[0] * (3 - len(numbers)))
