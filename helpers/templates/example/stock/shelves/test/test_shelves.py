from __future__ import annotations

import prices
import pydantic
import pytest
from shelves import Shelf


def test_shelves_use_pydantic_2() -> None:
    assert pydantic.VERSION.startswith("2.")


def test_value_includes_tax() -> None:
    assert Shelf(item="tea", pieces=3, net=500).value() == 1800


def test_empty_shelf_is_refused() -> None:
    with pytest.raises(pydantic.ValidationError):
        Shelf(item="tea", pieces=0, net=500)


@pytest.mark.skipif(not hasattr(prices, "half"), reason="the library has no function half() yet")
def test_value_of_a_sale_is_half() -> None:
    assert prices.half(Shelf(item="tea", pieces=3, net=500).value()) == 900
