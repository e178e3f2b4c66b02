"""`invoke repo_foreach`: one command in every repo of a tree, each submodule before its super-repo."""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from helpers import proc
from helpers.console import counted, paint, printable, say
from helpers.errors import CRASHED, OK, SIGINT_EXIT, TESTS_FAILED, USAGE, InfrastructureError, UsageError, worst
from helpers.repo import own_programs
from helpers.repos import state, tree
from helpers.repos.acting import checked_out, inwards_first, name_programs, not_acted_on
from helpers.repos.state import Row
from helpers.repos.step import CLOSED, LEFT, SKIPPED, Report, Step, outermost
from helpers.thin_env.streams import put_line


def main(
    command: Sequence[str],
    *,
    keep_going: bool = False,
    start: str = "",
    skip: Sequence[str] = (),
    cwd: Path | None = None,
) -> int:
    """Run `command` in each repo around `cwd`, and return the exit code.

    Arguments:
        command: the program and its arguments; no shell reads them. A repo without the program is skipped if this is a
            path relative to the repo, such as `./main_pytest.py`.
        keep_going: go on after a failure.
        start: path of the repo to begin with; empty for the first one.
        skip: paths of repos that are left out.
        cwd: where the command was given.

    Raises:
        UsageError: there is no command, or no repo has it, or it cannot be started in the first repo (without
            `keep_going`); `start` or a path of `skip` is no repo of the tree; `cwd` is in no checkout.
        InfrastructureError: there is no git.
    """
    if not command:
        raise UsageError("no command", fix="invoke repo_foreach -- git status --short")
    root = outermost(cwd)
    rows = inwards_first(tree.rows(root, offline=False))
    paths = [row.path for row in rows]
    start = start.rstrip("/") or paths[0]
    left_out = [path.rstrip("/") for path in skip]
    for option, path in (("--from", start), *(("--skip", path) for path in left_out)):
        if path not in paths:
            raise UsageError(f"{option} {path!r} is no repo here", where=root, fix="invoke repo_status  (names all)")
    rows = [row for row in rows[paths.index(start) :] if row.path not in left_out]
    name_programs(root, checked_out(rows))
    codes, ran, report = [OK], 0, Report(root, cwd)
    for row in rows:
        if step := _not_entered(row) or _lacks(root, row.path, command[0]):
            report.add(step)
            codes.append(step.code)
            continue
        ran += 1
        code = _run(root / row.path, row.path, command, keep_going=keep_going)
        codes.append(code)
        if code and not keep_going:
            again = f"invoke repo_foreach --from {shlex.quote(row.path)} -- {shlex.join(command)}"
            say(f"failed in {printable(row.path)}; go on there: {again}")
            break
    if worst(codes) == OK and not ran:
        raise UsageError(f"no repo has {command[0]}", where=root, fix="a program on PATH, or a file of the repos")
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


def _lacks(root: Path, path: str, program: str) -> Step | None:
    """Return the message about a repo without the program's file; None with the file, or for a program elsewhere."""
    if "/" not in program or os.path.isabs(program) or os.path.lexists(root / path / program):
        return None
    return Step(path, SKIPPED, f"has no {program}")


def _run(place: Path, path: str, command: Sequence[str], *, keep_going: bool) -> int:
    """Run the command in one repo and return the exit code of ours that it stands for."""
    put_line(paint(f"== {printable(path)}", "bold", sys.stdout), sys.stdout)
    env = own_programs.user_command_environment(place)
    try:
        code = proc.show(command, cwd=place, env=env)
    except InfrastructureError as error:
        fix = "the command must be on PATH, or an executable file of the repo; no shell reads it"
        if not keep_going:
            raise UsageError(error.what, where=place, fix=fix) from None
        say(f"{printable(path)}: {error.what}; fix: {fix}")
        return USAGE
    if code == 0:
        return OK
    if code < 0:
        say(f"{printable(path)}: ended by signal {-code}")
        return SIGINT_EXIT if -code == signal.SIGINT else CRASHED
    say(f"{printable(path)}: exit code {code}")
    return TESTS_FAILED
