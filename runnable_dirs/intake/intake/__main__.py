"""The command line: `python -m intake FILE.jsonl`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from intake.batch import read_orders


def main(argv: Sequence[str]) -> int:
    """Print the accepted orders, one JSON a line; the exit code is 0, 1 if any was rejected, 2 without a file."""
    parser = argparse.ArgumentParser(prog="intake", description="Validate and normalise orders, one JSON a line.")
    parser.add_argument("file", type=Path)
    path: Path = parser.parse_args(argv).file
    try:
        with path.open(encoding="utf-8") as lines:
            batch = read_orders(lines)
    except (OSError, UnicodeDecodeError) as error:
        print(f"intake: {path}: {error}", file=sys.stderr)
        return 2
    for order in batch.accepted:
        print(order.model_dump_json())
    for rejection in batch.rejected:
        print(f"{path}:{rejection.line}: {'; '.join(rejection.reasons)}", file=sys.stderr)
    return 1 if batch.rejected else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
