"""Says which path, variable or program a test has looked for in vain, because its container is not given it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path

from helpers import discover
from helpers.containers.environment import base_environment, file_values
from helpers.driver.verdict import Status, Verdict
from helpers.errors import HelpersError
from helpers.host import user
from helpers.model import program_packages
from helpers.model.runnable import RunnableDir

# Python's words, and those of programs that a test starts.
_MISSING = re.compile(r"No such file or directory|cannot open file")
_QUOTED = re.compile(r"'([^'\n]+)'|\"([^\"\n]+)\"")
# Begins at a word and takes no more than a path can have (PATH_MAX): otherwise a long line takes minutes.
_BEFORE = re.compile(r"(?<!\S)(\S{1,4096}?)'?: (?:\[Errno 2\] )?No such file or directory")
_MODULE = re.compile(r"No module named '([A-Za-z_]\w*)")
# Python's words for a variable that is not set, and the source of a line that failed.
_VARIABLE = re.compile(
    r"(?:KeyError: |\b(?:environ|getenv)(?:\.\w{1,20})?(?: at 0x[0-9a-f]+>)?[\[(])['\"]([A-Z][A-Z0-9_]{2,})['\"]"
)
# The words of Python, of shells and of env for a program that is not there.
_PROGRAM = re.compile(
    r"(?:No such file or directory: ['\"]|env: ['\"\u2018])([\w.+-]{1,40})['\"\u2019]"
    r"|(?<![\w./-])([\w.+-]{1,40}): (?:command )?not found"
)
# What our plugin says of each file that a test has not found; a path says more.
GENERAL = "hint: a test sees only its own directory: name paths in `uses`, and programs in `system_packages`"
_MOST = 5


def explained(verdict: Verdict, runnable: RunnableDir) -> Verdict:
    """Return a verdict with hints that name the paths, and the setting that would show them to the tests.

    Arguments:
        verdict: on tests that ran in a container.
        runnable: the directory that they are of.
    """
    if verdict.status not in (Status.FAIL, Status.CRASH):
        return verdict
    # Where pytest did not come as far as a test, what it printed is all there is.
    texts = [f"{item.message}\n{item.text}" for item in verdict.details] or [verdict.output]
    paths = list(islice(dict.fromkeys(_hints(runnable, texts)), _MOST))
    programs = list(islice(dict.fromkeys(_programs(runnable, texts)), _MOST))
    found = [*paths, *programs, *islice(dict.fromkeys(_variables(runnable, texts)), _MOST)]
    others = [text for text in verdict.hints if not ((paths or programs) and text == GENERAL)]
    return replace(verdict, hints=(*found, *others)) if found else verdict


def _variables(runnable: RunnableDir, texts: Iterable[str]) -> Iterator[str]:
    settings = runnable.settings
    given = {"PATH", *settings.inherited, *settings.values, *base_environment(runnable, user())}
    with suppress(HelpersError):  # the file may be another one by now
        given |= set(file_values(runnable.path, runnable.root, settings))
    for name in (name for text in texts for name in _VARIABLE.findall(text)):
        if name in os.environ and name not in given:
            which = f"the variable {name} of this machine, which its container is not given"
            yield f'hint: a test reads {which}: env = ["{name}"]'


def _programs(runnable: RunnableDir, texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        for name in (one or other for one, other in _PROGRAM.findall(text)):
            package = program_packages.package_of(name)
            if package and not (runnable.path / name).exists():
                yield _in_system_packages(f"starts {name}, which the package {package} brings", package)
        if program_packages.LOCALE_ERROR in text:
            package = program_packages.LOCALES
            yield _in_system_packages(f"sets a locale, which the package {package} brings", package)


def _in_system_packages(does: str, package: str) -> str:
    return f'hint: a test {does}: system_packages = ["{package}"]'


def _hints(runnable: RunnableDir, texts: Iterable[str]) -> Iterator[str]:
    looked_for: set[str] = set()
    for text in texts:
        for name in _names(text):
            path = Path(os.path.normpath(runnable.path / name))
            if name not in looked_for and not _is_seen(runnable, path) and os.path.exists(path):
                yield _hint(runnable, "a test reads", path, path)
            looked_for.add(name)
        for name in _MODULE.findall(text):
            if f"{name}." not in looked_for and (found := _module(runnable, name)):
                yield _hint(runnable, "a test imports", *found)
            elif f"{name}." not in looked_for and not _is_own(runnable, name):
                does = f"a test imports {name}, which no package in its lock brings"
                yield f"hint: {does}: add its distribution to the dependencies, then: invoke docker_lock"
            looked_for.add(f"{name}.")


def _names(text: str) -> Iterator[str]:
    """Yield what may be the names of files that a text says are missing."""
    # The apostrophe begins no name.
    for line in text.replace("can't", "cannot").splitlines():
        if _MISSING.search(line):
            yield from (one or other for one, other in _QUOTED.findall(line))
            yield from _BEFORE.findall(line)


def _is_seen(runnable: RunnableDir, path: Path) -> bool:
    """Say whether a container of tests sees a path, or it is none of the repo's."""
    used = [Path(os.path.realpath(runnable.path / name)) for name in runnable.uses]
    if any(path.is_relative_to(one) for one in used) or not path.is_relative_to(runnable.root) or path == runnable.root:
        return True
    return path.is_relative_to(runnable.path) and not any(path.is_relative_to(one) for one in runnable.nested)


def _module(runnable: RunnableDir, name: str) -> tuple[Path, Path] | None:
    """Return where a module lies in the repo, and what `uses` must name so that Python finds it; None if nowhere."""
    for path in discover.runnable_paths(runnable.root):
        for place in (path, path / "src"):
            if (found := _module_in(place, name)) and not _is_seen(runnable, found):
                return found, path if path != runnable.root else found
    for place in runnable.path.parents:
        if place.is_relative_to(runnable.root) and (found := _module_in(place, name)) and not _is_seen(runnable, found):
            return found, found
    return None


def _is_own(runnable: RunnableDir, name: str) -> bool:
    """Return whether a module is one of Python or of the directory: then its absence has another reason."""
    own = (runnable.path, runnable.path / "src")
    return name in sys.stdlib_module_names or any(_module_in(place, name) for place in own)


def _module_in(place: Path, name: str) -> Path | None:
    return next((path for path in (place / f"{name}.py", place / name) if os.path.exists(path)), None)


def _hint(runnable: RunnableDir, does: str, path: Path, wanted: Path) -> str:
    setting = os.path.relpath(wanted, runnable.path).replace(os.sep, "/")
    where = path.relative_to(runnable.root).as_posix()
    return f'hint: {does} {where}, which its container does not see: uses = ["{setting}"]'
