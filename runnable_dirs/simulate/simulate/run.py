"""The simulation: customers one after the other, each taken by the server that is free first."""

import heapq
import math
from dataclasses import dataclass
from random import Random
from statistics import fmean, stdev

from simulate.theory import Queue

Z_95 = 1.96  # 95 % of a normal distribution lie within this many standard deviations


@dataclass(frozen=True)
class Outcome:
    """What one run saw."""

    customers: int
    mean_wait: float  # minutes
    waited: float  # the share of customers that did


@dataclass(frozen=True)
class Estimate:
    """A mean over several runs, and half the width of its 95 % confidence interval."""

    mean: float
    margin: float

    def covers(self, value: float) -> bool:
        """Whether `value` lies in the interval."""
        return abs(self.mean - value) <= self.margin


def simulate(queue: Queue, customers: int, seed: int, *, warm_up: int = 0) -> Outcome:
    """Serve `customers` in order of arrival, after `warm_up` that are not counted; the same seed, the same outcome."""
    if customers < 1:
        raise ValueError(f"cannot simulate {customers} customers")
    random = Random(seed)
    free_at = [0.0] * queue.servers  # a heap: the server that is free first comes first
    clock = total = 0.0
    waited = 0
    for customer in range(warm_up + customers):
        clock += random.expovariate(queue.arrivals)
        begin = max(clock, free_at[0])
        heapq.heapreplace(free_at, begin + random.expovariate(queue.services))
        if customer >= warm_up:
            total += begin - clock
            waited += begin > clock
    return Outcome(customers, total / customers, waited / customers)


def estimate(queue: Queue, customers: int, runs: int, seed: int) -> Estimate:
    """The mean wait over `runs` independent runs of `customers` each; the first tenth of each is not counted."""
    if runs < 2:
        raise ValueError(f"a margin needs at least 2 runs, not {runs}")
    seeds = Random(seed)
    waits = [simulate(queue, customers, seeds.getrandbits(64), warm_up=customers // 10).mean_wait for _ in range(runs)]
    return Estimate(fmean(waits), Z_95 * stdev(waits) / math.sqrt(runs))
