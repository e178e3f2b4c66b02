"""The command line of `main_pytest.py`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from helpers import console, discover, selection
from helpers.driver import headstart
from helpers.driver.options import build_parser, debugger_option, meant
from helpers.errors import OK, NothingSelectedError, UsageError, worst
from helpers.model.stage import Stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from helpers.driver.plan import Plan


def run_tier(
    tier: str, directory: str, engine: str, stage: str, arguments: Sequence[str], *, coverage: bool = False
) -> int:
    """Run one tier of the tests of the runnable dir that encloses `directory` and return the exit code.

    Arguments:
        tier: which tests.
        directory: a place in the runnable dir; empty is the current directory.
        engine: `auto`, `docker` or `venv`.
        stage: `local` or `dev`.
        arguments: pytest's arguments.
        coverage: whether to show which lines ran.
    """
    root, path = discover.nearest(directory)
    options = [f"--dir={path}", "--only-this", f"--tier={tier}", f"--engine={engine}", f"--stage={stage}"]
    options += ["--coverage"] if coverage else []
    return main([*options, "--", *arguments], root)


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
    options.lost = options.asked = None
    if rest:
        parser.error(f"unrecognized argument {rest[0]!r}; did you mean: main_pytest.py {meant(parser, rest[0])}")
    try:
        code = _main(options, arguments[end + 1 :], root or Path(os.path.realpath(sys.argv[0])).parent)
    except (Exception, KeyboardInterrupt) as error:
        code = console.report_error(error)
    return worst([code, options.lost.exit_code]) if options.lost else code


def _main(options: argparse.Namespace, pytest_args: list[str], root: Path) -> int:
    from helpers.repos import own_version

    own_version.check()
    if debugger_option(pytest_args) and not options.list:
        return _debug(options, pytest_args, root)
    if options.watch:
        return _watch(options, pytest_args, root)
    if not (options.no_cache or options.engine == "venv"):
        from helpers.repo.contents import Answers

        options.asked = Answers(root)  # git answers while the plan is made
    plan = _plan(options, pytest_args, root)
    if options.list:
        return _list(options, plan, pytest_args, root)
    from helpers.driver import once

    return once.execute(options, plan, pytest_args, root) if plan.dirs else once.write_nothing(options, plan, root)


def _plan(options: argparse.Namespace, pytest_args: list[str], root: Path) -> Plan:
    """Return the plan for what the options select."""
    from functools import partial

    from helpers.containers import rights
    from helpers.dirs import lost_tests, soundness
    from helpers.driver import plan as planner

    try:
        chosen = selection.choose(
            root,
            options.dir,
            Path.cwd(),
            only_this=options.only_this,
            submodules=options.submodules,
            more=lost_tests.PATTERNS,
        )
    except NothingSelectedError as error:
        if not options.allow_empty:
            raise
        console.say(error.summary)
        chosen = selection.Selection([], [])
    images = None
    if options.stage != Stage.LOCAL.value:
        from helpers.images import released

        _choose_docker(options)
        # A list asks no engine, and so says of the image what it must be.
        images = released.wanted if options.list else released.find
    policy = rights.policy_of(options.policy, root)
    if options.engine == "venv":
        rights.check_isolates(policy, isolates=False)
    plan = planner.make(
        root, chosen.paths, chosen.every, options.tier, images, checkouts=chosen.checkouts, policy=policy
    )
    if images is None:
        # pytest's arguments may name tests elsewhere.
        plan = planner.checked(plan, partial(soundness.check, tests=not pytest_args))
    plan = planner.with_faults(plan, root, chosen.faults)
    plan = _with_lost_tests(options, plan, root, chosen)
    if options.coverage:
        from helpers.driver import measuring

        plan = measuring.checked(plan)
    if options.affected is not None and plan.dirs:
        plan = _affected(options, plan, root)
    if options.platform:
        plan = _on_platform(options, plan)
    if options.shard:
        plan = _sharded(options, plan, pytest_args, root)
    elif options.durations:
        raise UsageError("--durations says how --shard splits", fix="add --shard I/N, or leave it out")
    return plan


def _with_lost_tests(options: argparse.Namespace, plan: Plan, root: Path, chosen: selection.Selection) -> Plan:
    """Return the plan with the tests outside of all runs, and print a line about these tests."""
    from dataclasses import replace

    from helpers.dirs import lost_tests

    known = {root / item.name: item.runnable for item in plan.dirs}
    found: list[str] = []
    reached = {}
    for listing in chosen.listings:
        away, others = lost_tests.sort(listing, known, chosen.every, chosen.named)
        found += [os.path.relpath(one.file, root) for one in away]
        home = os.path.relpath(listing.root, root)
        for path, names in others.items():
            reached[path.relative_to(root).as_posix()] = [os.path.normpath(os.path.join(home, name)) for name in names]
    strict = lost_tests.is_strict(root) or options.strict_tests
    absent = lost_tests.absent(chosen.listings, chosen.named)
    lost = lost_tests.LostTests(tuple(sorted(found)), strict, reached, absent=absent)
    # A watch makes a plan after each change.
    if lost != options.lost:
        lost.show()
    options.lost = lost
    return replace(plan, lost=lost)


def _debug(options: argparse.Namespace, pytest_args: list[str], root: Path) -> int:
    """Run the tests of one directory on this terminal."""
    from helpers.driver import debugging

    debugging.check(options, pytest_args)
    return debugging.execute(options, _plan(options, pytest_args, root), pytest_args, root)


def _watch(options: argparse.Namespace, pytest_args: list[str], root: Path) -> int:
    """Test what changes until we are told to end."""
    from helpers.driver import again, watching
    from helpers.driver.container import check_runs_tests

    watching.check(options)
    check_runs_tests(pytest_args)
    began = again.began(options, root)
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


def _on_platform(options: argparse.Namespace, plan: Plan) -> Plan:
    """Return the plan with the directories of one platform alone."""
    from helpers.driver import plan as planner

    left = planner.on_platform(plan, options.platform)
    if plan.dirs and not (left.dirs or options.allow_empty or options.shard):
        raise NothingSelectedError(
            f"--platform {options.platform}: no selected directory has it in its `platforms`",
            fix="./main_pytest.py --list --json -  shows `jobs`, with their platforms",
        )
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
            from helpers.driver import once

            once.write_nothing(options, part, root, nothing.exit_code)
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
        print(plan.as_text(console.terminal_width(sys.stdout), lambda name: console.from_here(root, name)))
    errors = [item.error for item in plan.dirs if item.error and item.fault_kind == "error"]
    empty = NothingSelectedError.exit_code if options.allow_empty else OK
    return worst([OK, *(error.exit_code for error in errors if error.exit_code != empty)])
