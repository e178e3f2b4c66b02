"""Reads and extends the text of a `pyproject.toml` without a TOML writer: what is there stays as it was written."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from helpers import pyproject

_HEADER = re.compile(r"\s*\[\[?[ \t]*([^\]\s]+(?:[ \t]+[^\]\s]+)*)[ \t]*\]\]?\s*(?:#.*)?")


def parse(text: str) -> dict[str, Any]:
    """Return the parsed `text` of a `pyproject.toml` before the file is written.

    Raises:
        ConfigError: it is not TOML.
    """
    return pyproject.parse_toml(text, Path("pyproject.toml"))


def with_line_ends(text: str, like: str | None) -> str:
    """Return `text` with the line ends of `like`, a file of the user's, where all of those are `\\r\\n`."""
    ends = (like or "").count("\n")
    dos = ends and ends == (like or "").count("\r\n")
    return text.replace("\r\n", "\n").replace("\n", "\r\n") if dos else text


def toml_string(value: str) -> str:
    """Return `value` as TOML writes a string."""
    # JSON's escapes are a subset of TOML's; only DEL must be escaped in addition.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def toml_list(values: Iterable[str]) -> str:
    """Return `values` as TOML writes a list of strings, each on its own line when there are several."""
    items = [toml_string(value) for value in values]
    return f"[{', '.join(items)}]" if len(items) < 2 else "[\n" + "".join(f"    {item},\n" for item in items) + "]"


def table_lines(text: str) -> list[str]:
    """Return, for each line of `text`, the name of the table that it belongs to."""
    current, found = "", []
    for line in text.splitlines():
        header = _HEADER.fullmatch(line)
        # A line of a multi-line array may look like a header; names of tables have no commas and quotes are rare.
        if header and re.fullmatch(r"[A-Za-z0-9_.\-]+", header.group(1)):
            current = header.group(1)
        found.append(current)
    return found


def line_of(text: str, table: str, key: str = "") -> int:
    """Return the number of the line that sets `key` in `table`; of the table's header, or 1, if there is none."""
    tables = table_lines(text)
    wanted = re.compile(rf"\s*[\"']?{re.escape(key)}[\"']?\s*[=.]")
    for number, (line, inside) in enumerate(zip(text.splitlines(), tables, strict=True), start=1):
        if key and inside == table and wanted.match(line):
            return number
    return tables.index(table) + 1 if table in tables else 1


def add_to_table(text: str, table: str, lines: Iterable[str]) -> str:
    """Return `text` with `lines` in `table`: right below its header, or in a new table at the end; "" is no table."""
    added = "".join(f"{line}\n" for line in lines)
    if not added:
        return text
    text = text if text.endswith("\n") or not text else text + "\n"
    if not table:
        return added + text
    rows = text.splitlines(keepends=True)
    for index, row in enumerate(rows):
        header = _HEADER.fullmatch(row.rstrip("\r\n"))
        if header and header.group(1) == table and not row.lstrip().startswith("[["):
            return "".join([*rows[: index + 1], added, *rows[index + 1 :]])
    return f"{text}\n[{table}]\n{added}"


def replace_value(text: str, table: str, key: str, value: str) -> str:
    """Return `text` with another string for `key` of `table`; the old one is kept as a comment."""
    rows = text.splitlines(keepends=True)
    index = line_of(text, table, key) - 1
    rows[index] = f"{key} = {toml_string(value)}  # was: {rows[index].strip()}\n"
    return "".join(rows)


def tables_below(text: str, prefix: str) -> str:
    """Return the text of the table `prefix` and of all tables below it."""
    pairs = zip(text.splitlines(keepends=True), table_lines(text), strict=True)
    return "".join(row for row, table in pairs if table == prefix or table.startswith(f"{prefix}."))
