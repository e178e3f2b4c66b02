"""The page and the command line."""

import re
from pathlib import Path

import pytest

from reports.__main__ import main
from reports.page import render
from reports.sales import Order, read_orders

SAMPLE = Path(__file__).parent / "accepted.jsonl"


def cells(page: str) -> list[str]:
    return re.findall(r"<td>(.*?)</td>", page)


def test_a_row_for_each_article_and_currency() -> None:
    page = render("Sales", read_orders(SAMPLE.read_text(encoding="utf-8").splitlines()))
    assert cells(page) == ["LAMP", "2", "39.80 EUR", "DESK-90", "1", "240.00 USD", "LAMP", "1", "22.50 USD"]
    assert "2 orders, 2026-11-02 to 2026-11-03" in page


def test_text_of_an_order_is_not_taken_as_html() -> None:
    line = {"article": "<b>LAMP</b>", "quantity": 1, "price": "1.00"}
    fields = {"number": "A-1", "placed": "2026-11-02T08:30:00Z", "currency": "EUR", "lines": [line]}
    assert cells(render("Sales", [Order.model_validate(fields)]))[0] == "&lt;b&gt;LAMP&lt;/b&gt;"


def test_no_orders_make_a_page_that_says_so() -> None:
    page = render("Sales", [])
    assert "no orders" in page
    assert "<table>" not in page


def test_the_command_prints_the_page_with_its_title(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(SAMPLE), "--title", "Week 45"]) == 0
    assert "<h1>Week 45</h1>" in capsys.readouterr().out


def test_a_file_that_intake_did_not_print_ends_with_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.jsonl"
    path.write_text("[]\n", encoding="utf-8")
    assert main([str(path)]) == 2
    assert str(path) in capsys.readouterr().err
