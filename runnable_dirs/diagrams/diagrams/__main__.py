"""The command line: `python -m diagrams FILE.txt --format svg`."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from diagrams.draw import FORMATS, draw
from diagrams.graph import read_graph, to_dot


def main(argv: Sequence[str]) -> int:
    """Draw the list into a file, or print it; the exit code is 0, 1 if it has a ring, 2 if it cannot be drawn."""
    parser = argparse.ArgumentParser(prog="diagrams", description="Draw a dependency list as a picture.")
    parser.add_argument("file", type=Path, help="lines of the form `name: needed needed`")
    parser.add_argument("--format", choices=FORMATS, default="svg")
    parser.add_argument("--out", type=Path, help="write here instead of printing")
    args = parser.parse_args(argv)
    try:
        graph = read_graph(args.file.read_text(encoding="utf-8").splitlines())
        picture = draw(to_dot(graph), args.format)
        if args.out:
            args.out.write_bytes(picture)
        else:
            sys.stdout.buffer.write(picture)
    except (OSError, ValueError, RuntimeError) as error:
        print(f"diagrams: {args.file}: {error}", file=sys.stderr)
        return 2
    if graph.cycle:
        print(f"diagrams: {args.file}: a ring: {' -> '.join(graph.cycle)}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
