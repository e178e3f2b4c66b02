"""Git dependencies of a lock: this machine fetches the commit of the lock, an installer gets its archive with a hash.

So no build and no container gets a key, an agent or a password of git.
"""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path

from helpers.console import excerpt
from helpers.engine.context import SOURCES
from helpers.errors import ConfigError
from helpers.images import lock_source
from helpers.model import git_url
from helpers.model.pinned_line import GIT
from helpers.model.poetry_lock import normal_name
from helpers.repo import source_archive
from helpers.storage import cache_dir, digest, locked, scratch, use, write_once
from helpers.thin_env import slow_steps

_LINE = re.compile(rf"(?m)^(?P<name>[A-Za-z0-9][\w.-]*)(?P<extras>\[[^]]*\])? *@ *{GIT}(?P<marker> *;.*)?$")


def fetched(requirements: Path, directory: Path) -> Path:
    """Return exported requirements in which archives with hashes replace commits of git; often the same file.

    Arguments:
        requirements: the export of a lock.
        directory: the runnable dir of the lock.

    Raises:
        ConfigError: a URL is refused, a commit has submodules, or the lock names no commit.
        InfrastructureError: a remote does not give the commit.
    """
    text = requirements.read_text(encoding="utf-8")
    if "git+" not in text:
        return requirements
    source = lock_source.of(directory)
    versions = {pin.name: pin.version for pin in source.pins()}

    def archived(found: re.Match[str]) -> str:
        name = normal_name(found["name"])
        file = _archive(name, versions.get(name, ""), found["url"], found["commit"], found["subdirectory"] or "")
        total = hashlib.sha256(file.read_bytes()).hexdigest()
        words = f"{found['name']}{found['extras'] or ''} @ {file.as_uri()}{found['marker'] or ''}"
        return f"{words} \\\n    --hash=sha256:{total}"

    made = _LINE.sub(archived, text)
    if left := re.search(r"(?m)^.*\bgit\+.*$", made):
        raise ConfigError(
            f"{excerpt(git_url.masked(left[0]))} names no commit of 40 digits", where=source.file, fix=source.command()
        )
    return write_once(cache_dir() / "requirements" / f"{digest(made)}.txt", made)


def _archive(name: str, version: str, url: str, commit: str, subdirectory: str) -> Path:
    """Return the archive of a commit in the cache."""
    key = f"{name}-{digest(url, commit, subdirectory, version)[:24]}"
    kept = cache_dir() / SOURCES / key / f"{name}-{commit}.tar.gz"
    use(SOURCES, key)
    with locked(f"{SOURCES}-{key}.lock"):
        if not kept.exists():
            # Backends that ask git for a version take it from this file of a source distribution.
            about = f"Metadata-Version: 1.1\nName: {name}\nVersion: {version}\n"
            more = {"PKG-INFO": about} if version else {}
            with slow_steps.shown(f"fetching {name} at {commit[:12]}", usual=5.0), scratch() as aside:
                source_archive.write(url, commit, aside / kept.name, subdirectory=subdirectory, more=more)
                kept.parent.mkdir(parents=True, exist_ok=True)
                os.replace(aside / kept.name, kept)
    return kept
