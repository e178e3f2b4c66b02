"""Projects of setuptools: `setup.cfg`, `setup.py`, and `[tool.setuptools.dynamic]` of `pyproject.toml`."""

from __future__ import annotations

import configparser
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers import checkout_file
from helpers.errors import ConfigError
from helpers.manifest import dynamic_version, requirements_file, setup_script
from helpers.manifest.python_source import attribute
from helpers.manifest.requirement import parse
from helpers.manifest.setup_script import Call
from helpers.manifest.table import Table
from helpers.model.manifest import Manifest, Stated
from helpers.pytest_settings import IniReader

_CONFIG = "setup.cfg"
# https://setuptools.pypa.io/en/latest/userguide/declarative_config.html: our field, section, key, argument of setup().
_FIELDS = (
    ("name", "metadata", "name", "name"),
    ("version", "metadata", "version", "version"),
    ("requires_python", "options", "python_requires", "python_requires"),
)
_LISTS = (("dependencies", "install_requires"), ("tests_require", "tests_require"))
_MOST_ITEMS = 10_000


@dataclass
class _Found:
    """What the files state.

    Arguments:
        texts: name, version and requires_python.
        lists: requirements by field.
        extras: requirements by extra.
        unknown: fields that code computes.
    """

    texts: dict[str, Stated] = field(default_factory=dict)
    lists: dict[str, tuple[Stated, ...]] = field(default_factory=dict)
    extras: dict[str, tuple[Stated, ...]] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)


def read(project: Path, top: Table) -> Manifest:
    """Return the project that `setup.py`, `setup.cfg` and `[tool.setuptools.dynamic]` describe.

    Arguments:
        project: absolute path.
        top: `pyproject.toml`; an empty table if there is none.

    Raises:
        ConfigError: a file is refused by `checkout_file`, or a field of `pyproject.toml` has a wrong type.
    """
    config = _config(project)
    call = setup_script.read(project) or Call()
    source = top.table("tool", "setuptools")
    roots = _roots(config, call, source)
    found = _Found()
    _from_dynamic(found, project, source.table("dynamic"), roots)
    _from_call(found, call)
    _from_config(found, project, config, roots)
    # `use_scm_version` and `setup_requires` with plugins compute a version.
    if "version" not in found.texts:
        found.unknown.add("version")
    _split_conditions(found)
    tests = found.lists.get("tests_require", ())
    return Manifest(
        kind="setuptools",
        name=found.texts.get("name"),
        version=found.texts.get("version"),
        requires_python=found.texts.get("requires_python"),
        dependencies=found.lists.get("dependencies", ()),
        extras=found.extras,
        groups={"tests_require": tests} if tests else {},
        unknown=frozenset(found.unknown & {"version", "requires_python", "dependencies", "extras", "name"}),
    )


def is_named(project: Path) -> bool:
    """Return whether `setup.cfg` names a distribution."""
    return bool(_config(project).get("metadata", {}).get("name"))


def _config(project: Path) -> Mapping[str, Mapping[str, str]]:
    text = checkout_file.read_text_if_there(project / _CONFIG)
    parser = IniReader(interpolation=None, strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text or "")
    except configparser.Error as error:
        what = " ".join(str(error).split())
        raise ConfigError(f"is no ini file: {what[:100]}", where=project / _CONFIG) from None
    exact = "options.extras_require"
    return {
        name: {key if name == exact else key.lower().replace("-", "_"): value for key, value in parser[name].items()}
        for name in parser.sections()
    }


def _roots(config: Mapping[str, Mapping[str, str]], call: Call, source: Table) -> list[str]:
    """Return the directories that top-level packages may be in."""
    told = [line.partition("=") for line in config.get("options", {}).get("package_dir", "").splitlines()]
    places = [value.strip() for name, mark, value in told if mark and not name.strip()]
    for mapping in (call.values.get("package_dir"), source.data.get("package-dir")):
        if isinstance(mapping, dict) and isinstance(mapping.get(""), str):
            places.append(mapping[""])
    return [*places, "src", ""]


def _from_dynamic(found: _Found, project: Path, dynamic: Table, roots: list[str]) -> None:
    for field_name, key in (("version", "version"), ("requires_python", "requires-python")):
        inner = dynamic.table(key)
        text = _attribute(project, inner.text("attr"), roots) or _joined(project, inner.texts_or_text("file"))
        if text and (key != "version" or dynamic_version.plain(text)):
            found.texts[field_name] = Stated(text, dynamic.source(key))
    if "dependencies" in dynamic:
        found.lists["dependencies"] = _of_files(found, "dependencies", project, dynamic.table("dependencies"))
    for name, inner in dynamic.table("optional-dependencies").tables():
        found.extras[name] = _of_files(found, "extras", project, inner)


def _of_files(found: _Found, name: str, project: Path, table: Table) -> tuple[Stated, ...]:
    items: list[Stated] = []
    for file in table.texts_or_text("file"):
        path = project / file
        if ".." in Path(file).parts or Path(file).is_absolute() or not checkout_file.is_there(path):
            found.unknown.add(name)
            continue
        content = requirements_file.read(project, file)
        items += content.requirements
        if content.unread or content.paths or content.own_extras:
            found.unknown.add(name)
    return tuple(items)


