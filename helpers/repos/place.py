"""The place of a repo in a tree of submodules, and the git commands for the place."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path

from helpers.model.submodule import Submodule
from helpers.repos.step import git_at


@dataclass(frozen=True)
class Place:
    """Where a repo of the tree is, or should be.

    Arguments:
        path: relative to the outermost super-repo, which is `.`.
        parent: root of its super-repo; its own root for the outermost one.
        sub: its entry there, the URL made absolute; None for the outermost one.
        above: where git keeps the repos that it lies in.
    """

    path: str
    parent: Path
    sub: Submodule | None = None
    above: tuple[Path, ...] = ()

    @property
    def root(self) -> Path:
        """The absolute path of its checkout; of use only where its entry is contained in the super-repo."""
        return self.parent / self.sub.path if self.sub else self.parent

    @property
    def git_above(self) -> str:
        """The first words of a git command in the super-repo of a submodule."""
        assert self.sub is not None
        return git_at(self.path.removesuffix(self.sub.path).rstrip("/") or ".")


def submodule_command(place: Place, words: str) -> str:
    """Return a command of `git submodule` for the submodule at a place; git accepts it only in the super-repo."""
    assert place.sub is not None
    return f"{place.git_above} submodule {words} -- {shlex.quote(place.sub.path)}"


def listing_command(place: Place) -> str:
    """Return the command to write an entry for a submodule into `.gitmodules`.

    `git submodule add` refuses a path that the index holds.
    """
    assert place.sub is not None
    path, config = place.sub.path, f"{place.git_above} config -f .gitmodules"
    settings = (
        f"{shlex.quote(f'submodule.{path}.path')} {shlex.quote(path)}",
        f"{shlex.quote(f'submodule.{path}.url')} URL",
    )
    return " && ".join(f"{config} {setting}" for setting in settings)


def branch_command(place: Place) -> str:
    """Return the command to write the branch of a submodule into `.gitmodules`.

    `git submodule set-branch` takes the path for the name, and adds a second entry where they differ.
    """
    assert place.sub is not None
    key = shlex.quote(f"submodule.{place.sub.name}.branch")
    return f"{place.git_above} config -f .gitmodules {key} BRANCH"
