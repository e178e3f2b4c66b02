"""The arithmetic of the methods, on series whose forecast is known."""

import pytest

from forecast.methods import choose, held_out_error, seasonal_naive, smoothed


def test_seasonal_naive_repeats_the_last_season() -> None:
    assert seasonal_naive([9, 9, 9, 1, 2, 3], 5, season=3) == [1, 2, 3, 1, 2]


def test_seasonal_naive_refuses_a_season_longer_than_the_series() -> None:
    with pytest.raises(ValueError, match="a season of 7"):
        seasonal_naive([1, 2, 3], 1, season=7)


def test_smoothing_goes_on_along_a_straight_line() -> None:
    assert smoothed([10, 12, 14, 16], 3, level_weight=0.3, trend_weight=0.2) == pytest.approx([18, 20, 22])


def test_smoothing_with_full_weight_follows_the_last_step() -> None:
    assert smoothed([1, 5, 4], 2, level_weight=1, trend_weight=1) == pytest.approx([3, 2])


def test_the_held_out_error_is_the_mean_distance() -> None:
    def always_five(values: object, horizon: int) -> list[float]:
        return [5.0] * horizon

    assert held_out_error(always_five, [0, 0, 4, 8], 2) == pytest.approx(2.0)


def test_holding_out_everything_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot hold out 2 of 2"):
        choose([1, 2], 2, season=1)


def test_a_series_that_repeats_is_given_to_seasonal_naive() -> None:
    name, _, error = choose([1, 5, 9] * 5, 3, season=3)
    assert (name, error) == ("seasonal-naive(3)", 0)


def test_a_series_that_rises_is_given_to_smoothing() -> None:
    name, method, error = choose([float(v) for v in range(20)], 4, season=3)
    assert name.startswith("smoothed")
    assert error == pytest.approx(0)
    assert method([1.0, 2.0, 3.0], 1) == pytest.approx([4.0])
