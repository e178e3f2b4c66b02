"""The command line on the sample file."""

import json
from pathlib import Path

import pytest

from forecast.__main__ import main

SAMPLE = Path(__file__).parent / "daily_sales.csv"


def test_the_sample_is_forecast_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(SAMPLE), "--horizon", "7"]) == 0
    forecast = json.loads(capsys.readouterr().out)
    assert forecast["method"] == "seasonal-naive(7)"
    assert [point["day"] for point in forecast["points"]] == [f"2026-11-{day:02}" for day in range(9, 16)]
    values = [point["value"] for point in forecast["points"]]
    assert values.index(max(values)) == 5, "Saturday sells best"


def test_an_unusable_file_ends_with_2_and_names_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "bad.csv"
    path.write_text("day,value\n2026-01-01,x\n", encoding="utf-8")
    assert main([str(path)]) == 2
    assert f"{path}: row 1, column value" in capsys.readouterr().err


def test_a_file_that_is_not_there_ends_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["nowhere.csv"]) == 2
    assert "nowhere.csv" in capsys.readouterr().err
