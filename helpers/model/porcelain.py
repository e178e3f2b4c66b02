"""Git's formats for programs: `status --porcelain=v2`, `ls-files --stage`, `diff-tree`, `config --list`, all `-z`."""

from __future__ import annotations

import re
from dataclasses import dataclass

from helpers.model import git_status

# The mode of an entry that names a commit of another repo (https://git-scm.com/docs/gitsubmodules).
_GITLINK = "160000"
_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True)
class Status:
    """What `git status` says of one checkout.

    Arguments:
        head: the commit that is checked out; empty before the first one.
        branch: its branch; empty when none is checked out (detached).
        ahead: commits that its upstream branch has not, as last fetched; None without an upstream.
        behind: commits that only its upstream branch has.
        changed: tracked files that are not as in the commit; submodules that only stand elsewhere are not counted.
        untracked: files and directories that git neither tracks nor ignores.
    """

    head: str = ""
    branch: str = ""
    ahead: int | None = None
    behind: int | None = None
    changed: int = 0
    untracked: int = 0


@dataclass(frozen=True)
class Change:
    """One path that a commit changes.

    Arguments:
        path: relative to the root.
        before: the id that it had; empty for none.
        after: the id that it has; empty for none.
        is_pin: whether it is a submodule's, and was nothing else before.
    """

    path: str
    before: str
    after: str
    is_pin: bool


def parse_status(text: str) -> Status:
    """Return what `git status --porcelain=v2 --branch -z` says (https://git-scm.com/docs/git-status)."""
    head = branch = ""
    ahead = behind = None
    changed = untracked = 0
    for kind, fields, _ in git_status.entries(text):
        if kind == "#":
            name, value = fields[0], " ".join(fields[1:])
            if name == "branch.oid" and _COMMIT.fullmatch(value):
                head = value
            elif name == "branch.head" and value != "(detached)":
                branch = value
            elif name == "branch.ab" and (counts := re.fullmatch(r"\+(\d+) -(\d+)", value)):
                ahead, behind = int(counts[1]), int(counts[2])
        elif kind in ("1", "2", "u"):
            changed += not _only_stands_elsewhere(kind, fields)
        elif kind == "?":
            untracked += 1
    return Status(head, branch, ahead, behind, changed, untracked)


def _only_stands_elsewhere(kind: str, fields: list[str]) -> bool:
    """Say whether an entry is a submodule whose checkout has moved, which its own row tells."""
    states, submodule = fields[:2]
    return kind == "1" and submodule.startswith("S") and states == ".M"


def parse_gitlinks(text: str) -> dict[str, str]:
    """Return the commit of each path that is another repo's, from `git ls-files --stage -z`.

    Where a merge has left several, it is ours (https://git-scm.com/docs/git-ls-files#_output).
    """
    found: dict[str, str] = {}
    for entry in text.split("\0"):
        about, _, path = entry.partition("\t")
        if about.startswith(_GITLINK):
            _, commit, stage = about.split(" ")
            if _COMMIT.fullmatch(commit) and (path not in found or stage == "2"):
                found[path] = commit
    return found


def parse_raw(text: str) -> list[Change]:
    """Return what `git diff-tree -r -z --no-renames` says (https://git-scm.com/docs/diff-format)."""
    words = text.split("\0")
    found = []
    for about, path in zip(words[::2], words[1::2], strict=False):
        mode_before, mode, before, after, _ = about.removeprefix(":").split(" ")
        is_pin = mode == _GITLINK and (mode_before == _GITLINK or not before.strip("0"))
        found.append(Change(path, before if before.strip("0") else "", after if after.strip("0") else "", is_pin))
    return found


def parse_config(text: str) -> list[tuple[str, str]]:
    """Return (key, value) of each setting, in order, from `git config --null --list`; one without a value is empty."""
    pairs = (entry.partition("\n") for entry in text.split("\0") if entry)
    return [(key, value) for key, _, value in pairs]


def subsections(settings: list[tuple[str, str]], section: str) -> dict[str, dict[str, str]]:
    """Return the settings `section.NAME.key` by NAME, which may hold dots; of several with one key the last counts."""
    found: dict[str, dict[str, str]] = {}
    for key, value in settings:
        head, _, rest = key.partition(".")
        name, dot, last = rest.rpartition(".")
        if head == section and dot:
            found.setdefault(name, {})[last] = value
    return found
