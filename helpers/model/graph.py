"""The plan: a graph of steps, each of which is started when what it needs is done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter

from helpers.errors import ConfigError


@dataclass(frozen=True)
class Step:
    """One node of a plan: something with a key that other steps may need."""

    key: str
    needs: tuple[str, ...]


def longest(steps: Iterable[Step], seconds: Mapping[str, float]) -> dict[str, float]:
    """Return for each step how long it takes from its start until the last step that stands on it has ended.

    What has the longest way before it is started first, so that it is not what everything waits for at the end.

    Arguments:
        steps: in an order in which each comes after what it needs.
        seconds: how long each step takes by itself; one that is not named takes no time.
    """
    found: dict[str, float] = {}
    for step in reversed(list(steps)):
        found[step.key] = found.get(step.key, 0.0) + seconds.get(step.key, 0.0)
        for need in step.needs:
            found[need] = max(found.get(need, 0.0), found[step.key])
    return found


def order(steps: Iterable[Step]) -> list[str]:
    """Return the keys of `steps` in an order in which each comes after what it needs.

    Raises:
        ConfigError: the steps need each other in a circle; the message names it.
    """
    sorter = TopologicalSorter({step.key: step.needs for step in steps})
    try:
        return list(sorter.static_order())
    except CycleError as error:
        circle: list[str] = error.args[1]
        raise ConfigError(
            # From each one to its base, as the settings name it; graphlib goes the other way.
            "images are built on each other in a circle: " + " -> ".join(reversed(circle)),
            fix="change one `base`",
        ) from None
