"""Finds what a project's own tests need, in the places where projects write that down."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import checkout_file
from helpers.manifest.metadata import Metadata
from helpers.model import poetry_lock

_GROUPS = ("test", "tests", "testing", "dev")
_EXTRAS = ("test", "tests", "testing")
_FILES = (
    "requirements-test*.txt",
    "requirements_test*.txt",
    "test-requirements*.txt",
    "test_requirements*.txt",
    "tests/requirements*.txt",
    "test/requirements*.txt",
    "requirements/test*.txt",
)
_NAME = re.compile(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)")


@dataclass(frozen=True)
class Wanted:
    """What tests need and where that is written.

    Arguments:
        requirements: PEP 508.
        source: for a message.
        group: the dependency group that holds them already; empty when they come from elsewhere.
    """

    requirements: tuple[str, ...]
    source: str
    group: str = ""

    @property
    def has_pytest(self) -> bool:
        """Whether pytest is among them."""
        return any(normal_name(item) == "pytest" for item in self.requirements)


def normal_name(requirement: str) -> str:
    """Return the normalised name of the distribution that `requirement` asks for."""
    found = _NAME.match(requirement)
    return poetry_lock.normal_name(found.group(1)) if found else ""


def find(path: Path, data: Mapping[str, Any], said: Metadata) -> Wanted:
    """Return what the tests of the project at `path` need.

    Arguments:
        path: absolute path of the project.
        data: its `pyproject.toml`.
        said: its metadata.
    """
    groups = data.get("dependency-groups", {})
    for name in _GROUPS:
        if found := tuple(_of_group(groups, name, ())):
            return Wanted(found, f"[dependency-groups] {name}", name)
    project = data.get("project", {})
    optional = project.get("optional-dependencies")
    own = normal_name(str(project.get("name", said.name)))
    for where, extras in (
        ("[project.optional-dependencies]", optional if isinstance(optional, dict) else {}),
        ("PKG-INFO, extra", said.extras or {}),
    ):
        for name in _EXTRAS:
            if found := tuple(dict.fromkeys(_of_extra(extras, name, own, ()))):
                return Wanted(found, f"{where} {name}")
    for pattern in _FILES:
        for file in sorted(path.glob(pattern)):
            if found := tuple(_of_file(path, file, ())):
                return Wanted(found, file.relative_to(path).as_posix())
    return Wanted((), "nothing (the project does not say what its tests need)")


def _of_group(groups: Mapping[str, Any], name: str, seen: Sequence[str]) -> Iterator[str]:
    for item in _items(groups.get(name)):
        if isinstance(item, str):
            yield item
        elif isinstance(item, dict) and (inner := str(item.get("include-group", ""))) not in (*seen, name, ""):
            yield from _of_group(groups, inner, (*seen, name))


def _items(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else ()


def _of_extra(extras: Mapping[str, Any], name: str, own: str, seen: Sequence[str]) -> Iterator[str]:
    for item in filter(lambda one: isinstance(one, str), _items(extras.get(name))):
        inner = re.search(r"\[([^\[\]]*)\]", item)
        if normal_name(item) != own:
            yield item
        elif inner:
            # The project asks for extras of itself, as in `name[http]`.
            for extra in (part.strip() for part in inner.group(1).split(",")):
                if extra not in (*seen, name):
                    yield from _of_extra(extras, extra, own, (*seen, name))


def _of_file(path: Path, file: Path, seen: Sequence[Path]) -> Iterator[str]:
    for line in checkout_file.read(file).decode("utf-8", "replace").splitlines():
        text = re.sub(r"(^|\s)#.*", "", line).split(" --hash")[0].strip().rstrip("\\").strip()
        other = re.match(r"(?:-r|--requirement)[\s=]+(\S+)", text)
        if other:
            target = Path(os.path.normpath(file.parent / other.group(1)))
            # A file elsewhere is not the project's.
            if target.is_relative_to(path) and target.is_file() and target not in (*seen, file):
                yield from _of_file(path, target, (*seen, file))
        elif text and not text.startswith("-") and _NAME.match(text):
            yield text


def relaxed(requirements: Sequence[str]) -> list[str]:
    """Return `requirements` without their versions; markers and extras stay."""
    found = []
    for item in requirements:
        head, semicolon, marker = item.partition(";")
        bare = re.match(r"\s*[A-Za-z0-9][A-Za-z0-9._-]*\s*(?:\[[^\]]*\])?", head)
        found.append((bare.group(0).strip() if bare else head) + (f" ; {marker.strip()}" if semicolon else ""))
    return found
