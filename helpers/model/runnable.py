"""A runnable dir: a directory with its own `devops/` and `changelog.txt`."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from helpers.model.changelog import Changelog
from helpers.model.image import Base, repository
from helpers.model.settings import Settings
from helpers.model.settings_file import spelled
from helpers.model.sibling import Sibling
from helpers.model.version import Version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helpers.model.manifest import BuildSystem

# Names of files end at 255 bytes; some of that is for what is put around the name.
_LONGEST_NAME = 150


def flat_name(path: str) -> str:
    """Return the path of a runnable dir as one name, for a file or a job; no two paths have the same.

    Letters, digits, `_` and `-` stay, `/` becomes a dot, any other byte `~` and two hexadecimal digits.

    Arguments:
        path: relative to the root, with forward slashes; the root itself is `.`.
    """
    if path == ".":
        return "~root"
    escaped = re.sub(rb"[^A-Za-z0-9_/-]", lambda match: b"~%02x" % match[0][0], path.encode("utf-8", "surrogateescape"))
    name = escaped.decode("ascii").replace("/", ".")
    return name if len(name) <= _LONGEST_NAME else f"{name[:80]}~~{hashlib.sha256(escaped).hexdigest()}"


@dataclass(frozen=True)
class RunnableDir:
    """One runnable dir, as its files describe it.

    Arguments:
        root: absolute path of the repo's root.
        path: absolute path of the directory.
        settings: its settings.
        settings_file: absolute path of the file that holds them: `pyproject.toml` or `devops/helpers.toml`.
        changelog: its parsed `changelog.txt`.
        requires_python: PEP 440 specifier from `[project]`, such as `>=3.11,<3.12`; empty if there is none.
        registry: where its images are pushed, from the root's settings.
        nested: absolute paths of the runnable dirs inside it, and of helpers where it is a submodule of the root.
        build: its build backend; None for a directory that builds no distribution.
        siblings: the projects that its development environment takes from paths of the repo.
    """

    root: Path
    path: Path
    settings: Settings
    settings_file: Path
    changelog: Changelog
    requires_python: str
    registry: str
    nested: tuple[Path, ...]
    build: BuildSystem | None = None
    siblings: tuple[Sibling, ...] = ()

    @cached_property
    def name(self) -> str:
        """Its path relative to the root, with forward slashes; the root itself is `.`."""
        return self.path.relative_to(self.root).as_posix()

    def spelled(self, setting: str) -> str:
        """Return the name of a setting for a message about its file."""
        return spelled(setting, self.settings_file)

    @property
    def base(self) -> Base:
        """What its image is built on."""
        return Base.parse(self.settings.base)

    @property
    def version(self) -> Version:
        """The version of its code."""
        return self.changelog.version

    @property
    def repository(self) -> str:
        """Where its images live: `<registry>/<name>`."""
        return repository(self.registry, self.changelog.name)

    @cached_property
    def uses(self) -> tuple[str, ...]:
        """What its tests may read besides: paths of the setting `uses`, relative to it, and of siblings, absolute."""
        return (*self.settings.uses, *(str(one.path) for one in self.siblings))

    @property
    def python_path(self) -> tuple[Path, ...]:
        """What Python finds first inside its container: the directory and its `src`; empty beside its own wheel."""
        installed = self.build and self.settings.installed == "wheel"
        return () if installed else (self.path, self.path / "src")
