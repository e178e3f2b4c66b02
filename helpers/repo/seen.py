"""Which paths of a checkout somebody looks at."""

from __future__ import annotations

from collections.abc import Iterable
from posixpath import dirname


class Seen:
    """Some paths of a checkout, each with all that is below it.

    Arguments:
        paths: relative to the root, which is `.`, with forward slashes.
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self._paths = set(paths)
        self._above = {above for path in self._paths for above in _upwards(path)}

    def touches(self, path: str) -> bool:
        """Say whether one of them is at, below or above a path."""
        return path in self._above or not self._paths.isdisjoint(_upwards(path))

    def tops(self) -> tuple[str, ...]:
        """Return the paths, sorted, without paths below another path."""
        return tuple(sorted(path for path in self._paths if self._paths.isdisjoint(list(_upwards(path))[1:])))


def _upwards(path: str) -> Iterable[str]:
    """Yield a path and all directories that it is in, up to the root."""
    while path not in ("", "."):
        yield path
        path = dirname(path)
    yield "."


EVERYTHING = Seen(["."])
