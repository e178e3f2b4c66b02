"""Builds the wheel of a project by its build backend (PEP 517); runs in an environment made for that alone.

usage: python build_wheel.py requirements [FILE]       prints the requirements of the project, and those in FILE
       python build_wheel.py ask PROJECT FILE          writes the requirements that the backend asks for
       python build_wheel.py wheel PROJECT DIRECTORY   writes the wheel

`project.json` beside this file says which backend, its requirements, and variables for the backend. `ask` and `wheel`
run code of the project: nothing that they leave behind, but for FILE and DIRECTORY, may be used where a password is.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List

# A requirement of a package index (PEP 508): neither an option of the installer, nor a path, nor a URL.
_MOST_CHARACTERS = 100_000
_BY_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(?: *\[[A-Za-z0-9._, -]*\])? *(?:[(<>=!~][^@/]*)?(?:;.*)?")


def main(action: str, project: str = "", target: str = "") -> None:
    """Do one of the steps of a build."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "project.json"), encoding="utf-8") as file:
        about = json.load(file)
    if action == "requirements":
        print("\n".join([*about["requires"], *(asked(project) if project else ())]))
        return
    target = os.path.abspath(target)
    os.chdir(project)
    os.environ.update(about["variables"])
    # PEP 517: the directory of the project is not on the path, but for the backend's own.
    sys.path[:1] = [os.path.abspath(path) for path in about["backend_path"]]
    backend = _backend(about["backend"])
    if action == "ask":
        ask = getattr(backend, "get_requires_for_build_wheel", None)
        with open(target, "w", encoding="utf-8") as file:
            file.write("".join(f"{item}\n" for item in (ask({}) if ask else [])))
    else:
        os.makedirs(target, exist_ok=True)
        backend.build_wheel(target, {}, None)


def asked(file: str) -> List[str]:
    """Return the requirements that a backend has asked for; code of the project wrote them.

    Raises:
        ValueError: one of them is more than a name with versions.
    """
    with open(file, encoding="utf-8", errors="replace") as text:
        lines = [line.strip() for line in text.read(_MOST_CHARACTERS).splitlines() if line.strip()]
    for line in lines:
        if not _BY_NAME.fullmatch(line):
            raise ValueError("the build backend asks for %r: only names and versions are installed" % line[:200])
    return lines


def _backend(name: str) -> Any:
    module, _, attributes = name.partition(":")
    found: Any = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        found = getattr(found, attribute)
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
