"""What an order accepts, changes and refuses."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from pydantic import ValidationError

from intake.order import Order


def record(**changes: object) -> dict[str, object]:
    lines = [{"article": "lamp", "quantity": 2, "price": "19.90"}]
    base: dict[str, object] = {
        "number": "a-1",
        "customer": "ada@example.org",
        "placed": "2026-11-02T09:30:00+01:00",
        "lines": lines,
    }
    return base | changes


def test_codes_become_upper_case_and_addresses_lower_case() -> None:
    order = Order.model_validate(record(number=" a-77 ", customer=" Ada@Example.ORG ", currency="usd"))
    assert (order.number, order.customer, order.currency) == ("A-77", "ada@example.org", "USD")
    assert order.lines[0].article == "LAMP"


def test_times_become_utc() -> None:
    assert Order.model_validate(record()).placed == datetime(2026, 11, 2, 8, 30, tzinfo=UTC)
    assert Order.model_validate(record()).placed.tzinfo is UTC


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValidationError, match="timezone"):
        Order.model_validate(record(placed="2026-11-02T09:30:00"))


def test_the_total_is_computed_and_written() -> None:
    order = Order.model_validate(record())
    assert order.total == Decimal("39.80")
    assert json.loads(order.model_dump_json())["total"] == "39.80"


def test_the_declared_total_is_checked_and_not_written() -> None:
    assert "declared_total" not in Order.model_validate(record(declared_total="39.8")).model_dump()
    with pytest.raises(ValidationError, match=r"declared_total is 40, the lines add up to 39\.80"):
        Order.model_validate(record(declared_total=40))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("number", "a 1"),
        ("customer", "nobody"),
        ("currency", "euro"),
        ("lines", []),
        ("lines", [{"article": "lamp", "quantity": 0, "price": "1"}]),
        ("lines", [{"article": "lamp", "quantity": 1, "price": "1.005"}]),
        ("colour", "red"),
    ],
)
def test_a_wrong_field_is_refused_by_name(field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        Order.model_validate(record(**{field: value}))
    assert [fault["loc"][0] for fault in caught.value.errors()] == [field]


def test_an_order_cannot_be_changed() -> None:
    order = Order.model_validate(record())
    with pytest.raises(ValidationError, match="frozen"):
        order.number = "B-2"
