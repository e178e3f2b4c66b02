"""The project that poetry locks for a directory whose own manifest is not edited: made of the manifest, never kept."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from helpers import config, pyproject, repo
from helpers.errors import ConfigError
from helpers.images import dirs_below
from helpers.manifest import read as manifests
from helpers.manifest import requirement
from helpers.manifest.requirement import Requirement
from helpers.model.archive import PYTHON_OF_SUITE
from helpers.model.image import BaseKind
from helpers.model.manifest import Manifest, Stated
from helpers.model.pinned_line import MAIN
from helpers.model.poetry_lock import normal_name
from helpers.model.settings_file import spelled

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
        *(_index(number, one.value) for number, one in enumerate(found.indexes, 1)),
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
    if python:
        return f">={python},<3.{int(python.split('.')[1]) + 1}"
    stated = manifests.read(path).requires_python
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


@dataclass(frozen=True)
class _Project:
    """A manifest whose requirements on itself and on projects beside it are replaced by the requirements of those."""

    path: Path
    manifest: Manifest

    def main(self) -> list[Requirement]:
        return [*self.expanded(self.manifest.dependencies), *self._beside()]

    def group(self, name: str) -> list[Requirement]:
        return [*self.expanded(self._named(self.manifest.groups, name, "groups")), *self._beside(group=name)]

    def extra(self, name: str) -> list[Requirement]:
        return [*self.expanded(self._named(self.manifest.extras, name, "extras")), *self._beside(extra=name)]

    def pytest(self) -> Requirement:
        """Return the requirement on pytest with the versions that the manifest states anywhere."""
        places = (*self.manifest.extras.values(), *self.manifest.groups.values(), self.manifest.constraints)
        known = [item for place in places for item in map(_parsed, place) if item.key == "pytest"]
        return Requirement("pytest", specifier=next((item.specifier for item in known if item.specifier), ""))

    def expanded(self, stated: Iterable[Stated], seen: tuple[str, ...] = ()) -> Iterator[Requirement]:
        own = normal_name(self.manifest.name.value) if self.manifest.name else ""
        for item in map(_parsed, stated):
            if item.key != own:
                yield item
            for name in item.extras if item.key == own else ():
                if name not in seen:
                    inner = self._named(self.manifest.extras, name, "extras")
                    yield from (one.when(item.marker) for one in self.expanded(inner, (*seen, name)))

    def _named(self, table: Mapping[str, tuple[Stated, ...]], name: str, setting: str) -> tuple[Stated, ...]:
        known = {normal_name(one): items for one, items in table.items()}
        if normal_name(name) not in known:
            where = pyproject.settings_file(self.path)
            what = f"{spelled(setting, where)}: the project has no {name!r}"
            raise ConfigError(what, where=where, fix=f"choose from: {', '.join(table) or 'nothing'}")
        if unread := [one for one in table if normal_name(one) == normal_name(name) and one in self.manifest.unknown]:
            what = (
                f"{spelled(setting, pyproject.settings_file(self.path))}: {unread[0]} has a line that is no requirement"
            )
            fix = "write NAME @ URL for a URL, or choose other groups"
            raise ConfigError(what, where=self.path, why="a lock without the package of that line has a hole", fix=fix)
        return known[normal_name(name)]

    def _beside(self, group: str = "", extra: str = "") -> Iterator[Requirement]:
        return _of_siblings(self.path, self.manifest, group, extra, {self.path})


def _of_siblings(path: Path, found: Manifest, group: str, extra: str, seen: set[Path]) -> Iterator[Requirement]:
    root = repo.find_root(path)
    for item in found.paths:
        place = Path(os.path.realpath(path / item.path))
        if (item.group, item.extra) != (group, extra) or place in seen:
            continue
        if not place.is_relative_to(root):
            raise ConfigError(f"depends on {item.path}, which is outside the repo", where=path, why=item.source)
        seen.add(place)
        other = _Project(place, _read(place))
        plain = [*other.expanded(other.manifest.dependencies), *_of_siblings(place, other.manifest, "", "", seen)]
        more = [one for name in item.extras for one in other.extra(name)]
        yield from (one.when(item.marker) for one in (*plain, *more))


def _parsed(stated: Stated) -> Requirement:
    try:
        return requirement.parse(stated.value)
    except ValueError as error:
        raise ConfigError(f"{stated.source}: {stated.value!r} {error}") from None


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


def _index(number: int, url: str) -> str:
    return f'\n[[tool.poetry.source]]\nname = "own-{number}"\nurl = {_quoted(url)}\npriority = "supplemental"\n'


def _list(items: Iterable[Requirement]) -> str:
    return f"[{', '.join(_quoted(str(item)) for item in dict.fromkeys(items))}]"


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)
