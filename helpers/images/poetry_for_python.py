"""Runs poetry for a Python that need not be on this machine: locking and exporting start no interpreter.

Runs inside poetry's own tool environment and imports nothing of ours.

usage: python poetry_for_python.py MAJOR.MINOR POETRY_ARGUMENT...
"""

from __future__ import annotations

import sys

from poetry.console.application import main
from poetry.utils.env import EnvManager, MockEnv

if __name__ == "__main__":
    major, minor = (int(part) for part in sys.argv.pop(1).split("."))
    environment = MockEnv(version_info=(major, minor, 0, "final", 0), is_venv=True)
    # Poetry asks for an environment only to learn which Python a project is for.
    EnvManager.create_venv = lambda self, *args, **kwargs: environment
    sys.exit(main())
