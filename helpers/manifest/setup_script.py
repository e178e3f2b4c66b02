"""The arguments of `setup()` in a `setup.py`, as far as the script states them as plain values."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.manifest.python_source import NotPlainError, Scope, dotted, parse

NAME = "setup.py"


@dataclass(frozen=True)
class Call:
    """The call of `setup()`.

    Arguments:
        values: arguments with plain values.
        computed: arguments with values that code computes.
        is_open: whether there may be further arguments.
    """

    values: dict[str, Any] = field(default_factory=dict)
    computed: frozenset[str] = frozenset()
    is_open: bool = False

    def may_set(self, name: str) -> bool:
        """Return whether the script gives the argument a value that cannot be read."""
        return name in self.computed or (self.is_open and name not in self.values)


def read(project: Path) -> Call | None:
    """Return the call of `setup()` in the `setup.py` of a project; None without the file.

    Raises:
        ConfigError: the file is refused by `checkout_file`.
    """
    file = project / NAME
    if not file.is_file():
        return None
    tree = parse(file)
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_setup(node)] if tree else []
    if tree is None or len(calls) != 1:
        return Call(is_open=True)
    scope = Scope(tree, project, project)
    values: dict[str, Any] = {}
    computed: set[str] = set()
    is_open = False
    for keyword in calls[0].keywords:
        try:
            value = scope.value(keyword.value)
        except NotPlainError:
            computed |= {keyword.arg} if keyword.arg else set()
            is_open = is_open or not keyword.arg
            continue
        if keyword.arg:
            values[keyword.arg] = value
        elif isinstance(value, dict):
            values |= value
        else:
            is_open = True
    return Call(values, frozenset(computed), is_open)


def _is_setup(node: ast.Call) -> bool:
    return dotted(node.func) in ("setup", "setuptools.setup", "core.setup")
