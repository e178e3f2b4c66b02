"""Carries out a plan once: takes kept verdicts, runs the rest, and shows and keeps what comes out."""

from __future__ import annotations

import argparse
import os
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from helpers.console import report_error
from helpers.containers import rights
from helpers.driver import again, durations, export, history, notes, remember, report, run, uncollected
from helpers.driver.ahead import MOST_WAITING, Ahead
from helpers.driver.container import check_runs_tests
from helpers.driver.events import Event, Observer, Ran, Work
from helpers.driver.plan import Plan, without
from helpers.driver.prepared import HeadStart, PreparedEngine
from helpers.driver.verdict import exit_code
from helpers.driver.verdict_cache import VerdictCache
from helpers.engine import choose
from helpers.engine.seam import Control, Engine
from helpers.engine.supervise import obey_signals
from helpers.errors import OK, HelpersError, worst
from helpers.storage import run_directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helpers.driver.report.page import Page
    from helpers.driver.shared_verdicts import SharedVerdicts


def write_nothing(options: argparse.Namespace, plan: Plan, root: Path, code: int = OK) -> int:
    """Write the result of a run that had nothing to do: whoever reads it after every run finds it.

    Arguments:
        options: of the command line.
        plan: without a directory.
        root: absolute path of the repo.
        code: the exit code, which is returned.
    """
    files = export.Files(options.json, options.junit, plan.shard, _page(options, plan, root))
    code = worst([code, plan.lost.exit_code])
    files.end(Ran([], exit_code=code, lost=plan.lost.files))
    return code


def _page(options: argparse.Namespace, plan: Plan, root: Path) -> Page | None:
    """Return what writes the page that shows the run, if one is asked for."""
    if not options.html:
        return None
    from helpers.driver.report.page import Page  # brings all that is known of a run

    return Page(options.html, root, plan.tier)


def execute(options: argparse.Namespace, plan: Plan, pytest_args: list[str], root: Path) -> int:
    """Carry out a plan once, stopped by signals, and return the exit code.

    Arguments:
        options: of the command line.
        plan: what to do.
        pytest_args: pytest's own arguments.
        root: absolute path of the repo.

    Raises:
        HelpersError: a result can not be written, pytest would run no test, or no engine answers.
    """
    check_runs_tests(pytest_args)
    export.check_writable(options.json)
    export.check_writable(options.junit)
    export.check_writable(options.html)
    control = Control()
    obey_signals(control)
    shown = {name: getattr(options, name) for name in ("json", "junit", "coverage", "verbose", "quiet")}
    observers = report.choose(**shown, html=_page(options, plan, root), shard=plan.shard)
    return _run_once(options, plan, _Order(root, pytest_args, control, observers))


def _run_once(options: argparse.Namespace, plan: Plan, order: _Order) -> int:
    """Show what comes out of a plan, and return the exit code."""
    begin = time.monotonic()
    # What is left of the containers goes while the result is shown.
    with ExitStack() as ends:
        try:
            ran = _tested(options, plan, order, ends)
        finally:
            order.observers.close()
        code = order.control.exit_code or exit_code(ran.verdicts, allow_empty=options.allow_empty)
        lost = options.lost = uncollected.report(order.root, plan.lost, ran.verdicts)
        code = worst([code, lost.exit_code])
        took = time.monotonic() - begin
        ran = replace(ran, lost=lost.files, exit_code=code, interrupted=bool(order.control.level), seconds=took)
        try:
            order.observers.end(ran)
        except (HelpersError, OSError) as error:
            return worst([code, report_error(error)])
    return code


@dataclass(frozen=True)
class _Order:
    """What goes with a plan when it is carried out: the repo, pytest's own arguments, what stops it, who is told."""

    root: Path
    arguments: list[str]
    control: Control
    observers: Observer


def _tested(options: argparse.Namespace, plan: Plan, order: _Order, ends: ExitStack) -> Ran:
    """Answer what can be answered from kept verdicts, run the rest, and keep what passed."""
    # Without isolation a test may see anything.
    kept = None
    if not (options.no_cache or options.engine == "venv"):
        team = _shared(order.control)
        since = options.begun[2] if options.begun else None
        kept = VerdictCache(
            order.root, plan.tier, order.arguments, team, coverage=options.coverage, since=since, asked=options.asked
        )
    known = kept.find(plan.dirs) if kept else {}
    for verdict in known.values():
        order.observers.event(Event("done", verdict.name, verdict=verdict))
    rest = without(plan, known)
    if not rest.dirs:
        verdicts = [known[item.name] for item in plan.dirs]
        remember.keep(options, order.root, plan, kept, verdicts)
        if options.begun and kept:
            notes.leave(options, rest, kept, None, ())
        return Ran(verdicts)
    seconds = durations.of_steps(order.root, rest)
    order.observers.begin(Work(rest, options.jobs, seconds))
    run_id = run.new_run_id()
    directory = run_directory(run_id)
    engine = choose.choose(options.engine)
    rights.check_isolates(rights.policy_of(options.policy, order.root), isolates=engine.isolates)
    prepared = _prepared(options, order.root, engine, directory, rest)
    ends.callback(prepared.finish)
    engine.reap()
    how = run.Options(
        run_id,
        directory,
        options.jobs,
        options.timeout,
        options.exitfirst,
        order.arguments,
        began=again.began(options, order.root),
        seconds=seconds,
        coverage=options.coverage,
        ahead=Ahead(prepared, plan.tier, order.arguments).look if engine.isolates else lambda following: None,
    )
    verdicts = run.Run(rest, prepared, how, order.control, order.observers.event).execute()
    if not order.arguments:
        durations.record(order.root, plan.tier, verdicts)
        history.record(order.root, plan.tier, verdicts, engine.name)
    results = {item.name: run.results_of(directory, rest, item.name) for item in rest.dirs}
    if kept and engine.isolates:
        kept.keep(rest.dirs, verdicts, results)
        notes.leave(options, rest, kept, engine, verdicts)
    known |= {verdict.name: verdict for verdict in verdicts}
    return Ran([known[item.name] for item in plan.dirs], engine.name, directory, results)


def _prepared(options: argparse.Namespace, root: Path, engine: Engine, directory: Path, plan: Plan) -> PreparedEngine:
    """Return the engine with the containers that were started before all else, and with those that will wait."""
    begun = None
    if options.begun:
        begun = HeadStart(options.begun, root, [item.runnable.path for item in plan.dirs if item.runnable])
    return PreparedEngine(engine, directory / "prepared", min(options.jobs, MOST_WAITING), begun)


def _shared(control: Control) -> SharedVerdicts | None:
    """Return the verdicts of the team, if the environment names them; what speaks to a registry is slow to import."""
    if not os.environ.get("HELPERS_VERDICTS"):
        return None
    from helpers.driver import shared_verdicts

    return shared_verdicts.named(control)
