"""How long a run will still take: its graph is followed with the seconds that each step took the last time."""

from __future__ import annotations

import heapq
from collections.abc import Container, Mapping, Sequence

from helpers.model.graph import Step, longest


def seconds_left(
    steps: Sequence[Step],
    seconds: Mapping[str, float],
    begun: Mapping[str, float],
    over: Container[str],
    jobs: int,
) -> float:
    """Return how many seconds it takes until all steps are over, when each takes what it took before.

    Arguments:
        steps: all of them, in an order in which each comes after what it needs.
        seconds: how long each takes; one that is not named takes no time.
        begun: for how many seconds each step that runs has been running.
        over: the keys of those that are over.
        jobs: how many steps at a time.
    """
    weights = longest(steps, seconds)
    running = [(max(0.0, seconds.get(key, 0.0) - took), key) for key, took in begun.items()]
    heapq.heapify(running)
    waiting = {step.key: {need for need in step.needs if need not in over} for step in steps}
    waiting = {key: needs for key, needs in waiting.items() if key not in over and key not in begun}
    freed: dict[str, list[str]] = {}
    for key, needs in waiting.items():
        for need in needs:
            freed.setdefault(need, []).append(key)
    ready = [(-weights[key], key) for key, needs in waiting.items() if not needs]
    heapq.heapify(ready)
    now = 0.0
    while ready or running:
        while ready and len(running) < jobs:
            _, key = heapq.heappop(ready)
            heapq.heappush(running, (now + seconds.get(key, 0.0), key))
        now, ended = heapq.heappop(running)
        for key in freed.get(ended, ()):
            waiting[key].discard(ended)
            if not waiting[key]:
                heapq.heappush(ready, (-weights[key], key))
    return now
