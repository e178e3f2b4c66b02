"""Tables of the TOML files of other people: each access checks the type, each error names file and field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.console import cut, excerpt
from helpers.errors import ConfigError
from helpers.model.manifest import Stated

_MOST_ITEMS, _MOST_CHARACTERS = 10_000, 10_000


@dataclass(frozen=True)
class Table:
    """A table of a TOML file.

    Arguments:
        data: the content of the table.
        file: absolute path of the file.
        name: of the table, as in `tool.poetry`; empty for the file as a whole.
    """

    data: Mapping[str, Any]
    file: Path
    name: str = ""

    def __contains__(self, key: str) -> bool:
        return key in self.data

    def source(self, key: str = "") -> str:
        """Return the place of a key for a message, as in `pyproject.toml [tool.poetry] version`."""
        return cut(" ".join(part for part in (self.file.name, f"[{self.name}]" if self.name else "", key) if part))

    def table(self, *keys: str) -> Table:
        """Return a table inside this table; without the key an empty table."""
        found = self
        for key in keys:
            inner = found.data.get(key, {})
            if not isinstance(inner, dict):
                raise found.wrong(key, inner, "a table")
            found = Table(inner, self.file, f"{found.name}.{key}" if found.name else key)
        return found

    def tables(self) -> Iterator[tuple[str, Table]]:
        """Yield each key with its table; a key without a table is an error."""
        if len(self.data) > _MOST_ITEMS:
            raise ConfigError(f"[{self.name}] has more than {_MOST_ITEMS} keys", where=self.file)
        yield from ((key, self.table(key)) for key in self.data)

    def inner_tables(self, key: str) -> Iterator[Table]:
        """Yield the tables of a list; other items of the list do not count."""
        found = self.data.get(key)
        for item in found if isinstance(found, list) else ():
            if isinstance(item, dict):
                yield Table(item, self.file, f"{self.name}.{key}" if self.name else key)

    def items(self, key: str) -> list[Any]:
        """Return a list of this table; without the key an empty list."""
        found = self.data.get(key, [])
        if not isinstance(found, list):
            raise self.wrong(key, found, "a list")
        if len(found) > _MOST_ITEMS:
            raise ConfigError(f"{self._field(key)} has more than {_MOST_ITEMS} items", where=self.file)
        return found

    def text(self, key: str) -> str:
        """Return a string of this table; without the key an empty string."""
        return self.checked(key, self.data.get(key, ""))

    def texts(self, key: str) -> tuple[str, ...]:
        """Return a list of strings; without the key an empty list."""
        return tuple(self.checked(key, item) for item in self.items(key))

    def texts_or_text(self, key: str) -> tuple[str, ...]:
        """Return a list of strings that may also be written as a single string."""
        return (self.text(key),) if isinstance(self.data.get(key), str) else self.texts(key)

    def flag(self, key: str, default: bool = False) -> bool:
        """Return a boolean of this table."""
        found = self.data.get(key, default)
        if not isinstance(found, bool):
            raise self.wrong(key, found, "true or false")
        return found

    def checked(self, key: str, value: object) -> str:
        """Return `value` if it is a string of bounded length.

        Raises:
            ConfigError: it is something else.
        """
        if not isinstance(value, str) or len(value) > _MOST_CHARACTERS or "\0" in value:
            raise self.wrong(key, value, f"a string of at most {_MOST_CHARACTERS} characters")
        return value

    def stated(self, key: str) -> Stated | None:
        """Return a string with its place; None without the key."""
        text = self.text(key)
        return Stated(text, self.source(key)) if text else None

    def list_stated(self, key: str) -> tuple[Stated, ...]:
        """Return a list of strings with their place."""
        return tuple(Stated(text, self.source(key)) for text in self.texts(key))

    def wrong(self, key: str, value: object, wanted: str) -> ConfigError:
        """Return the error of a value with a wrong type."""
        return ConfigError(f"{self._field(key)} must be {wanted}, not {excerpt(value)}", where=self.file)

    def _field(self, key: str) -> str:
        return cut(f"[{self.name}] {key}" if self.name else key)
