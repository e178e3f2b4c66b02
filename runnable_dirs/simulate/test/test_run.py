"""The simulation. Seeds are fixed: a test that passes once passes always.

How long a test takes is its tier: without a mark it is fast, the others are selected by `--tier slow` or `superslow`.
"""

import pytest

from simulate.__main__ import main
from simulate.run import Estimate, estimate, simulate
from simulate.theory import Queue, chance_to_wait, mean_wait

COUNTER = Queue(arrivals=5, services=2, servers=3)


def test_the_same_seed_gives_the_same_outcome() -> None:
    assert simulate(COUNTER, 500, seed=7) == simulate(COUNTER, 500, seed=7)
    assert simulate(COUNTER, 500, seed=7) != simulate(COUNTER, 500, seed=8)


def test_the_first_customer_never_waits() -> None:
    assert simulate(COUNTER, 1, seed=1).mean_wait == 0


def test_nobody_waits_where_there_is_a_server_for_everyone() -> None:
    assert simulate(Queue(arrivals=5, services=2, servers=200), 200, seed=1).waited == 0


def test_an_overloaded_queue_makes_the_later_ones_wait_longer() -> None:
    flooded = Queue(arrivals=5, services=2, servers=1)
    early, late = simulate(flooded, 500, seed=1), simulate(flooded, 500, seed=1, warm_up=1500)
    assert late.mean_wait > 2 * early.mean_wait


def test_an_interval_covers_what_lies_in_it() -> None:
    assert Estimate(mean=2.0, margin=0.5).covers(2.5)
    assert not Estimate(mean=2.0, margin=0.5).covers(2.51)


def test_too_few_runs_or_customers_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 2 runs"):
        estimate(COUNTER, 10, runs=1, seed=1)
    with pytest.raises(ValueError, match="0 customers"):
        simulate(COUNTER, 0, seed=1)


def test_the_command_prints_a_line_for_each_number_of_servers(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--customers", "100", "--runs", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["servers", "3", "4", "5"]


def test_the_command_refuses_a_rate_of_zero(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--arrivals", "0"]) == 2
    assert "must be above 0" in capsys.readouterr().err


@pytest.mark.slow
def test_the_share_that_waits_comes_close_to_the_theory() -> None:
    outcome = simulate(COUNTER, 2_500_000, seed=3, warm_up=10_000)
    assert outcome.waited == pytest.approx(chance_to_wait(COUNTER), rel=0.01)


@pytest.mark.slow
def test_more_runs_narrow_the_interval() -> None:
    few, many = estimate(COUNTER, 20_000, runs=10, seed=5), estimate(COUNTER, 20_000, runs=90, seed=5)
    assert many.margin < few.margin / 2


@pytest.mark.superslow
def test_the_theory_lies_in_nearly_every_interval() -> None:
    covered = [estimate(COUNTER, 20_000, runs=10, seed=seed).covers(mean_wait(COUNTER)) for seed in range(40)]
    assert sum(covered) >= 34, "about 9 of 10 should cover it: so few runs make the interval a little narrow"
