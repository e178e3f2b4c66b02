"""The page of a report, from the template beside this file."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports.sales import Order, sales, totals

# A name that the template misspells is an error, not an empty cell; text from orders is never taken as HTML.
_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(title: str, orders: Sequence[Order]) -> str:
    """The report on `orders` as one HTML page."""
    rows = sales(orders)
    days = sorted(order.placed.date() for order in orders)
    page = _TEMPLATES.get_template("page.html")
    return page.render(title=title, count=len(orders), days=days, rows=rows, totals=totals(rows))
