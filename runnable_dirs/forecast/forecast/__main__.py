"""The command line: `python -m forecast FILE.csv`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel

from forecast.methods import choose
from forecast.series import Point, Series, read_csv


class Forecast(BaseModel):
    """What is printed, as JSON."""

    method: str
    mean_absolute_error: float
    points: list[Point]


def make_forecast(series: Series, horizon: int, season: int) -> Forecast:
    """Forecast `horizon` points with the method that did best on the last `horizon` known ones."""
    name, method, error = choose(series.values, horizon, season=season)
    values = method(series.values, horizon)
    days = series.days_after(horizon)
    points = [Point(day=day, value=round(value, 3)) for day, value in zip(days, values, strict=True)]
    return Forecast(method=name, mean_absolute_error=round(error, 3), points=points)


def main(argv: Sequence[str]) -> int:
    """Run the command line; the exit code is 0, or 2 if the input is unusable."""
    parser = argparse.ArgumentParser(prog="forecast", description="Forecast a daily series: CSV in, JSON out.")
    parser.add_argument("csv", type=Path, help="a file with the columns day and value")
    parser.add_argument("--horizon", type=int, default=7, help="how many points to forecast (default 7)")
    parser.add_argument("--season", type=int, default=7, help="after how many points the series repeats (default 7)")
    args = parser.parse_args(argv)
    try:
        with args.csv.open(newline="", encoding="utf-8") as lines:
            result = make_forecast(read_csv(lines), args.horizon, args.season)
    except (OSError, ValueError) as error:
        print(f"forecast: {args.csv}: {error}", file=sys.stderr)
        return 2
    print(result.json(indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
