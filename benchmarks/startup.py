#!/usr/bin/env python3
"""How much our commands cost above the bare ones that they stand on: medians of 7, as ratios in one run.

usage: python3 benchmarks/startup.py

It needs a live docker engine for the last row. Exit code 1 when a ratio is above its limit.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from scratch import ask
from timing import Command, compare, machine, table

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "runnable_dirs" / "simulate"
ROUNDS = 7
ONE_TASK = 'from invoke import task\n\n\n@task\ndef hello(ctx):\n    """Say hello."""\n    print("hello")\n'


def thin_environment() -> Path:
    """Return the thin environment of this checkout, made if need be."""
    script = ROOT / "helpers" / "thin_env" / "bootstrap.py"
    done = subprocess.run([sys.executable, str(script), str(ROOT)], check=True, capture_output=True, encoding="utf-8")
    return Path(done.stdout.strip())


def bare_docker_run(python: Path) -> tuple[str, ...]:
    """Return the very `docker run` that `invoke docker_cmd -- true` becomes in the example directory."""
    words: list[str] = ask("docker_run", ROOT, python, EXAMPLE)
    # Without the name, which would be taken at the second run.
    at = words.index("--name")
    return (*words[:at], *words[at + 2 :])


def main() -> int:
    """Time the four pairs, print them, and return 1 if one is above its limit."""
    env = thin_environment()
    # What a shell finds after setenv.sh; the bare one-task run is started by the same program.
    invoke, python = str(env / "path" / "invoke"), env / "bin" / "python"
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        (scratch / "tasks.py").write_text(ONE_TASK)
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(scratch / "plain")], check=True)
        subprocess.run([invoke, "docker_build"], cwd=EXAMPLE, check=True, stdin=subprocess.DEVNULL)
        start, status = (sys.executable, "-c", "pass"), ("git", "status", "--short")
        source = ("bash", "-c", 'source "$0"')
        pairs = [
            (
                1.3,
                Command("invoke --list", ((invoke, "--list"),), ROOT),
                Command("invoke --list, one task", ((invoke, "--list"),), scratch),
            ),
            (
                4.0,
                Command("source setenv.sh, warm", ((*source, str(ROOT / "dev_scripts" / "setenv.sh")),), ROOT),
                Command("source activate", ((*source, str(scratch / "plain" / "bin" / "activate")),), ROOT),
            ),
            (
                5.0,
                Command("main_pytest.py --list", ((sys.executable, str(ROOT / "main_pytest.py"), "--list"),), ROOT),
                Command("python3 -c pass + git status", (start, status), ROOT),
            ),
            (
                1.4,
                Command("invoke docker_cmd -- true", ((invoke, "docker_cmd", "--", "true"),), EXAMPLE),
                Command("docker run --rm, same flags", (bare_docker_run(python),), EXAMPLE),
            ),
        ]
        rows = [("ours", "bare", "ours, ms", "bare, ms", "ratio", "limit")]
        late = False
        for limit, ours, bare in pairs:
            first, second = compare(ours, bare, ROUNDS)
            late = late or first / second > limit
            figures = (f"{first * 1000:.1f}", f"{second * 1000:.1f}", f"{first / second:.2f}", f"{limit:.1f}")
            rows.append((ours.name, bare.name, *figures))
    print(f"benchmarks/startup.py: medians of {ROUNDS}; {machine()}\n")
    print(table(rows))
    return int(late)


if __name__ == "__main__":
    sys.exit(main())
