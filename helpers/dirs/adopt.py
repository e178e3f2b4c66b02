"""Makes a runnable dir of an existing Python project, such as an unpacked source distribution."""

from __future__ import annotations

import glob
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers import checkout_file, config, discover, pyproject, pytest_settings, repo
from helpers.dirs import locked, names, project_text
from helpers.errors import ConfigError, UsageError
from helpers.manifest import metadata, wanted
from helpers.manifest.metadata import Metadata
from helpers.manifest.wanted import Wanted
from helpers.model.settings import OF_THE_REPO

_NOT_COPIED = (".git", ".hg", ".venv", "venv", ".tox", ".nox", "__pycache__", "*.pyc", ".pytest_cache", ".mypy_cache")
_MARK = "# added by dir_create"
_ORIGINAL = "pyproject.original.toml"
_OLDEST = (3, 7)


@dataclass(frozen=True)
class Project:
    """An existing project, as its files describe it.

    Arguments:
        text: its `pyproject.toml`; empty if it has none.
        data: the same, parsed.
        said: what its `PKG-INFO` says.
        tests: where its tests are, relative to it.
        wanted: what they need.
    """

    text: str
    data: dict[str, Any]
    said: Metadata
    tests: tuple[str, ...]
    wanted: Wanted

    @property
    def own(self) -> dict[str, Any]:
        """Its `[project]`."""
        return dict(self.data.get("project", {}))


def is_project(path: Path) -> bool:
    """Return whether `path` has a file that describes a Python project."""
    return any((path / name).is_file() for name in ("pyproject.toml", "setup.py", "setup.cfg", "PKG-INFO"))


def check_is_project(path: Path) -> None:
    """Raise unless `path` holds a Python project.

    Raises:
        UsageError: it has none of the files that one has.
    """
    if not is_project(path):
        why = "it has no pyproject.toml, setup.py, setup.cfg or PKG-INFO"
        fix = "write a pyproject.toml with [project] name, requires-python and dependencies"
        raise UsageError("--from is not a Python project", where=path, why=why, fix=fix)


def image_of_root(root: Path) -> str:
    """Return the name of the image for the project at the root of a repo: a clone may be called anything."""
    project = read(root)
    return names.suggestion(str(project.own.get("name") or project.said.name or root.name))


def python_of(path: Path) -> str:
    """Return the specifier (PEP 440) of the Python that the project at `path` needs; empty if it does not say."""
    project = read(path)
    return str(project.own.get("requires-python") or project.said.requires_python or "")


def has_settings(path: Path) -> bool:
    """Return whether the project at `path` has settings of helpers for its directory."""
    return bool((pyproject.helpers_table(read(path).data) or {}).keys() - OF_THE_REPO)


def is_old(requires_python: str) -> bool:
    """Say whether `requires_python` allows a Python so old that a lock for it has no pytest for today's Pythons."""
    lowest = re.search(r">=?\s*(\d{1,4})(?:\.(\d{1,4}))?", requires_python)
    return lowest is not None and (int(lowest.group(1)), int(lowest.group(2) or 0)) < _OLDEST


def read(path: Path) -> Project:
    """Return the project at `path`.

    Raises:
        ConfigError: its `pyproject.toml` is not TOML.
    """
    file = path / "pyproject.toml"
    text = checkout_file.read_text_if_there(file) or ""
    data = pyproject.checked(text, file)
    said = metadata.read(path)
    return Project(text, data, said, _tests(path), wanted.find(path, data, said))


def _tests(path: Path) -> tuple[str, ...]:
    """Return the paths of tests: pytest's `testpaths`, else the smallest paths with every test of plain pytest."""
    said = pytest_settings.read(path)
    told = [name for item in pytest_settings.words(said.get("testpaths")) for name in _existing(path, item)]
    of_repo = (path / ".git").exists() and (path / "helpers").exists()
    if told and not (of_repo and "." in told):
        return tuple(dict.fromkeys(told))
    found = _collected(path, said, of_repo=of_repo)
    for name in ("tests", "test"):
        if (path / name).is_dir() and all(file.startswith(f"{name}/") for file in found):
            return (name,)
    # The root of a repo holds more than its project.
    return (tuple(sorted({file.partition("/")[0] for file in found})) or ("tests",)) if of_repo else (".",)


def _existing(path: Path, pattern: str) -> list[str]:
    """Return the paths in the directory `path` for an item of `testpaths`, a path or a pattern."""
    found = sorted(glob.glob(pattern, root_dir=path, recursive=True)) if glob.has_magic(pattern) else [pattern]
    return [os.path.normpath(name) for name in found if (path / name).exists()]


