#!/usr/bin/env python3
"""What `invoke` is in a container of ours that has no other one: it runs tests right here, by main_pytest.py.

All other tasks are about images and containers, or need the packages of the thin environment: they belong on the host.

usage: invoke run_fast_tests|run_slow_tests|run_superslow_tests|run_tests [--dir DIR] [-- PYTEST_ARGUMENT...]
"""

import argparse
import os
import shlex
import sys
from typing import List

TIERS = {"run_fast_tests": "fast", "run_slow_tests": "slow", "run_superslow_tests": "superslow", "run_tests": "all"}
USAGE = 2


def above(directory: str, *names: str) -> str:
    """Return the nearest directory, at or above this one, that holds all the names; empty if there is none."""
    while not all(os.path.exists(os.path.join(directory, name)) for name in names):
        if directory == os.path.dirname(directory):
            return ""
        directory = os.path.dirname(directory)
    return directory


def main(argv: List[str]) -> int:
    """Become the driver for the tests that `argv` asks for; return an exit code when that can not be."""
    task = argv[0] if argv else ""
    if task in ("", "-h", "--help", "-l", "--list"):
        print("In a container: %s [--dir DIR] [-- PYTEST_ARGUMENT...]" % "|".join(TIERS))
        return 0
    if task not in TIERS:
        print("helpers: bad usage: there is no task '%s' in a container" % task, file=sys.stderr)
        print("  fix: leave the container, and give it on the host; in here: invoke --list", file=sys.stderr)
        return USAGE
    parser = argparse.ArgumentParser(prog="invoke %s" % task, description="Run tests right here, in this container.")
    parser.add_argument("--dir", help="the runnable dir; default: the nearest enclosing one")
    # The spelling of version 0.2; delete it in version 0.4.
    parser.add_argument("--args", help=argparse.SUPPRESS)
    end = argv.index("--") if "--" in argv else len(argv)
    options = parser.parse_args(argv[1:end])
    arguments = argv[end + 1 :]
    if options.args is not None:
        arguments = shlex.split(options.args) + arguments
        print("helpers: note: --args will be removed; write: invoke %s -- %s" % (task, options.args), file=sys.stderr)
    place = os.path.realpath(options.dir or ".")
    root, directory = above(place, "main_pytest.py", "tasks.py"), above(place, "devops", "changelog.txt")
    if options.dir is not None and directory != (place if options.dir else None):
        print("helpers: bad usage: --dir '%s' is not a runnable dir" % options.dir, file=sys.stderr)
        return USAGE
    if not root or not directory:
        print("helpers: bad usage: %s is not inside a runnable dir" % place, file=sys.stderr)
        return USAGE
    script = os.path.join(root, "main_pytest.py")
    words = ["--dir", directory, "--only-this", "--tier", TIERS[task], "--", *arguments]
    os.execvp("python", ["python", script, *words])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
