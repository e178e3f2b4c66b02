"""Runs poetry for a Python that need not be on this machine: locking and exporting start no interpreter.

Runs inside poetry's own tool environment and imports nothing of ours.

usage: python poetry_for_python.py MAJOR.MINOR POETRY_ARGUMENT...
       python poetry_for_python.py < REQUEST

REQUEST is JSON, a list of pairs of a file and of arguments as above. Poetry, whose start is most of what it does,
starts once for all of them, and each that ends well leaves what it printed in its file.
"""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

from poetry.console.application import main
from poetry.utils.env import EnvManager, MockEnv


def run(version: str, *arguments: str) -> int:
    """Run poetry for the Python `version` and return its exit code."""
    major, minor = (int(part) for part in version.split("."))
    environment = MockEnv(version_info=(major, minor, 0, "final", 0), is_venv=True)
    # Poetry asks for an environment only to learn which Python a project is for.
    EnvManager.create_venv = lambda self, *args, **kwargs: environment
    sys.argv[1:] = arguments
    try:
        return int(main())
    except SystemExit as end:
        return int(end.code or 0)


def run_into(file: Path, *arguments: str) -> None:
    """Run poetry as `run` does and leave what it prints in `file`, unless it fails; nobody sees a half of it."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(io.StringIO()):
        code = run(*arguments)
    if code == 0:
        aside = file.with_name(f".{file.name}-{os.getpid()}")
        aside.write_text(said.getvalue(), encoding="utf-8")
        aside.chmod(0o644)
        os.replace(aside, file)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.exit(run(*sys.argv[1:]))
    for name, command in json.load(sys.stdin):
        run_into(Path(name), *command)
