"""The submodules of a repo as its index and `.gitmodules` name them; both are a stranger's data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from helpers.model.porcelain import subsections


@dataclass(frozen=True)
class Submodule:
    """One submodule.

    Arguments:
        path: where it is, relative to its super-repo.
        pin: the commit that the super-repo records; empty when `.gitmodules` alone names it.
        url: as `.gitmodules` writes it; empty when only the index names it.
        refusals: what in its entry is not done.
        contained: whether its directory may be entered; not when name or path lead out of the repo.
        listed: whether `.gitmodules` has an entry for it.
        name: by which git keeps it; empty when only the index names it.
        branch: that it follows, as `.gitmodules` writes it; `.` is that of its super-repo, empty the remote's own.
        unwanted: whether it is checked out only by who asks for it (`update = none`).
        anchored: whether `url` names one place; not if it is relative, and the super-repo has no remote.
    """

    path: str
    pin: str
    url: str = ""
    refusals: tuple[str, ...] = ()
    contained: bool = True
    listed: bool = True
    name: str = ""
    branch: str = ""
    unwanted: bool = False
    anchored: bool = True


def read(gitlinks: Mapping[str, str], settings: list[tuple[str, str]]) -> list[Submodule]:
    """Return all submodules, sorted by path, each with what is wrong with it.

    Arguments:
        gitlinks: the recorded commit by path.
        settings: (key, value) of `.gitmodules`.
    """
    found: dict[str, Submodule] = {}
    for name, entry in subsections(settings, "submodule").items():
        path = entry.get("path", "")
        # One without a path has at least a name to be called by.
        key = path or f"\0{name}"
        out = [why for why in (_leads_out("name", name), _leads_out("path", path)) if why]
        refusals = [*out, *_never_done(entry)]
        if key in found:
            refusals += ["two entries of .gitmodules have this path", *found[key].refusals]
            out += [] if found[key].contained else ["so has one that leads out"]
        found[key] = Submodule(
            path or name,
            gitlinks.get(path, ""),
            entry.get("url", ""),
            tuple(refusals),
            contained=not out,
            name=name,
            branch=entry.get("branch", ""),
            unwanted=entry.get("update", "") == "none",
        )
    for path, pin in gitlinks.items():
        if path not in found:
            why = _leads_out("path", path)
            found[path] = Submodule(path, pin, "", (why,) if why else (), not why, listed=False)
    return sorted(found.values(), key=lambda one: one.path)


def _leads_out(what: str, text: str) -> str:
    """Return why a name or a path is refused, as git does or would (https://git-scm.com/docs/gitmodules)."""
    parts = re.split(r"[/\\]", text)
    if not text:
        return f"it has no {what}"
    if re.search(r"[\x00-\x1f\x7f\ufffd]", text):
        return f"the {what} holds a control character, or is not UTF-8"
    if text.startswith("-"):
        return f"the {what} begins with '-'"
    if text.startswith(("/", "\\")) or re.match(r"[A-Za-z]:[/\\]", text):
        return f"the {what} is absolute"
    if ".." in parts:
        return f"the {what} leads out of the repo"
    # Names of the same directory on file systems that fold case, drop trailing dots, or have short names.
    if any(part.lower().rstrip(". ") in (".git", "git~1") for part in parts):
        return f"the {what} leads into a .git"
    if what == "path" and ("" in parts or "." in parts):
        return "the path is not in its plain form"
    return ""


def _never_done(entry: Mapping[str, str]) -> list[str]:
    refusals = []
    if entry.get("update", "").lstrip().startswith("!"):
        refusals.append(f"update = {entry['update']} is a command, and is never run")
    if entry.get("branch", "").startswith("-"):
        refusals.append(f"branch {entry['branch']!r} begins with '-'")
    return refusals
