"""The decisions of an adoption: image, version, base, tests, groups and extras, each with its source."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from helpers import checkout_file, pyproject
from helpers.console import cut, printable
from helpers.dirs import names, project_tests, project_text
from helpers.discover import PROJECT_FILES
from helpers.errors import ConfigError, UsageError
from helpers.images import lock_source
from helpers.manifest import environments, needs, requirements_file
from helpers.manifest.needs import Needs
from helpers.manifest.pep621 import FIELDS
from helpers.manifest.read import STATED, read
from helpers.model import lock_kind, settings_file
from helpers.model.manifest import Manifest, Stated

# A requirements file of ours: the manifest reader takes it for a group, as each requirements file.
REQUIREMENTS = "devops/test-requirements.txt"
_FIRST_VERSION = "0.1.0"
# As in `model/version.py`: numbers without leading zeros, of at most 9 digits.
_NUMBERS = re.compile(r"v?(?:\d{1,9}!)?(\d{1,9}(?:\.\d{1,9})*)", re.ASCII)
_SHOWN = 12
_PASSWORD = re.compile(r"(?<=://)[^/@\s]{0,200}:[^/@\s]{0,200}@")


@dataclass(frozen=True)
class Adoption:
    """An existing project, and the decisions about it.

    Arguments:
        source: absolute path of the project.
        manifest: of the project.
        needs: of its tests.
        tests: the paths of its tests.
        lock: name of its own lock; empty without one.
    """

    source: Path
    manifest: Manifest
    needs: Needs
    tests: tuple[Stated, ...]
    lock: str

    @property
    def image(self) -> str:
        """The name of the image by the name of the project; empty without a name."""
        return names.suggestion(self.manifest.name.value) if self.manifest.name else ""

    @property
    def version(self) -> str:
        """The version of the project as X.Y.Z, the form that a changelog has."""
        found = _NUMBERS.match(self.manifest.version.value) if self.manifest.version else None
        numbers = [str(int(number)) for number in found.group(1).split(".")][:3] if found else []
        return ".".join([*numbers, "0", "0"][:3]) if numbers else _FIRST_VERSION

    @property
    def requires_python(self) -> str:
        """The specifier of Python; empty without one."""
        return self.manifest.requires_python.value if self.manifest.requires_python else ""

    @property
    def own_requirements(self) -> tuple[Stated, ...]:
        """The requirements that neither the manifest nor a lock states; a lock of ours holds pytest in any case."""
        return () if self.lock else tuple(item for item in self.needs.requirements if item.source != needs.NOWHERE)

    @property
    def is_locked_by_us(self) -> bool:
        """Whether adoption makes a lock: the project has none, and its dependencies and chosen groups are known."""
        return not self.lock and not self.manifest.unknown & {"dependencies", *self.needs.groups}

    @property
    def groups(self) -> tuple[str, ...]:
        """The setting `groups`; empty if the project has no groups, because then there is nothing to choose."""
        chosen = [*self.needs.groups, *([REQUIREMENTS] if self.own_requirements else [])]
        has_groups = any(not name.endswith(".txt") for name in self.manifest.groups)
        return tuple(chosen) or (("main",) if has_groups else ())


def is_project(path: Path) -> bool:
    """Return whether `path` has a file that describes a Python project."""
    return any((path / name).is_file() for name in PROJECT_FILES) or bool(requirements_file.find(path))


def check_is_project(path: Path) -> None:
    """Raise unless `path` holds a Python project.

    Raises:
        UsageError: it has none of the files that one has.
    """
    if not is_project(path):
        why = f"it has no {', '.join(PROJECT_FILES[:-1])} or {PROJECT_FILES[-1]}"
        fix = "write a pyproject.toml with [project] name, requires-python and dependencies"
        raise UsageError("--from is not a Python project", where=path, why=why, fix=fix)


def examine(source: Path) -> Adoption:
    """Return the decisions about the project at `source`; nothing of it runs.

    Raises:
        ConfigError: a file of the project is wrong; the message names file and field.
    """
    manifest = read(source)
    found = needs.choose(manifest, environments.find(source))
    return Adoption(source, manifest, found, project_tests.find(source), _own_lock(source))


def _locks(source: Path) -> list[str]:
    return [name for name in lock_kind.DETECTED if name != lock_kind.DERIVED and (source / name).is_file()]


def _own_lock(source: Path) -> str:
    """Return the lock of the tool that the project is made with, else the first lock; empty without a lock."""
    tool, locks = pyproject.read_if_there(source).get("tool", {}), _locks(source)
    of_tool = [name for name in locks if name.partition(".")[0] in tool]
    if locks:
        return next(iter([*of_tool, *locks]))
    # Hashed requirements for production alone cannot run tests.
    hashed = lock_source.find(source)
    return hashed.name if hashed and needs.PYTEST in {pin.name for pin in hashed.pins()} else ""


def settings(adoption: Adoption, base: str) -> list[str]:
    """Return the lines of the settings that are not there yet."""
    lists = {
        "tests": [item.value for item in adoption.tests],
        "groups": adoption.groups,
        "extras": adoption.needs.extras,
    }
    lines = {"base": project_text.toml_string(base)}
    lines |= {"lock": project_text.toml_string(adoption.lock)} if len(_locks(adoption.source)) > 1 else {}
    lines |= {key: project_text.toml_list(value) for key, value in lists.items() if value}
    there = pyproject.settings_table(adoption.source)
    return [f"{key} = {value}" for key, value in lines.items() if key not in there]


def settings_files(adoption: Adoption, base: str) -> dict[str, str]:
    """Return the files with the settings, by path: settings in `pyproject.toml` move to the file of ours.

    Raises:
        ConfigError: the settings stand in `pyproject.toml` in a form that cannot be moved.
    """
    source = adoption.source
    files: dict[str, str] = {}
    before = checkout_file.read_text_if_there(source / settings_file.NAME)
    there = before or ""
    shared = checkout_file.read_text_if_there(source / "pyproject.toml") or ""
    if before is None and _are_shared(source):
        there, files["pyproject.toml"] = _moved(shared, source / "pyproject.toml")
    text = project_text.add_to_table(there, "", settings(adoption, base))
    return {settings_file.NAME: project_text.with_line_ends(text, before), **files}


def _are_shared(source: Path) -> bool:
    return pyproject.helpers_table(pyproject.read_if_there(source)) is not None


def _moved(text: str, file: Path) -> tuple[str, str]:
    """Return the lines of `[tool.helpers]` as a file of their own, and the text without the table."""
    table = settings_file.table_of(file)
    inside = project_text.tables_below(text, table)
    rows = zip(text.splitlines(keepends=True), project_text.table_lines(text), strict=True)
    rest = "".join(row for row, name in rows if name != table and not name.startswith(f"{table}."))
    moved = inside.partition("\n")[2]
    whole, left = project_text.parse(text), project_text.parse(rest)
    tool = whole["tool"]
    own = tool.pop("helpers")
    if not tool:
        del whole["tool"]
    if project_text.parse(moved) != own or left != whole:
        fix = f"write its settings into {settings_file.NAME} by hand, and remove the table"
        raise ConfigError("[tool.helpers] cannot be moved", where=file, why="it is no plain table", fix=fix)
    return moved, rest


def requirements_text(adoption: Adoption) -> str:
    """Return the text of our requirements file; empty if no file of it is needed."""
    lines = [f"{item.value}  # {item.source}" for item in adoption.own_requirements]
    head = "# Packages that the tests need and that no manifest states; the setting groups names this file."
    return "\n".join([head, *lines, ""]) if lines else ""


def decisions(adoption: Adoption, image: Stated, base: Stated) -> Iterator[str]:
    """Yield each decision as a line with its source, and a line of all that is left out.

    Arguments:
        adoption: the project.
        image: name of the image.
        base: of the image.
    """
    manifest, found = adoption.manifest, adoption.needs
    yield f"image {image.value}: {image.source}"
    yield _version_line(adoption)
    yield f"base {base.value}: {base.source}"
    if manifest.requires_python:
        yield f"Python {manifest.requires_python.value}: {manifest.requires_python.source}"
    yield f"tests {', '.join(item.value for item in adoption.tests)}: {adoption.tests[0].source}"
    if _are_shared(adoption.source):
        yield f"settings move from [tool.helpers] of pyproject.toml to {settings_file.NAME}"
    yield from _dependency_lines(manifest)
    for choice in found.choices:
        items = needs.requirements_of(manifest, choice)
        why = f"named by {choice.why}" if choice.why else "by its name"
        yield f"{choice.kind} {choice.name}: {_shown(items)}; {why}"
    for item in found.requirements:
        added = "; the lock holds it" if item.source == needs.NOWHERE else f"; written to {REQUIREMENTS}"
        yield f"requirement {item.value}: {item.source}{_not_in(adoption) if adoption.lock else added}"
    if adoption.lock:
        yield f"lock {adoption.lock}: the project's own; nothing is locked anew"
    for path in manifest.paths:
        yield f"path dependency {path.name} at {path.path}: {path.source}"
    for index in manifest.indexes:
        yield f"package index of the project: {index.source}"
    for limit in manifest.constraints:
        yield f"constraint {limit.value}: {limit.source}"
    yield f"left out: {'; '.join(found.left_out) or 'nothing'}"


def _not_in(adoption: Adoption) -> str:
    return f"; add it to the manifest and lock again if {adoption.lock} does not hold it"


def _version_line(adoption: Adoption) -> str:
    stated = adoption.manifest.version
    if not stated:
        why = "computed by the build backend" if "version" in adoption.manifest.unknown else "not stated by the project"
        return f"version {adoption.version} in changelog.txt: its own is {why}; correct the first line if it differs"
    changed = "" if stated.value == adoption.version else f" (from {cut(stated.value)}, because a changelog has X.Y.Z)"
    return f"version {adoption.version}{changed}: {stated.source}"


def _dependency_lines(manifest: Manifest) -> Iterator[str]:
    if manifest.dependencies or "dependencies" not in manifest.unknown:
        yield f"dependencies: {_shown(manifest.dependencies)}"
    if "dependencies" in manifest.unknown:
        how = f"write them into {STATED}, a requirement a line, then: invoke docker_lock"
        yield f"dependencies are unknown, because only the build backend can compute them: {how}"
    if "extras" in manifest.unknown:
        yield "extras are unknown, because only the build backend can compute them: none is chosen"
    for name in sorted(manifest.unknown - {*FIELDS.values(), "name"}):
        yield f"{name} has lines that are no requirements: write them as NAME @ URL, then: invoke docker_lock"


def _shown(items: Sequence[Stated]) -> str:
    if not items:
        return "none"
    values = [printable(_PASSWORD.sub("", item.value)) for item in items]
    more = f" and {len(values) - _SHOWN} more" if len(values) > _SHOWN else ""
    places = list(dict.fromkeys(re.sub(r":\d+$", "", item.source) for item in items))
    rest = f" and {len(places) - 1} more places" if len(places) > 1 else ""
    return f"{', '.join(values[:_SHOWN])}{more} ({places[0]}{rest})"
