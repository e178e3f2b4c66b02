"""Images of the scratch repos of live tests, and how all of them are removed at once.

Not in conftest.py, of which there are two: pytest loads one, and the tests import one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from helpers.engine import api

# Prefixes of the images of scratch repos that are over.
over: list[str] = []


def remove(listed: Callable[[], Iterable[str]]) -> None:
    """Remove the images of the repos that are over.

    The engine looks through all that it has before it answers that an image is removed, for a second or two, and once
    for all that are removed at the same time: so not one after the other, and not after each test.

    Arguments:
        listed: returns the names of the engine's images; it is not asked when there are no such repos.
    """
    if not over:
        return
    # With a registry's name before it, or without.
    own = [name for name in listed() if name.rpartition("/")[2].startswith(tuple(over))]
    with ThreadPoolExecutor(64) as pool:
        list(pool.map(lambda name: api.ask(f"/images/{name}", "DELETE", query={"force": "1"}), own))
