"""Small projects of several build backends, written by hand, each with tests of what its installation gives."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

from helpers.test.conftest import Scratch

_HEAD = """\
[build-system]
requires = {requires}
build-backend = "{backend}"

[project]
name = "{name}"
requires-python = ">=3.11,<3.14"
dependencies = []
{project}

[dependency-groups]
test = ["pytest>=9,<10"]

[tool.poetry]
package-mode = false

[tool.helpers]
base = "archive:bookworm"
{settings}
"""


def add_project(
    repo: Scratch,
    name: str,
    backend: str,
    requires: str,
    project: str,
    files: Mapping[str, str],
    *,
    settings: str = "",
    more: str = "",
) -> Path:
    """Make a runnable dir with a build backend, tracked by git, and return its path.

    Arguments:
        repo: where.
        name: of the directory, the image and the distribution.
        backend: as in `[build-system] build-backend`.
        requires: the one requirement of the build.
        project: lines of `[project]`.
        files: texts by path; `test/test_it.py` is among them.
        settings: lines of `[tool.helpers]`.
        more: lines at the end of `pyproject.toml`.
    """
    path = repo.add(name, files["test/test_it.py"], image=name)
    head = _HEAD.format(backend=backend, requires=f'["{requires}"]', name=name, project=project, settings=settings)
    (path / "pyproject.toml").write_text(f"{head}\n{more}")
    for file, text in files.items():
        target = path / file
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text))
    repo.git("add", "--all")
    repo.git("commit", "--quiet", "--message", f"add {name}")
    return path
