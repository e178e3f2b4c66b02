from __future__ import annotations

import time
from collections.abc import Mapping

import pytest

from helpers.driver.estimate import seconds_left
from helpers.model.graph import Step

SECONDS = {"base": 10.0, "a": 4.0, "b": 3.0, "c": 2.0, "d": 1.0}
STEPS = [Step("base", ()), Step("a", ("base",)), *(Step(name, ()) for name in "bcd")]


@pytest.mark.parametrize(
    ("jobs", "begun", "over", "left"),
    [
        (1, {}, (), 20.0),
        (2, {}, (), 14.0),
        (9, {}, (), 14.0),
        (1, {}, ("base", "b"), 7.0),
        (2, {}, ("base",), 5.0),
        (2, {"base": 4.0}, ("b", "c", "d"), 10.0),
        (2, {"base": 99.0}, ("b",), 4.0),
        (1, {}, ("base", "a", "b", "c", "d"), 0.0),
    ],
)
def test_the_graph_is_followed_longest_way_first(
    jobs: int, begun: Mapping[str, float], over: tuple[str, ...], left: float
) -> None:
    assert seconds_left(STEPS, SECONDS, begun, over, jobs) == left


def test_without_any_record_nothing_is_left() -> None:
    assert seconds_left(STEPS, {}, {}, (), 2) == 0.0


def test_a_thousand_directories_are_reckoned_in_no_time() -> None:
    steps = [Step(str(number), ()) for number in range(2000)]
    begin = time.monotonic()
    assert seconds_left(steps, {step.key: 1.0 for step in steps}, {}, (), 2) == 1000.0
    assert time.monotonic() - begin < 1.0
