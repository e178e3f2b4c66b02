"""How the common files of a super-repo stand to the templates of helpers, and whose side has moved."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from helpers.model.blob import blob_id
from helpers.model.sync_lock import CONFLICT, Merged
from helpers.repo import merging
from helpers.repos import shared_files
from helpers.repos.shared_files import PACKAGE, Template
from helpers.repos.stated_path import StatedPath

# What git leaves where two sides differ: https://git-scm.com/docs/git-merge
_MARKERS = (re.compile(rb"^<{7} ", re.MULTILINE), re.compile(rb"^>{7} ", re.MULTILINE))


class State(Enum):
    """How one file stands; the value is the word that is shown."""

    SAME = "same"
    YOURS = "yours moved"
    TEMPLATE = "template moved"
    BOTH = "both moved"
    MISSING = "missing"
    CONFLICT = "conflict"
    NEW = "new"
    UNLISTED = "not listed"


# What each one means for its reader.
MEANING = {
    State.SAME: "",
    State.YOURS: "edited here since it was recorded",
    State.TEMPLATE: "helpers has a newer template",
    State.BOTH: "edited here, and helpers has a newer template",
    State.MISSING: "is not there",
    State.CONFLICT: "has conflict markers: resolve them",
    State.NEW: "never recorded",
    State.UNLISTED: "recorded, and no common file any more",
}


@dataclass(frozen=True)
class Item:
    """One common file, with all that is known of it.

    Arguments:
        path: relative to the root.
        template: what helpers has now; None when it is no common file any more.
        record: what was recorded of it; None if nothing was.
        content: what is there; None when nothing is.
        stored: id by which git would keep that; empty when nothing is there.
        waits: whether a merge with conflicts lies beside it, which nobody has resolved yet.
    """

    path: str
    template: Template | None
    record: Merged | None
    content: bytes | None
    stored: str
    waits: bool = False

    @property
    def state(self) -> State:
        """How it stands."""
        if self.template is None:
            return State.UNLISTED
        if self.content is None:
            return State.MISSING if self.record else State.NEW
        if self.waits or has_markers(self.content):
            return State.CONFLICT
        if self.record is None:
            return State.NEW
        if self.stored == self.template.blob_id:
            return State.SAME
        mine, theirs = self.stored != self.record.result, self.template.base_id != self.record.base
        if mine and not theirs and self.only_adds:
            return State.SAME
        return {
            (False, False): State.SAME,
            (True, False): State.YOURS,
            (False, True): State.TEMPLATE,
            (True, True): State.BOTH,
        }[mine, theirs]

    @property
    def is_unedited(self) -> bool:
        """Whether it is the template that it was merged with last, apart from the path of helpers."""
        if self.record is None or self.content is None:
            return False
        return self.record.base in (self.stored, blob_id(StatedPath().put_into(self.content)))

    @property
    def only_adds(self) -> bool:
        """Whether it is a shim with lines of the user's own below, such as tasks: that is what the place is for."""
        if self.template is None or not self.template.shim or self.content is None:
            return False
        return self.content.replace(b"\r\n", b"\n").startswith(self.template.content)

    @property
    def meaning(self) -> str:
        """What that means; empty when it is in order."""
        if self.record and self.record.result == CONFLICT and self.state in (State.YOURS, State.BOTH):
            return "its conflicts are resolved"
        if self.waits:
            return f"resolve {beside(self.path)}, then move it over this file"
        return MEANING[self.state]

    def data(self) -> dict[str, str]:
        """Return it as data for another program; ids are empty where there is nothing."""
        return {
            "path": self.path,
            "state": self.state.value,
            "template": self.template.base_id if self.template else "",
            "recorded_template": self.record.base if self.record else "",
            "recorded_file": self.record.result if self.record else "",
            "file": self.stored,
        }


def beside(path: str) -> str:
    """Return where a merge with conflicts goes of a file that our commands start by: markers in it would end them."""
    return f"{path}.merged"


def waiting(root: Path) -> set[str]:
    """Return the paths of the common files beside which a merge waits for somebody to resolve it.

    Raises:
        ConfigError: the record is wrong.
        PolicyError: a link is where a file belongs.
    """
    conflicts = [path for path, one in shared_files.recorded(root).items() if one.result == CONFLICT]
    return {path for path in conflicts if shared_files.read(root, beside(path)) is not None}


def has_markers(content: bytes) -> bool:
    """Say whether conflicts are marked in a file."""
    return all(marker.search(content) for marker in _MARKERS)


def examine(root: Path, package: Path = PACKAGE) -> list[Item]:
    """Return every common file of the super-repo `root`, by path.

    Raises:
        ConfigError: the setting `sync` or the record is wrong.
        PolicyError: a link is where a file belongs.
        InfrastructureError: git fails.
    """
    templates = {template.path: template for template in shared_files.wanted(root, package)}
    record = shared_files.recorded(root)
    paths = sorted({*templates, *record})
    # What is no common file any more is not ours to look at.
    contents = {path: shared_files.read(root, path) for path in paths if path in templates}
    there = [path for path, content in contents.items() if content is not None]
    waits = waiting(root)
    stored = dict(zip(there, merging.stored_ids(root, there), strict=True))
    return [
        Item(path, templates.get(path), record.get(path), contents.get(path), stored.get(path, ""), waits=path in waits)
        for path in paths
    ]
