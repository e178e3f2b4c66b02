"""Reading a series: what is accepted, and how a fault in the file is named."""

from datetime import date

import pydantic
import pytest

from forecast.series import Series, read_csv


def test_the_old_pydantic_is_the_one_that_is_imported() -> None:
    assert pydantic.VERSION.startswith("1.10.")


def test_reads_days_and_values() -> None:
    series = read_csv(["day,value", "2026-01-01,3", "2026-01-02,4.5"])
    assert series.values == [3.0, 4.5]
    assert series.__root__[1].day == date(2026, 1, 2)


def test_extra_columns_do_not_matter() -> None:
    assert read_csv(["day,shop,value", "2026-01-01,a,3", "2026-01-02,a,4"]).values == [3.0, 4.0]


def test_the_days_after_a_weekly_series_are_weeks_apart() -> None:
    series = read_csv(["day,value", "2026-01-01,3", "2026-01-08,4"])
    assert series.days_after(2) == [date(2026, 1, 15), date(2026, 1, 22)]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ValueError, match="lacks the column value"):
        read_csv(["day,amount", "2026-01-01,3"])


@pytest.mark.parametrize("value", ["many", "nan", ""])
def test_a_value_that_is_no_number_is_named_with_its_row(value: str) -> None:
    with pytest.raises(ValueError, match="row 2, column value"):
        read_csv(["day,value", "2026-01-01,3", f"2026-01-02,{value}"])


@pytest.mark.parametrize("day", ["2026-01-02", "2026-01-01", "2026-01-04"])
def test_a_gap_or_a_repeated_day_is_refused(day: str) -> None:
    with pytest.raises(ValueError, match=f"{day} does not follow 2026-01-02"):
        read_csv(["day,value", "2026-01-01,3", "2026-01-02,4", f"{day},5"])


def test_one_point_is_no_series() -> None:
    with pytest.raises(ValueError, match="at least 2 points"):
        Series.parse_obj([{"day": "2026-01-01", "value": 1}])
