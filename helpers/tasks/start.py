"""Runs `repo_init` for `bootstrap.py init`: the one task that is needed where there is no `tasks.py` yet."""

from __future__ import annotations

import sys


def main() -> int:
    """Run `repo_init` with the arguments of the process after `init`, and return the exit code."""
    from invoke.program import Program

    from helpers.tasks import namespace
    from helpers.thin_env.invoke_script import run

    given = sys.argv[2:]
    words = ["--help", "repo_init"] if {"--help", "-h"} & set(given) else ["repo_init", *given]
    return run(lambda: Program(namespace=namespace, name="helpers", binary="invoke").run(["invoke", *words]))
