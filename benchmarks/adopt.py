#!/usr/bin/env python3
"""What it takes from `git init` to the first green test in a container, in a new super-repo, as its user would type it.

usage: python3 benchmarks/adopt.py [--engine docker|venv]

It publishes the committed helpers of this checkout as a branch of a scratch repo. It prints each command with its
seconds and how many files it added. Exit code 1 when a command fails or `init` adds more files than its limit.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from timing import machine

ROOT = Path(__file__).resolve().parents[1]
# Besides the submodule and the first runnable dir.
LIMIT = 8
FIRST = "runnable_dirs/hello"


def files(repo: Path) -> set[str]:
    """Return the files of the repo, without those of git, of the submodule and what git ignores."""
    told = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(told, cwd=repo, check=True, capture_output=True, encoding="utf-8").stdout
    return set(listed.splitlines()) - {"helpers", ".gitmodules"}


def main() -> int:
    """Type the commands, print what each one took, and return 1 if something is not as it should be."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--engine", choices=("docker", "venv"), default="docker", help="what runs the tests")
    engine = parser.parse_args().engine
    with tempfile.TemporaryDirectory() as name:
        published, repo = Path(name) / "published", Path(name) / "forecasts"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(published)], check=True)
        split = ["git", "subtree", "split", "-q", "-P", "helpers", "-b", "helpers"]
        subprocess.run(split, cwd=published, check=True, capture_output=True)
        local = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always"}
        repo.mkdir()
        print(f"benchmarks/adopt.py: from `git init` to a green test, engine {engine}; {machine()}\n")
        return type_commands(repo, published, engine, {**os.environ, **local})


def type_commands(repo: Path, published: Path, engine: str, env: dict[str, str]) -> int:
    """Run the commands of a new user in `repo` one after the other."""
    commands = (
        "git init --quiet",
        f"git submodule --quiet add -b helpers {published} helpers",
        f"python3 helpers/thin_env/bootstrap.py init --name {FIRST}",
        f"./main_pytest.py --engine {engine}",
    )
    whole, before = 0.0, set[str]()
    for command in commands:
        begin = time.perf_counter()
        done = subprocess.run(command.split(), cwd=repo, env=env, capture_output=True, encoding="utf-8")
        seconds = time.perf_counter() - begin
        if done.returncode:
            print(f"{command} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
            return 1
        whole, after = whole + seconds, files(repo)
        print(f"{seconds:6.1f} s  {len(after - before):2} files  {command.replace(str(published), 'URL')}")
        before = after
    print(f"\n{done.stdout.splitlines()[-1]}")
    own = sorted(path for path in before if not path.startswith(f"{FIRST}/"))
    print(
        f"{len(commands)} commands, {whole:.1f} s; {len(own)} files besides the submodule and {FIRST}: {', '.join(own)}"
    )
    return int(len(own) > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