def _collected(path: Path, said: dict[str, Any], *, of_repo: bool) -> list[str]:
    """Return the files read by plain pytest, relative to `path`, without files of helpers and of runnable dirs."""
    patterns = (*pytest_settings.python_files(said), *pytest_settings.doctest_files(said))
    ours = [path / name for name in ("helpers", "tasks.py", "main_pytest.py")]
    others = [*(other for other in discover.runnable_paths(path) if other != path), *ours] if of_repo else []
    files = repo.files(path) if of_repo else (item for item in path.rglob("*") if item.is_file())
    return [
        name
        for file in files
        if file.is_file() and not any(file.is_relative_to(other) for other in others)
        if pytest_settings.is_entered(name := file.relative_to(path).as_posix())
        if pytest_settings.fits(name, patterns)
    ]


def adopt(source: Path, aside: Path, *, name: str, base: str, requires: str, lock: Callable[[Path], bool]) -> list[str]:
    """Copy the project at `source` to the empty directory `aside`, complete and lock it.

    Arguments:
        source: absolute path; stays as it is.
        aside: where to.
        name: of the project, when it does not say.
        base: what its image is built on.
        requires: its Python, when it does not say.
        lock: writes the lock.

    Returns:
        What was decided, for the user.

    Raises:
        ConfigError: poetry finds no solution in any of the ways that we know.
    """
    project = read(source)  # before there is a copy, which may lie in it
    if source == aside.parent:
        _copy_of_root(source, aside)
    else:
        shutil.copytree(source, aside, symlinks=True, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*_NOT_COPIED))
    _own_files(source, aside)
    notes = [f"tests are in {', '.join(project.tests)}; what they need is taken from {project.wanted.source}"]
    if (aside / "changelog.txt").is_file():
        (aside / "changelog.txt").rename(aside / "changelog.original.txt")
        notes.append("its own changelog.txt is kept as changelog.original.txt")
    if folder := metadata.install(aside, project.said, project.own):
        where = folder.relative_to(aside)
        notes.append(f"{where} is made of PKG-INFO, so that importlib.metadata knows the version")
    python = str(project.own.get("requires-python") or project.said.requires_python)
    if is_old(python):
        notes.append(f"requires-python is now {requires}: a lock for {python} would hold tools too old for it")
    if set(project.data) <= {"tool"} and not project.said.name:
        notes.append("its dependencies are unknown: it has neither pyproject.toml nor PKG-INFO; add them")
    return notes + _lock(aside, list(_attempts(project, name, base, requires)), lock)


def _own_files(source: Path, aside: Path) -> None:
    """Replace copied links by files, because a later step writes the files and must not write through a link."""
    checkout_file.check_directory(source / "devops")
    for name in ("changelog.txt", "poetry.lock", "pyproject.toml"):
        if (aside / name).is_symlink():
            content = checkout_file.read(source / name)
            (aside / name).unlink()
            (aside / name).write_bytes(content)


def _copy_of_root(root: Path, aside: Path) -> None:
    """Copy what the repo's own project is made of: no submodule, nothing that git ignores, no other runnable dir."""
    others = [path for path in discover.runnable_paths(root) if path != root]
    for file in repo.files(root):
        mine = not file.is_symlink() and not any(file.is_relative_to(other) for other in others)
        if mine and file.is_file() and checkout_file.is_there(file):
            target = aside / file.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, target)


def _attempts(project: Project, name: str, base: str, requires: str) -> Iterator[tuple[str, str]]:
    """Yield (pyproject, what is special about it), the most faithful one first."""
    if text := _extended(project, base, requires):
        yield text, ""
    says_more = set(project.data) - {"tool"} or set(project.data.get("tool", {})) - {"helpers"}
    kept = f"its pyproject.toml is kept as {_ORIGINAL}; a new one says the same to poetry" if says_more else ""
    yield _fresh(project, name, base, requires, project.wanted.requirements), kept
    if project.wanted.requirements:
        loose = wanted.relaxed(project.wanted.requirements)
        yield _fresh(project, name, base, requires, loose), f"{kept}, WITHOUT the versions that its tests ask for"


def _lock(aside: Path, attempts: Sequence[tuple[str, str]], lock: Callable[[Path], bool]) -> list[str]:
    file = aside / "pyproject.toml"
    original = file.read_bytes() if file.is_file() else None
    reasons: list[str] = []
    for text, special in attempts:
        if special and original is not None:
            (aside / _ORIGINAL).write_bytes(original)
        before = original.decode("utf-8", "replace") if original is not None else None
        file.write_text(project_text.with_line_ends(text, before), encoding="utf-8")
        pyproject.read.cache_clear()
        try:
            lock(aside)
        except ConfigError as error:
            reasons.append(error.what)
            continue
        notes = [special] if special else []
        return [*notes, *(f"poetry refused at first: {reason}" for reason in reasons), *_renamed(aside, lock)]
    raise ConfigError(
        "poetry can not lock this project", where=file.name, why=reasons[-1], fix="correct its dependencies"
    )


