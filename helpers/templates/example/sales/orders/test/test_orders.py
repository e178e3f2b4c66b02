from __future__ import annotations

import prices
import pydantic
import pytest
from orders import Order


def test_orders_use_pydantic_1() -> None:
    assert pydantic.VERSION.startswith("1.")


def test_total_includes_tax() -> None:
    assert Order(item="tea", net=500).total() == 600


def test_order_without_a_price_is_refused() -> None:
    with pytest.raises(pydantic.ValidationError):
        Order(item="tea", net=0)


@pytest.mark.skipif(not hasattr(prices, "half"), reason="the library has no function half() yet")
def test_total_of_a_sale_is_half() -> None:
    assert prices.half(Order(item="tea", net=500).total()) == 300
