"""Runs a task for `bootstrap.py`: `repo_init`, where there is no `tasks.py` yet, or any of ours for another program."""

from __future__ import annotations

import sys


def main() -> int:
    """Run the task that the arguments of the process ask for, `init` or `invoke TASK`, and return the exit code."""
    from helpers.tasks import namespace
    from helpers.tasks.program import HelpersProgram
    from helpers.thin_env import invoke_script

    kind, *given = sys.argv[1:]
    if kind == "init":
        given = ["--help", "repo_init"] if {"--help", "-h"} & set(given) else ["repo_init", *given]
    sys.argv = ["invoke", *invoke_script.with_menu(given)]
    return invoke_script.run(HelpersProgram(namespace=namespace, name="helpers", binary="invoke").run)
