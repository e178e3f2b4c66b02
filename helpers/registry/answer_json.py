"""The JSON of a registry's answer in any shape: read once, typed, and refused with a single error."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, TypeVar

# https://github.com/opencontainers/image-spec/blob/main/descriptor.md#digests
_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+")

T = TypeVar("T", str, dict[str, Any])
_WORDS: dict[type, str] = {str: "strings", dict: "objects"}


def read_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object in an answer.

    Raises:
        ValueError: the answer is no JSON, is nested too deep, or is no object.
    """
    try:
        content = json.loads(data)
    except RecursionError:
        raise ValueError("JSON nested too deep") from None
    if not isinstance(content, dict):
        raise ValueError("no JSON object")
    return content


def list_at(content: Mapping[str, Any], key: str, kind: type[T]) -> list[T]:
    """Return the list at `key`, with items of a single kind; null and a missing key are an empty list.

    Raises:
        ValueError: the value is another type.
    """
    found = content.get(key)
    if found is not None and not (isinstance(found, list) and all(isinstance(item, kind) for item in found)):
        raise ValueError(f"{key!r} is not a list of {_WORDS[kind]}")
    return found or []


def object_at(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the object at `key`; null and a missing key are an empty object.

    Raises:
        ValueError: the value is no object.
    """
    found = content.get(key)
    if found is not None and not isinstance(found, dict):
        raise ValueError(f"{key!r} is no object")
    return found or {}


def text_at(content: Mapping[str, Any], key: str) -> str:
    """Return the string at `key`; null and a missing key are an empty string.

    Raises:
        ValueError: the value is no string.
    """
    found = content.get(key)
    if found is not None and not isinstance(found, str):
        raise ValueError(f"{key!r} is no string")
    return found or ""


def labels_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the labels in an image's configuration.

    Raises:
        ValueError: they are no object of strings.
    """
    labels = object_at(object_at(config, "config"), "Labels")
    return {name: text_at(labels, name) for name in labels}


def digest_at(content: Mapping[str, Any], key: str) -> str:
    """Return the digest at `key`.

    Raises:
        ValueError: the value is no digest.
    """
    found = text_at(content, key)
    if not _DIGEST.fullmatch(found):
        raise ValueError(f"{key!r} is no digest")
    return found


def size_at(content: Mapping[str, Any], key: str) -> int:
    """Return the number of bytes at `key`.

    Raises:
        ValueError: the value is no whole number of 0 or more.
    """
    found = content.get(key)
    if not isinstance(found, int) or isinstance(found, bool) or found < 0:
        raise ValueError(f"{key!r} is no number of bytes")
    return found
