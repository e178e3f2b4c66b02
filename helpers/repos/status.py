"""`invoke repo_status`: the state of a super-repo and all its submodules, as a table or as data."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers import repo
from helpers.console import counted, from_here, paint, print_rows, printable, say
from helpers.errors import DIFFERENT, INFRASTRUCTURE, OK, worst
from helpers.repos import state, tree
from helpers.repos.state import Row, State
from helpers.repos.step import typed, way_to

_HEAD = ("repo", "branch", "pin", "state")


def main(*, as_json: bool, check: bool, offline: bool, cwd: Path | None = None) -> int:
    """Print the state of the outermost super-repo around `cwd` and of its submodules, and return the exit code.

    Arguments:
        as_json: print data for another program.
        check: something that is not in order makes the exit code 1.
        offline: ask no remote.
        cwd: where the command was given.

    Raises:
        UsageError: `cwd` is in no checkout.
        InfrastructureError: there is no git.
    """
    root = repo.work_trees(repo.find_root((cwd or Path.cwd()).resolve()))[0]
    found = tree.rows(root, offline=offline)
    code = exit_code(found, check=check)
    if as_json:
        print(json.dumps({"exit_code": code, "root": str(root), "repos": [row.data() for row in found]}, indent=2))
        return code
    print_rows([_HEAD, *((printable(from_here(root, row.path)), *_cells(row)) for row in found)])
    to_root = way_to(root, cwd)
    for row in found:
        for one in row.states:
            if one.fix:
                print(f"{printable(row.path)}: {one.word}; fix: {printable(typed(one.fix, to_root))}")
    bad = sum(bool(row.states) for row in found)
    say(f"{counted(len(found), 'repo')}, {f'{bad} not in order' if bad else 'all in order'}  ({printable(str(root))})")
    return code


def exit_code(found: Sequence[Row], *, check: bool) -> int:
    """Return the exit code; a repo that could not be read is a fault of the machine, with or without `check`."""
    unread = [INFRASTRUCTURE for row in found if row.has(state.ERROR)]
    return worst([OK, *unread, *(DIFFERENT for row in found if check and row.states)])


def _cells(row: Row) -> tuple[str, str, str]:
    branch = row.branch or ("detached" if row.head else "-")
    states = ", ".join(map(_painted, row.states)) or paint("ok", "green", sys.stdout)
    return printable(branch), state.short(row.pin) or "-", states


def _painted(one: State) -> str:
    return paint(printable(str(one)), "red" if one.word in state.GRAVE else "yellow", sys.stdout)
