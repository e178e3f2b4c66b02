"""Reading a batch of records: each is accepted or rejected, none stops the others."""

import copy
import warnings
from collections.abc import Iterable
from dataclasses import dataclass

from pydantic import BaseModel, ValidationError

from intake.order import Order


@dataclass(frozen=True)
class Rejection:
    """A record that is not taken: the line it stands on (from 1), and why."""

    line: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Batch[Record: BaseModel = Order]:
    """The outcome of reading: what was accepted and what was rejected, in the order of the input."""

    accepted: tuple[Record, ...] = ()
    rejected: tuple[Rejection, ...] = ()

    def with_accepted(self, record: Record) -> "Batch[Record]":
        """The same batch with one record more."""
        return copy.replace(self, accepted=(*self.accepted, record))

    def with_rejected(self, rejection: Rejection) -> "Batch[Record]":
        """The same batch with one rejection more."""
        return copy.replace(self, rejected=(*self.rejected, rejection))


def read_records[Record: BaseModel](lines: Iterable[str], model: type[Record]) -> Batch[Record]:
    """Read one JSON object a line as `model`; empty lines are passed over."""
    batch: Batch[Record] = Batch()
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            batch = batch.with_accepted(model.model_validate_json(line))
        except ValidationError as error:
            batch = batch.with_rejected(Rejection(number, tuple(_reasons(error))))
    return batch


def read_orders(lines: Iterable[str]) -> Batch:
    """Read one JSON order a line; an order number that was seen before is rejected."""
    batch: Batch = Batch()
    seen: set[str] = set()
    for number, line in enumerate(lines, start=1):
        one = read_records([line], Order)
        for rejection in one.rejected:
            batch = batch.with_rejected(copy.replace(rejection, line=number))
        for order in one.accepted:
            if order.number in seen:
                batch = batch.with_rejected(Rejection(number, (f"number: {order.number} was seen before",)))
            else:
                batch = batch.with_accepted(order)
                seen.add(order.number)
    return batch


@warnings.deprecated("load_orders drops the rejections silently: use read_orders")
def load_orders(lines: Iterable[str]) -> list[Order]:
    """Read the orders that are accepted, as release 1.0 did."""
    return list(read_orders(lines).accepted)


def _reasons(error: ValidationError) -> Iterable[str]:
    for fault in error.errors(include_url=False):
        place = ".".join(str(part) for part in fault["loc"])
        yield f"{place}: {fault['msg']}" if place else fault["msg"]
