"""The formulas, against values worked out by hand."""

import pytest

from simulate.theory import Queue, chance_to_wait, mean_wait


def test_with_one_server_the_chance_to_wait_is_the_load() -> None:
    assert chance_to_wait(Queue(arrivals=3, services=4, servers=1)) == pytest.approx(0.75)


def test_with_one_server_the_wait_is_the_load_over_the_slack() -> None:
    assert mean_wait(Queue(arrivals=3, services=4, servers=1)) == pytest.approx(0.75 / (4 - 3))


def test_two_servers_with_one_customer_on_average() -> None:
    assert chance_to_wait(Queue(arrivals=1, services=1, servers=2)) == pytest.approx(1 / 3)


def test_another_server_shortens_the_wait() -> None:
    waits = [mean_wait(Queue(arrivals=5, services=2, servers=servers)) for servers in range(3, 8)]
    assert waits == sorted(waits, reverse=True)
    assert waits[-1] < waits[0] / 50


def test_a_thousand_servers_do_not_overflow() -> None:
    assert 0 < chance_to_wait(Queue(arrivals=950, services=1, servers=1000)) < 0.2


def test_an_overloaded_queue_has_no_wait_to_tell() -> None:
    with pytest.raises(ValueError, match=r"a load of 1\.25"):
        mean_wait(Queue(arrivals=5, services=2, servers=2))


@pytest.mark.parametrize(("arrivals", "services", "servers"), [(0, 1, 1), (1, -1, 1), (1, 1, 0)])
def test_a_queue_that_makes_no_sense_is_refused(arrivals: float, services: float, servers: int) -> None:
    with pytest.raises(ValueError, match="must be"):
        Queue(arrivals, services, servers)
