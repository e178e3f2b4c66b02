"""Adds the projects that an environment has, and whose checkouts this process sees, to Python's path.

Every start of a Python of the environment imports this module, by `helpers_projects.pth`. The environment holds the
metadata of a project, and the files that its build made; all other files are those of the checkout. The variable
HELPERS_PROJECTS says where the checkouts are: pairs of a name and a path. A project without a checkout is not added.
"""

from __future__ import annotations

import os
import sys
from importlib.machinery import PathFinder

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

VARIABLE = "HELPERS_PROJECTS"
# In the directory of a project in the environment: the parts of the checkout that hold its modules, one a line.
ROOTS = "roots.txt"
_LIBRARY = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def directory(name: str) -> str:
    """Return the directory in the environment that a project has for itself; beside `site-packages`."""
    return os.path.join(_LIBRARY, f"helpers-{name}")


class Merged:
    """Finds modules of a project in two places: the files that its build made, then the checkout.

    Arguments:
        made: directory with the files that the build made.
        roots: directories of the checkout.
    """

    def __init__(self, made: str, roots: Sequence[str]) -> None:
        self._made = made
        self._roots = roots
        self.names = {name.split(".")[0] for name in os.listdir(made) if not name.endswith((".dist-info", ".txt"))}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is (https://docs.python.org/3/library/importlib.html#importlib.abc.MetaPathFinder)."""
        parts = name.split(".")
        if parts[0] not in self.names:
            return None
        if path is not None:
            path = [os.path.join(self._made, *parts[:-1]), *path]
        spec = PathFinder.find_spec(name, path)
        if spec and spec.origin and spec.submodule_search_locations is not None:
            own = [os.path.join(base, *parts) for base in (self._made, *self._roots)]
            found = [*filter(os.path.isdir, own), *spec.submodule_search_locations]
            spec.submodule_search_locations = list(dict.fromkeys(found))
        return spec


def add(name: str, checkout: str) -> None:
    """Add a project that the environment has to the path; nothing for every other name.

    Arguments:
        name: of the project.
        checkout: its directory.
    """
    made = directory(name)
    try:
        with open(os.path.join(made, ROOTS), encoding="utf-8") as file:
            parts = file.read().splitlines()
    except OSError:
        return
    roots = [os.path.normpath(os.path.join(checkout, part)) for part in parts]
    if not os.path.isdir(checkout) or made in sys.path:
        return
    sys.path.insert(0, made)
    sys.path += [root for root in roots if root not in sys.path]
    finder = Merged(made, roots)
    if finder.names:
        sys.meta_path.insert(0, finder)


def _given() -> str:
    """Return the value of the variable; a test may have started this process without it."""
    given = os.environ.get("HELPERS_PROJECTS")
    if given is not None:
        return given
    try:
        # The first process of the container has the variables that the container was given.
        with open("/proc/1/environ", "rb") as file:
            variables = os.fsdecode(file.read()).split("\0")
    except OSError:
        return ""
    return next((text.partition("=")[2] for text in variables if text.startswith(f"{VARIABLE}=")), "")


def main() -> None:
    """Add all projects."""
    given = _given().split(os.pathsep)
    for name, checkout in zip(given[::2], given[1::2]):
        add(name, checkout)
