"""The command line: `python -m simulate --arrivals 5 --services 2`."""

import argparse
import math
import sys
from collections.abc import Sequence

from simulate.run import estimate
from simulate.theory import Queue, mean_wait


def main(argv: Sequence[str]) -> int:
    """Print the wait for a few numbers of servers; the exit code is 0, or 2 if the numbers make no sense."""
    parser = argparse.ArgumentParser(prog="simulate", description="How long does one wait with how many servers?")
    parser.add_argument("--arrivals", type=float, default=5.0, help="customers a minute (default 5)")
    parser.add_argument("--services", type=float, default=2.0, help="customers a minute and server (default 2)")
    parser.add_argument("--customers", type=int, default=20_000, help="customers in each run (default 20000)")
    parser.add_argument("--runs", type=int, default=10, help="independent runs (default 10)")
    parser.add_argument("--seed", type=int, default=2)
    args = parser.parse_args(argv)
    try:
        enough = math.floor(args.arrivals / args.services) + 1
        print("servers  load  wait (minutes)   theory")
        for servers in range(enough, enough + 3):
            queue = Queue(args.arrivals, args.services, servers)
            seen = estimate(queue, args.customers, args.runs, args.seed)
            print(f"{servers:7}  {queue.load:.2f}  {seen.mean:6.3f} ± {seen.margin:.3f}  {mean_wait(queue):7.3f}")
    except (ValueError, ZeroDivisionError) as error:
        print(f"simulate: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
