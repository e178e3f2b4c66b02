"""Which files of a runnable dir its prod image holds: an allow-list of tracked files, and what it must not hold."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from helpers import checkout_file, repo
from helpers.engine.specs import Copied
from helpers.errors import ConfigError, PolicyError
from helpers.images.forbidden import why_forbidden
from helpers.model.runnable import RunnableDir
from helpers.repo.location import git_in
from helpers.storage import digest

# Directories of tests beside shared code, whose settings nobody reads.
_TESTS = ("test", "tests")
_NEVER_BY_DEFAULT = ("conftest.py", "main_pytest.py", "noxfile.py", "setup.py", "tasks.py")


def files(runnable: RunnableDir) -> tuple[Copied, ...]:
    """Return the files that the prod image of `runnable` holds, sorted: tracked ones only.

    They are what its setting `code` names, or else its packages (top-level directories with `__init__.py`), `src` and
    its top-level modules, and those in the directories of `python_path`; never what lies under `tests`.

    Raises:
        ConfigError: `code` names something that is not there or not tracked, or there is no code at all.
        PolicyError: a file among them may not leave this machine: a key, an `.env`, a link out of the directory.
    """
    kept = chosen(runnable)
    if not kept:
        raise ConfigError(
            "has no code for its prod image",
            where=runnable.path,
            fix=f"name it in {runnable.spelled('code')}, and git add it",
        )
    own = tuple(_checked(runnable.path, name) for name in kept)
    more = [copied for name in runnable.settings.python_path for copied in _beside(runnable, name)]
    return (*own, *_unless_twice(runnable, own, more))


def _beside(runnable: RunnableDir, name: str) -> Iterator[Copied]:
    """Yield the packages and modules of a directory of `python_path`, under the names by which Python imports them."""
    place = Path(os.path.realpath(runnable.path / name))
    tracked = sorted(file.relative_to(place).as_posix() for file in repo.tracked(place))
    for top in _default(tracked, _TESTS):
        for file in tracked:
            path = PurePosixPath(file)
            if path.is_relative_to(top) and path.name != "conftest.py" and not {*_TESTS} & {*path.parts}:
                yield _checked(place, file)


def _unless_twice(runnable: RunnableDir, own: Sequence[Copied], more: Sequence[Copied]) -> Sequence[Copied]:
    """Return `more` if it has no file of `own` and none twice: Python would find one of the two in an image of prod."""
    taken = {item.name: item for item in own}
    for item in more:
        if (other := taken.setdefault(item.name, item)) is not item:
            what = f"{item.source} and {other.source} are one file in a prod image"
            where = runnable.settings_file
            raise ConfigError(what, where=where, fix=f"rename one, or change {runnable.spelled('python_path')}")
    return more


def chosen(runnable: RunnableDir) -> list[str]:
    """Return the names of the files that `files` is about, relative to the directory, before they are looked at.

    Raises:
        ConfigError: `code` names something that is not there or not tracked.
    """
    tracked = sorted(file.relative_to(runnable.path).as_posix() for file in repo.tracked(runnable.path))
    found: set[str] = set()
    for name in runnable.settings.code or _default(tracked, runnable.settings.tests):
        below = [file for file in tracked if PurePosixPath(file).is_relative_to(PurePosixPath(name))]
        if not below:
            what = f"{runnable.spelled('code')}: git tracks no {name!r}"
            raise ConfigError(what, where=runnable.settings_file, fix=f"git add {name}")
        found |= set(below)
    return sorted(name for name in found if not _is_test(name, runnable.settings.tests))


def entrypoint(runnable: RunnableDir, copied: Sequence[Copied]) -> tuple[str, ...]:
    """Return what a container of the prod image starts: the setting, or the one package with a `__main__.py`.

    Raises:
        ConfigError: nothing is set and there are several such packages.
    """
    if runnable.settings.entrypoint:
        return runnable.settings.entrypoint
    mains = {PurePosixPath(item.name.removeprefix("src/")).parts for item in copied}
    packages = sorted(parts[0] for parts in mains if len(parts) == 2 and parts[1] == "__main__.py")
    if len(packages) > 1:
        raise ConfigError(
            f"has several packages that could be started: {', '.join(packages)}",
            where=runnable.settings_file,
            fix=f'{runnable.spelled("entrypoint")} = ["python", "-m", "{packages[0]}"]',
        )
    return ("python", "-m", packages[0]) if packages else ("python",)


def importable(files: Iterable[str]) -> tuple[str, ...]:
    """Return what Python must be able to import: the top-level packages and modules among `files`."""
    found = set()
    for name in files:
        parts = PurePosixPath(name.removeprefix("src/")).parts
        if len(parts) == 2 and parts[1] == "__init__.py":
            found.add(parts[0])
        elif len(parts) == 1 and parts[0].endswith(".py"):
            found.add(parts[0].removesuffix(".py"))
    return tuple(sorted(name for name in found if name.isidentifier()))


def fingerprint(copied: Sequence[Copied]) -> str:
    """Return a hash of the names, the contents and the executable bits of the files."""
    parts: list[str | bytes] = []
    for item in copied:
        parts += [item.name, "x" if os.access(item.source, os.X_OK) else "-", item.source.read_bytes()]
    return digest(*parts)


def _default(tracked: Sequence[str], tests: Sequence[str]) -> list[str]:
    found = {"src"} if any(name.startswith("src/") for name in tracked) else set()
    for name in tracked:
        parts = PurePosixPath(name).parts
        if len(parts) == 2 and parts[1] == "__init__.py" and parts[0] not in tests:
            found.add(parts[0])
        elif len(parts) == 1 and name.endswith(".py") and name not in _NEVER_BY_DEFAULT:
            found.add(name)
    return sorted(found)


def _is_test(name: str, tests: Sequence[str]) -> bool:
    path = PurePosixPath(name)
    return any(path.is_relative_to(PurePosixPath(test)) for test in tests) or path.name == "conftest.py"


def _checked(place: Path, name: str) -> Copied:
    source = place / name
    real = Path(os.path.realpath(source))
    if not real.is_relative_to(place):
        raise PolicyError(
            f"is a link out of {place}",
            where=source,
            why="a prod image holds its own code only",
            fix=f"copy the file in place of the link, or leave {name} out of `code`",
        )
    try:
        checkout_file.is_there(source)  # a FIFO would never end
        head = source.read_bytes()
    except OSError as error:
        raise ConfigError(f"is tracked and cannot be read: {error.strerror}", where=source) from None
    target = real.relative_to(place).as_posix()
    if reason := why_forbidden(name, head) or why_forbidden(target):
        fix = f"{git_in(place)} rm --cached {shlex.quote(name)}  (or leave it out of `code`)"
        raise PolicyError(f"may not be in an image: {reason}", where=source, fix=fix)
    # What is copied is the target's content, so that it is asked for what is asked of each file.
    if real != source and real not in repo.tracked(place):
        raise PolicyError(
            f"is a link to {target}, which git does not track",
            where=source,
            why="a prod image holds tracked files only",
            fix=f"git add {target}, or leave {name} out of `code`",
        )
    return Copied(source, name)
