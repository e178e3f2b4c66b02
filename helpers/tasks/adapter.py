"""Makes an invoke task of a function: its errors become one clear message and the right exit code."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any

from invoke.parser.argument import Argument
from invoke.tasks import Task, task

from helpers.errors import ConfigError
from helpers.tasks import old_spellings


class Group(Enum):
    """The groups of the menu, in its order, with their titles; each module of tasks names its own as `GROUP`."""

    TESTS = "Tests"
    IMAGES = "Images and containers"
    DIRS = "Runnable dirs"
    RELEASES = "Releases"
    REPOS = "Repos and submodules"
    CI = "CI and editors"
    MACHINE = "This machine"


class HelpersTask(Task[Any]):
    """A task with its place in the menu.

    Arguments:
        group: the group of its module; None for a task of another repo.
        everyday: its position among the everyday tasks, from 1; 0 for the other tasks.
        values: notations of values, by the names of arguments.
        words: notation of the words after `--`; empty for a task without.
    """

    group: Group | None = None
    everyday: int = 0
    values: Mapping[str, str]
    words: str = ""

    def get_arguments(self, ignore_unknown_help: bool | None = None) -> list[Argument]:
        """Return the arguments; the task of invoke forgets their help texts at the first call."""
        texts = dict(self.help)
        found = super().get_arguments(ignore_unknown_help)
        self.help.update(texts)
        return [*found, *old_spellings.arguments(self.name, found)]


def value_of(task: Any, argument: Argument) -> str:
    """Return the notation of the value of an argument, also of a task of another repo; empty for a flag."""
    name = str(argument.name).strip("_")
    return getattr(task, "values", {}).get(name, "DIR" if name == "dir" else "TEXT") if argument.takes_value else ""


# Of days, 273 years.
_MOST_NUMBER = 100_000


def whole_number(option: str, text: str, default: int) -> int:
    """Return the number that was given for an option; the default where nothing was.

    invoke's own conversion ends in a traceback.

    Raises:
        UsageError: it is no whole number.
    """
    from helpers.model.number import whole  # few tasks need it

    number = whole(text, _MOST_NUMBER) if text else default
    if number is None:
        from helpers.console import excerpt
        from helpers.errors import UsageError

        raise UsageError(f"--{option} {excerpt(text)} is not a whole number from 0 to {_MOST_NUMBER}")
    return number


def after_dashes() -> list[str]:
    """Return the words after the first `--` of the command line; invoke gives them on with their quotes lost."""
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []


def _check_directory(named: Mapping[str, Any]) -> None:
    """Refuse `--dir ''`, as of an unset variable of a script: a task must not act on the enclosing directory."""
    if named.get("dir") == "":
        from helpers.errors import UsageError

        raise UsageError("--dir '' names no directory", fix="leave it out for the enclosing one, or say --dir .")


def helpers_task(
    *, everyday: int = 0, values: Mapping[str, str] | None = None, words: str = "", **options: Any
) -> Callable[[Callable[..., int | None]], Any]:
    """Return a decorator that makes an invoke task; a number that the function returns is the exit code.

    Arguments:
        everyday: position among the everyday tasks at the head of the menu, from 1; 0 for the other tasks.
        values: what arguments take: choices (`local|dev`), `FILE` or `PATH`; without a notation an argument called
            `dir` takes a directory, the others any text. The reference and the completion of shells show it.
        words: what stands after `--`, as in `PYTEST_ARGUMENT...`; without it such words are refused.
        options: those of invoke's own `task`.

    Raises:
        ConfigError: the module has a task of that name already, which this one would replace in silence.
    """

    def decorate(function: Callable[..., int | None]) -> Any:
        if isinstance(function.__globals__.get(function.__name__), Task):
            code = function.__code__
            raise ConfigError(
                f"two tasks have the name {function.__name__!r}", where=f"{code.co_filename}:{code.co_firstlineno}"
            )

        @functools.wraps(function)
        def adapted(*arguments: Any, **named: Any) -> None:
            try:
                from helpers.repos import own_version

                own_version.check_for_task(function.__name__)
                _check_directory(named)
                old_spellings.translate(function.__name__, named)
                code = function(*arguments, **named)
            except (Exception, KeyboardInterrupt) as error:
                from helpers.console import report_error

                code = report_error(error)
            if code:
                sys.exit(code)

        made: HelpersTask = task(klass=HelpersTask, **options)(adapted)
        made.group, made.everyday, made.values = function.__globals__.get("GROUP"), everyday, values or {}
        made.words = words
        return made

    return decorate
