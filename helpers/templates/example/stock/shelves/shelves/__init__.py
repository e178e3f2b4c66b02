"""Goods on shelves, checked by pydantic 2."""

from __future__ import annotations

import prices
from pydantic import BaseModel, PositiveInt


class Shelf(BaseModel):
    """A shelf of one item; `net` is the price of a piece without tax, in cents."""

    item: str
    pieces: PositiveInt
    net: PositiveInt

    def value(self) -> int:
        """Return the price of all pieces with tax, in cents."""
        return prices.gross(self.pieces * self.net)
