"""The parts of a project that an installation needs: its own parts, and the parts of its siblings, transitively."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from helpers import discover, pyproject
from helpers.errors import ConfigError
from helpers.manifest import requirement
from helpers.manifest.requirement import Requirement
from helpers.model.manifest import Manifest, PathDependency, Stated
from helpers.model.poetry_lock import normal_name
from helpers.model.settings_file import spelled

_MOST_PARTS, _MOST_OF_MARKER = 5_000, 5_000


@dataclass(frozen=True)
class Part:
    """A part of a project under a condition: its dependencies, or the dependencies of a group or an extra.

    Arguments:
        place: absolute path of the project, without links.
        group, extra: names; both empty for the dependencies of a plain installation.
        marker: PEP 508; empty for every environment.
        way: the path by which manifests lead to the project, with its links; empty for the first project.
    """

    place: Path
    group: str = ""
    extra: str = ""
    marker: str = ""
    way: str = field(default="", compare=False)


@dataclass
class Parts:
    """The projects that a project leads to; requirements on these projects are replaced by their own requirements.

    Arguments:
        path: absolute path of the first project.
        root: absolute path of the repo; a project outside of it is refused.
        read: returns the manifest of a project.
        strict: whether a group or extra that a manifest lacks is an error; otherwise it is empty.
    """

    path: Path
    root: Path
    read: Callable[[Path], Manifest]
    strict: bool = True
    known: dict[Path, Manifest] = field(default_factory=dict)

    def requirements(self, first: Part) -> list[Requirement]:
        """Return the requirements of a part, and of all parts that it leads to.

        Raises:
            ConfigError: a manifest is wrong, or names a project outside of the repo.
        """
        found = [one for one in self._reached(first) if isinstance(one, Requirement)]
        known = {*found}
        return [one for one in found if not one.marker or replace(one, marker="") not in known]

    def beside(self, first: Part) -> list[Part]:
        """Return the parts of other projects that a part leads to; errors as for `requirements`."""
        return [one for one in self._reached(first) if isinstance(one, Part) and one.place != self.path]

    def manifest(self, place: Path) -> Manifest:
        """Return the manifest of a project; errors as for `read`."""
        if place not in self.known:
            self.known[place] = self.read(place)
        return self.known[place]

    def _reached(self, first: Part) -> Iterator[Requirement | Part]:
        found: set[Requirement] = set()
        seen, open_parts = {first}, [self._items(first)]
        while open_parts:
            item = next(open_parts[-1], None)
            if item is None:
                open_parts.pop()
            elif isinstance(item, Requirement):
                if item not in found:
                    found.add(item)
                    yield item
            elif item not in seen and replace(item, marker="") not in seen:
                seen.add(item)
                open_parts.append(self._items(item))
                yield item
            if max(len(seen), len(found)) > _MOST_PARTS:
                what = f"its extras and projects beside it need more than {_MOST_PARTS} requirements"
                raise ConfigError(what, where=first.place)

    def _items(self, part: Part) -> Iterator[Requirement | Part]:
        manifest = self.manifest(part.place)
        own = normal_name(manifest.name.value) if manifest.name else ""
        for one in map(parsed, self._stated(part, manifest)):
            marker = _both(one.marker, part.marker, part.place)
            if one.key != own:
                yield replace(one, marker=marker)
            for name in one.extras if one.key == own else ():
                yield Part(part.place, extra=normal_name(name), marker=marker, way=part.way)
        group, extra = normal_name(part.group), normal_name(part.extra)
        for item in manifest.paths:
            if (normal_name(item.group), normal_name(item.extra)) == (group, extra):
                place, marker = self._beside(part.place, item), _both(item.marker, part.marker, part.place)
                way = os.path.join(part.way or str(part.place), item.path)
                if place != self.path:
                    yield Part(place, marker=marker, way=way)
                yield from (Part(place, extra=normal_name(name), marker=marker, way=way) for name in item.extras)

    def _beside(self, path: Path, item: PathDependency) -> Path:
        place, what = Path(os.path.realpath(path / item.path)), f"depends on {item.path}, which is"
        if not place.is_relative_to(self.root):
            fix = "move the project into the repo, or add its repo: git submodule add URL PATH"
            raise ConfigError(f"{what} outside the repo", where=path, why=item.source, fix=fix)
        discover.check_checked_out(self.root, [place])
        if not place.is_dir():
            fix = "name the directory of a project, or take a release from a package index"
            raise ConfigError(f"{what} not a directory", where=path, why=item.source, fix=fix)
        return place

    def _stated(self, part: Part, manifest: Manifest) -> tuple[Stated, ...]:
        if part.group:
            return self._named(part.place, manifest, manifest.groups, part.group, "groups")
        if part.extra:
            return self._named(part.place, manifest, manifest.extras, part.extra, "extras")
        return manifest.dependencies

    def _named(
        self, place: Path, manifest: Manifest, table: Mapping[str, tuple[Stated, ...]], name: str, setting: str
    ) -> tuple[Stated, ...]:
        known = {normal_name(one): one for one in table}
        written = known.get(normal_name(name))
        if not self.strict:
            return table[written] if written else ()
        where = pyproject.settings_file(self.path)
        if written is None:
            what = f"{spelled(setting, where)}: the project has no {name!r}"
            raise ConfigError(what, where=where, fix=f"choose from: {', '.join(table) or 'nothing'}")
        if setting == "groups" and written in manifest.unknown:
            what = f"{spelled(setting, where)}: {written} has a line that is no requirement"
            fix = "write NAME @ URL for a URL, or choose other groups"
            raise ConfigError(what, where=place, why="a lock without the package of that line has a hole", fix=fix)
        return table[written]


def parsed(stated: Stated) -> Requirement:
    """Return the parts of a requirement of a manifest.

    Raises:
        ConfigError: the text is no requirement.
    """
    try:
        return requirement.parse(stated.value)
    except ValueError as error:
        raise ConfigError(f"{stated.source}: {stated.value!r} {error}") from None


def _both(one: str, other: str, place: Path) -> str:
    marker = requirement.both(one, other)
    if len(marker) > _MOST_OF_MARKER:
        raise ConfigError(f"its extras join markers of more than {_MOST_OF_MARKER} characters", where=place)
    return marker
