"""The project that poetry locks for a directory whose own manifest is not edited: made of the manifest, never kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from helpers import config, repo
from helpers.errors import ConfigError
from helpers.images import dirs_below
from helpers.manifest import read as manifests
from helpers.manifest import requirement
from helpers.manifest.parts import Part, Parts, parsed
from helpers.manifest.requirement import Requirement
from helpers.model import python_specifier
from helpers.model.archive import PYTHON_OF_SUITE
from helpers.model.image import BaseKind
from helpers.model.manifest import IndexChoice, Manifest
from helpers.model.pinned_line import MAIN
from helpers.model.poetry_lock import normal_name

_TESTS = "test"
_PYTHON_IMAGE = re.compile(r"(?:.*/)?python:(3\.\d{1,3})(?!\d)")


def text(path: Path) -> str:
    """Return the `pyproject.toml` for poetry of the directory at `path`: main dependencies, chosen groups and extras.

    Raises:
        ConfigError: the manifest does not state its dependencies as data, or a chosen group or extra is missing.
    """
    found, settings = _read(path), config.settings_of(path)
    project = _Project(path, found)
    extras = {name: project.extra(name) for name in settings.extras}
    named = settings.groups or tuple(name for name in found.groups if not name.endswith(".txt"))
    groups = {_group_name(name): project.group(name) for name in named if name != MAIN}
    main = project.main()
    every = [*main, *(item for items in (*extras.values(), *groups.values()) for item in items)]
    if "pytest" not in [item.key for item in every]:
        groups[_TESTS] = [*groups.get(_TESTS, []), project.pytest()]
    tables = [
        _table("project", {"name": f"{_name(found, path)}-checkout", "version": "0"}),
        f"requires-python = {_quoted(requires_python(path))}\ndependencies = {_list(main)}\n",
        _table("project.optional-dependencies", {normal_name(name): items for name, items in extras.items()}),
        _table("dependency-groups", groups),
        "\n[tool.poetry]\npackage-mode = false\n",
        *_chosen("tool.poetry.dependencies", [*main, *(item for items in extras.values() for item in items)], project),
        *(text for name, items in groups.items() for text in _chosen(_of_group(name), items, project)),
        *(_index(number, url, is_for_all) for number, (url, is_for_all) in enumerate(project.indexes().items(), 1)),
    ]
    return "".join(tables)


def requires_python(path: Path) -> str:
    """Return the Pythons that the lock is for: the Python of the base, if it is known, otherwise those of the project.

    A project allows many Pythons, and versions that suit all of them are older than those of a plain environment.
    """
    base = dirs_below.lowest_base(path)
    python = ""
    if base and base.kind is BaseKind.ARCHIVE:
        python = PYTHON_OF_SUITE.get(base.value, "")
    elif base and (named := _PYTHON_IMAGE.match(base.value)):
        python = named[1]
    stated = manifests.read(path).requires_python
    if python:
        minor = int(python.split(".")[1])
        if stated and base and not python_specifier.allows(stated.value, minor):
            what = f"needs Python {stated.value}, and its base {base} has {python}"
            raise ConfigError(what, where=path, why=stated.source, fix="choose another base by the setting base")
        return f">={python},<3.{minor + 1}"
    return stated.value if stated else ">=3.11"


def _read(path: Path) -> Manifest:
    found = manifests.read(path)
    if "dependencies" in found.unknown:
        raise ConfigError(
            "its dependencies are known to its build backend only",
            where=path,
            why="a lock is made of data, and no code of a checkout runs on this machine",
            fix="lock it by its own tool (uv lock, pdm lock, pip-compile --generate-hashes), and commit that lock",
        )
    return found


class _Project:
    """The project of a lock: its manifest, and the manifests of the projects beside it."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest
        self._parts = Parts(path, repo.find_root(path), _read, known={path: manifest})

    def main(self) -> list[Requirement]:
        return self._parts.requirements(Part(self.path))

    def group(self, name: str) -> list[Requirement]:
        return self._parts.requirements(Part(self.path, group=name))

    def extra(self, name: str) -> list[Requirement]:
        return self._parts.requirements(Part(self.path, extra=name))

    def pytest(self) -> Requirement:
        """Return the requirement on pytest with the versions that the manifest states anywhere."""
        places = (*self.manifest.extras.values(), *self.manifest.groups.values(), self.manifest.constraints)
        known = [item for place in places for item in map(parsed, place) if item.key == "pytest"]
        return Requirement("pytest", specifier=next((item.specifier for item in known if item.specifier), ""))

    def choices(self) -> dict[str, list[IndexChoice]]:
        """Return the indexes of single dependencies, by the name of the dependency.

        Raises:
            ConfigError: one name has several indexes under the same condition.
        """
        found: dict[str, list[IndexChoice]] = {}
        for choice in dict.fromkeys(one for known in self._parts.known.values() for one in known.chosen_indexes):
            others = found.setdefault(choice.name, [])
            if other := next((one for one in others if one.url != choice.url and _overlap(one, choice)), None):
                why, fix = f"{other.source} has {other.url}, {choice.source} has {choice.url}", "uv lock"
                raise ConfigError(f"{choice.name} has two indexes", where=self.path, why=why, fix=fix)
            if not any((one.url, one.marker) == (choice.url, choice.marker) for one in others):
                others.append(choice)
        return found

    def indexes(self) -> dict[str, bool]:
        """Return the URL of each index, and whether the index is for all dependencies."""
        for_all = {one.value: True for one in self.manifest.indexes}
        return for_all | {one.url: False for some in self.choices().values() for one in some if one.url not in for_all}


