"""Runs a task for `bootstrap.py`: `repo_init`, where there is no `tasks.py` yet, or any of ours for another program."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the task that the arguments of the process ask for, `init` or `invoke TASK`, and return the exit code."""
    from invoke.program import Program

    from helpers.tasks import namespace
    from helpers.thin_env.invoke_script import run

    kind, *given = sys.argv[1:]
    if kind == "init":
        given = ["--help", "repo_init"] if {"--help", "-h"} & set(given) else ["repo_init", *given]
    return run(lambda: Program(namespace=namespace, name="helpers", binary="invoke").run(["invoke", *given]))
