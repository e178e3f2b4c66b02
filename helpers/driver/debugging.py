"""Runs the tests of one directory on the caller's terminal, for pytest's debugger; there is no verdict to keep."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from helpers.console import has_terminal, say
from helpers.containers import rights
from helpers.driver import again, run
from helpers.driver.container import check_runs_tests, on_terminal, test_container, without_git
from helpers.driver.options import debugger_option
from helpers.driver.plan import DirPlan, Plan
from helpers.driver.verdict import CODES_OF_PYTEST
from helpers.engine import choose
from helpers.engine.seam import Control, Engine, Outcome, UnsupportedError
from helpers.engine.supervise import obey_signals
from helpers.errors import CRASHED, HelpersError, NothingSelectedError, UsageError
from helpers.host import user
from helpers.images.build import ensure
from helpers.storage import run_directory

# Options whose answer is that of a run without a person.
_OF_A_RUN = ("watch", "json", "junit", "html", "coverage", "shard")


def check(options: argparse.Namespace, arguments: Sequence[str]) -> None:
    """Refuse options that do not go with a debugger.

    Arguments:
        options: of the command line.
        arguments: pytest's own, with `--pdb` or `--trace`.

    Raises:
        UsageError: there is such an option, or pytest would run no test.
    """
    check_runs_tests(arguments)
    for name in _OF_A_RUN:
        if getattr(options, name, None):
            what = f"{debugger_option(arguments)} waits for a person, and --{name} is for runs without a person"
            raise UsageError(what, fix="leave out one of the two")


def execute(options: argparse.Namespace, plan: Plan, arguments: Sequence[str], root: Path) -> int:
    """Run the tests of the one directory of a plan on the caller's terminal, and return the exit code.

    Arguments:
        options: of the command line.
        plan: selects the directory.
        arguments: pytest's own.
        root: absolute path of the repo.

    Raises:
        UsageError: there is no terminal, or several directories are selected.
        HelpersError: the directory cannot be tested, or no engine answers.
    """
    item = _one(options, plan, arguments, root)
    if item.error:
        raise item.error
    control = Control()
    obey_signals(control)
    # Before any thread: it leaves a process behind that removes our container whatever becomes of us.
    engine = choose.choose(options.engine)
    rights.check_isolates(rights.policy_of(options.policy, root), isolates=engine.isolates)
    try:
        engine.reap()
        outcome = _debugged(engine, item, plan.tier, arguments, control)
    except UnsupportedError as error:
        raise NothingSelectedError(f"{item.name}: {error} (engine {engine.name} can not give it)") from None
    except HelpersError:
        if not control.exit_code:
            raise
        return control.exit_code
    finally:
        engine.finish()
    return control.exit_code or _exit_code(outcome)


def _one(options: argparse.Namespace, plan: Plan, arguments: Sequence[str], root: Path) -> DirPlan:
    """Return the only directory of a plan.

    Raises:
        UsageError: there is no terminal, or no single directory.
    """
    option = debugger_option(arguments)
    if not plan.dirs:
        raise NothingSelectedError("no directory is selected", fix="./main_pytest.py --list  shows all")
    if len(plan.dirs) > 1:
        what = f"{option} needs a single directory, and {len(plan.dirs)} are selected"
        raise UsageError(what, fix=_command(options, _meant(plan, arguments), arguments, root))
    if not has_terminal():
        why = "standard input or standard output is not a terminal"
        fix = f"in a terminal: {_command(options, plan.dirs[0], arguments, root)}"
        raise UsageError(f"{option} needs a terminal", why=why, fix=fix)
    return plan.dirs[0]


def _meant(plan: Plan, arguments: Sequence[str]) -> DirPlan:
    """Return the directory that has the tests named by the arguments; the first directory if there is none."""
    files = [word.partition("::")[0] for word in arguments if not word.startswith("-")]

    def has(item: DirPlan) -> bool:
        return any(item.runnable and (item.runnable.path / name).is_file() for name in files)

    return next(filter(has, plan.dirs), plan.dirs[0])


def _command(options: argparse.Namespace, item: DirPlan, arguments: Sequence[str], root: Path) -> str:
    only = ["--only-this"] if item.runnable and item.runnable.nested else []
    where = ["--dir", os.path.relpath(root / item.name), *only]
    return shlex.join([*again.began(options, root), *where, "--", *arguments])


def _debugged(engine: Engine, item: DirPlan, tier: str, arguments: Sequence[str], control: Control) -> Outcome:
    image = ensure(engine, item.chain, control)
    run_id = run.new_run_id()
    results = run_directory(run_id) / "0" / "results"
    results.mkdir(parents=True)
    assert item.runnable
    spec = test_container(
        item.runnable,
        name=f"helpers-{run_id}-0",
        image=image,
        labels=item.chain[-1].labels,
        user=user(),
        results=results,
        nonce="",
        tier=tier,
        # No file of results leaves the container.
        arguments=["--junitxml=", *arguments],
        rights=item.rights,
    )
    say(f"debugging {item.name}: no time limit, and no verdict is kept; `c` continues, `q` ends")
    for text in rights.lines(item.needs) if engine.isolates else ():
        say(f"weaker: {text}")
    outcome = engine.run(on_terminal(without_git(spec)), results.with_name("output.log"), 0.0, control)
    for text in outcome.weaker:
        say(f"weaker: {text}")
    return outcome


def _exit_code(outcome: Outcome) -> int:
    if outcome.out_of_memory:
        say("a process was killed because the memory limit was reached (setting: memory)")
        return CRASHED
    return CODES_OF_PYTEST.get(outcome.code, CRASHED)
