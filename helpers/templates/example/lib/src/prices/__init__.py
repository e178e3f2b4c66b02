"""Prices in cents."""


def gross(net: int) -> int:
    """Return a price with its tax of 20 percent."""
    return net + net // 5
