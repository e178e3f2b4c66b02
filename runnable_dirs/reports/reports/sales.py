"""The figures of a report: sales per currency and article, counted from accepted orders."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from pydantic import AwareDatetime, BaseModel


class Line(BaseModel):
    """What a report needs of a line; other fields are passed over."""

    article: str
    quantity: int
    price: Decimal


class Order(BaseModel):
    """What a report needs of an order, in the normal form that intake prints."""

    number: str
    placed: AwareDatetime
    currency: str
    lines: list[Line]


@dataclass(frozen=True)
class Sale:
    """One row of a report: pieces and turnover of an article in one currency."""

    article: str
    currency: str
    pieces: int
    turnover: Decimal


def read_orders(lines: Iterable[str]) -> list[Order]:
    """Read one JSON order a line; raises pydantic.ValidationError at the first that is none."""
    return [Order.model_validate_json(line) for line in lines if line.strip()]


def sales(orders: Iterable[Order]) -> list[Sale]:
    """Add up the orders; currencies in order of the alphabet, in each the highest turnover first."""
    pieces: dict[tuple[str, str], int] = defaultdict(int)
    turnover: dict[tuple[str, str], Decimal] = defaultdict(lambda: Decimal("0.00"))
    for order in orders:
        for line in order.lines:
            key = (line.article, order.currency)
            pieces[key] += line.quantity
            turnover[key] += line.quantity * line.price
    rows = [
        Sale(article, currency, pieces[article, currency], turnover[article, currency]) for article, currency in pieces
    ]
    return sorted(rows, key=lambda row: (row.currency, -row.turnover, row.article))


def totals(rows: Iterable[Sale]) -> dict[str, Decimal]:
    """The turnover of each currency; currencies are never added to one another."""
    sums: dict[str, Decimal] = defaultdict(lambda: Decimal("0.00"))
    for row in rows:
        sums[row.currency] += row.turnover
    return dict(sums)
