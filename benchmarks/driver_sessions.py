"""Other ways to run the tests of several directories without containers: tox, nox, and pytest-xdist; for driver.py.

tox and nox have one session a directory, in an environment of its own that is ready. pytest-xdist has one environment
for all, so it is for directories whose dependencies agree, and what one directory's tests leave the next ones see.
"""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from timing import Command

ONE_ENVIRONMENT = "pytest -n 2, one environment"
# Where tox and nox make theirs: thousands of files, which no repo that uses them shows to git.
ENVIRONMENTS = (".tox", ".nox")


@dataclass(frozen=True)
class _Session:
    """A tool that gives each directory an environment of its own.

    Arguments:
        name: what it is called in the table.
        prepare: makes the environments.
        run: runs the tests in them.
    """

    name: str
    prepare: Sequence[str]
    run: Sequence[str]


def others(root: Path, names: Sequence[str]) -> list[Command]:
    """Return tox and nox with their environments ready, and pytest-xdist; what can not be had is named.

    Arguments:
        root: the repo; tools write into it and beside it.
        names: its directories with tests.
    """
    tools = root.with_name(f"tools-{root.name}")
    made = subprocess.run([sys.executable, "-m", "venv", str(tools)], capture_output=True)
    pip = [str(tools / "bin" / "pip"), "install", "--quiet", "tox", "nox", "pytest", "pytest-xdist"]
    if made.returncode or subprocess.run(pip, capture_output=True).returncode:
        print("not to be had, and not compared: tox, nox, pytest-xdist\n")
        return []
    (root / "tox.ini").write_text(_tox(names))
    (root / "noxfile.py").write_text(_nox(names))
    tox, nox = str(tools / "bin" / "tox"), str(tools / "bin" / "nox")
    sessions = (
        _Session("tox", (tox, "run", "--notest"), (tox, "run", "--skip-pkg-install")),
        _Session("tox run-parallel -p 2", (), (tox, "run-parallel", "-p", "2")),
        _Session("nox", (nox, "--install-only"), (nox, "--reuse-existing-virtualenvs", "--no-install")),
    )
    commands = []
    for session in sessions:
        if session.prepare:
            subprocess.run(session.prepare, cwd=root, check=True, capture_output=True)
        commands.append(Command(session.name, (tuple(session.run),), root))
    # Their files have the same names, and no package around them.
    xdist = ("-n", "2", "--import-mode=importlib", "-p", "no:cacheprovider", "--rootdir", str(root))
    python = str(tools / "bin" / "python")
    return [*commands, Command(ONE_ENVIRONMENT, ((python, "-m", "pytest", "-q", *xdist, *names),), root)]


def _tox(names: Sequence[str]) -> str:
    return textwrap.dedent(f"""\
        [tox]
        env_list = {",".join(names)}
        no_package = true
        [testenv]
        deps = pytest
        change_dir = {{tox_root}}/{{env_name}}
        commands = python -m pytest -p no:cacheprovider -c pyproject.toml
        """)


def _nox(names: Sequence[str]) -> str:
    return textwrap.dedent(f"""\
        import nox

        @nox.session
        @nox.parametrize("name", {list(names)})
        def tests(session, name):
            session.install("pytest")
            session.chdir(name)
            session.run("python", "-m", "pytest", "-p", "no:cacheprovider", "-c", "pyproject.toml")
        """)
