"""Reads what a runnable dir says of itself: `pyproject.toml` and `changelog.txt`."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from helpers import checkout_file, discover
from helpers.console import cut, excerpt
from helpers.errors import ConfigError
from helpers.model import base_lock
from helpers.model import changelog as changelog_format
from helpers.model.runnable import RunnableDir
from helpers.model.settings import Settings, parse_settings
from helpers.storage import cache_dir, digest, write_once

read_text = checkout_file.read_text
# Reads the runnable dir at a path.
Loader = Callable[[Path], RunnableDir]

# What we read of a `pyproject.toml`; a table stands after the one that it is in.
_TABLES = (("project",), ("dependency-groups",), ("tool",), ("tool", "poetry"), ("tool", "helpers"))

_MOST_DEPTH = 100
_INTEGERS = 1 << 63
# A key as TOML spells it (https://toml.io/en/v1.0.0#keys), with a limit where a hostile line would take minutes.
_PART = r"""(?:(?<![\w-])[\w-]+|"(?:[^"\\]|\\.){0,200}"|'[^']{0,200}')"""
_DEEP_KEY = rf"(?:{_PART}[ \t]*\.[ \t]*){{{_MOST_DEPTH}}}"


def load(root: Path, path: Path, all_paths: Sequence[Path]) -> RunnableDir:
    """Return the runnable dir at `path`.

    Arguments:
        root: absolute path of the repo's root.
        path: absolute path of the directory.
        all_paths: absolute paths of all runnable dirs of the repo.

    Raises:
        ConfigError: one of its files is missing or wrong; the message names file and line.
    """
    if missing := discover.lost_a_mark(path):
        raise ConfigError(
            f"has settings of a runnable dir and has lost its {missing}", where=path, fix=f"git checkout -- {missing}"
        )
    project = read_pyproject(path)
    settings = _settings(path)
    log_file = path / "changelog.txt"
    return RunnableDir(
        root=root,
        path=path,
        settings=settings,
        changelog=changelog_format.parse(read_text(log_file), str(log_file)),
        requires_python=str(project.get("project", {}).get("requires-python", "")),
        registry=_settings(root).registry,
        nested=discover.nested_in(root, path, all_paths, settings.tests),
    )


def repo_settings(root: Path) -> Settings:
    """Return the settings of the repo at `root`: those that are read from the root whatever else it is.

    Raises:
        ConfigError: its `pyproject.toml` is wrong.
    """
    return _settings(root)


def loader(root: Path, all_paths: Sequence[Path] = (), checkouts: Sequence[Path] = ()) -> Loader:
    """Return what reads each runnable dir of the repo at `root` once; `load` says what is raised.

    Arguments:
        root: absolute path of the repo's root.
        all_paths: absolute paths of all its runnable dirs; needed only where the ones nested in another matter.
        checkouts: absolute paths of submodules; their runnable dirs are not nested in a directory of the repo.
    """
    ends = {str(root), *map(str, checkouts)}
    # Only those that lie in a directory are asked whether they do: of thousands each would be asked about all others.
    below: dict[str, list[Path]] = {}
    for other in all_paths:
        above = str(other)
        while above not in ends and len(above) > len(str(root)):
            above = os.path.dirname(above)
            below.setdefault(above, []).append(other)
    return cache(lambda path: load(root, path, below.get(str(path), ())))


@cache
def read_shared(path: Path) -> str:
    """Return the content of a file of helpers itself that many directories are built by."""
    return path.read_text("utf-8")


def forget() -> None:
    """Read every `pyproject.toml` anew from now on: one that was read once counts for the whole life of a process."""
    checkout_file.forget()
    read_shared.cache_clear()
    read_pyproject.cache_clear()
    _settings.cache_clear()


@cache
def read_pyproject(path: Path) -> dict[str, Any]:
    """Return the parsed `pyproject.toml` of the directory `path`.

    Raises:
        ConfigError: it is missing, not TOML, or has something else where a table belongs.
    """
    file = path / "pyproject.toml"
    parsed = _remembered_toml(read_text(file), file)
    for keys in _TABLES:
        _check_table(parsed, keys, file)
    return parsed


