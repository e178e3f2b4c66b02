#!/usr/bin/env python3
"""What builds of layered images cost: `runnable_dirs/base` <- `services-base` <- `services`.

usage: python3 benchmarks/chain.py

In a scratch copy, under names of its own, it builds the three when none is there, then again, then after a change
of the middle one, and shows which were built. Then it times a whole `invoke docker_build` with nothing to do, all
three images and invoke's own start included, against one `docker buildx build` with nothing to do: medians of 7, in
turn. It needs a live docker engine. Exit code 1 when something else was built than should be, or when the ratio is
above its limit.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from scratch import ask, checkout, remove_images
from startup import ROUNDS, thin_environment
from timing import Command, compare, machine, table

CHAIN = ("base", "services-base", "services")
LIMIT = 1.0


def built(invoke: str, directory: Path) -> tuple[list[str], float]:
    """Build a directory's image and what is below it; return what was built, in order, and the seconds."""
    start = time.perf_counter()
    done = subprocess.run([invoke, "docker_build"], cwd=directory, check=True, capture_output=True, encoding="utf-8")
    names = re.findall(r"^helpers: (?:building|assembling) (?:runnable_dirs/)?(.+)$", done.stderr, re.MULTILINE)
    return names, time.perf_counter() - start


def show_builds(invoke: str, top: Path) -> bool:
    """Print what three builds built, and return whether that is what should be."""
    rows = [("build", "built, in this order", "should be", "seconds")]
    right = True

    def add(name: str, should: tuple[str, ...]) -> None:
        nonlocal right
        names, seconds = built(invoke, top)
        names = [item for item in names if not item.startswith("archive:")]
        right = right and names == list(should)
        rows.append((name, " ".join(names) or "nothing", " ".join(should) or "nothing", f"{seconds:.1f}"))

    add("none is there", CHAIN)
    add("again", ())
    with (top.parent / "services-base" / "changelog.txt").open("r+") as log:
        text = log.read()
        log.seek(0)
        log.write(text.replace("-1.0.0\n", "-1.0.1\n", 1))
    add("after a change of services-base", CHAIN[1:])
    print(table(rows), flush=True)
    return right


def main() -> int:
    """Show what is built, time the pair, and return 1 if either is not as it should be."""
    env = thin_environment()
    invoke = str(env / "path" / "invoke")
    prefix = f"helpers-benchmark-{os.getpid()}"
    with tempfile.TemporaryDirectory() as name:
        top = checkout(Path(name) / "checkout", prefix, CHAIN) / "runnable_dirs" / CHAIN[-1]
        (Path(name) / "bare").mkdir()
        try:
            print(f"benchmarks/chain.py: {machine()}\n")
            right = show_builds(invoke, top)
            target = Path(name) / "bare"
            command = tuple(ask("buildx", top.parents[1], env / "bin" / "python", top, target, f"{prefix}:bare"))
            ours = Command("invoke docker_build, three images", ((invoke, "docker_build"),), top)
            bare = Command("docker buildx build, one image", (command,), top)
            first, second = compare(ours, bare, ROUNDS)
        finally:
            remove_images(prefix)
    figures = (f"{first * 1000:.1f}", f"{second * 1000:.1f}", f"{first / second:.2f}", f"{LIMIT:.1f}")
    print(f"\nNothing to do, medians of {ROUNDS}:\n")
    print(table([("ours", "bare", "ours, ms", "bare, ms", "ratio", "limit"), (ours.name, bare.name, *figures)]))
    return int(first / second > LIMIT or not right)


if __name__ == "__main__":
    sys.exit(main())
