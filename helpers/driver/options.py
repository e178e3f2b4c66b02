"""The options of `main_pytest.py`."""

from __future__ import annotations

import argparse
import os

from helpers.console import excerpt
from helpers.engine.choose import ENGINES
from helpers.errors import EXIT_CODES
from helpers.model.number import whole
from helpers.model.stage import RUN_STAGES, Stage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from helpers.driver.shard import Shard

# Of seconds, 30 years.
_MOST = 1_000_000_000
# https://docs.pytest.org/en/stable/how-to/failures.html#using-pdb-the-python-debugger-with-pytest
_DEBUGGERS = ("--pdb", "--trace")
_CODES = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in EXIT_CODES.items())
_EPILOG = f"""\
examples:
  main_pytest.py                                   test every runnable dir, each in its own container
  main_pytest.py --dir runnable_dirs/forecast      test one of them
  main_pytest.py --dir runnable_dirs --tier all    test all below a directory, slow tests too
  main_pytest.py --dir . --only-this               test the root itself, without the directories below it
  main_pytest.py --dir runnable_dirs/forecast -- -k smoothing -x
                                                   give pytest its own arguments
  main_pytest.py --dir runnable_dirs/forecast -- --pdb test/test_it.py::test_a
                                                   debug a test on this terminal
  main_pytest.py --list                            print the plan and do nothing

exit codes (the worst directory decides):
{_CODES}
"""


def debugger_option(pytest_args: Sequence[str]) -> str:
    """Return the option by which pytest opens a debugger, which needs a terminal; empty without such an option."""
    options = pytest_args[: pytest_args.index("--")] if "--" in pytest_args else pytest_args
    return next((word for word in options if word in _DEBUGGERS), "")


def build_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="main_pytest.py",
        usage="main_pytest.py [OPTION]... [-- PYTEST_ARGUMENT...]",
        description="Run the tests of every runnable dir, each inside its own container.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "--dir",
        action="append",
        default=[],
        metavar="DIR",
        help="all runnable dirs at and below this directory; repeatable",
    )
    add("--only-this", action="store_true", help="with --dir: that runnable dir alone, without those below it")
    add(
        "--submodules",
        action="store_true",
        help="the runnable dirs of submodules, too, but for those of helpers itself",
    )
    add("--tier", choices=("fast", "slow", "superslow", "all"), default="fast", help="which tests (default: fast)")
    add(
        "-j",
        "--jobs",
        type=_positive,
        default=os.cpu_count() or 1,
        metavar="N",
        help="directories at a time, those that took longest first, as long as there is memory for the limits of all "
        "(default: the number of cores); with `-- -n auto` pytest-xdist shares the cores among them",
    )
    add("--engine", choices=ENGINES, default="auto", help="auto falls back to venv without an engine")
    add(
        "--stage",
        choices=[stage.value for stage in RUN_STAGES],
        default=Stage.LOCAL.value,
        help="local: the image of this checkout's files (default); dev: the newest released one that fits the code",
    )
    add(
        "--policy",
        metavar="TEXT",
        help="what directories may weaken: strict, default, RIGHT, DIR:RIGHT and @FILE, with commas between them "
        "(default: the variable HELPERS_POLICY)",
    )
    _add_what_and_how(parser)
    return parser


def _add_what_and_how(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what of the plan is done, how, and where its result goes."""
    add = parser.add_argument
    add("--list", action="store_true", help="print the plan, with what is cached, and do nothing")
    add("--json", metavar="FILE", help="write the result (with --list: the plan) as JSON; - is standard output")
    add("--junit", metavar="FILE", help="write all results as one JUnit file")
    _add_reports(parser)
    add(
        "--affected",
        nargs="?",
        const="",
        metavar="REF",
        help="only what can come out otherwise than at that commit (default: where the branch left the default branch)",
    )
    _add_parts(parser)
    add("--watch", action="store_true", help="go on: test again what changes, until Ctrl-C")
    add("--no-cache", action="store_true", help="test also what passed before and has not changed since")
    add("--exitfirst", action="store_true", help="start nothing more after the first directory that does not pass")
    add(
        "--strict-tests",
        action="store_true",
        help="end with 4 if a test file that git tracks never runs",
    )
    add("--timeout", type=_positive, metavar="SECONDS", help="for one directory's tests, instead of its own setting")
    add("--allow-empty", action="store_true", help="finding no directory or no test is no error")


def _add_parts(parser: argparse.ArgumentParser) -> None:
    """Add the options by which several machines share a run."""
    add = parser.add_argument
    add(
        "--platform",
        type=_platform,
        metavar="NAME",
        help="only directories whose setting `platforms` has it, as in linux/arm64 (without the setting: linux/amd64)",
    )
    add(
        "--shard",
        type=_shard,
        metavar="I/N",
        help="only part I of N, of equal weight and the same on every machine; invoke report_merge joins the results",
    )
    add(
        "--durations",
        metavar="FILE",
        help="what --json wrote: parts are weighed by the seconds in it (without it by the number of files with tests)",
    )


def _add_reports(parser: argparse.ArgumentParser) -> None:
    """Add what can be reported beside verdicts, and how much of a run is shown."""
    add = parser.add_argument
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("-v", "--verbose", action="store_true", help="show what tests print while they run")
    shown.add_argument("-q", "--quiet", action="store_true", help="show only what does not pass, and the last lines")
    add("--html", metavar="FILE", help="write one page that shows it all: failures, timeline, slowest tests, last runs")
    add("--coverage", action="store_true", help="show which share of the lines ran, by directory and in total")


def shown() -> list[argparse.Action]:
    """Return the options that `--help` shows."""
    return [action for action in build_parser()._actions if action.help is not argparse.SUPPRESS]


def value_of(action: argparse.Action) -> str:
    """Return the notation of the value of an option, as in `fast|slow` and `FILE`; empty for a flag."""
    return "|".join(map(str, action.choices)) if action.choices else str(action.metavar or "")


def _shard(text: str) -> Shard:
    from helpers.driver import shard  # few runs name one

    return shard.parse(text)


def _platform(text: str) -> str:
    from helpers.model.image import parse_platforms  # few runs name one

    try:
        found = parse_platforms(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if len(found) != 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not one platform, as in linux/arm64")
    return found[0]


def _positive(text: str) -> int:
    number = whole(text, _MOST)
    if not number:
        raise argparse.ArgumentTypeError(f"{excerpt(text)} is not a whole number from 1 to {_MOST}")
    return number


def meant(parser: argparse.ArgumentParser, word: str) -> str:
    """Return what somebody may have meant by an argument that there is not."""
    import difflib  # few runs have one

    if os.path.isdir(word):
        return f"--dir {word}"
    names = [name for action in parser._actions for name in action.option_strings]
    near = difflib.get_close_matches(word.partition("=")[0], names, 1)
    return near[0] if near else f"-- {word}, if it is meant for pytest"
