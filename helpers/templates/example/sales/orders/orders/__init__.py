"""Orders of customers, checked by pydantic 1."""

from __future__ import annotations

import prices
from pydantic import BaseModel, validator


class Order(BaseModel):
    """An order; `net` is its price without tax, in cents."""

    item: str
    net: int

    @validator("net")
    def net_is_positive(cls, value: int) -> int:
        """Refuse an order without a price."""
        if value <= 0:
            raise ValueError("an order has a price")
        return value

    def total(self) -> int:
        """Return the price with tax, in cents."""
        return prices.gross(self.net)
