"""Reads pytest's settings of a directory as data: the only place with the names of pytest's configuration files."""

from __future__ import annotations

import configparser
import re
import shlex
from collections.abc import Collection
from fnmatch import translate
from functools import cache
from glob import escape
from itertools import pairwise
from pathlib import Path
from posixpath import isfile, normpath
from typing import Any

from helpers import checkout_file, pyproject
from helpers.errors import ConfigError

# https://docs.pytest.org/en/stable/reference/customize.html: the order of pytest. The first four count even
# when they are empty, the last two only with their section.
ALWAYS = ("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini")
_SECTIONS = {"pytest.ini": "pytest", ".pytest.ini": "pytest", "tox.ini": "pytest", "setup.cfg": "tool:pytest"}
_LAST = ("tox.ini", "setup.cfg")
# The time to compile patterns grows with their number.
_MOST_CHARACTERS = 10_000
FILES = (*ALWAYS, "pyproject.toml", *_LAST)
# pytest's own defaults of `python_files` and `--doctest-glob`.
PYTHON_FILES = ("test_*.py", "*_test.py")
_DOCTEST_FILES = ("test*.txt",)
# Options by which nbmake, nbval and pytest-markdown-docs collect files.
_OF_PLUGINS = {
    "--nbmake": "*.ipynb",
    "--nbval": "*.ipynb",
    "--nbval-lax": "*.ipynb",
    "--markdown-docs": "*.md",
}
# https://docs.pytest.org/en/stable/reference/reference.html#command-line-flags
_IGNORE = ("--ignore", "--ignore-glob")
# https://docs.pytest.org/en/stable/reference/reference.html#confval-norecursedirs: its default.
NOT_ENTERED = re.compile(r"(?:^|/)(\.[^/]*|[^/]*\.egg|_darcs|build|CVS|dist|node_modules|venv|\{arch\})/")


class IniReader(configparser.ConfigParser):
    """Reads ini files of a checkout: the library's own pattern takes hours for a line of many spaces."""

    OPTCRE = re.compile(r"(?P<option>[^=:]*)(?P<vi>[=:])\s*(?P<value>.*)$")


def read(path: Path, there: Collection[str] = FILES) -> dict[str, Any]:
    """Return pytest's settings of the directory `path`; empty without settings.

    Arguments:
        path: absolute path of the directory.
        there: names of configuration files that may exist in it.

    Raises:
        ConfigError: a file is not TOML, or is refused by `checkout_file`; it holds more patterns than can be compared.
    """
    name = file_of(path, there)
    found = _of_file(path, name) if name else {}
    if long := [key for key in ("python_files", "addopts") if len(str(found.get(key, ""))) > _MOST_CHARACTERS]:
        raise ConfigError(f"{long[0]} has more than {_MOST_CHARACTERS} characters", where=path / name)
    return found


def file_of(path: Path, there: Collection[str] = FILES) -> str:
    """Return the name of the file with pytest's settings of the directory `path`; empty without settings.

    Arguments and errors as for `read`.
    """
    for name in FILES:
        if name not in there or not isfile(f"{path}/{name}"):
            continue
        if name in ALWAYS or (name in _LAST and _section(path, name) is not None) or _table(path, name) is not None:
            return name
    return ""


def _of_file(path: Path, name: str) -> dict[str, Any]:
    if name in _SECTIONS:
        return _section(path, name) or {}
    if name != "pyproject.toml":
        table = pyproject.parse_toml(checkout_file.read_text(path / name), path / name).get("pytest", {})
        return table if isinstance(table, dict) else {}
    return _table(path, name) or {}


def _table(path: Path, name: str) -> dict[str, Any] | None:
    if name != "pyproject.toml":
        return None
    tool = pyproject.read(path).get("tool", {})
    table = tool.get("pytest") if isinstance(tool, dict) else None
    if not isinstance(table, dict):
        return None
    inner = table.get("ini_options", table)
    return inner if isinstance(inner, dict) else {}


def _section(path: Path, name: str) -> dict[str, Any] | None:
    parser = IniReader(interpolation=None, strict=False)
    try:
        parser.read_string(checkout_file.read_text(path / name))
    except configparser.Error:
        return None
    return dict(parser[_SECTIONS[name]]) if parser.has_section(_SECTIONS[name]) else None


def words(value: Any) -> list[str]:
    """Return the items of a pytest setting: a list, or a string to split as in a shell."""
    if isinstance(value, list):
        return [str(item) for item in value]
    text = str(value or "")
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def python_files(settings: dict[str, Any]) -> tuple[str, ...]:
    """Return the patterns of the names of test files."""
    return tuple(words(settings.get("python_files"))) or PYTHON_FILES


def doctest_files(settings: dict[str, Any]) -> tuple[str, ...]:
    """Return the patterns of the names of files whose doctests pytest runs."""
    options = words(settings.get("addopts"))
    globs = [word.partition("=")[2] for word in options if word.startswith("--doctest-glob=")]
    globs += [after for word, after in pairwise(options) if word == "--doctest-glob"]
    return (*(globs or _DOCTEST_FILES), *(["*.py"] if "--doctest-modules" in options else []))


def plugin_files(settings: dict[str, Any]) -> tuple[str, ...]:
    """Return the patterns of the names of files that plugins collect because of an option in `addopts`."""
    options = {word.partition("=")[0] for word in words(settings.get("addopts"))}
    return tuple(pattern for option, pattern in _OF_PLUGINS.items() if option in options)


def ignored(settings: dict[str, Any]) -> dict[str, str]:
    """Return the options in `addopts` that take paths out of a run, by their patterns."""
    options = words(settings.get("addopts"))
    given = [tuple(word.split("=", 1)) for word in options if "=" in word]
    given += [pair for pair in pairwise(options) if "=" not in pair[0]]
    patterns = [(escape(value) if option == "--ignore" else value, option, value) for option, value in given]
    return {normpath(one): f"{option}={value}" for one, option, value in patterns if option in _IGNORE}


def not_entered(path: str, settings: dict[str, Any]) -> bool:
    """Say whether pytest does not enter a directory, by its setting `norecursedirs` or its default."""
    if "norecursedirs" in settings:
        return fits(path, tuple(words(settings["norecursedirs"])))
    return not is_entered(f"{path}/")


def is_entered(path: str) -> bool:
    """Say whether pytest enters each directory of a relative path, by its default of `norecursedirs`."""
    return not NOT_ENTERED.search(path)


@cache
def _expressions(patterns: tuple[str, ...]) -> tuple[re.Pattern[str] | None, re.Pattern[str] | None]:
    of_names = [translate(one) for one in patterns if "/" not in one]
    of_paths = [translate(f"*/{one}") for one in patterns if "/" in one]
    return (
        re.compile("|".join(of_names)) if of_names else None,
        re.compile("|".join(of_paths)) if of_paths else None,
    )


def fits(path: str, patterns: tuple[str, ...]) -> bool:
    """Say whether a path fits one of pytest's patterns: with a slash for the path's end, else for its name.

    Arguments:
        path: with slashes.
        patterns: as in `python_files`.
    """
    of_names, of_paths = _expressions(patterns)
    name = path.rpartition("/")[2]
    return bool((of_names and of_names.match(name)) or (of_paths and of_paths.match(f"/{path}")))
