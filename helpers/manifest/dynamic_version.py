"""The version of a project whose build backend reads the version from a file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from helpers import checkout_file, pyproject
from helpers.manifest import flit
from helpers.manifest.python_source import attribute
from helpers.manifest.table import Table
from helpers.model.manifest import Stated

_VERSION = re.compile(r"v?(\d[\w.!+-]{0,100})", re.ASCII)
# https://hatch.pypa.io/latest/plugins/version-source/regex/: the default pattern.
_HATCH_NAMES = ("__version__", "VERSION")


def read(project: Path, top: Table, backend: str, name: Stated | None) -> Stated | None:
    """Return the version that the build backend takes from a file; None if it computes the version.

    Arguments:
        project: absolute path.
        top: `pyproject.toml`.
        backend: as in `hatchling.build`.
        name: of the distribution.

    Raises:
        ConfigError: a file is refused by `checkout_file`, or a field has a wrong type.
    """
    readers = {"hatchling": _hatch, "flit_core": _flit, "flit": _flit, "pdm": _pdm, "maturin": _maturin}
    reader = readers.get(backend.partition(".")[0])
    for text, source in reader(project, top, name) if reader else ():
        if version := plain(text):
            return Stated(version, source)
    return None


def plain(text: str) -> str:
    """Return the version in the text of a file; empty if the text is something else."""
    found = _VERSION.fullmatch(text.strip())
    return found.group(1) if found else ""


def _hatch(project: Path, top: Table, _: Stated | None) -> Iterator[tuple[str, str]]:
    table = top.table("tool", "hatch", "version")
    if table.text("source") in ("", "regex") and "pattern" not in table and "path" in table:
        for variable in _HATCH_NAMES:
            yield _of_module(project, table.text("path"), variable), table.source("path")


def _pdm(project: Path, top: Table, _: Stated | None) -> Iterator[tuple[str, str]]:
    table = top.table("tool", "pdm", "version")
    if table.text("source") == "file":
        yield _of_module(project, table.text("path"), "__version__"), table.source("path")


def _flit(project: Path, top: Table, name: Stated | None) -> Iterator[tuple[str, str]]:
    place = flit.module(top, name).replace(".", "/")
    for path in (f"{place}/__init__.py", f"{place}.py", f"src/{place}/__init__.py", f"src/{place}.py"):
        yield _of_module(project, path, "__version__"), path


def _maturin(project: Path, top: Table, _: Stated | None) -> Iterator[tuple[str, str]]:
    path = top.table("tool", "maturin").text("manifest-path") or "Cargo.toml"
    file = _inside(project, path)
    text = checkout_file.read_text_if_there(file) if file else None
    if file and text is not None:
        package = Table(pyproject.parse_toml(text, file), file).table("package")
        version = package.data.get("version")
        yield version if isinstance(version, str) else "", package.source("version")


def _of_module(project: Path, path: str, variable: str) -> str:
    file = _inside(project, path)
    return attribute(file, variable) if file and file.is_file() else ""


def _inside(project: Path, path: str) -> Path | None:
    return project / path if path and not Path(path).is_absolute() and ".." not in Path(path).parts else None
