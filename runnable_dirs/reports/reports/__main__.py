"""The command line: `python -m reports FILE.jsonl`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reports.page import render
from reports.sales import read_orders


def main(argv: Sequence[str]) -> int:
    """Print the page; the exit code is 0, or 2 if the file is not what intake prints."""
    parser = argparse.ArgumentParser(prog="reports", description="Turn the orders that intake printed into a page.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--title", default="Sales")
    args = parser.parse_args(argv)
    try:
        with args.file.open(encoding="utf-8") as lines:
            orders = read_orders(lines)
    except (OSError, ValueError) as error:  # a ValidationError is a ValueError
        print(f"reports: {args.file}: {error}", file=sys.stderr)
        return 2
    print(render(args.title, orders), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
