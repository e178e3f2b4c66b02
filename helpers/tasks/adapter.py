"""Makes an invoke task of a function: its errors become one clear message and the right exit code."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping
from typing import Any

from invoke.tasks import Task, task

from helpers.errors import ConfigError


def whole_number(option: str, text: str, default: int) -> int:
    """Return the number that was given for an option; the default where nothing was.

    invoke's own conversion ends in a traceback.

    Raises:
        UsageError: it is no whole number.
    """
    try:
        return int(text) if text else default
    except ValueError:
        from helpers.errors import UsageError

        raise UsageError(f"--{option} {text!r} is not a whole number") from None


def after_dashes() -> list[str]:
    """Return the words after the first `--` of the command line; invoke gives them on with their quotes lost."""
    return sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else []


def _check_directory(named: Mapping[str, Any]) -> None:
    """Refuse `--dir ''`, as of an unset variable of a script: a task must not act on the enclosing directory."""
    if named.get("dir") == "":
        from helpers.errors import UsageError

        raise UsageError("--dir '' names no directory", fix="leave it out for the enclosing one, or say --dir .")


def helpers_task(**options: Any) -> Callable[[Callable[..., int | None]], Any]:
    """Return a decorator that makes an invoke task; a number that the function returns is the exit code.

    Arguments:
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
                code = function(*arguments, **named)
            except (Exception, KeyboardInterrupt) as error:
                from helpers.console import report_error

                code = report_error(error)
            if code:
                sys.exit(code)

        return task(**options)(adapted)

    return decorate
