"""What `main_pytest.py --watch` is made of: the engine, the screen, the signals, and what does not go with it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from helpers import proc
from helpers.containers import rights
from helpers.driver import report, run
from helpers.driver.changes import Changes
from helpers.driver.plan import Plan
from helpers.driver.watch import How, Watch
from helpers.engine.choose import choose
from helpers.engine.seam import Control
from helpers.engine.supervise import obey_signals
from helpers.errors import UsageError
from helpers.storage import run_directory

# Options whose answer belongs to one run that ends.
_OF_ONE_RUN = ("list", "json", "junit", "html", "coverage", "shard")


def check(options: argparse.Namespace) -> None:
    """Refuse options that make no sense in a watch.

    Raises:
        UsageError: there is one.
    """
    for name in _OF_ONE_RUN:
        if getattr(options, name, None):
            raise UsageError(
                f"--watch goes on until Ctrl-C, and --{name} is the result of one run", fix="leave out one of the two"
            )


def follow(
    options: argparse.Namespace, arguments: Sequence[str], root: Path, plan: Callable[[], Plan], began: Sequence[str]
) -> int:
    """Test what changes until we are told to end, and return the exit code of that.

    Arguments:
        options: those of the command line.
        arguments: pytest's own.
        root: absolute path of the repo.
        plan: makes the plan of the moment.
        began: the words that the watch began with.

    Raises:
        HelpersError: nothing can be watched like this, or no engine answers.
    """
    plan()  # what is wrong with the command line ends it; later errors wait for the next change
    control = Control()
    obey_signals(control)
    # Before any thread: it leaves a process behind that removes our containers whatever becomes of us.
    engine = choose(options.engine)
    rights.check_isolates(rights.policy_of(options.policy, root), isolates=engine.isolates)
    engine.reap()
    how = How(
        root,
        plan,
        options.tier,
        arguments,
        options.jobs,
        run_directory(run.new_run_id()),
        options.timeout,
        options.exitfirst,
        not options.no_cache,
        began,
        _again,
    )
    changes = Changes(root)
    observers = report.choose(table=False, verbose=options.verbose, quiet=options.quiet)
    try:
        return Watch(how, engine, changes, control, observers).follow()
    finally:
        observers.close()
        changes.close()


def _again() -> None:
    """Become the same command anew, with the code that is there now."""
    proc.replace([sys.executable, *sys.orig_argv[1:]])
