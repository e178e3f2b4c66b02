"""Finds tracked test files that pytest did not collect, although `tests` of a runnable dir reaches the files.

Paths in `addopts`, `collect_ignore` and hooks of a conftest.py decide that; only pytest knows their effect.
"""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from helpers import pyproject
from helpers.console import printable, say
from helpers.dirs.lost_tests import LostTests
from helpers.driver.container import SHIMS
from helpers.driver.verdict import Verdict
from helpers.model import settings_file

# pytest collects the first two only for some values of `python_files`, and the driver takes out the shims.
_NO_TESTS = ("__init__.py", "conftest.py", *SHIMS)
_SHOWN = 3
# Arguments of pytest that do not change which files are collected, each with a zero byte behind.
_SAME_FILES = re.compile(
    r"(?:(?:-v+|-q+|-s|-l|-r\w+|-n[=\0]?\w+|--(?:verbose|quiet|showlocals)"
    r"|--(?:tb|color|durations|capture|numprocesses|dist|maxprocesses|verbosity)[=\0][\w.-]+)\0)*"
)


def collects_all(arguments: Sequence[str]) -> bool:
    """Say whether pytest collects the same files as without arguments; if in doubt, it does not.

    Arguments:
        arguments: pytest's own, from the command line.
    """
    return bool(_SAME_FILES.fullmatch("".join(f"{word}\0" for word in arguments)))


def find(root: Path, lost: LostTests, verdicts: Iterable[Verdict]) -> LostTests:
    """Return the test files that pytest did not collect.

    Arguments:
        root: absolute path of the repo.
        lost: the lost tests of the plan.
        verdicts: of the run, kept ones too; a verdict without known files does not count.
    """
    verdicts = list(verdicts)
    collected = _collected(verdicts)
    real = os.path.realpath(root)
    found = {
        name: verdict.name
        for verdict in verdicts
        for name in lost.reached.get(verdict.name, ())
        if verdict.files is not None
        and name not in collected
        and os.path.basename(name) not in _NO_TESTS
        and os.path.relpath(os.path.realpath(root / name), real) not in collected
        and os.path.lexists(root / name)
    }
    # The plan has named the absent directories.
    if not found:
        return replace(lost, files=(), absent=())
    first = min(found)
    place = os.path.relpath(pyproject.settings_file(root / found[first]), root)
    # TOML reads strings of JSON.
    pattern = json.dumps(glob.escape(os.path.relpath(first, found[first])), ensure_ascii=False)
    return replace(
        lost,
        files=tuple(sorted(found)),
        absent=(),
        why="pytest did not collect " + ("it" if len(found) == 1 else "them"),
        fix="change the path in addopts of pytest's settings, or collect_ignore or the hook in conftest.py; if it is "
        f"no test, not_tests = [{printable(pattern)}] in {printable(settings_file.place(place))}",
    )


def report(root: Path, lost: LostTests, verdicts: Iterable[Verdict]) -> LostTests:
    """Print the lost tests by pytest's collection, and return the lost tests of the run.

    Arguments:
        root: absolute path of the repo.
        lost: the lost tests of the plan, which are printed already.
        verdicts: of the run, kept ones too.
    """
    verdicts = list(verdicts)
    more = find(root, lost, verdicts)
    more.show()
    # A path in `addopts`, a hook or a symlink may add files.
    added = sorted(_collected(verdicts).intersection(lost.files))
    if added:
        names = ", ".join(map(printable, added[:_SHOWN])) + (f" and {len(added) - _SHOWN} more" * (len(added) > _SHOWN))
        say(f"note: not lost, because pytest collected it although no `tests` reaches it: {names}")
    return replace(lost, files=tuple(sorted({*lost.files, *more.files} - {*added})))


def _collected(verdicts: Iterable[Verdict]) -> set[str]:
    return {os.path.normpath(os.path.join(one.name, file)) for one in verdicts for file in one.files or ()}
