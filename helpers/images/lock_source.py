"""The lock of a runnable dir: its file, the tool that writes the file, and its pins. Readers of a lock start here."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from helpers import checkout_file, pyproject, repo
from helpers.console import cut, excerpt
from helpers.errors import ConfigError, HelpersError, StaleError, UsageError
from helpers.merge_conflict import relock, shown
from helpers.model import (
    git_url,
    hashed_requirements,
    noted_command,
    pdm_lock,
    pinned_line,
    poetry_lock,
    pylock,
    settings_file,
    uv_lock,
)
from helpers.model.lock_kind import DERIVED, DETECTED, LockKind, kind_of
from helpers.model.poetry_lock import Pinned
from helpers.model.runnable import RunnableDir
from helpers.model.settings_file import place, spelled

# Counts only if the directory has no other lock: it is often the export of the other lock.
_PLAIN = "requirements.txt"
_HASH, _MOST_SEARCHED = re.compile(r"\s--hash[= ]"), 1 << 20
# The manifests of which `uv pip compile` makes a requirements file.
_STATED = ("pyproject.toml", "setup.py", "setup.cfg")
_Found = TypeVar("_Found")


@dataclass(frozen=True)
class LockSource:
    """The lock of a runnable dir.

    Arguments:
        kind: its format.
        file: absolute path; the file may be missing if a setting names it.
        directory: the runnable dir.
    """

    kind: LockKind
    file: Path
    directory: Path

    @property
    def name(self) -> str:
        """The path relative to the directory."""
        return os.path.relpath(self.file, self.directory)

    @property
    def is_derived(self) -> bool:
        """Whether poetry locks a project that helpers makes of the manifest, and not the manifest itself."""
        return self.file == self.directory / DERIVED

    def is_there(self) -> bool:
        """Return whether the file exists, sound or not."""
        return os.path.lexists(self.file)

    def text(self) -> str:
        """Return the content; of a requirements file with all included files.

        Raises:
            StaleError: the file is missing.
            ConfigError: it is not a sound file.
        """
        if not self.is_there():
            raise StaleError(f"has no {self.name}", where=self.directory, fix=self.command())
        return self._exported() if self.kind is LockKind.REQUIREMENTS else checkout_file.read_text(self.file)

    def manifest(self) -> str:
        """Return the text of the manifest that the lock belongs to; empty if the directory has none.

        Raises:
            ConfigError: it is not a sound file.
        """
        file = self.directory / "pyproject.toml"
        if self.is_derived:
            from helpers.images import derived_project  # slow to import, and most directories have no such lock

            return derived_project.text(self.directory)
        if self.kind is LockKind.POETRY:
            return checkout_file.read_text(file)
        return checkout_file.read_text_if_there(file) or ""

    def parsed(self) -> dict[str, Any]:
        """Return the parsed lock; errors as for `text`."""
        text = self.text()
        try:
            return pyproject.remembered_toml(text, self.file)
        except ConfigError as error:
            raise ConfigError(error.what, where=error.where, fix=self.mend()) from None

    def pins(self) -> tuple[Pinned, ...]:
        """Return the packages of the lock, without projects of the checkout; errors as for `text`."""
        if self.kind is LockKind.REQUIREMENTS:
            return pinned_line.pinned(self.text())
        readers: Mapping[LockKind, Callable[[Mapping[str, Any]], tuple[Pinned, ...]]] = {
            LockKind.UV: lambda data: uv_lock.pinned(data, self._own_indexes()),
            LockKind.PDM: pdm_lock.pinned,
            LockKind.PYLOCK: pylock.pinned,
        }
        return self.read(readers.get(self.kind, _of_poetry))

    def read(self, reader: Callable[[Mapping[str, Any]], _Found]) -> _Found:
        """Return the answer of `reader` about the parsed lock.

        Raises:
            ConfigError: the lock has another form than its format, or `reader` refuses it with a ValueError.
        """
        data = self.parsed()
        try:
            return reader(data)
        except ValueError as error:
            raise ConfigError(str(error), where=self.file, fix=self.mend()) from None
        except (KeyError, TypeError, AttributeError):
            what = f"is not a lock of {self.kind.name.lower()}"
            raise ConfigError(what, where=self.file, fix=self.mend()) from None

    def stale(self, why: str | None = None) -> StaleError:
        """Return the error about a lock that does not match the manifest."""
        is_plain = not self.is_derived and (self.directory / "pyproject.toml").is_file()
        what = f"{self.name} does not match {'pyproject.toml' if is_plain else 'the manifest of the project'}"
        return StaleError(what, where=self.directory, why=why, fix=self.command())

    def command(self) -> str:
        """Return the command that writes the lock anew."""
        directory = shlex.quote(str(self.directory))
        if self.kind is LockKind.POETRY:
            return f"invoke docker_lock --dir {directory}"
        if self.kind in (LockKind.UV, LockKind.PDM):
            return f"{self.kind.value} --project {directory}"
        try:
            noted = noted_command.of(checkout_file.read(self.file)[:2000].decode("utf-8", "replace"))
        except HelpersError:
            noted = ""
        return f"cd {directory} && {noted or self._plain_command()}"

    def _plain_command(self) -> str:
        """Return a command without the notes of the lock; a requirements file is made of the file that states more."""
        words = [shlex.quote(self.name)]
        if self.kind is LockKind.REQUIREMENTS:
            stated = (str(Path(self.name).with_suffix(".in")), "requirements.in", *_STATED)
            there = [name for name in stated if (self.directory / name).is_file()]
            words.append(shlex.quote((there or [self.name])[0]))
        return " ".join([self.kind.value, *words])

    def mend(self) -> str:
        """Return the command that replaces the file by a sound lock: the committed lock, or a new lock."""
        is_poetry = self.kind is LockKind.POETRY
        try:
            name = f"HEAD:./{self.file.name}"
            data = pyproject.parse_toml(repo.git(self.file.parent, "cat-file", "blob", name), self.file)
            sound = not is_poetry or (poetry_lock.is_lock(data) and poetry_lock.is_of_a_project(data))
        except HelpersError:
            sound = False
        if sound:
            return f"git -C {shown(self.file.parent)} checkout HEAD -- {self.file.name}"
        return f"rm {shown(self.file)} && {relock(self.directory) if is_poetry else self.command()}"

    def files(self) -> list[Path]:
        """Return the lock, and all files that it includes; errors as for `text`."""
        found = [self.file]
        if self.kind is LockKind.REQUIREMENTS:
            self._exported(found)
        return list(dict.fromkeys(found))

    def _exported(self, seen: list[Path] | None = None) -> str:
        base = self.directory if self.file.is_relative_to(self.directory) else self.file.parent

        def read(name: str) -> str:
            if seen is not None:
                seen.append(base / name)
            return checkout_file.read_text(base / name)

        try:
            return hashed_requirements.export(self.file.relative_to(base).as_posix(), read)
        except ValueError as error:
            raise ConfigError(f"is no lock: {error}", where=self.file, fix=self.command()) from None

    def _own_indexes(self) -> list[str]:
        from helpers.manifest import tool_sources  # most directories have another lock
        from helpers.manifest.table import Table

        top = Table(pyproject.read_if_there(self.directory), self.directory / "pyproject.toml")
        return [index.url for index in tool_sources.named_indexes(self.directory, top)]


def find(path: Path) -> LockSource | None:
    """Return the lock of the runnable dir at `path`: by the setting `lock`, or the one file that is a lock.

    Raises:
        ConfigError: several files are locks, or the setting leads out of the repo.
    """
    named = str(pyproject.settings_table(path).get("lock", ""))
    if named:
        return _named(path, named)
    # In every plan, for every directory: text is much faster than paths.
    found = [name for name in DETECTED if os.path.lexists(f"{path}/{name}")]
    if len(found) > 1:
        raise ConfigError(
            f"has several locks: {', '.join(found)}",
            where=f"{pyproject.settings_file(path)}:1",
            fix=f'write lock = "{found[0]}" (or another of them) in {place(pyproject.settings_file(path))}',
        )
    if found:
        return LockSource(_kind(found[0]), path / found[0], path)
    plain = LockSource(LockKind.REQUIREMENTS, path / _PLAIN, path)
    try:
        return plain if os.path.lexists(plain.file) and plain.text() else None
    except ConfigError:
        if _HASH.search(checkout_file.read(plain.file)[:_MOST_SEARCHED].decode("utf-8", "replace")):
            raise  # a lock with a fault
        return None  # requirements without hashes are no lock


def of(path: Path) -> LockSource:
    """Return the lock of the runnable dir at `path`; errors as for `find`.

    Raises:
        StaleError: the directory has no lock.
    """
    found = find(path)
    if found is None:
        raise StaleError("has no poetry.lock", where=path, fix=_new(path).command())
    return found


def check(path: Path) -> None:
    """Return if the lock of the directory `path` may match its manifest.

    Raises:
        ConfigError: the lock is missing, stale, or not one of its format.
    """
    source = of(path)
    if source.kind is LockKind.PDM:
        if source.read(lambda data: pdm_lock.is_stale(data, pyproject.read_if_there(path))):
            raise source.stale()
        return
    text = source.text()
    if "git" in text and source.kind in (LockKind.POETRY, LockKind.UV):
        check_repositories(source.pins(), source.file)
    if source.kind is not LockKind.POETRY:
        return  # the export compares
    if not poetry_lock.has_hash(text) and not poetry_lock.is_of_a_project(source.parsed()):
        raise ConfigError("has no content-hash in [metadata], so it is no lock", where=source.file, fix=source.mend())
    project = pyproject.parse_toml(source.manifest(), path / "pyproject.toml")
    if poetry_lock.is_stale(text, project):
        raise source.stale()
    for package, name in source.read(lambda data: [*poetry_lock.holes(data, project)])[:1]:
        what = f"lacks {excerpt(name)}, which {excerpt(package)} needs"
        raise StaleError(what, where=source.file, why="a merge or an edit removed it", fix=source.command())


def check_repositories(packages: Sequence[Pinned], file: Path) -> None:
    """Return if this machine may fetch the commit of each package of a lock that comes from a repository.

    Raises:
        ConfigError: an address is not one of https or ssh.
    """
    from helpers.repo.remotes import local_allowed  # most locks name no repository

    for package in packages:
        address = re.split(r"[?#]", package.url)[0]
        if package.source == "git" and (why := git_url.refusal(address, local_allowed)):
            what = f"{package.name} comes from a git repository that helpers does not fetch: {why}"
            raise ConfigError(what, where=file, fix="name the repository by https:// or ssh://, then lock again")


def missing(path: Path) -> LockSource | None:
    """Return the lock that the runnable dir at `path` lacks; None if it has a lock, sound or not."""
    try:
        wanted = find(path) or _new(path)
    except ConfigError:
        return None
    return None if wanted.is_there() else wanted


def _new(path: Path) -> LockSource:
    # The manifest of a directory with settings of their own has an owner, and so has the place beside it.
    own = pyproject.settings_file(path) == path / settings_file.NAME
    return LockSource(LockKind.POETRY, path / (DERIVED if own else "poetry.lock"), path)


def files(path: Path) -> list[Path]:
    """Return the files that decide which packages the runnable dir at `path` gets, besides its `pyproject.toml`."""
    try:
        source = find(path)
        return [] if source is None else source.files()
    except ConfigError:
        return []  # another error of the plan names the fault


def requires_python(runnable: RunnableDir, source: LockSource | None = None) -> str:
    """Return the Pythons that the lock of a runnable dir is for; errors as for `find`.

    Arguments:
        runnable: the directory.
        source: its lock, if already found.
    """
    source = source or find(runnable.path)
    if source is None or not source.is_derived:
        return runnable.requires_python
    from helpers.images import derived_project  # as above

    return derived_project.requires_python(runnable.path)


def to_write(path: Path) -> LockSource:
    """Return the lock that `docker_lock` writes for the runnable dir at `path`; errors as for `find`.

    Raises:
        UsageError: another tool than poetry writes the lock.
    """
    found = find(path) or _new(path)
    if found.kind is not LockKind.POETRY:
        what = f"its lock {found.name} is written by another tool"
        raise UsageError(what, where=path, why="docker_lock writes a poetry.lock only", fix=found.command())
    return found


def pins(path: Path) -> tuple[Pinned, ...]:
    """Return the packages in the lock of the runnable dir at `path`; none without a lock.

    Raises:
        ConfigError: it is not a sound lock, or there are several locks.
    """
    found = find(path)
    return found.pins() if found and found.is_there() else ()


def _named(path: Path, name: str) -> LockSource:
    file = Path(os.path.normpath(path / name))
    if not file.is_relative_to(path) and not file.is_relative_to(repo.find_root(path)):
        where = pyproject.settings_file(path)
        raise ConfigError(f"{spelled('lock', where)}: {excerpt(name)} leads out of the repo", where=where)
    return LockSource(_kind(name), file, path)


def _kind(name: str) -> LockKind:
    kind = kind_of(os.path.basename(name))
    if kind is None:
        raise ConfigError(f"lock = {json.dumps(cut(name))} is not a known lock file", fix='lock = "uv.lock"')
    return kind


def _of_poetry(data: Mapping[str, Any]) -> tuple[Pinned, ...]:
    if not poetry_lock.is_lock(data):
        raise TypeError
    return poetry_lock.pinned(data)


def upgrade_command(file: Path, names: Sequence[str]) -> str:
    """Return the command that moves packages of the lock `file` to their newest versions."""
    kind = kind_of(file.name)
    if kind in (LockKind.UV, LockKind.PDM):
        words = [f"--upgrade-package {name}" for name in names] if kind is LockKind.UV else names
        return f"{'uv lock' if kind is LockKind.UV else 'pdm update'} --project {shown(file.parent)} {' '.join(words)}"
    directory = file.parent.parent if file.parent.name == "devops" else file.parent
    if kind is LockKind.POETRY:
        return f"{relock(directory)} {' '.join(f'--upgrade {name}' for name in names)}"
    return LockSource(_kind(file.name), file, directory).command()
