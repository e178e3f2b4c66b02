"""Two ways to forecast, and a way to choose between them. Plain numbers in and out."""

from collections.abc import Callable, Sequence
from functools import partial

Method = Callable[[Sequence[float], int], list[float]]

WEIGHTS = tuple(step / 10 for step in range(1, 10))


def seasonal_naive(values: Sequence[float], horizon: int, *, season: int) -> list[float]:
    """Repeat the last season of `season` points for `horizon` points; raises ValueError if there is none."""
    if not 1 <= season <= len(values):
        raise ValueError(f"a season of {season} needs as many points, there are {len(values)}")
    last = values[-season:]
    return [last[ahead % season] for ahead in range(horizon)]


def smoothed(values: Sequence[float], horizon: int, *, level_weight: float, trend_weight: float) -> list[float]:
    """Holt's exponential smoothing with a linear trend; the weights are above 0 and at most 1."""
    if len(values) < 2:
        raise ValueError(f"a trend needs at least 2 points, there are {len(values)}")
    level, trend = values[0], values[1] - values[0]
    for value in values[1:]:
        before = level
        level = level_weight * value + (1 - level_weight) * (level + trend)
        trend = trend_weight * (level - before) + (1 - trend_weight) * trend
    return [level + ahead * trend for ahead in range(1, horizon + 1)]


def held_out_error(method: Method, values: Sequence[float], horizon: int) -> float:
    """The mean absolute error of `method` on the last `horizon` values, which it did not see."""
    if horizon < 1 or horizon >= len(values):
        raise ValueError(f"cannot hold out {horizon} of {len(values)} points")
    forecast = method(values[:-horizon], horizon)
    return sum(abs(f - v) for f, v in zip(forecast, values[-horizon:], strict=True)) / horizon


def candidates(season: int) -> dict[str, Method]:
    """Every method with its settings, by name."""
    methods: dict[str, Method] = {f"seasonal-naive({season})": partial(seasonal_naive, season=season)}
    for level in WEIGHTS:
        for trend in WEIGHTS:
            name = f"smoothed({level}, {trend})"
            methods[name] = partial(smoothed, level_weight=level, trend_weight=trend)
    return methods


def choose(values: Sequence[float], horizon: int, *, season: int) -> tuple[str, Method, float]:
    """The method that forecasts the last `horizon` values best: its name, itself, its error."""
    scored = [(held_out_error(method, values, horizon), name) for name, method in candidates(season).items()]
    error, name = min(scored)
    return name, candidates(season)[name], error
