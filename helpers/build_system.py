"""Reads which build backend makes the distribution of a directory; nothing of the directory runs."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from helpers import checkout_file, pyproject
from helpers.console import excerpt
from helpers.errors import ConfigError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helpers.model.manifest import BuildSystem

_FORM = "write it as https://packaging.python.org/en/latest/specifications/pyproject-toml/ shows"


@cache
def of_directory(path: Path) -> BuildSystem | None:
    """Return the build backend of the directory `path`, read once; None for a directory that builds no distribution.

    Raises:
        ConfigError: `[build-system]` does not have the form of PEP 517 and PEP 518, or requires more than names.
    """
    parsed = pyproject.read_if_there(path)
    has_script, has_config = (os.path.lexists(path / f"setup.{ending}") for ending in ("py", "cfg"))
    if not (has_script or has_config or "build-system" in parsed):
        return None
    from helpers.manifest import pep621, setuptools_project, table  # most directories build nothing

    file = path / "pyproject.toml"
    has_config = has_config and setuptools_project.is_named(path)
    try:
        found = pep621.build_system(table.Table(parsed, file), has_script=has_script, has_config=has_config)
        for item in found.requires if found else ():
            _check_by_name(item, file)
        for item in found.backend_path if found else ():
            if os.path.isabs(item) or ".." in item.split("/"):
                raise ConfigError(f"[build-system] backend-path {excerpt(item)} leads out of the directory", where=file)
    except ConfigError as error:
        if error.where != str(file):
            raise
        raise ConfigError(error.what, where=f"{file}:{_line(file)}", fix=error.fix or _FORM) from None
    return found


def _line(file: Path) -> int:
    lines = checkout_file.read_text(file).splitlines()
    return next((number for number, line in enumerate(lines, 1) if line.startswith("[build-system]")), 1)


def _check_by_name(item: str, file: Path) -> None:
    """Refuse options of the installer, paths and URLs: the installer reads them where the index's password is."""
    from helpers.manifest import requirement  # as above

    try:
        is_named = not requirement.parse(item).url
    except ValueError:
        is_named = False
    if not is_named:
        what = f"[build-system] requires {excerpt(item)}, which is not the name of a distribution with its versions"
        raise ConfigError(what, where=file, fix="name a distribution of the package index, as in setuptools>=61")
