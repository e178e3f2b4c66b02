"""The command lines that do again what did not pass: ours, and one that needs nothing but the engine."""

from __future__ import annotations

import argparse
import os
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from helpers.console import as_argument
from helpers.driver.container import INSIDE
from helpers.driver.verdict import Status, Verdict, pytest_id
from helpers.engine.seam import Engine
from helpers.engine.specs import RunSpec
from helpers.model.stage import Stage

# After these there is something to look for in the directory's tests.
_OF_TESTS = (Status.FAIL, Status.CRASH, Status.TIMEOUT)
# A longer list is no help: then all of its tests are run.
_MOST_TESTS = 20
# Options of pytest and pytest-xdist with a value that may look like a place of tests.
# https://docs.pytest.org/en/stable/reference/reference.html#command-line-flags
_WITH_VALUE = (
    *("-c", "-k", "-m", "-n", "-o", "-p", "-r", "-W", "--basetemp", "--confcutdir", "--config-file", "--cov"),
    *("--deselect", "--dist", "--ignore", "--junitxml", "--junit-xml", "--log-file", "--rootdir"),
)
# The message of a failure that needs a terminal, and pytest's options for a run on a terminal.
_NEEDS_TERMINAL = {"bdb.BdbQuit": ["--pdb"], "reading from stdin while output is captured": ["-s", "--pdb"]}


def program(root: Path) -> str:
    """Return how the driver is started from the current directory."""
    near = os.path.relpath(root / "main_pytest.py")
    return f"./{near}" if "/" not in near else near if near.startswith("../") else str(root / "main_pytest.py")


def lines(verdict: Verdict, began: Sequence[str], engine: Engine, spec: RunSpec, arguments: Sequence[str]) -> list[str]:
    """Return the command lines for a verdict; none where its tests ran well or did not run.

    Arguments:
        verdict: on one directory.
        began: the words that the run began with: the program and its options, without directories.
        engine: what ran the tests.
        spec: the container that they ran in.
        arguments: pytest's own, from the command line.
    """
    if verdict.status not in _OF_TESTS:
        return []
    tests = verdict.failures or verdict.running
    few = 0 < len(tests) <= _MOST_TESTS
    found = [as_argument(_selector(pytest_id(test), spec.cwd, arguments)) for test in tests] if few else []
    known = found and all(found)
    wanted = [*dict.fromkeys(found), *_options(arguments, spec.cwd)] if known else list(arguments)
    ours = [*began, "--dir", as_argument(os.path.relpath(spec.cwd)), *(["--", *wanted] if wanted else [])]
    cache = ["-o", "cache_dir=/tmp/pytest-cache"]
    seen = [mount for mount in spec.mounts if mount.read_only and mount.path != INSIDE]
    alone = replace(spec, mounts=tuple(seen), labels={}, image_says={})
    by_hand = engine.by_hand(alone, ["python", "-m", "pytest", *cache, *wanted])
    return [shlex.join(ours), *([shlex.join(by_hand)] if by_hand else [])]


def debugger_hints(verdict: Verdict, line: str) -> tuple[str, ...]:
    """Return the command that gives a test the terminal which it missed, as a hint; empty for other failures.

    Arguments:
        verdict: on one directory.
        line: our command line that runs the failed tests again.
    """
    messages = [failure.message for failure in verdict.details]
    found = [words for text, words in _NEEDS_TERMINAL.items() if any(text in message for message in messages)]
    if not found:
        return ()
    begin = shlex.split(line)
    return (f"fix: {shlex.join([*begin, *([] if '--' in begin else ['--']), *found[-1]])}",)


def _options(arguments: Sequence[str], directory: Path) -> list[str]:
    """Return pytest's arguments without the places of tests: an option such as `-m` decides what a place selects.

    Arguments:
        arguments: pytest's own, from the command line.
        directory: where pytest is started.
    """
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    found, before = [], ""
    for word in options:
        place = (directory / word.partition("::")[0]).exists()
        value = before in _WITH_VALUE or (before.startswith("--") and "=" not in before and not place)
        if (word.startswith("-") and word != "--pyargs") or (value and before != "--pyargs"):
            found.append(word)
        before = word
    return found


def _selector(test: str, directory: Path, arguments: Sequence[str]) -> str:
    """Return the argument by which pytest finds a test again; empty if unknown.

    The id of a test outside the directory is relative to the argument of pytest for the file.

    Arguments:
        test: its id.
        directory: where pytest is started.
        arguments: pytest's own, from the command line.
    """
    file, mark, name = test.partition("::")
    places = [word.partition("::")[0] for word in arguments if not word.startswith("-")]
    outside = [os.path.normpath(os.path.join(place, file)) for place in places if place.startswith(("..", "/"))]
    there = [path for path in (file, *outside) if path and (directory / path).exists()]
    # A file has tests, a directory does not.
    there = [path for path in there if not mark or (directory / path).is_file()]
    if there:
        return f"{there[0]}{mark}{name}"
    return "" if places else test


def began(options: argparse.Namespace, root: Path) -> list[str]:
    """Return the words that a run began with, as far as they decide what a directory's tests are run in.

    Arguments:
        options: of the command line.
        root: absolute path of the repo.
    """
    usual = {"engine": "auto", "tier": "fast", "stage": Stage.LOCAL.value, "policy": None}
    chosen = {name: getattr(options, name) for name, value in usual.items() if getattr(options, name) != value}
    return [program(root), *(word for name, value in chosen.items() for word in (f"--{name}", value))]
