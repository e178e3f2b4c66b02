"""The options of version 0.2 that version 0.3 still reads, each with a note. Delete this module in version 0.4."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from invoke.parser.argument import Argument

# By task: each old option with its new one. Words for another program stand after `--`.
_OLD: Mapping[str, Mapping[str, str]] = {
    "docker_kill": {"all": "every_repo"},
    "docker_prune": {"all": "unused"},
    "repo_branch": {"all": "every_repo"},
    "docker_cmd": {"cmd": "--"},
    **{f"run_{what}": {"args": "--"} for what in ("fast_tests", "slow_tests", "superslow_tests", "tests", "coverage")},
}


class OldArgument(Argument):
    """An option that the reference and the completion do not show."""


def arguments(task: str, others: Iterable[Argument]) -> list[Argument]:
    """Return the old options of a task, with their short names unless one of `others` has them."""
    taken = {name for item in others for name in item.names}
    return [
        OldArgument(
            names=(old, *{old[0]} - taken),
            kind=str if new == "--" else bool,
            default=None if new == "--" else False,
            help=f"spelling of {_spelled(new)} in version 0.2",
        )
        for old, new in _OLD.get(task, {}).items()
    ]


def translate(task: str, named: dict[str, Any]) -> None:
    """Replace the old options among the arguments of a task; words for another program go after `--`.

    Raises:
        UsageError: the quotes in such words do not match.
    """
    for old, new in _OLD.get(task, {}).items():
        value = named.pop(old, None)
        if new != "--":
            if value:
                named[new] = True
                _note(task, old, _spelled(new))
        elif value is not None:
            words = _split(task, old, value)
            end = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
            sys.argv[end:] = ["--", *words, *sys.argv[end + 1 :]]
            _note(task, old, shlex.join(["--", *words]))


def _split(task: str, option: str, value: str) -> list[str]:
    try:
        return shlex.split(value)
    except ValueError as error:
        from helpers.errors import UsageError

        raise UsageError(
            f"--{option} of {task} cannot be split into words: {error}", where=value, fix=f"invoke {task} --help"
        ) from None


def _spelled(option: str) -> str:
    return option if option == "--" else f"--{option.replace('_', '-')}"


def _note(task: str, option: str, new: str) -> None:
    from helpers.console import say

    say(f"note: --{option} of {task} is its spelling in version 0.2, and will be removed; write: invoke {task} {new}")
