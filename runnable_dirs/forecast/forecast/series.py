"""The series that a forecast starts from, and how it is read from CSV."""

import csv
import math
from collections.abc import Iterable
from datetime import date, timedelta
from itertools import pairwise

from pydantic import BaseModel, ValidationError, validator


class Point(BaseModel):
    """One value on one day."""

    day: date
    value: float

    @validator("value")
    @classmethod
    def _is_a_number(cls, value: float) -> float:
        if not math.isfinite(value):
            raise ValueError("is not a finite number")
        return value


class Series(BaseModel):
    """Points in even steps, oldest first."""

    # A model that is a bare list: pydantic 2 refuses the name `__root__`.
    __root__: list[Point]

    @validator("__root__")
    @classmethod
    def _rises_in_even_steps(cls, points: list[Point]) -> list[Point]:
        if len(points) < 2:
            raise ValueError("a series needs at least 2 points")
        step = points[1].day - points[0].day
        for before, after in pairwise(points):
            if after.day - before.day != step or step <= timedelta(0):
                raise ValueError(f"{after.day} does not follow {before.day} in even steps")
        return points

    @property
    def values(self) -> list[float]:
        """The values without their days."""
        return [point.value for point in self.__root__]

    def days_after(self, count: int) -> list[date]:
        """The next `count` days after the last point, in the step of the series."""
        first, second, last = self.__root__[0].day, self.__root__[1].day, self.__root__[-1].day
        return [last + (second - first) * ahead for ahead in range(1, count + 1)]


def read_csv(lines: Iterable[str]) -> Series:
    """Read CSV with the columns `day` (YYYY-MM-DD) and `value`; raises ValueError with what is wrong."""
    rows = csv.DictReader(lines)
    missing = {"day", "value"} - set(rows.fieldnames or [])
    if missing:
        raise ValueError(f"the header line lacks the column {', '.join(sorted(missing))}")
    try:
        return Series.parse_obj(list(rows))
    except ValidationError as error:
        raise ValueError("; ".join(_describe(fault["loc"], fault["msg"]) for fault in error.errors())) from error


def _describe(place: tuple[int | str, ...], message: str) -> str:
    match place:
        case ("__root__", int(row), str(column)):
            return f"row {row + 1}, column {column}: {message}"
        case _:
            return message