def parse_toml(text: str, file: Path, fix: str | None = None) -> dict[str, Any]:
    """Return the parsed `text` of `file`.

    Arguments:
        text: TOML.
        file: where it stands, for the message.
        fix: what to do when it is not TOML.

    Raises:
        ConfigError: it is not TOML, or holds tables too deep or integers too large for TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        if any(line.count(".") >= _MOST_DEPTH and re.search(_DEEP_KEY, line) for line in text.splitlines()):
            raise RecursionError  # the parser's time grows with the square of a key's parts
        parsed: dict[str, Any] = tomllib.loads(text)
        _check_sane(parsed)
    except RecursionError:
        raise ConfigError(f"holds values nested deeper than {_MOST_DEPTH}", where=file, fix=fix) from None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        where = f"{file}:{line.group(1)}" if line else file
        raise ConfigError(f"is not TOML: {cut(str(error))}", where=where, fix=fix) from None
    except ValueError:
        raise ConfigError("is not TOML: an integer has more than 64 bits", where=file, fix=fix) from None
    return parsed


def _check_sane(parsed: dict[str, Any]) -> None:
    """Raise for what is legal to the parser only: later steps write and compare these values."""
    level: list[Any] = [parsed]
    for _ in range(_MOST_DEPTH):
        inner = [item for value in level for item in (value.values() if isinstance(value, dict) else value)]
        # https://toml.io/en/v1.0.0#integer: 64 bits.
        if any(isinstance(item, int) and not -_INTEGERS <= item < _INTEGERS for item in inner):
            raise ValueError
        level = [item for item in inner if isinstance(item, (dict, list))]
        if not level:
            return
    raise RecursionError


def _remembered_toml(text: str, file: Path) -> dict[str, Any]:
    """Return the parsed `text`, which is remembered by its hash: reading it again costs a tenth of parsing it."""
    remembered = cache_dir() / "parsed" / f"{digest(text)}.json"
    try:
        found = json.loads(remembered.read_bytes())
        if isinstance(found, dict):
            return found
    except (OSError, ValueError, RecursionError):
        pass
    parsed = parse_toml(text, file)
    try:
        write_once(remembered, json.dumps(parsed))
    except (OSError, TypeError):
        pass  # A full disk, or a date in it: it is parsed again the next time.
    return parsed


def _check_table(parsed: dict[str, Any], keys: Sequence[str], file: Path) -> None:
    inner: Any = parsed
    for key in keys:
        inner = inner.get(key, {})
    if not isinstance(inner, dict):
        raise ConfigError(f"{'.'.join(keys)} must be a table, not {excerpt(inner)}", where=file)


def read_base_lock(runnable: RunnableDir) -> base_lock.BaseLock | None:
    """Return which base the image of `runnable` is built on, if that is recorded.

    Raises:
        ConfigError: the record is wrong, or is one of another base than the settings name.
    """
    file = runnable.path / base_lock.PATH
    if not file.exists():
        return None
    recorded = base_lock.parse(read_text(file), str(file))
    if recorded.base != runnable.settings.base:
        raise ConfigError(
            f"records the base {excerpt(recorded.base)}, and [tool.helpers] base is {excerpt(runnable.settings.base)}",
            where=file,
            fix=f"{update_command(runnable.path)}  (for a base that is made here: remove the file)",
        )
    return recorded


def update_command(path: Path) -> str:
    """Return the command that records the base of the runnable dir at `path`."""
    return f"invoke docker_bases --update --dir {shlex.quote(str(path))}"


@cache
def _settings(path: Path) -> Settings:
    if not (path / "pyproject.toml").exists():
        return Settings()
    tool = read_pyproject(path).get("tool", {})
    table = tool.get("helpers", {})
    if "helpers" not in tool:
        import difflib  # only where nothing is set

        if near := difflib.get_close_matches("helpers", tool, n=1, cutoff=0.8):
            raise ConfigError(
                f"[tool.{near[0]}] is not read", where=path / "pyproject.toml", fix="write [tool.helpers]"
            )
    return parse_settings(table, str(path / "pyproject.toml"))
