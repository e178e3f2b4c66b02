"""Builds the wheel of a project by its build backend (PEP 517); runs in an environment made for that alone.

usage: python build_wheel.py first-requirements               prints the requirements that the project names
       python build_wheel.py more-requirements PROJECT FILE   writes the requirements that its backend asks for
       python build_wheel.py wheel PROJECT DIRECTORY          writes the wheel

`project.json` beside this file says which backend, its requirements, and variables for the backend.
"""

from __future__ import annotations

import importlib
import json
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def main(action: str, project: str = "", target: str = "") -> None:
    """Do one of the steps of a build."""
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "project.json"), encoding="utf-8") as file:
        about = json.load(file)
    if action == "first-requirements":
        print("\n".join(about["requires"]))
        return
    target = os.path.abspath(target)
    os.chdir(project)
    os.environ.update(about["variables"])
    # PEP 517: the directory of the project is not on the path, but for the backend's own.
    sys.path[:1] = [os.path.abspath(path) for path in about["backend_path"]]
    backend = _backend(about["backend"])
    if action == "more-requirements":
        ask = getattr(backend, "get_requires_for_build_wheel", None)
        asked = ask({}) if ask else []
        with open(target, "w", encoding="utf-8") as file:
            file.write("".join(f"{item}\n" for item in asked))
    else:
        os.makedirs(target, exist_ok=True)
        backend.build_wheel(target, {}, None)


def _backend(name: str) -> Any:
    module, _, attributes = name.partition(":")
    found: Any = importlib.import_module(module)
    for attribute in filter(None, attributes.split(".")):
        found = getattr(found, attribute)
    return found


if __name__ == "__main__":
    main(*sys.argv[1:])