def _renamed(aside: Path, lock: Callable[[Path], bool]) -> list[str]:
    """Give the project another name and lock again when what its tests need needs a package of its name."""
    own = locked.needed_by_others(aside)
    if not own:
        return []
    file = aside / "pyproject.toml"
    other = f"{own}-checkout"
    before = config.read_text(file)
    text = project_text.replace_value(before, "project", "name", other)
    file.write_text(project_text.with_line_ends(text, before), encoding="utf-8")
    (aside / "poetry.lock").unlink()
    pyproject.read.cache_clear()
    lock(aside)
    return [f"[project] name is now {other!r}: what its tests need needs {own!r}, and poetry would leave that out"]


def _extended(project: Project, base: str, requires: str) -> str:
    """Return the project's own `pyproject.toml` with what is missing; empty when that can not be done."""
    own, data = project.own, project.data
    if not own.get("name") or {"dependencies", "name", "requires-python"} & set(own.get("dynamic", ())):
        return ""
    text = project.text
    if not own.get("requires-python"):
        python = project.said.requires_python
        python = requires if not python or is_old(python) else python
        text = project_text.add_to_table(text, "project", [f"requires-python = {_quoted(python)}  {_MARK}"])
    text = project_text.add_to_table(text, "dependency-groups", _group_lines(project.wanted))
    text = project_text.add_to_table(text, "tool.poetry", _poetry_lines(project))
    text = project_text.add_to_table(text, "tool.helpers", _helpers_lines(project, base))
    if not _keeps(text, data):
        return ""
    if is_old(str(own.get("requires-python", ""))):
        text = project_text.replace_value(text, "project", "requires-python", requires)
    return text


def _keeps(text: str, before: dict[str, Any]) -> bool:
    """Say whether `text` is TOML that makes it a runnable dir and loses nothing of `before`."""
    try:
        after = project_text.parse(text)
    except ConfigError:
        return False
    tool = after.get("tool", {})
    complete = tool.get("poetry", {}).get("package-mode") is False and "helpers" in tool
    return complete and _contains(after, before)


def _contains(after: dict[str, Any], before: dict[str, Any]) -> bool:
    for key, value in before.items():
        inner = after.get(key)
        if isinstance(value, dict) and isinstance(inner, dict):
            if not _contains(inner, value):
                return False
        elif inner != value:
            return False
    return True


def _group_lines(found: Wanted) -> list[str]:
    if found.has_pytest and found.group:
        return []
    if found.group:
        return [f'pytest = ["pytest"]  {_MARK}']
    return [_MARK, f"test = {project_text.toml_list(_with_pytest(found.requirements))}"]


def _with_pytest(requirements: Sequence[str]) -> list[str]:
    there = any(wanted.normal_name(item) == "pytest" for item in requirements)
    return [*requirements, *([] if there else ["pytest"])]


def _poetry_lines(project: Project) -> list[str]:
    there = project.data.get("tool", {}).get("poetry", {})
    lines = [] if "package-mode" in there else [f"package-mode = false  {_MARK}"]
    # A package that tests need may itself need this project, in some version.
    if project.said.version and not project.own.get("version") and "version" not in there:
        lines.append(f"version = {_quoted(project.said.version)}  {_MARK}")
    return lines


def _helpers_lines(project: Project, base: str) -> list[str]:
    # The root has those of the whole repo there already.
    if (pyproject.helpers_table(project.data) or {}).keys() - OF_THE_REPO:
        return []
    return [_MARK, f"base = {_quoted(base)}", f"tests = {project_text.toml_list(project.tests)}"]


def _fresh(project: Project, name: str, base: str, requires: str, requirements: Sequence[str]) -> str:
    """Return a new `pyproject.toml` with what locking and testing need, and pytest's settings as they were."""
    own, said = project.own, project.said
    dependencies = own.get("dependencies") or said.requires
    python = own.get("requires-python") or said.requires_python or requires
    python = requires if is_old(python) else python
    version = own.get("version") or said.version
    return "\n".join(
        [
            "[project]",
            f"name = {_quoted(own.get('name') or said.name or name)}",
            f"version = {_quoted(version)}" if version else 'dynamic = ["version"]',
            f"requires-python = {_quoted(python)}",
            f"dependencies = {project_text.toml_list(dependencies)}",
            "\n[dependency-groups]",
            f"test = {project_text.toml_list(_with_pytest(requirements))}",
            "\n[tool.poetry]\npackage-mode = false",
            f"\n{_settings(project, base)}",
            f"{project_text.tables_below(project.text, 'tool.pytest')}",
        ]
    )


def _settings(project: Project, base: str) -> str:
    """Return the table `[tool.helpers]` as it was, with what is missing."""
    there = project_text.tables_below(project.text, "tool.helpers")
    table = pyproject.helpers_table(project_text.parse(there)) or {}
    lines = {"base": _quoted(base), "tests": project_text.toml_list(project.tests)}
    missing = [f"{key} = {value}" for key, value in lines.items() if key not in table]
    return project_text.add_to_table(there or "[tool.helpers]\n", "tool.helpers", missing)


def _quoted(value: object) -> str:
    return project_text.toml_string(str(value))
