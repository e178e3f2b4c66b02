"""A text of a checkout cannot make a run hang: patterns are tried on texts made to slow the search."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import merge_conflict, pytest_settings
from helpers.dirs import project_text, soundness
from helpers.engine import compose_file, context
from helpers.errors import ConfigError
from helpers.images import forbidden
from helpers.manifest import metadata, poetry_version, read, source
from helpers.model import python_specifier
from helpers.model.manifest import Stated

MANY = 100_000
SECONDS = 8


def of_file(name: str, read: Callable[[Path], object]) -> Callable[[Path, str], object]:
    """Return a function that writes a text to a file of the name, and calls `read` with its directory."""

    def written(directory: Path, text: str) -> object:
        (directory / name).write_text(text)
        return read(directory)

    return written


READERS: dict[str, tuple[Callable[[Path, str], Any], str]] = {
    "ini": (of_file("tox.ini", pytest_settings.read), f"[pytest]\na{' ' * MANY}b\n"),
    "patterns": (
        of_file(
            "pytest.ini",
            lambda path: pytest_settings.fits("x", pytest_settings.python_files(pytest_settings.read(path))),
        ),
        f"[pytest]\npython_files = {'*a ' * MANY}\n",
    ),
    "Dockerfile": (of_file("x", lambda path: soundness.check_dockerfile(path / "x")), "\n" * MANY),
    "stage": (lambda _, text: context._has_stage(text, "dev"), f"FROM{' AS' * MANY}x\n{' ' * MANY}"),
    "conflict": (of_file("x", lambda path: merge_conflict.refuse((path / "x").read_text(), path / "x")), ""),
    "requires-python": (lambda _, text: python_specifier.allows(text, 11), f"<3{' ' * MANY}x"),
    "header": (lambda _, text: project_text.table_lines(text), f"[{' ' * MANY}x"),
    "token": (lambda _, text: list(forbidden.secrets_of(text)), f"ENV A={'eyJ-' * MANY}"),
    "requirement": (lambda _, text: source.parse(Stated(text, "x")), f"a{'.' * 5000}!"),
    "marker": (lambda _, text: source.parse(Stated(text, "x")), f"a ; {'(a == b and ' * 800}"),
    "constraint": (lambda _, text: poetry_version.specifier(text), f"{'^1 || ' * 150}"),
    "requirements file": (
        of_file("requirements.txt", read.read),
        "a \\\n" * 9000 + f"-e {'.' * MANY}\nb {'[' * MANY}\ngit+x://{'#egg=' * MANY}\n-{'-a' * MANY} b\n",
    ),
    "setup.py": (
        of_file("setup.py", read.read),
        "a0 = 'x'\n" + "".join(f"a{n + 1} = a{n} + a{n}\n" for n in range(3000)) + "setup(version=a3000)\n",
    ),
    "nested setup.py": (
        of_file("setup.py", read.read),
        "a0 = ['x']\n" + "".join(f"a{n + 1} = [a{n}, a{n}]\n" for n in range(30)) + "setup(install_requires=a30)\n",
    ),
    "attributes": (of_file("setup.py", read.read), f"setup(version=a{'.b' * MANY})\n"),
    "sum": (of_file("setup.py", read.read), f"setup(version='a'{' + a' * (MANY // 2)})\n"),
    "metadata": (of_file("PKG-INFO", metadata.read), f"Requires-Dist: a;{' ' * MANY}b\n"),
    "compose": (
        of_file("x", lambda path: compose_file.read(path / "x")),
        "services:\n" + "".join(f" {number:x}:\n" for number in range(MANY // 6)),
    ),
}
READERS["conflict"] = (READERS["conflict"][0], "<<<<<<< a\n=======\n" * (MANY // 4))


@pytest.fixture
def limit() -> Iterator[None]:
    """End the test after too much processor time, because the machine may be busy."""

    def ended(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGPROF, ended)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    yield
    signal.setitimer(signal.ITIMER_PROF, 0)
    signal.signal(signal.SIGPROF, before)


@pytest.mark.usefixtures("limit")
@pytest.mark.parametrize("kind", READERS)
def test_no_text_takes_long(kind: str, tmp_path: Path) -> None:
    read, text = READERS[kind]
    try:
        read(tmp_path, text)
    except ConfigError as fault:
        assert len(str(fault)) < 1000
