"""Reads a compose file as plain data, because compose must read only checked data."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

from helpers import config
from helpers.errors import ConfigError

# More is no description of a few services; aliases can make a short file as large as a memory.
_MERGE = "tag:yaml.org,2002:merge"
_MOST_BYTES, _MOST_VALUES, _DEEPEST, _MOST_DIGITS = 1 << 18, 20_000, 40, 100
# https://yaml.org/spec/1.2.2/#core-schema, the schema of compose; YAML 1.1 of PyYAML takes `no` for a truth value.
_PLAIN = (
    ("null", re.compile(r"(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")),
    ("int", re.compile(r"[-+]?[0-9]+$"), list("-+0123456789")),
    ("float", re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$"), list("-+.0123456789")),
    ("merge", re.compile(r"<<$"), ["<"]),
)


def read(file: Path) -> dict[str, Any]:
    """Return the content of a compose file in the form of JSON.

    Raises:
        ConfigError: the file is missing, too large, no YAML, or holds a tag, a name twice or a name that is no text.
    """
    text = config.read_text(file)
    if len(text) > _MOST_BYTES:
        raise ConfigError(f"is larger than {_MOST_BYTES >> 10} KiB", where=file, fix="describe fewer services")
    import yaml  # only a directory with services needs it

    try:
        found = yaml.load(text, _loader())
        _count(found, 0, [_MOST_VALUES])
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else str(file)
        said = getattr(error, "problem", None) or " ".join(str(error).split())
        raise ConfigError(f"is not plain YAML: {said}", where=where, fix="write it without that") from None
    except (ValueError, RecursionError) as error:
        said = str(error) if isinstance(error, _TooMuchError) else "it is nested too deeply, or holds a wrong number"
        raise ConfigError(f"is not plain YAML: {said}", where=file, fix="write it without that") from None
    if not isinstance(found, dict):
        raise ConfigError("has no services", where=file, fix="begin it with a line `services:`")
    return found


class _TooMuchError(ValueError):
    """The data of a file does not fit into a description of services."""


def _count(value: Any, depth: int, left: list[int]) -> None:
    """Refuse data with too many levels or, after expansion of aliases, too many values.

    Arguments:
        value: the data.
        depth: how many lists and mappings it is inside.
        left: how many values it may still hold.
    """
    left[0] -= 1
    if depth > _DEEPEST or left[0] < 0:
        raise _TooMuchError("it is nested too deeply, or holds too many values")
    if isinstance(value, str) and not _is_name(value):
        raise _TooMuchError(f"the text {value[:40]!r} holds a character that no path can hold")
    if isinstance(value, dict):
        if odd := [key for key in value if not isinstance(key, str) or not _is_name(key)]:
            raise _TooMuchError(f"the name {odd[0]!r} is no text")
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            _count(item, depth + 1, left)


def _is_name(text: str) -> bool:
    return "\0" not in text and not any("\ud800" <= letter <= "\udfff" for letter in text)


def _loader() -> Any:
    """Return the class for YAML: only texts, numbers, truth values, lists and mappings."""
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        yaml_implicit_resolvers: dict[str, Any] = {}
        yaml_constructors: dict[str, Any] = {}
        merged = 0

        def once(self, node: Any) -> Any:
            """Construct a mapping without a repeated name; merged names come after its own names."""
            scalars = (one for one, _ in node.value if isinstance(one, yaml.ScalarNode) and one.tag != _MERGE)
            names = Counter(one.value for one in scalars)
            if twice := [name for name, count in names.items() if count > 1]:
                raise yaml.constructor.ConstructorError(None, None, f"{twice[0]!r} stands twice", node.start_mark)
            yield from self.construct_yaml_map(node)

        def flatten_mapping(self, node: Any) -> None:
            """Write out the merges of a mapping; a short file can merge as much as aliases can hold."""
            for name, value in node.value if isinstance(node, yaml.MappingNode) else ():
                if name.tag == _MERGE:
                    for one in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                        self.flatten_mapping(one)
                        self.merged += len(one.value)
                        if self.merged > _MOST_VALUES:
                            raise _TooMuchError("it merges too many values")
            super().flatten_mapping(node)

    for kind, pattern, first in _PLAIN:
        Loader.add_implicit_resolver(f"tag:yaml.org,2002:{kind}", pattern, first)
    made = {
        name: getattr(yaml.SafeLoader, f"construct_yaml_{name}") for name in ("null", "bool", "float", "str", "seq")
    }
    for name, construct in {**made, "int": _whole, "map": Loader.once, "merge": _refused}.items():
        Loader.add_constructor(f"tag:yaml.org,2002:{name}", construct)
    Loader.add_constructor(None, yaml.SafeLoader.construct_undefined)
    return Loader


def _whole(loader: Any, node: Any) -> int:
    # YAML 1.2 has no octal numbers with a leading 0; compose takes a mode as in `0440` for octal.
    text = loader.construct_scalar(node)
    if len(text) > _MOST_DIGITS:
        raise _TooMuchError(f"a number has more than {_MOST_DIGITS} digits")
    return int(text, 8) if re.fullmatch(r"0[0-7]+", text) else int(text)


def _refused(loader: Any, node: Any) -> Any:
    return loader.construct_undefined(node)
