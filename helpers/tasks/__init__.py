"""Invoke tasks: every module `*_tasks` here is read, so that adding a task touches one file."""

from __future__ import annotations

import os
import sys

if __name__ == "tasks":  # another invoke than ours takes this package for the tasks of the repo
    _WRONG = b"invoke: error: no tasks.py here; fix: source dev_scripts/setenv.sh  (in the root), then again\n"
    sys.exit(os.write(2, _WRONG) and 2)
from importlib import import_module
from pathlib import Path

from invoke.collection import Collection
from invoke.tasks import Task

from helpers.console import report_error
from helpers.errors import ConfigError
from helpers.tasks.program import HelpersProgram as HelpersProgram
from helpers.thin_env.streams import make_safe


def collect() -> Collection:
    """Return the collection of all tasks.

    Raises:
        ConfigError: two tasks have the same name.
    """
    namespace = Collection(auto_dash_names=False)
    for file in sorted(Path(__file__).parent.glob("*_tasks.py")):
        module = import_module(f"{__name__}.{file.stem}")
        for name, value in vars(module).items():
            if isinstance(value, Task):
                if name in namespace.tasks:
                    raise ConfigError(f"two tasks have the name {name!r}", where=file)
                namespace.add_task(value, name=name)
    return namespace


make_safe()
try:
    namespace = collect()
except ConfigError as error:
    sys.exit(report_error(error))