def _from_call(found: _Found, call: Call) -> None:
    place = f"{setup_script.NAME} setup()"
    for field_name, _, _, argument in _FIELDS:
        value = call.values.get(argument)
        if field_name in found.texts:
            continue
        if isinstance(value, str) and value:
            found.texts[field_name] = Stated(value, f"{place} {argument}")
        elif call.may_set(argument) or value:
            found.unknown.add(field_name)
    for field_name, argument in _LISTS:
        items = _requirements(call.values.get(argument))
        if field_name in found.lists:
            continue
        if call.may_set(argument) or items is None:
            found.unknown.add(field_name)
        elif items:
            found.lists[field_name] = _stated(items, f"{place} {argument}")
    extras = call.values.get("extras_require", {})
    if call.may_set("extras_require") or not isinstance(extras, dict):
        found.unknown.add("extras")
        return
    for extra, value in extras.items():
        items = _requirements(value)
        if items is None:
            found.unknown.add("extras")
        else:
            found.extras.setdefault(extra, _stated(items, f"{place} extras_require {extra}"))


def _requirements(value: Any) -> list[str] | None:
    """Return the requirements in an argument of `setup()`: a list, or a text with one in each line."""
    value = value.splitlines() if isinstance(value, str) else value or []
    if not isinstance(value, (list, tuple)) or len(value) > _MOST_ITEMS:
        return None
    lines = [item.strip() if isinstance(item, str) else None for item in value]
    good = [line for line in lines if line and not line.startswith("#")]
    return None if None in lines or not all(map(_is_requirement, good)) else good


def _is_requirement(text: str) -> bool:
    try:
        parse(text)
    except ValueError:
        return False
    return True


def _stated(items: Iterable[str], place: str) -> tuple[Stated, ...]:
    return tuple(Stated(item, place) for item in items)


def _from_config(found: _Found, project: Path, config: Mapping[str, Mapping[str, str]], roots: list[str]) -> None:
    """Add the fields of `setup.cfg`; an argument of `setup()` counts before them."""
    for field_name, section, key, _ in _FIELDS:
        value = config.get(section, {}).get(key, "").strip()
        if value and field_name not in found.texts:
            text = _config_text(project, value, roots)
            if text and (key != "version" or dynamic_version.plain(text)):
                found.texts[field_name] = Stated(text, f"{_CONFIG} [{section}] {key}")
            else:
                found.unknown.add(field_name)
    options = config.get("options", {})
    for field_name, key in _LISTS:
        if key in options and field_name not in found.lists:
            place = f"{_CONFIG} [options] {key}"
            found.lists[field_name] = _config_list(found, field_name, project, options[key], place)
    for extra, value in config.get("options.extras_require", {}).items():
        if extra not in found.extras:
            place = f"{_CONFIG} [options.extras_require] {extra}"
            found.extras[extra] = _config_list(found, "extras", project, value, place)


def _config_text(project: Path, value: str, roots: list[str]) -> str:
    if value.startswith("attr:"):
        return _attribute(project, value.removeprefix("attr:").strip(), roots)
    if value.startswith("file:"):
        return _joined(project, [item.strip() for item in value.removeprefix("file:").split(",")])
    return value


def _config_list(found: _Found, name: str, project: Path, value: str, place: str) -> tuple[Stated, ...]:
    if value.strip().startswith("file:"):
        files = [item.strip() for item in value.strip().removeprefix("file:").split(",")]
        return _of_files(found, name, project, Table({"file": files}, project / _CONFIG, name))
    lines = value.splitlines() if "\n" in value else value.split(";")
    items = _requirements(lines)
    if items is None:
        found.unknown.add(name)
    return _stated(items or (), place)


def _joined(project: Path, files: Iterable[str]) -> str:
    texts = []
    for file in files:
        path = project / file
        if ".." in Path(file).parts or Path(file).is_absolute() or not checkout_file.is_there(path):
            return ""
        texts.append(checkout_file.read(path).decode("utf-8", "replace").strip())
    return "\n".join(texts) if all("\n" not in text and len(text) < 1000 for text in texts) else ""


def _attribute(project: Path, name: str, roots: list[str]) -> str:
    """Return the string of an attribute of a module, as in `package.__version__`."""
    module, _, last = name.rpartition(".")
    parts = module.split(".")
    if not module or not all(part.isidentifier() for part in parts):
        return ""
    for root in roots:
        if ".." in Path(root).parts or Path(root).is_absolute():
            continue
        place = project / root
        for file in (place.joinpath(*parts, "__init__.py"), place.joinpath(*parts[:-1], f"{parts[-1]}.py")):
            if file.is_file():
                return attribute(file, last)
    return ""


def _split_conditions(found: _Found) -> None:
    """Turn extras like `test:python_version < "3"` into markers, as setuptools does."""
    for name in [name for name in found.extras if ":" in name]:
        extra, _, marker = name.partition(":")
        items = tuple(_when(item, marker.strip()) for item in found.extras.pop(name))
        if extra:
            found.extras[extra] = (*found.extras.get(extra, ()), *items)
        else:
            found.lists["dependencies"] = (*found.lists.get("dependencies", ()), *items)


def _when(item: Stated, marker: str) -> Stated:
    return Stated(str(parse(item.value).when(marker)), item.source)