def _name(found: Manifest, path: Path) -> str:
    # Not the name of the project: packages of the lock may need the project, and poetry would take it for this one.
    return found.name.value if found.name else re.sub(r"[^A-Za-z0-9]+", "-", path.name).strip("-") or "project"


def _group_name(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name)


def _table(name: str, values: Mapping[str, str | list[Requirement]]) -> str:
    rows = (
        f"{_quoted(key)} = {_quoted(value) if isinstance(value, str) else _list(value)}\n"
        for key, value in values.items()
    )
    return f"\n[{name}]\n{''.join(rows)}" if values else ""


def _overlap(one: IndexChoice, other: IndexChoice) -> bool:
    return not one.marker or not other.marker or one.marker == other.marker


def _chosen(table: str, items: Iterable[Requirement], project: _Project) -> Iterator[str]:
    """Yield the table by which poetry takes dependencies from their own index only."""
    choices, urls = project.choices(), list(project.indexes())
    rows = []
    for name in dict.fromkeys(item.key for item in items if not item.url and item.key in choices):
        rest, entries = "", []
        for one in choices[name]:
            markers = f", markers = {_quoted(one.marker)}" if one.marker else ""
            entries.append(f'{{source = "own-{urls.index(one.url) + 1}"{markers}}}')
            rest = requirement.both(rest, requirement.negated(one.marker)) if one.marker else ""
        if rest:  # poetry drops a dependency where no entry is for it
            entries.append(f"{{markers = {_quoted(rest)}}}")
        rows.append(f"{_quoted(name)} = [{', '.join(entries)}]\n")
    if rows:
        yield f"\n[{table}]\n{''.join(rows)}"


def _of_group(name: str) -> str:
    return f"tool.poetry.group.{_quoted(name)}.dependencies"


def _index(number: int, url: str, is_for_all: bool) -> str:
    priority = "supplemental" if is_for_all else "explicit"
    return f'\n[[tool.poetry.source]]\nname = "own-{number}"\nurl = {_quoted(url)}\npriority = "{priority}"\n'


def _list(items: Iterable[Requirement]) -> str:
    return f"[{', '.join(_quoted(str(item)) for item in dict.fromkeys(items))}]"


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
