"""Settings of a service: environment variables, read once, checked and typed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

PREFIX = "SERVICE_"


class SettingsError(ValueError):
    """A variable is missing or says something that it may not."""


@dataclass(frozen=True)
class Settings:
    """What every service has; one that has more derives its own class from this."""

    host: str = "127.0.0.1"
    port: int = 8000
    quiet: bool = False


Some = TypeVar("Some", bound=Settings)


def read(kind: type[Some], environ: Mapping[str, str]) -> Some:
    """Return the settings of `kind` from variables like SERVICE_PORT; those that are not set keep their defaults.

    Raises:
        SettingsError: a variable is unknown, or not of the type that its setting has.
    """
    defaults = {item.name: item.default for item in fields(kind)}
    known = {f"{PREFIX}{name.upper()}": name for name in defaults}
    if unknown := sorted(name for name in environ if name.startswith(PREFIX) and name not in known):
        raise SettingsError(f"{unknown[0]} is no setting; there are {', '.join(sorted(known))}")
    given = {known[name]: _typed(name, text, defaults[known[name]]) for name, text in environ.items() if name in known}
    return kind(**given)


def _typed(name: str, text: str, default: Any) -> Any:
    if isinstance(default, bool):
        if text not in ("yes", "no"):
            raise SettingsError(f"{name} is yes or no, not {text!r}")
        return text == "yes"
    if isinstance(default, int):
        if not text.isascii() or not text.isdigit():
            raise SettingsError(f"{name} is a number, not {text!r}")
        return int(text)
    return text
