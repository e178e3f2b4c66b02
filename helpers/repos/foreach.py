"""`invoke repo_foreach`: one command in every repo of a tree, each submodule before its super-repo."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers import proc
from helpers.console import counted, paint, printable, put_line, say
from helpers.errors import CRASHED, OK, SIGINT_EXIT, TESTS_FAILED, InfrastructureError, UsageError, worst
from helpers.repo import own_programs
from helpers.repos import state, tree
from helpers.repos.acting import checked_out, inwards_first, name_programs, not_acted_on
from helpers.repos.state import Row
from helpers.repos.step import CLOSED, LEFT, Report, Step, outermost


def main(command: Sequence[str], *, keep_going: bool = False, start: str = "", cwd: Path | None = None) -> int:
    """Run `command` in each repo around `cwd`, and return the exit code.

    Arguments:
        command: the program and its arguments; no shell reads them.
        keep_going: go on after a failure.
        start: path of the repo to begin with; empty for the first one.
        cwd: where the command was given.

    Raises:
        UsageError: there is no command or it can not be started, `start` is no repo of the tree, or `cwd` is in none.
        InfrastructureError: there is no git.
    """
    if not command:
        raise UsageError("no command", fix="invoke repo_foreach -- git status --short")
    root = outermost(cwd)
    rows = inwards_first(tree.rows(root, offline=False))
    paths = [row.path for row in rows]
    start = start.rstrip("/") or paths[0]
    if start not in paths:
        raise UsageError(f"--from {start!r} is no repo here", where=root, fix="invoke repo_status  (names all)")
    rows = rows[paths.index(start) :]
    name_programs(root, checked_out(rows))
    codes, report = [OK], Report(root, cwd)
    for row in rows:
        if step := _not_entered(row):
            report.add(step)
            codes.append(step.code)
            continue
        code = _run(root / row.path, row.path, command)
        codes.append(code)
        if code and not keep_going:
            again = f"invoke repo_foreach --from {shlex.quote(row.path)} -- {shlex.join(command)}"
            say(f"failed in {printable(row.path)}; go on there: {again}")
            break
    failed = sum(bool(code) for code in codes)
    done = f"{len(codes) - 1} of {counted(len(paths), 'repo')}"
    told = f"{done}: {failed} failed or not entered" if failed else f"done in {done}"
    say(f"{told}  ({printable(str(root))})")
    return worst(codes)


def _not_entered(row: Row) -> Step | None:
    """Return why a repo is not entered; None if it is."""
    if left := not_acted_on(row):
        return left
    for one in row.states:
        if one.word == state.CLOSED:
            return Step(row.path, CLOSED, one.detail, "ask for access, or work without it")
        if one.word == state.ABSENT:
            return Step(row.path, LEFT, "not checked out", "invoke repo_pull")
    return None


def _run(place: Path, path: str, command: Sequence[str]) -> int:
    """Run the command in one repo and return the exit code of ours that it stands for."""
    put_line(paint(f"== {printable(path)}", "bold", sys.stdout), sys.stdout)
    env = own_programs.user_command_environment(place)
    try:
        code = proc.show(command, cwd=place, env=env)
    except InfrastructureError as error:
        raise UsageError(error.what, where=place, fix="the command must be on PATH; no shell reads it") from None
    if code == 0:
        return OK
    if code < 0:
        say(f"{printable(path)}: ended by signal {-code}")
        return SIGINT_EXIT if -code == signal.SIGINT else CRASHED
    say(f"{printable(path)}: exit code {code}")
    return TESTS_FAILED
