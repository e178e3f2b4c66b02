"""Which paths touch those that somebody looks at."""

from __future__ import annotations

import pytest

from helpers.repo.seen import EVERYTHING, Seen

TOUCHED = (".", "a", "a/b", "a/b/c", "a/b/c/d", "d")
APART = ("a/bc", "a/x", "b", "dd", "a/b.c", "b/a/b")


@pytest.mark.parametrize("path", [*TOUCHED, *APART])
def test_a_path_is_touched_by_what_is_at_above_or_below_it(path: str) -> None:
    assert Seen(["a/b", "d"]).touches(path) == (path in TOUCHED)
    assert EVERYTHING.touches(path)
    assert not Seen([]).touches(path)
