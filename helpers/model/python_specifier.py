"""Specifiers of Python versions (PEP 440), as in `requires-python`."""

from __future__ import annotations

import re

_CLAUSE = re.compile(r"(~=|===|==|!=|<=|>=|<|>)\s*(\d{1,4})(?:\.(\d{1,4}))?(?:\.(\d{1,4}))?(?![\d])[^,*]*?(\.\*)?\s*")
_MOST_OF_CLAUSE = 1000


def allows(requires_python: str, minor: int) -> bool:
    """Return whether a specifier (PEP 440) allows some Python 3.`minor` after 3.`minor`.0; odd text allows all."""
    # The length is bounded because the time of the pattern grows with its square.
    clauses = (_CLAUSE.fullmatch(part.strip()) for part in requires_python.split(",") if len(part) < _MOST_OF_CLAUSE)
    return all(_allows(clause, minor) for clause in clauses if clause)


def _allows(clause: re.Match[str], minor: int) -> bool:
    operator, wildcard = clause[1], bool(clause[5])
    exact = clause[4] is not None and not wildcard
    ours, theirs = (3, minor), (int(clause[2]), int(clause[3] or 0))
    if clause[3] is None:
        # `>3` and `<=3` compare with 3.0.0, `==3.*` and `~=3` with the first number alone.
        same = int(clause[2]) == 3
        prefix = {"==": same and wildcard, "===": False, "!=": not (same and wildcard), "~=": same}
    else:
        prefix = {
            "==": ours == theirs and (wildcard or exact),
            "===": ours == theirs and exact,
            "!=": not (ours == theirs and wildcard),
            "~=": ours == theirs if exact else theirs[0] == 3 and ours >= theirs,
        }
    order = {
        ">=": ours >= theirs,
        ">": ours >= theirs,
        "<": ours < theirs or (ours == theirs and exact and clause[4] != "0"),
        "<=": ours < theirs or (ours == theirs and exact),
    }
    return {**prefix, **order}[operator]


def lowest_minor(requires_python: str) -> str:
    """Return the lowest Python that `requires_python` allows, as in `3.11`; a lock is made for it and newer ones."""
    found = re.search(r"(?:>=|==|~=)\s*(3\.\d{1,4})(?!\d)", requires_python)
    return found.group(1) if found else "3.11"
