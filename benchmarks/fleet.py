#!/usr/bin/env python3
"""How long the state of 12 repos takes against `git status` in each: medians of 7, as a ratio in one run.

usage: python3 benchmarks/fleet.py

It needs neither an engine nor a network. Exit code 1 when the ratio is above its limit.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from timing import Command, compare, machine, table

ROOT = Path(__file__).resolve().parents[1]
ROUNDS = 7
LIMIT = 2.0
FILES = 200


def make(home: Path) -> tuple[Path, tuple[tuple[str, str], ...]]:
    """Make the fleet in `home`; return its super-repo, and the variables of its user.

    Each of the nine remotes has `FILES` files, and two of them have moved on since they were pinned.
    """
    # Its own entry on the path, so that the module is found however this program was started.
    sys.path.append(str(ROOT))
    from helpers.test import fleet

    one = fleet.clean(home, FILES)
    for name in ("tools", "shared"):
        one.push(name)
    fleet.git(one.top, "submodule", "foreach", "--quiet", "--recursive", "git fetch --quiet")
    for name in ("tasks.py", "invoke.yaml"):
        shutil.copy(ROOT / name, one.top / name)
    (one.top / "helpers").symlink_to(ROOT / "helpers")
    # The fleet's repos are made without git's templates, which have this directory.
    info = one.top / ".git" / "info"
    info.mkdir(exist_ok=True)
    with (info / "exclude").open("a") as file:
        file.write("tasks.py\ninvoke.yaml\nhelpers\n")
    return one.top, tuple(fleet.environment(home).items())


def main() -> int:
    """Time both, print them, and return 1 if ours is above the limit."""
    script = ROOT / "helpers" / "thin_env" / "bootstrap.py"
    done = subprocess.run([sys.executable, str(script), str(ROOT)], check=True, capture_output=True, encoding="utf-8")
    invoke = str(Path(done.stdout.strip()) / "path" / "invoke")
    with tempfile.TemporaryDirectory() as name:
        top, env = make(Path(name))
        each = ("git", "submodule", "foreach", "--recursive", "git status")
        ours = Command("invoke repo_status", ((invoke, "repo_status", "--check"),), top, env)
        bare = Command("git submodule foreach --recursive git status", (each,), top, env)
        first, second = compare(ours, bare, ROUNDS)
    ratio = first / second
    print(f"benchmarks/fleet.py: 12 checkouts of {FILES} files, medians of {ROUNDS}; {machine()}\n")
    print(
        table(
            [
                ("ours", "bare", "ours, ms", "bare, ms", "ratio", "limit"),
                (ours.name, bare.name, f"{first * 1000:.1f}", f"{second * 1000:.1f}", f"{ratio:.2f}", f"{LIMIT:.1f}"),
            ]
        )
    )
    return int(ratio > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
