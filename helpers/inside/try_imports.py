"""Imports the code of a directory, to see whether an image works.

usage: python try_imports.py [MODULE...]

Without a module, the modules at the top of the installed distributions of projects.
"""

from __future__ import annotations

import importlib
import os
import platform
import sys
from importlib import metadata

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Written by `install_project.py` beside installed wheels: the name of each distribution.
NOTE = os.path.join(sys.prefix, "helpers-project.txt")


def installed() -> list[str]:
    """Return the names of the modules at the top of the projects' distributions."""
    try:
        with open(NOTE, encoding="utf-8") as file:
            names = file.read().split()
    except OSError:
        return []
    return sorted({one for name in names for one in _modules(map(str, metadata.files(name) or ()))})


def _modules(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        parts = path.split("/")
        module = parts[0].split(".")[0]
        is_module = len(parts) == 1 and parts[0].endswith((".py", ".so"))
        if module.isidentifier() and (is_module or (len(parts) == 2 and parts[1] == "__init__.py")):
            yield module


def main(*modules: str) -> None:
    """Import modules, and print which Python did so."""
    # As for a program of the image: not the modules beside this file.
    sys.path[0] = ""
    for module in modules or installed():
        importlib.import_module(module)
    print(sys.version, platform.machine())


if __name__ == "__main__":
    main(*sys.argv[1:])
