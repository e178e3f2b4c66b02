"""Which groups, extras and requirements files of a project hold the needs of its tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from posixpath import basename

from helpers.manifest import requirement
from helpers.manifest.environments import Environment
from helpers.model.manifest import Manifest, Stated
from helpers.model.poetry_lock import normal_name

_TESTS, _DEVELOPMENT = ("test", "tests", "testing"), ("dev",)
_SETUPTOOLS = "tests_require"
PYTEST = "pytest"
NOWHERE = "no file of the project names pytest"


@dataclass(frozen=True)
class Choice:
    """One group, extra or requirements file that the tests need.

    Arguments:
        kind: `group`, `extra` or `file`.
        name: as the manifest names it.
        why: the environment that names it; empty for a choice by its name.
    """

    kind: str
    name: str
    why: str = field(default="", compare=False)


@dataclass
class Needs:
    """The needs of a project's tests, besides its dependencies.

    Arguments:
        choices: the chosen groups, extras and files.
        requirements: requirements that neither the manifest nor a requirements file states.
        left_out: names of groups, extras, files and requirements that are not chosen.
    """

    choices: list[Choice] = field(default_factory=list)
    requirements: list[Stated] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    @property
    def groups(self) -> tuple[str, ...]:
        """The names of groups and requirements files."""
        return tuple(item.name for item in self.choices if item.kind != "extra")

    @property
    def extras(self) -> tuple[str, ...]:
        """The names of extras."""
        return tuple(item.name for item in self.choices if item.kind == "extra")


def choose(manifest: Manifest, environments: Sequence[Environment]) -> Needs:
    """Return the needs of the tests.

    The order: the first environment of tox, nox or hatch that names groups, extras or files of the project; groups,
    extras and files for tests; those for development; requirements that an environment itself states. The choice ends
    when pytest is among the chosen requirements.
    """
    found = Needs()
    named = [(item, list(_named(manifest, item))) for item in environments]
    if hint := next((item for item in named if item[1]), None):
        found.choices += hint[1]
        found.requirements += hint[0].requirements
    for choice in _by_name(manifest):
        if found.choices and _has_pytest(manifest, found):
            break
        if choice not in found.choices and requirements_of(manifest, choice):
            found.choices.append(choice)
    if not _has_pytest(manifest, found):
        found.choices = [item for item in found.choices if item.why or _is_named(item.name, _TESTS)]
        stating = next((item for item in environments if any(map(_is_pytest, item.requirements))), None)
        found.requirements += stating.requirements if stating else ()
    _complete(manifest, found, environments)
    return found


def _complete(manifest: Manifest, found: Needs, environments: Sequence[Environment]) -> None:
    """Add pytest if nothing states it, and the names that are left out."""
    known = {name for choice in found.choices for name in _names(requirements_of(manifest, choice))}
    known |= {*_names(manifest.dependencies), normal_name(manifest.name.value) if manifest.name else ""}
    own = {requirement.parse(item.value).key: item for item in found.requirements}
    found.requirements = [item for key, item in own.items() if key not in known]
    if not _has_pytest(manifest, found):
        found.requirements.append(Stated(PYTEST, NOWHERE))
    chosen = {*found.groups, *(f"[{name}]" for name in found.extras)}
    held = {item.value for choice in found.choices for item in requirements_of(manifest, choice)}
    rest = {f"{_kind(name)} {name}": items for name, items in manifest.groups.items() if name not in chosen}
    rest |= {f"extra {name}": items for name, items in manifest.extras.items() if f"[{name}]" not in chosen}
    found.left_out = [shown for shown, items in rest.items() if not _is_held(items, held)]
    taken = {*known, *_names(found.requirements)}
    for item in environments:
        others = [one.value for one in item.requirements if requirement.parse(one.value).key not in taken]
        others += [file for file in item.files if file not in manifest.groups]
        found.left_out += [f"{', '.join(others)} of {item.place}"] if others else []


def _is_held(items: Sequence[Stated], held: set[str]) -> bool:
    return bool(items) and {item.value for item in items} <= held


def _kind(name: str) -> str:
    return "file" if name.endswith(".txt") else "group"


def _named(manifest: Manifest, environment: Environment) -> Iterator[Choice]:
    groups = {normal_name(name): name for name in manifest.groups}
    extras = {normal_name(name): name for name in manifest.extras}
    for kind, names, there in (
        ("group", environment.groups, groups),
        ("extra", environment.extras, extras),
        ("file", environment.files, {name: name for name in manifest.groups}),
    ):
        for name in dict.fromkeys(names):
            if known := there.get(name if kind == "file" else normal_name(name)):
                yield Choice(kind, known, environment.place)


def _by_name(manifest: Manifest) -> Iterator[Choice]:
    files = [name for name in manifest.groups if name.endswith(".txt")]
    for names in (_TESTS, _DEVELOPMENT):
        for kind, there in (("group", manifest.groups), ("extra", manifest.extras)):
            written = {normal_name(name): name for name in there}
            yield from (Choice(kind, written[name]) for name in names if name in written)
        if names is _TESTS and _SETUPTOOLS in manifest.groups:
            yield Choice("group", _SETUPTOOLS)
        fitting = [name for name in files if _is_named(name, names)]
        yield from (Choice("file", name) for name in sorted(fitting, key=lambda name: (len(name), name))[:1])


def _is_named(name: str, names: Sequence[str]) -> bool:
    """Return whether a word in the name of a group, extra or file is one of `names`."""
    if not name.endswith(".txt"):
        return normal_name(name) in names or name == _SETUPTOOLS
    words = name.removesuffix(".txt").replace("/", "-").replace("_", "-").replace(".", "-").split("-")
    return any(word in names for word in words) and "constraints" not in basename(name)


def requirements_of(manifest: Manifest, choice: Choice) -> tuple[Stated, ...]:
    """Return the requirements of a group, extra or file, with the extras of the project that they name."""
    own = normal_name(manifest.name.value) if manifest.name else ""
    extras = {normal_name(name): items for name, items in manifest.extras.items()}
    table = manifest.extras if choice.kind == "extra" else manifest.groups
    waiting, found = list(table.get(choice.name, ())), list[Stated]()
    seen = {normal_name(choice.name)} if choice.kind == "extra" else set[str]()
    while waiting:
        item = waiting.pop(0)
        parsed = requirement.parse(item.value)
        if parsed.key != own:
            found.append(item)
            continue
        for extra in (normal_name(name) for name in parsed.extras if normal_name(name) not in seen):
            seen.add(extra)
            waiting += extras.get(extra, ())
    return tuple(dict.fromkeys(found))


def _names(items: Iterable[Stated]) -> set[str]:
    return {requirement.parse(item.value).key for item in items}


def _is_pytest(item: Stated) -> bool:
    # A plugin needs pytest itself.
    return f"{requirement.parse(item.value).key}-".startswith(f"{PYTEST}-")


def _has_pytest(manifest: Manifest, found: Needs) -> bool:
    chosen = [item for choice in found.choices for item in requirements_of(manifest, choice)]
    return any(map(_is_pytest, (*manifest.dependencies, *chosen, *found.requirements)))
