"""The command line of `main_pytest.py`."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from helpers import console, discover
from helpers.driver import headstart
from helpers.driver.options import build_parser, meant
from helpers.engine.seam import Control
from helpers.engine.supervise import obey_signals
from helpers.errors import OK, NothingSelectedError, UsageError, worst
from helpers.model.stage import Stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helpers.driver.events import Observer, Ran
    from helpers.driver.plan import Plan
    from helpers.driver.report.page import Page
    from helpers.driver.shared_verdicts import SharedVerdicts
    from helpers.engine.seam import Engine


def run_tier(tier: str, directory: str, engine: str, stage: str, arguments: str, *, coverage: bool = False) -> int:
    """Run one tier of the tests of the runnable dir that encloses `directory` and return the exit code.

    Arguments:
        tier: which tests.
        directory: a place in the runnable dir; empty is the current directory.
        engine: `auto`, `docker` or `venv`.
        stage: `local` or `dev`.
        arguments: pytest's arguments, split into words as a shell would.
        coverage: whether to show which lines ran.
    """
    root, path = discover.nearest(directory)
    options = [f"--dir={path}", f"--tier={tier}", f"--engine={engine}", f"--stage={stage}"]
    options += ["--coverage"] if coverage else []
    return main([*options, "--", *shlex.split(arguments)], root)


def main(argv: list[str] | None = None, root: Path | None = None) -> int:
    """Run the driver and return its exit code.

    Arguments:
        argv: arguments without the program's name; None takes those of this process.
        root: root of the repo; None is where the program that was started lies.
    """
    arguments = sys.argv[1:] if argv is None else argv
    end = arguments.index("--") if "--" in arguments else len(arguments)
    parser = build_parser()
    options, rest = parser.parse_known_args(arguments[:end])
    options.argv, options.asked_at, options.begun = list(arguments), time.time(), headstart.handed()
    if rest:
        parser.error(f"unrecognized argument {rest[0]!r}; did you mean: main_pytest.py {meant(parser, rest[0])}")
    options.pytest_args = arguments[end + 1 :]
    try:
        return _main(options, arguments[end + 1 :], root or Path(os.path.realpath(sys.argv[0])).parent)
    except (Exception, KeyboardInterrupt) as error:
        return console.report_error(error)


def _main(options: argparse.Namespace, pytest_args: list[str], root: Path) -> int:
    from helpers.repos import own_version

    own_version.check()
    if options.watch:
        return _watch(options, pytest_args, root)
    plan = _plan(options, pytest_args, root)
    if options.list:
        return _list(options, plan, pytest_args, root)
    return _execute(options, plan, pytest_args, root) if plan.dirs else _write_nothing(options, plan, root)


def _plan(options: argparse.Namespace, pytest_args: list[str], root: Path) -> Plan:
    """Return the plan for what the options select."""
    from helpers.driver import plan as planner

    every = discover.runnable_paths(root)
    try:
        paths = discover.select(root, options.dir, Path.cwd(), every)
    except NothingSelectedError as error:
        if not options.allow_empty:
            raise
        console.say(error.summary)
        paths = []
    if options.stage == Stage.LOCAL.value:
        plan = planner.make(root, paths, every, options.tier)
    else:
        from helpers.images import released

        _choose_docker(options)
        # A list asks no engine, and so says of the image what it must be.
        images = released.wanted if options.list else released.find
        plan = planner.make(root, paths, every, options.tier, images)
    if options.coverage:
        from helpers.driver import measuring

        plan = measuring.checked(plan)
    if options.affected is not None and paths:
        plan = _affected(options, plan, root)
    if options.shard:
        plan = _sharded(options, plan, pytest_args, root)
    elif options.durations:
        raise UsageError("--durations says how --shard splits", fix="add --shard I/N, or leave it out")
    return plan


def _watch(options: argparse.Namespace, pytest_args: list[str], root: Path) -> int:
    """Test what changes until we are told to end."""
    from helpers.driver import watching
    from helpers.driver.container import check_runs_tests

    watching.check(options)
    check_runs_tests(pytest_args)
    began = _began(options, root)
    return watching.follow(options, pytest_args, root, lambda: _plan(options, pytest_args, root), began)


def _affected(options: argparse.Namespace, plan: Plan, root: Path) -> Plan:
    """Return the plan without the directories that nothing has changed for."""
    from helpers.driver import affected

    since = affected.base_of(root, options.affected)
    left = affected.only(root, plan, since)
    if not left.dirs:
        nothing = affected.nothing(root, options.affected, since)
        # A shard of nothing is an empty one, and leaves a result.
        if not (options.allow_empty or options.shard):
            raise nothing
        console.say(nothing.what)
    return left


def _sharded(options: argparse.Namespace, plan: Plan, pytest_args: list[str], root: Path) -> Plan:
    """Return the part of the plan that `--shard` names, and say how it was split."""
    from helpers.driver import shard

    how = [options.engine, options.stage, "coverage" if options.coverage else "", *pytest_args]
    split = shard.make(root, plan, options.shard, options.durations, how)
    console.say(split.as_text())
    part = shard.only(plan, split)
    if not part.dirs and not options.allow_empty:
        fewer = "fewer shards, or " if plan.dirs else ""
        nothing = NothingSelectedError(shard.why_empty(split), fix=f"{fewer}--allow-empty, where that is no error")
        if not options.list:
            # Whoever joins the results of all shards finds one of this, too.
            _write_nothing(options, part, root, nothing.exit_code)
        raise nothing
    return part


def _choose_docker(options: argparse.Namespace) -> None:
    """Let only docker, which has images, run the tests in released ones."""
    if options.engine == "venv":
        raise UsageError(
            f"--engine venv has no images, so no --stage {options.stage} either", fix="leave out one of the two"
        )
    options.engine = "docker"


def _list(options: argparse.Namespace, plan: Plan, pytest_args: list[str], root: Path) -> int:
    from helpers.driver import listing

    plan = listing.with_kept(options, plan, pytest_args, root)
    if options.json:
        from helpers.driver.export import write_json

        write_json(options.json, plan.as_data())
    if options.json != "-":
        print(plan.as_text())
    return worst([OK, *(item.error.exit_code for item in plan.dirs if item.error and item.fault_kind == "error")])


def _write_nothing(options: argparse.Namespace, plan: Plan, root: Path, code: int = OK) -> int:
    """Write the result of a run that had nothing to do: whoever reads it after every run finds it."""
    from helpers.driver.events import Ran
    from helpers.driver.export import Files

    files = Files(options.json, options.junit, plan.shard, _page(options, plan, root))
    files.end(Ran([], exit_code=code))
    return code


def _page(options: argparse.Namespace, plan: Plan, root: Path) -> Page | None:
    """Return what writes the page that shows the run, if one is asked for."""
    if not options.html:
        return None
    from helpers.driver.report.page import Page  # brings all that is known of a run

    return Page(options.html, root, plan.tier)


def _execute(options: argparse.Namespace, plan: Plan, pytest_args: list[str], root: Path) -> int:
    from helpers.driver import export, report
    from helpers.driver.container import check_runs_tests

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
    """Carry out a plan once, show what comes out, and return the exit code."""
    from helpers.driver.verdict import exit_code

    begin = time.monotonic()
    # What is left of the containers goes while the result is shown.
    with ExitStack() as ends:
        try:
            ran = _tested(options, plan, order, ends)
        finally:
            order.observers.close()
        code = order.control.exit_code or exit_code(ran.verdicts, allow_empty=options.allow_empty)
        took = time.monotonic() - begin
        order.observers.end(replace(ran, exit_code=code, interrupted=bool(order.control.level), seconds=took))
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
    from helpers.driver import durations, history, notes, remember, run
    from helpers.driver.events import Event, Ran, Work
    from helpers.driver.plan import without
    from helpers.driver.verdict_cache import VerdictCache
    from helpers.engine.choose import choose
    from helpers.storage import run_directory

    # Without isolation a test may see anything.
    kept = None
    if not (options.no_cache or options.engine == "venv"):
        team = _shared(order.control)
        since = options.begun[2] if options.begun else None
        kept = VerdictCache(order.root, plan.tier, order.arguments, team, coverage=options.coverage, since=since)
    known = kept.find(plan.dirs) if kept else {}
    for verdict in known.values():
        order.observers.event(Event("done", verdict.name, verdict=verdict))
    rest = without(plan, known)
    if not rest.dirs:
        verdicts = [known[item.name] for item in plan.dirs]
        remember.keep(options, order.root, plan, kept, verdicts)
        return Ran(verdicts)
    seconds = durations.of_steps(order.root, rest)
    order.observers.begin(Work(rest, options.jobs, seconds))
    run_id = run.new_run_id()
    directory = run_directory(run_id)
    engine = choose(options.engine)
    if options.begun:
        engine = _with_begun(options, order.root, engine, directory)
    ends.callback(engine.finish)
    engine.reap()
    how = run.Options(
        run_id,
        directory,
        options.jobs,
        options.timeout,
        options.exitfirst,
        order.arguments,
        began=_began(options, order.root),
        seconds=seconds,
        coverage=options.coverage,
    )
    verdicts = run.Run(rest, engine, how, order.control, order.observers.event).execute()
    if not order.arguments:
        durations.record(order.root, plan.tier, verdicts)
        history.record(order.root, plan.tier, verdicts, engine.name)
    results = {item.name: run.results_of(directory, rest, item.name) for item in rest.dirs}
    if kept and engine.isolates:
        kept.keep(rest.dirs, verdicts, results)
        notes.leave(options, rest, kept, engine, verdicts)
    known |= {verdict.name: verdict for verdict in verdicts}
    return Ran([known[item.name] for item in plan.dirs], engine.name, directory, results)


def _with_begun(options: argparse.Namespace, root: Path, engine: Engine, directory: Path) -> Engine:
    """Return the engine with the containers that were started before all else."""
    from helpers.driver.prepared import HeadStart, PreparedEngine

    return PreparedEngine(engine, directory / "prepared", 0, HeadStart(options.begun, root))


def _shared(control: Control) -> SharedVerdicts | None:
    """Return the verdicts of the team, if the environment names them; what speaks to a registry is slow to import."""
    if not os.environ.get("HELPERS_VERDICTS"):
        return None
    from helpers.driver import shared_verdicts

    return shared_verdicts.named(control)


def _began(options: argparse.Namespace, root: Path) -> list[str]:
    """Return the words that this run began with, as far as they decide what a directory's tests are run in."""
    from helpers.driver import again

    usual = {"engine": "auto", "tier": "fast", "stage": Stage.LOCAL.value}
    chosen = {name: getattr(options, name) for name, value in usual.items() if getattr(options, name) != value}
    return [again.program(root), *(word for name, value in chosen.items() for word in (f"--{name}", value))]
