"""Makes an invoke task of a function: its errors become one clear message and the right exit code."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

from invoke.tasks import task


def helpers_task(**options: Any) -> Callable[[Callable[..., int | None]], Any]:
    """Return a decorator that makes an invoke task; a number that the function returns is the exit code.

    Arguments:
        options: those of invoke's own `task`.
    """

    def decorate(function: Callable[..., int | None]) -> Any:
        @functools.wraps(function)
        def adapted(*arguments: Any, **named: Any) -> None:
            try:
                code = function(*arguments, **named)
            except (Exception, KeyboardInterrupt) as error:
                from helpers.console import report_error

                code = report_error(error)
            if code:
                sys.exit(code)

        return task(**options)(adapted)

    return decorate
