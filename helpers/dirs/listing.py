"""Lists the runnable dirs of a repo as a table or as data."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from helpers import discover, repo
from helpers.console import from_here, in_columns, printable, terminal_width
from helpers.dirs.testfiles import test_files
from helpers.errors import OK, HelpersError, NothingSelectedError, worst

_HEAD = ("directory", "image", "version", "base", "python", "tests")


@dataclass(frozen=True)
class Row:
    """One runnable dir: what its files say, or the `error` in them."""

    directory: str
    image: str = "-"
    version: str = "-"
    base: str = "-"
    requires_python: str = "-"
    test_files: int = 0
    error: str = ""
    exit_code: int = OK


def rows(root: Path) -> list[Row]:
    """Return one row for each runnable dir of the repo at `root`, sorted by path."""
    from helpers.driver import plan as planner

    paths = discover.runnable_paths(root)
    found = []
    for item in planner.make(root, paths, paths, "fast").dirs:
        if item.error or not item.runnable:
            error = item.error or NothingSelectedError("says nothing")
            where = f"{error.where}: " if error.where else ""
            found.append(Row(item.name, error=where + error.summary, exit_code=error.exit_code))
            continue
        one = item.runnable
        try:
            count = len(test_files(one.path, one.settings.tests, one.nested))
        except HelpersError as error:
            found.append(Row(item.name, error=error.summary, exit_code=error.exit_code))
            continue
        python = one.requires_python or "any"
        found.append(Row(item.name, one.changelog.name, str(one.version), one.settings.base, python, count))
    return found


def as_text(found: Sequence[Row], width: int | None = None, shown: Callable[[str], str] = str) -> str:
    """Return `found` as a table for a person; a wrong directory's row ends in its error.

    Arguments:
        found: the rows.
        width: columns of a line; None is any number.
        shown: makes of a directory the path that is shown.
    """
    table = [_HEAD, *(_cells(row, shown(row.directory)) for row in found)]
    return "\n".join(in_columns(table, width, spare=("image", "tests")))


def _cells(row: Row, directory: str) -> tuple[str, ...]:
    if row.error:
        return printable(directory), f"error: {printable(row.error)}"
    return (*map(printable, (directory, row.image, row.version, row.base, row.requires_python)), str(row.test_files))


def main(*, as_json: bool, cwd: Path | None = None) -> int:
    """Print the runnable dirs of the repo around `cwd` and return the exit code.

    Raises:
        UsageError: `cwd` is in no checkout.
        NothingSelectedError: the repo has no runnable dir.
    """
    root = repo.find_root((cwd or Path.cwd()).resolve())
    found = rows(root)
    if as_json:
        print(json.dumps([asdict(row) for row in found], indent=2))
    elif found:
        print(as_text(found, terminal_width(sys.stdout), lambda name: from_here(root, name)))
    if not found:
        raise NothingSelectedError("no runnable dir in this repo", where=root, fix="invoke dir_create NAME")
    return worst([OK, *(row.exit_code for row in found)])
