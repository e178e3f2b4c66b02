"""Directories of an older scheme: `devops/docker_build/` has the manifest, the lock and a script of system packages."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers import checkout_file, pyproject
from helpers.dirs import project_text
from helpers.dirs.testfiles import test_files
from helpers.errors import ConfigError
from helpers.model import poetry_lock
from helpers.model.manifest import Stated

FOLDER = "devops/docker_build"
MANIFEST, LOCK, SCRIPT = (f"{FOLDER}/{name}" for name in ("pyproject.toml", "poetry.lock", "install_os_packages.sh"))
_COMPOSE = re.compile(r"(?:docker-)?compose[\w.-]*\.ya?ml|[\w.-]*(?:docker-)?compose\.ya?ml")
# As in `model/settings.py`.
_PACKAGE = re.compile(r"[a-z0-9][a-z0-9+.-]+")
_ENDS = ("&&", "||", ";", "|", "&")
# Words that may come before the command, besides assignments.
_BEFORE = ("sudo", "env", "command", "do", "then", "else", "{", "(")
_BUILD_SYSTEM, _POETRY = "build-system", "tool.poetry"


@dataclass(frozen=True)
class OldDir:
    """A directory of the older scheme, as its files describe it.

    Arguments:
        path: absolute path.
        manifest: text of the new `pyproject.toml`.
        lock: text of its lock; empty without a lock.
        packages: Debian packages of the script.
        left_out: what is not taken over of the commands that install packages.
        tests: paths of the tests; empty for the default.
        compose: compose files, relative to the directory.
        links: links that lead out of the directory, relative to the directory, and their targets.
    """

    path: Path
    manifest: str
    lock: str
    packages: tuple[Stated, ...]
    left_out: tuple[Stated, ...]
    tests: tuple[str, ...]
    compose: tuple[str, ...]
    links: tuple[Stated, ...]

    @property
    def lock_fits(self) -> bool:
        """Whether the lock is the lock of the manifest."""
        return poetry_lock.has_hash(self.lock) and not poetry_lock.is_stale(
            self.lock, project_text.parse(self.manifest)
        )


def is_old(path: Path) -> bool:
    """Return whether a directory is of the older scheme, and not migrated yet."""
    return (path / MANIFEST).is_file() and not os.path.lexists(path / "pyproject.toml")


def read(path: Path) -> OldDir:
    """Return the directory of the older scheme at `path`; nothing of it runs.

    Raises:
        ConfigError: a file is refused by `checkout_file`, or the manifest is not TOML.
    """
    script = checkout_file.read_text_if_there(path / SCRIPT)
    packages, left_out = system_packages(script or "", SCRIPT)
    return OldDir(
        path,
        _manifest(path),
        checkout_file.read_text_if_there(path / LOCK) or "",
        tuple(packages),
        tuple(left_out),
        _tests(path),
        tuple(sorted(_compose_files(path))),
        tuple(sorted(_links(path), key=lambda link: link.source)),
    )


def _manifest(path: Path) -> str:
    """Return the manifest as that of a directory that is no package: only its dependencies were installed."""
    text = checkout_file.read_text(path / MANIFEST)
    before = pyproject.checked(text, path / MANIFEST)
    rows = zip(text.splitlines(keepends=True), project_text.table_lines(text), strict=True)
    kept = "".join(row for row, table in rows if table != _BUILD_SYSTEM)
    if "package-mode" not in before.get("tool", {}).get("poetry", {}):
        kept = project_text.add_to_table(kept, _POETRY, ["package-mode = false"])
    after = project_text.parse(kept)
    before.pop(_BUILD_SYSTEM, None)
    after.get("tool", {}).get("poetry", {}).pop("package-mode", None)
    before.setdefault("tool", {}).setdefault("poetry", {}).pop("package-mode", None)
    if after != before:
        fix = f"write {path.name}/pyproject.toml by hand, without [{_BUILD_SYSTEM}] and with package-mode = false"
        raise ConfigError("cannot be taken over", where=path / MANIFEST, why="its tables are spelled oddly", fix=fix)
    return kept.rstrip("\n") + "\n"


def system_packages(script: str, name: str) -> tuple[list[Stated], list[Stated]]:
    """Return the Debian packages that plain `apt-get install` commands of a shell script name, and what is not read.

    Arguments:
        script: its text; it never runs.
        name: of the file, for the sources.

    Returns:
        The packages, each once, and the words of the commands that are left out, with the reason.
    """
    found: dict[str, Stated] = {}
    left_out: list[Stated] = []
    for number, line in _logical_lines(script):
        source = f"{name}:{number}"
        for command in _commands(line):
            words = _installed(command)
            for word in words or ():
                package, _, version = word.partition("=")
                if _PACKAGE.fullmatch(package):
                    found.setdefault(package, Stated(package, source))
                elif not word.startswith(("-", "$APT", "${APT")):
                    left_out.append(Stated(f"{word}, which is no name of a package", source))
                if version and package in found:
                    left_out.append(Stated(f"the version in {word}", source))
    return list(found.values()), left_out


def _logical_lines(script: str) -> Iterator[tuple[int, str]]:
    """Yield each line with its number; a line that ends in a backslash goes on."""
    start, joined = 0, ""
    for number, line in enumerate(script.splitlines(), start=1):
        start = start if joined else number
        # A comment may stand between the lines of one command.
        text = "" if joined and line.lstrip().startswith("#") else line
        if text.endswith("\\") or (joined and not text and line):
            joined += text.removesuffix("\\") + " "
            continue
        yield start, joined + text
        joined = ""
    if joined:
        yield start, joined


def _commands(line: str) -> Iterator[list[str]]:
    """Yield the words of each command of a line; none if a shell alone can split the line."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|")
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        words = []
    command: list[str] = []
    for word in [*words, ";"]:
        if word in _ENDS:
            yield command
            command = []
        else:
            command.append(word)


def _installed(command: Sequence[str]) -> list[str] | None:
    """Return the words after `apt-get install`; None for another command."""
    words = list(command)
    while words and (words[0] in _BEFORE or re.fullmatch(r"\w+=.*", words[0])):
        words.pop(0)
    if not words or os.path.basename(words[0]) not in ("apt-get", "apt"):
        return None
    rest = words[1:]
    verb = next((word for word in rest if not word.startswith(("-", "$"))), "")
    return rest[rest.index(verb) + 1 :] if verb == "install" else None


def _tests(path: Path) -> tuple[str, ...]:
    files = [file.relative_to(path) for file in test_files(path, ["."])]
    tops = sorted({file.parts[0] for file in files if file.parts[0] != "devops"})
    return () if tops in ([], ["test"]) else tuple(tops)


def _compose_files(path: Path) -> Iterator[str]:
    for file in (path / "devops").rglob("*"):
        name = file.relative_to(path).as_posix()
        if _COMPOSE.fullmatch(file.name) and name != "devops/compose.yaml" and not file.is_symlink():
            yield name


def _links(path: Path) -> Iterator[Stated]:
    for file in (*path.iterdir(), *(path / "devops").rglob("*")):
        if file.is_symlink():
            target = os.readlink(file)
            if not Path(os.path.normpath(file.parent / target)).is_relative_to(path):
                yield Stated(target, file.relative_to(path).as_posix())
