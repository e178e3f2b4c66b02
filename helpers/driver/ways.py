"""The ways to what the tests of a directory see and to what its plan is made of; there may be links on them."""

from __future__ import annotations

import os
from collections.abc import Iterator

from helpers.driver.plan import DirPlan
from helpers.model.image import BaseKind

# As many links in one path are too many for Linux, too (https://man7.org/linux/man-pages/man7/path_resolution.7.html).
_MOST_LINKS = 40


def ways(item: DirPlan) -> list[str]:
    """Return the paths, absolute and as they are written, of a directory, of what it uses and of all it stands on."""
    if not item.runnable:
        return []
    path = str(item.runnable.path)
    used = [os.path.join(path, name) for name in item.runnable.settings.uses]
    used += [one.way for one in item.runnable.siblings]
    layers = [image for image in item.chain if image.directory and image.base.kind is BaseKind.DIR]
    return [path, *used, *(os.path.join(str(image.directory), image.base.value) for image in layers)]


def links(path: str, root: str) -> Iterator[str]:
    """Yield each link that is met when a path is followed to its end.

    Arguments:
        path: absolute.
        root: a directory on whose own way is none.
    """
    inside = path.startswith(f"{root}/")
    here = root if inside else ""
    parts = path[len(here) :].split("/")[::-1]
    met = 0
    while parts and met < _MOST_LINKS:
        part = parts.pop()
        if part == "..":
            here = os.path.dirname(here)
        elif part not in ("", "."):
            step = f"{here.rstrip('/')}/{part}"
            try:
                target = os.readlink(step)
            except OSError:  # no link, or nothing at all
                here = step
                continue
            yield step
            met += 1
            here = "" if target.startswith("/") else here
            parts += target.split("/")[::-1]
