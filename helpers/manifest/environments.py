"""The requirements that tox, nox and hatch install for tests: a hint at the groups and extras of the tests."""

from __future__ import annotations

import ast
import configparser
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from os.path import normpath
from pathlib import Path

from helpers import checkout_file, pyproject
from helpers.manifest import requirement, requirements_file
from helpers.manifest.python_source import dotted, parse
from helpers.manifest.table import Table
from helpers.model.manifest import Stated
from helpers.pytest_settings import IniReader

_TESTS = re.compile(r"tests?|pytest|unit|default|hatch-test|py3?")
_ROOT = re.compile(r"\{(?:toxinidir|tox_root)\}/?")
# Options of pip and uv with a value.
_FILES, _GROUPS, _EXTRAS = ("-r", "--requirement"), ("--group", "--only-group"), ("--extra",)
_IGNORED = ("-c", "--constraint", "-p", "--python", "-i", "--index-url")


@dataclass
class Environment:
    """The packages of an environment for tests.

    Arguments:
        place: of the environment, for a message.
        groups: names of dependency groups.
        extras: names of extras of the project.
        files: requirements files, relative to the project.
        requirements: requirements that the environment itself states.
    """

    place: str
    groups: list[str] = field(default_factory=list)
    extras: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    requirements: list[Stated] = field(default_factory=list)

    def add(self, words: Iterable[str]) -> None:
        """Add the words of a command that installs."""
        option = ""
        for word in words:
            name, _, value = word.partition("=") if word.startswith("--") else (word, "", "")
            if option or value:
                self._add_option(option or name, value if value and not option else word)
                option = ""
            elif word in (*_FILES, *_GROUPS, *_EXTRAS, *_IGNORED, "-e", "--editable"):
                option = word
            elif word.startswith("-r"):
                self._add_option("-r", word[2:])
            elif not word.startswith("-"):
                self._add_item(word)

    def _add_option(self, name: str, value: str) -> None:
        if name in _FILES:
            self.files.append(normpath(_ROOT.sub("", value)))
        elif name in _GROUPS:
            self.groups.append(value)
        elif name in _EXTRAS:
            self.extras.append(value)
        elif name in ("-e", "--editable"):
            self._add_item(value)

    def _add_item(self, word: str) -> None:
        word = _ROOT.sub("./", word)
        if "{" in word:
            return
        content = requirements_file.of_lines([word], self.place)
        self.requirements += content.requirements
        self.extras += [extra.value for extra in content.own_extras]


def find(project: Path) -> list[Environment]:
    """Return the environments for tests that a project describes: tox, then nox, then hatch.

    Raises:
        ConfigError: a file is refused by `checkout_file`, or is not TOML.
    """
    top = Table(pyproject.read_if_there(project), project / "pyproject.toml")
    found = [*_tox_ini(project, top), *_tox_toml(project, top), *_nox(project), *_hatch(top)]
    return [item for item in found if item.groups or item.extras or item.files or item.requirements]


def _tox_ini(project: Path, top: Table) -> Iterator[Environment]:
    texts = {name: checkout_file.read_text_if_there(project / name) for name in ("tox.ini", "setup.cfg")}
    texts["pyproject.toml"] = top.table("tool", "tox").text("legacy_tox_ini")
    for name, text in texts.items():
        parser = IniReader(interpolation=None, strict=False)
        try:
            parser.read_string(text or "")
        except configparser.Error:
            continue
        if parser.has_section("testenv"):
            section = parser["testenv"]
            found = Environment(f"{name} [testenv]")
            for line in _lines(section.get("deps", "")):
                found.add(_words(line))
            found.extras += _names(section.get("extras", ""))
            found.groups += _names(section.get("dependency_groups", ""))
            yield found


def _lines(text: str) -> Iterator[str]:
    """Yield the lines that count for tests: a line like `lint: name` belongs to environments of another kind."""
    for line in text.splitlines():
        factors, colon, rest = line.partition(": ")
        if not colon or not re.fullmatch(r"[\w,.!{} -]+", factors):
            yield line
        elif any(_is_of_tests(factor) for factor in re.split(r"[,{} ]+", factors)):
            yield rest


def _words(line: str) -> list[str]:
    text = re.sub(r"(^|\s)#.*", "", line.strip())
    option, _, rest = text.partition(" ")
    return [option, rest.strip()] if option in ("-r", "-e", "-c") and rest else [text] if text else []


def _names(text: str) -> list[str]:
    return [name for line in _lines(text) for name in re.split(r"[\s,]+", line) if name and "{" not in name]


def _tox_toml(project: Path, top: Table) -> Iterator[Environment]:
    file = project / "tox.toml"
    text = checkout_file.read_text_if_there(file)
    own = Table(pyproject.parse_toml(text, file), file) if text else None
    for table in filter(None, (own, top.table("tool", "tox"))):
        base = table.table("env_run_base")
        found = Environment(base.source())
        for item in _texts(base, "deps"):
            found.add(_words(item))
        found.extras += _texts(base, "extras")
        found.groups += _texts(base, "dependency_groups")
        yield found


def _texts(table: Table, key: str) -> list[str]:
    return [item for item in table.items(key) if isinstance(item, str)]


def _nox(project: Path) -> Iterator[Environment]:
    tree = parse(project / "noxfile.py")
    for function in tree.body if tree else ():
        if isinstance(function, ast.FunctionDef) and _is_session(function) and _is_of_tests(function.name):
            found = Environment(f"noxfile.py {function.name}")
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and dotted(node.func).endswith((".install", ".run_install", ".run")):
                    _add_call(found, node)
            yield found


def _is_session(function: ast.FunctionDef) -> bool:
    marks = (mark.func if isinstance(mark, ast.Call) else mark for mark in function.decorator_list)
    return any(dotted(mark).rpartition(".")[2] == "session" for mark in marks)


def _is_of_tests(name: str) -> bool:
    return any(_TESTS.fullmatch(part) for part in re.split(r"[_.-]", name)) or bool(_TESTS.fullmatch(name))


def _add_call(found: Environment, call: ast.Call) -> None:
    words = [item.value for item in call.args if isinstance(item, ast.Constant) and isinstance(item.value, str)]
    if dotted(call.func).endswith(".install"):
        found.add(words)
    elif words[:2] in (["uv", "sync"], ["uv", "run"], ["pdm", "install"], ["poetry", "install"]):
        found.add(word for word in words[2:] if word.startswith("--") or words[words.index(word) - 1] in _GROUPS)
    for item in call.args:
        inner = item.value if isinstance(item, ast.Starred) else item
        if isinstance(inner, ast.Call) and dotted(inner.func).endswith("dependency_groups"):
            names = (one.value for one in inner.args[1:] if isinstance(one, ast.Constant))
            found.groups += [name for name in names if isinstance(name, str)]


def _hatch(top: Table) -> Iterator[Environment]:
    envs = top.table("tool", "hatch", "envs")
    for name in ("hatch-test", *(name for name in envs.data if name != "hatch-test")):
        if name in envs and _is_of_tests(name):
            table = envs.table(name)
            found = Environment(table.source())
            for key in ("dependencies", "extra-dependencies"):
                found.add(item for item in _texts(table, key) if _is_requirement(item))
            found.extras += _texts(table, "features")
            found.groups += _texts(table, "dependency-groups")
            yield found


def _is_requirement(text: str) -> bool:
    try:
        requirement.parse(text)
    except ValueError:
        return False
    return True
