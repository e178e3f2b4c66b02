"""The menu: the everyday tasks, then all others by job. Groups come from the modules of the tasks."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from invoke.collection import Collection

from helpers.tasks.adapter import Group

COLUMNS = 80
EVERYDAY, OTHERS = "Every day", "Of this repo"
_GAP = 2
_HEAD = "usage: invoke TASK [OPTION]...   from anywhere inside a checkout\n"
_TAIL = """\
invoke TASK --help       options of a task
main_pytest.py --help    tests of all runnable dirs
invoke --help invoke     options of invoke itself"""


def groups(collection: Collection) -> Iterator[tuple[str, list[str]]]:
    """Yield the title of each group that has tasks, and the names of its tasks, in the order of the menu."""
    names = list(collection.task_names)
    everyday = {name: place for name in names if (place := getattr(collection[name], "everyday", 0))}
    left = [name for name in names if name not in everyday]
    yield EVERYDAY, sorted(everyday, key=lambda name: everyday[name])
    for group in (*Group, None):
        members = [name for name in left if getattr(collection[name], "group", None) is group]
        if members:
            yield (group.value if group else OTHERS), members


def text(collection: Collection) -> str:
    """Return the menu; no line is longer than a terminal of 80 columns, unless the name of a task is."""
    width = max(map(len, collection.task_names), default=0)
    parts = [_HEAD]
    for title, names in groups(collection):
        rows = [f"  {name:{width}}{' ' * _GAP}{_summary(collection[name], width)}".rstrip() for name in names]
        parts.append("\n".join([f"{title}:", *rows]) + "\n")
    return "\n".join([*parts, _TAIL])


def _summary(task: Any, width: int) -> str:
    first = (task.__doc__ or "").strip().partition("\n")[0].removesuffix(".")
    room = max(COLUMNS - _GAP - width - _GAP, _GAP * _GAP)
    return textwrap.shorten(first, room, placeholder="...")
