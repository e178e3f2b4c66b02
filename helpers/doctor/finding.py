"""What a check is and what it finds."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from helpers.engine.install import install_command

OK, WARN, MISSING = "ok", "warn", "missing"
INSTALL = install_command()

Facts = TypeVar("Facts")


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    Arguments:
        mark: `ok`; `warn`: it works, but something is off; `missing`: the docker engine can not be used like this.
        what: what was looked at.
        detail: what was seen.
        fix: the command that mends it; empty when it is ok or nothing can be done.
    """

    mark: str
    what: str
    detail: str
    fix: str = ""


@dataclass(frozen=True)
class Check(Generic[Facts]):
    """One line of the table of checks.

    Arguments:
        what: its name.
        gather: looks at the machine; checks with the same function share one call.
        judge: decides on the facts alone; gives (mark, detail, fix).
    """

    what: str
    gather: Callable[[], Facts]
    judge: Callable[[Facts], tuple[str, str, str]]


def masked(text: str) -> str:
    """Return `text`, which may be or hold a URL, without its user name, password and query.

    All up to the last `@` goes: a password may hold any character.
    """
    text = re.sub(r"(?<=//)\S*@", "***@", text)
    if "//" not in text:
        text = re.sub(r"^\S*@", "***@", text)
    return re.sub(r"(//[^\s?]*)\?\S+", r"\1?***", text)
