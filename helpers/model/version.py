"""Versions `X.Y.Z`, compared as numbers."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

_PATTERN = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)", re.ASCII)


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
            raise ValueError(f"{text!r} is not a version X.Y.Z")
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
