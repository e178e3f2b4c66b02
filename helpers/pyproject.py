"""The one reader of TOML: `pyproject.toml` of a directory, and its settings, in that file or in one of their own."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from helpers import checkout_file
from helpers.console import cut, excerpt
from helpers.errors import ConfigError
from helpers.model import settings_file as settings_files
from helpers.storage import digest, write_once
from helpers.thin_env import cache_path

# The parts of a `pyproject.toml` for us; a table comes after its parent.
_TABLES = (("project",), ("dependency-groups",), ("tool",), ("tool", "poetry"), ("tool", "helpers"))
_MOST_DEPTH = 100
_INTEGERS = 1 << 63
# A key of TOML (https://toml.io/en/v1.0.0#keys), with a limit where a hostile line would take minutes.
_PART = r"""(?:(?<![\w-])[\w-]+|"(?:[^"\\]|\\.){0,200}"|'[^']{0,200}')"""
_DEEP_KEY = rf"(?:{_PART}[ \t]*\.[ \t]*){{{_MOST_DEPTH}}}"


@cache
def read(path: Path) -> dict[str, Any]:
    """Return the parsed `pyproject.toml` of the directory `path`, read once for the life of a process.

    Raises:
        ConfigError: it is missing, not TOML, has something else where a table belongs, or misspells `[tool.helpers]`.
    """
    file = path / "pyproject.toml"
    return checked(checkout_file.read_text(file), file)


def checked(text: str, file: Path) -> dict[str, Any]:
    """Return the parsed `text` of a `pyproject.toml`; errors as for `read`."""
    parsed = remembered_toml(text, file)
    for keys in _TABLES:
        _check_table(parsed, keys, file)
    if helpers_table(parsed) is None:
        _check_names(parsed, file)
    return parsed


def read_if_there(path: Path) -> dict[str, Any]:
    """Return the parsed `pyproject.toml` of the directory `path`; empty if the directory has none.

    Raises:
        ConfigError: as in `read`.
    """
    return read(path) if os.path.lexists(f"{path}/pyproject.toml") else {}


def settings_table(path: Path) -> dict[str, Any]:
    """Return the settings of the directory `path`, before their schema is applied; empty without settings.

    Raises:
        ConfigError: as in `read`, or settings stand in both files.
    """
    own = checkout_file.read_text_if_there(path / settings_files.NAME)
    return _settings(read_if_there(path), own, path)


def settings_in(shared: str, own: str | None, path: Path) -> dict[str, Any]:
    """Return the settings in two texts, as `settings_table` returns those of the directory `path`.

    Arguments:
        shared: the text of its `pyproject.toml`.
        own: the text of its `devops/helpers.toml`; None without this file.
        path: the directory.
    """
    return _settings(parse_toml(shared, path / "pyproject.toml"), own, path)


def _settings(parsed: Mapping[str, Any], own: str | None, path: Path) -> dict[str, Any]:
    table = helpers_table(parsed)
    if own is None:
        return table or {}
    if table is not None:
        why = f"{settings_files.NAME} and [tool.helpers] of pyproject.toml both hold settings"
        fix = f"move all settings into {settings_files.NAME}"
        raise ConfigError("has two files with settings", where=path, why=why, fix=fix)
    return remembered_toml(own, path / settings_files.NAME)


def settings_file(path: Path) -> Path:
    """Return the file with the settings of the directory `path`: `devops/helpers.toml` if it exists."""
    own = path / settings_files.NAME
    return own if os.path.lexists(own) else path / "pyproject.toml"


def helpers_table(parsed: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return `[tool.helpers]` of a parsed `pyproject.toml`, in any spelling; None without the table."""
    tool = parsed.get("tool")
    table = tool.get("helpers") if isinstance(tool, dict) else None
    return table if isinstance(table, dict) else None


def parse_toml(text: str, file: Path, fix: str | None = None) -> dict[str, Any]:
    """Return the parsed `text` of `file`.

    Arguments:
        text: TOML.
        file: where it stands, for the message.
        fix: the fix if the text is not TOML; by default an edit of the line.

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
        raise ConfigError(f"holds values nested deeper than {_MOST_DEPTH}", where=file, fix=fix or _edit()) from None
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        where = f"{file}:{line.group(1)}" if line else file
        raise ConfigError(f"is not TOML: {cut(str(error))}", where=where, fix=fix or _edit(line and line[1])) from None
    except ValueError:
        raise ConfigError("is not TOML: an integer has more than 64 bits", where=file, fix=fix or _edit()) from None
    return parsed


def _edit(line: str | None = "") -> str:
    return f"correct {f'line {line}' if line else 'the file'}, then: invoke dir_check --all  (checks the files)"


def _check_sane(parsed: dict[str, Any]) -> None:
    """Raise for values that only the parser accepts: later steps write and compare the values."""
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


def remembered_toml(text: str, file: Path) -> dict[str, Any]:
    """Return the parsed `text` of `file`, remembered by the text's hash: a tenth of the time of parsing.

    Raises:
        ConfigError: as in `parse_toml`.
    """
    # In every plan, for every directory: text is much faster than paths.
    remembered = f"{cache_path()}/parsed/{digest(text)}.json"
    try:
        with open(remembered, "rb") as stored:
            found = json.loads(stored.read())
        if isinstance(found, dict):
            return found
    except (OSError, ValueError, RecursionError):
        pass
    parsed = parse_toml(text, file)
    try:
        write_once(Path(remembered), json.dumps(parsed))
    except (OSError, TypeError):
        pass  # A full disk, or a date in it: it is parsed again the next time.
    return parsed


def _check_table(parsed: dict[str, Any], keys: Sequence[str], file: Path) -> None:
    inner: Any = parsed
    for key in keys:
        inner = inner.get(key, {})
    if not isinstance(inner, dict):
        raise ConfigError(f"{'.'.join(keys)} must be a table, not {excerpt(inner)}", where=file)


def _check_names(parsed: Mapping[str, Any], file: Path) -> None:
    """Refuse settings under a misspelled name, as `[tool.helper]` or `[tools.helpers]`."""
    import difflib  # only where nothing is set

    tables = [("tool", name) for name in parsed.get("tool", {})]
    tables += [(name, inner) for name, table in parsed.items() if isinstance(table, dict) for inner in table]
    for name, inner in tables:
        if inner != "helpers" and not difflib.get_close_matches(inner, ["helpers"], cutoff=0.8):
            continue
        if difflib.get_close_matches(name, ["tool"], cutoff=0.8):
            raise ConfigError(f"[{cut(f'{name}.{inner}')}] is not read", where=file, fix="write [tool.helpers]")
    if isinstance(parsed.get("helpers"), dict):
        raise ConfigError("[helpers] is not read", where=file, fix="write [tool.helpers]")
