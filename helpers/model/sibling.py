"""A sibling: a project of the repo, or of a submodule, that a lock names by its path."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helpers.model.manifest import BuildSystem


@dataclass(frozen=True)
class Sibling:
    """A project that a runnable dir depends on by a path.

    Arguments:
        name: of its image if the project is a runnable dir, otherwise of its distribution, normalised.
        path: absolute, without links.
        way: the path by which manifests lead to the project; there may be links in it.
        version: of its changelog, otherwise of its manifest; `0` if no file states a version.
        build: its build backend; None for a project that is on Python's path only.
        is_used: whether a directory that `uses` names has the sibling: then the image does not install it.
    """

    name: str
    path: Path
    way: str
    version: str
    build: BuildSystem | None = None
    is_used: bool = False

    @property
    def python_path(self) -> tuple[Path, ...]:
        """The directories in which Python finds the modules of a sibling that is not installed."""
        return (self.path, self.path / "src")
