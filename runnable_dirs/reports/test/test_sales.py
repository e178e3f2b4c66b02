"""The figures."""

from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import ValidationError

from reports.sales import Order, Sale, read_orders, sales, totals

SAMPLE = Path(__file__).parent / "accepted.jsonl"


def order(currency: str, *lines: tuple[str, int, str]) -> Order:
    """An order with lines of article, quantity, price."""
    fields = [{"article": article, "quantity": quantity, "price": price} for article, quantity, price in lines]
    return Order.model_validate(
        {"number": "A-1", "placed": "2026-11-02T08:30:00Z", "currency": currency, "lines": fields}
    )


def test_the_lines_of_an_article_are_added_up() -> None:
    rows = sales([order("EUR", ("LAMP", 2, "19.90"), ("LAMP", 1, "10")), order("EUR", ("LAMP", 1, "0.30"))])
    assert rows == [Sale("LAMP", "EUR", 4, Decimal("50.10"))]


def test_currencies_stay_apart() -> None:
    rows = sales([order("USD", ("LAMP", 1, "5")), order("EUR", ("LAMP", 1, "7"))])
    assert totals(rows) == {"EUR": Decimal(7), "USD": Decimal(5)}


def test_the_highest_turnover_comes_first() -> None:
    rows = sales([order("EUR", ("BULB", 9, "1"), ("DESK", 1, "90"), ("LAMP", 1, "20"))])
    assert [row.article for row in rows] == ["DESK", "LAMP", "BULB"]


def test_reads_what_intake_prints() -> None:
    orders = read_orders(SAMPLE.read_text(encoding="utf-8").splitlines())
    assert [order.number for order in orders] == ["A-1001", "A-1002"]
    assert totals(sales(orders)) == {"EUR": Decimal("39.80"), "USD": Decimal("262.50")}


def test_an_order_without_lines_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="lines"):
        read_orders(['{"number": "A-1", "placed": "2026-11-02T08:30:00Z", "currency": "EUR"}'])
