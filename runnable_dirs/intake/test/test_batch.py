"""Reading many records, and the command line."""

import json
import sys
from pathlib import Path
from typing import get_args

import pydantic
import pytest

from intake.__main__ import main
from intake.batch import Batch, Rejection, load_orders, read_orders, read_records
from intake.order import Line, Order

SAMPLE = Path(__file__).parent / "orders.jsonl"


def test_python_and_pydantic_are_the_new_ones() -> None:
    assert sys.version_info[:2] == (3, 13)
    assert pydantic.VERSION.startswith("2.")


def test_a_bad_record_does_not_stop_the_others() -> None:
    batch = read_orders(SAMPLE.read_text(encoding="utf-8").splitlines())
    assert [order.number for order in batch.accepted] == ["A-1001", "A-1002"]
    assert [rejection.line for rejection in batch.rejected] == [4, 5]


def test_every_fault_of_a_record_is_told() -> None:
    batch = read_orders(SAMPLE.read_text(encoding="utf-8").splitlines())
    reasons = batch.rejected[1].reasons
    assert [reason.split(":")[0] for reason in reasons] == ["customer", "lines.0.quantity"]


def test_a_number_that_was_seen_before_is_rejected() -> None:
    batch = read_orders(SAMPLE.read_text(encoding="utf-8").splitlines())
    assert batch.rejected[0] == Rejection(4, ("number: A-1001 was seen before",))


def test_a_line_that_is_not_json_is_rejected() -> None:
    batch = read_orders(["{"])
    assert batch.accepted == ()
    assert "Invalid JSON" in batch.rejected[0].reasons[0]


def test_other_models_can_be_read() -> None:
    batch = read_records(['{"article": "lamp", "quantity": 1, "price": "2"}'], Line)
    assert [line.article for line in batch.accepted] == ["LAMP"]


def test_a_batch_is_a_batch_of_orders_unless_told_otherwise() -> None:
    (parameter,) = Batch.__type_params__
    assert parameter.__default__ is Order
    assert get_args(Batch[Line]) == (Line,)


def test_adding_to_a_batch_leaves_the_old_one_alone() -> None:
    empty: Batch = Batch()
    assert empty.with_rejected(Rejection(1, ("x",))).rejected
    assert empty == Batch()


def test_the_old_function_warns_and_names_the_new_one() -> None:
    with pytest.warns(DeprecationWarning, match="use read_orders"):
        orders = load_orders(SAMPLE.read_text(encoding="utf-8").splitlines())
    assert len(orders) == 2


def test_the_command_prints_orders_and_tells_the_rejected_lines(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(SAMPLE)]) == 1
    printed = capsys.readouterr()
    orders = [json.loads(line) for line in printed.out.splitlines()]
    assert [order["total"] for order in orders] == ["39.80", "262.50"]
    assert f"{SAMPLE}:4: number" in printed.err


def test_the_command_without_a_file_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nowhere.jsonl"]) == 2
    assert "nowhere.jsonl" in capsys.readouterr().err
