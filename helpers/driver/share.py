"""What directories that are tested at the same time get of the machine: memory and cores."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import replace

from helpers.driver.plan import DirPlan
from helpers.engine import memory
from helpers.engine.specs import RunSpec
from helpers.images.parallel import Room
from helpers.model.container_options import in_bytes

# How many workers `-n auto` and `-n logical` are (https://pytest-xdist.readthedocs.io/en/stable/distribution.html).
WORKERS = "PYTEST_XDIST_AUTO_NUM_WORKERS"


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def room(dirs: Sequence[DirPlan]) -> Room:
    """Return how much memory there is now, and the limit of each directory's container, by its step."""
    needs = {item.step: in_bytes(item.runnable.settings.memory) for item in dirs if item.runnable}
    try:
        return Room(memory.available(), needs)
    except (OSError, ValueError):
        return Room(0, {})  # the machine does not say what it has


def with_workers(spec: RunSpec, jobs: int, dirs: int) -> RunSpec:
    """Return the container with its share of the cores, which pytest-xdist takes for `-n auto`; at least one.

    Arguments:
        spec: the container; a number that its directory sets or takes from the host stays.
        jobs: how many directories may be tested at a time.
        dirs: how many there are.
    """
    if WORKERS in (*spec.inherit, *spec.values, *spec.file_values):
        return spec
    usable = min(cores(), math.ceil(spec.options.cpus) or cores())
    return replace(spec, env={**spec.env, WORKERS: str(max(1, min(cores() // max(1, min(jobs, dirs)), usable)))})
