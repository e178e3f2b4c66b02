"""How the distribution of a project is installed, decided by its files before anything is built."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any

from helpers.model.manifest import BuildSystem

EDITABLE, COMPILED, WHEEL = "editable", "compiled", "wheel"

# Backends that make files for the wheel which are not in the checkout.
_COMPILING = ("mesonpy", "scikit_build_core", "maturin", "sipbuild", "py_build_cmake", "setuptools_rust", "pymsbuild")
# Requirements of builds that compile, or that write a version into the wheel.
_COMPILERS = ("cython", "cffi", "pybind11", "nanobind", "numpy", "mypy", "mypyc", "scikit-build", "swig")
_WRITERS = ("versioneer", "poetry-dynamic-versioning", "versioningit", "hatch-mypyc", "hatch-cython")
_EXTENSIONS = r"\bext_modules\b|\bExtension\s*\(|\bcffi_modules\b|\bcythonize\b"
_IN_SETUP = re.compile(rf"{_EXTENSIONS}|\brust_extensions\b|\bversioneer\b")
_VERSION_FILES = ("write_to", "version_file", "version-file")
_C, _CPP, _FORTRAN = (".c", ".pyx", ".pxd"), (".cc", ".cpp", ".cxx", ".C"), (".f", ".f77", ".f90", ".f95")
_RUST = ("maturin", "setuptools-rust", "setuptools_rust")
_BUILD_TOOLS = ("mesonpy", "scikit_build_core", "py_build_cmake")
# Directories and files that count only if a text of the build names them.
_DOCS = ("doc", "docs", "devops", ".github", ".circleci")
_ASIDE = ("test", "tests", "testing", "examples", "benchmarks", *_DOCS)
_ASIDE_FILES = ("changelog.txt", "poetry.lock", "uv.lock", "pdm.lock", "pylock.toml", "tox.ini")
# https://docs.pytest.org/en/stable/reference/reference.html#confval-python_files
_TEST = re.compile(r"test_.*\.py|.*_test\.py|conftest\.py")
# Tools that have settings in pyproject.toml and build nothing: an edit of these is no reason for a build.
_NOT_BUILDING = frozenset(
    (
        *("helpers", "ruff", "mypy", "pytest", "coverage", "black", "isort", "pylint", "pyright", "basedpyright"),
        *(
            "tox",
            "nox",
            "bandit",
            "codespell",
            "flake8",
            "pydocstyle",
            "vulture",
            "deptry",
            "towncrier",
            "commitizen",
            "uv",
        ),
        *("cibuildwheel", "check-manifest", "interrogate", "semantic_release", "bumpversion", "typos", "mutmut"),
    )
)
# Tables that the command line of a tool reads, and its build backend does not.
_NOT_READ = {"hatch": ("envs",), "pdm": ("dev-dependencies", "scripts"), "poetry": ("dev-dependencies", "group")}
_VERSIONS = re.compile(r"_*(version|about|meta|metadata)_*(\.py|\.txt)?", re.IGNORECASE)
_DEEPEST_VERSION = 3
_ROOTS = ("src", "lib", "python")
# Parts of a text that are no paths: addresses, and places for values.
_NO_PATH = re.compile(r"https?://[^\s\"']+|%s|%\(\w+\)s")
_WORD = re.compile(r"[\w./@+~-]+")
_IMPORTED = re.compile(r"^[ \t]*(?:from|import)[ \t]+(.+)", re.MULTILINE)
# `version = {attr = "package.module.__version__"}`, and `version = attr: package.module.__version__` in setup.cfg.
_ATTR = re.compile(r"\battr\W+([\w.]+)\.\w+")
_LOADS = re.compile(r"\b(?:import_module|__import__|runpy|spec_from_file_location|SourceFileLoader)\b")
# Files that a wheel installs outside of the packages.
_INSTALLS = re.compile(
    r"data[_-]files|shared-data|shared-scripts|external-data|script-files|wheel-data|\bscripts\s*=|\"data\": \{"
)


def default(build: BuildSystem, project: Mapping[str, Any], setup: str, names: Collection[str]) -> str:
    """Return how a distribution is installed without a setting: `compiled` if its build makes further files.

    Arguments:
        build: the backend.
        project: the parsed `pyproject.toml`.
        setup: the texts of `setup.py` and `setup.cfg`.
        names: the files of the project, relative, with forward slashes.
    """
    tool = project.get("tool", {})
    compiles = build.backend.startswith(_COMPILING) or _requires(build, (*_COMPILERS, *_WRITERS, *_RUST))
    compiles = compiles or bool(_IN_SETUP.search(setup)) or any(name.endswith(".pyx") for name in _source(names))
    compiles = compiles or any(key in tool.get("setuptools", {}) for key in ("ext-modules", "cmdclass"))
    compiles = compiles or "build" in _table(tool, "poetry") or "versioneer" in tool
    compiles = compiles or _has_hooks(_table(tool, "hatch", "build")) or _has_pdm_hook(_table(tool, "pdm"), names)
    return COMPILED if compiles or _unknown_version_file(tool, setup, names) else EDITABLE


def _has_hooks(build: Mapping[str, Any]) -> bool:
    return bool(build.get("hooks") or _table(build, "targets", "wheel").get("hooks"))


def _has_pdm_hook(pdm: Mapping[str, Any], names: Collection[str]) -> bool:
    build = _table(pdm, "build")
    return bool("pdm_build.py" in names or build.get("custom-hook") or build.get("run-setuptools"))


def _unknown_version_file(tool: Mapping[str, Any], setup: str, names: Collection[str]) -> bool:
    """Return whether the build writes a file with the version that the project does not have."""
    if re.search(r"\b(write_to|version_file)\b", setup):
        return True
    tables = [_table(tool, "setuptools_scm"), _table(tool, "pdm", "version")]
    written = [str(table[key]) for table in tables for key in _VERSION_FILES if key in table]
    return any(name not in names and f"src/{name}" not in names for name in written)


def _table(parsed: Mapping[str, Any], *keys: str) -> Mapping[str, Any]:
    for key in keys:
        inner = parsed.get(key)
        parsed = inner if isinstance(inner, Mapping) else {}
    return parsed


def _requires(build: BuildSystem, names: Iterable[str]) -> bool:
    required = {re.split(r"[^A-Za-z0-9._-]", text.strip(), maxsplit=1)[0] for text in build.requires}
    return not {re.sub(r"[-_.]+", "-", name).lower() for name in required}.isdisjoint(names)


def build_packages(build: BuildSystem, setup: str, names: Collection[str]) -> tuple[str, ...]:
    """Return the packages of Debian with which a wheel can be compiled, by the languages of its sources.

    Arguments:
        build: the backend.
        setup: the texts of `setup.py` and `setup.cfg`.
        names: the files of the project.
    """
    endings = {PurePosixPath(name).suffix for name in _source(names)}
    found: list[str] = []
    compiles_c = _requires(build, _COMPILERS) or re.search(_EXTENSIONS, setup)
    if compiles_c or not endings.isdisjoint((*_C, *_CPP, *_FORTRAN)):
        found += ["gcc", "libc6-dev", "python3-dev"]
    if not endings.isdisjoint(_CPP) or _requires(build, ("pybind11", "nanobind")):
        found += ["g++"]
    if not endings.isdisjoint(_FORTRAN):
        found += ["gfortran"]
    if build.backend.startswith(_RUST) or _requires(build, _RUST) or "rust_extensions" in setup:
        found += ["cargo", "gcc", "libc6-dev", "rustc"]
    if build.backend.startswith(_BUILD_TOOLS):
        found += ["gcc", "g++", "libc6-dev", "pkg-config", "python3-dev"]
    return tuple(sorted(set(found)))


def _source(names: Iterable[str]) -> Iterator[str]:
    """Yield the files by which the kind of a build is recognised."""
    return (name for name in names if name.split("/")[0] not in _ASIDE)


def shaping_files(
    installed: str, names: Collection[str], project: Mapping[str, Any], setup: str, backend_path: Iterable[str] = ()
) -> list[str]:
    """Return the files that shape what is installed, without `pyproject.toml`, sorted.

    Arguments:
        installed: `editable`: all files except the modules that stay in the checkout. Otherwise all files except tests
            and documentation.
        names: the files of the project.
        project: the parsed `pyproject.toml`.
        setup: the texts of `setup.py` and `setup.cfg`.
        backend_path: directories of a backend inside the project.
    """
    build = _Build(names, project, setup)
    shapes = build.shapes_checkout if installed == EDITABLE and not build.runs_modules else build.shapes_wheel
    code = [PurePosixPath(path) for path in backend_path]
    found = {name for name in names if name in build.words or shapes(name, in_wheel=installed == WHEEL)}
    found |= {name for name in names if any(PurePosixPath(name).is_relative_to(path) for path in code)}
    return sorted(found - {"pyproject.toml"})


class _Build:
    """The files of a project, and the files and directories that the texts of its build name.

    Arguments:
        names: the files of the project.
        project: the parsed `pyproject.toml`.
        setup: the texts of `setup.py` and `setup.cfg`.
    """

    def __init__(self, names: Collection[str], project: Mapping[str, Any], setup: str) -> None:
        self._names, self._setup = names, setup
        self._tool: Mapping[str, Any] = shaping_tables(project)["tool"]
        self._stated = project.get("project", {})
        self._texts = _text(shaping_tables(project)) + setup
        self.words = _words(self._texts)
        odd = (name for name in names if not _WORD.fullmatch(name))
        self.words |= {name for name in odd if name in self._texts}

    @cached_property
    def runs_modules(self) -> bool:
        """Whether the build runs code that may import any module of the project."""
        hatch, pdm = _table(self._tool, "hatch"), _table(self._tool, "pdm", "version")
        runs = _table(hatch, "version").get("source") == "code" or _table(hatch, "metadata", "hooks", "custom")
        return bool(runs) or pdm.get("source") == "call" or bool(_LOADS.search(self._setup))

    def shapes_wheel(self, name: str, in_wheel: bool) -> bool:
        """Return whether a file can shape a wheel."""
        top, _, below = name.partition("/")
        if _TEST.fullmatch(name.rpartition("/")[2]) and (top in _ASIDE or not in_wheel):
            return False
        return name not in _ASIDE_FILES and not (below and top in _DOCS and top not in self._places)

    def shapes_checkout(self, name: str, in_wheel: bool) -> bool:
        """Return whether a file can shape a wheel whose modules are those of the checkout."""
        if not self.shapes_wheel(name, in_wheel):
            return False
        top, _, below = name.partition("/")
        if below and top in _ASIDE:
            return top in self._places or top in self._imported
        package = self._package(name)
        return not package or self._is_read(name, package)

    def _is_read(self, name: str, package: str) -> bool:
        """Return whether the build may read a file of a package."""
        path = PurePosixPath(name)
        parts = path.with_suffix("").parts
        parts = parts[1:] if parts[0] in _ROOTS else parts
        if path.name in self._last_names or parts[0] in self._imported:
            return True
        if _VERSIONS.fullmatch(path.name) and len(path.parts) <= _DEEPEST_VERSION:
            return True
        # Flit reads the version there, and a setup.py may.
        if path.name == "__init__.py" and self._reads_init:
            return True
        if path.suffix != ".py":
            return self._installs
        below = [place.as_posix() for place in path.parents if len(place.parts) > package.count("/") + 1]
        if self._installs and not self._places.isdisjoint(below):
            return True
        return ".".join(part for part in parts if part != "__init__") in self._attributes

    @cached_property
    def _packages(self) -> frozenset[str]:
        """The directories that are packages, and the directory that is named like the distribution."""
        inits = {name.rpartition("/")[0] for name in self._names if name.endswith("/__init__.py")}
        own = str(self._stated.get("name") or _table(self._tool, "poetry").get("name", "")).lower()
        own = re.sub(r"[-_.]+", "_", own)
        like = {place for name in self._names for place in (own, f"src/{own}") if name.startswith(f"{place}/")}
        return frozenset({*inits, *(like if own else ())} - {*_ROOTS, ""})

    def _package(self, name: str) -> str:
        """Return the highest package around a file; empty for a file outside of the packages."""
        parts = name.split("/")[:-1]
        around = ("/".join(parts[:number]) for number in range(1, len(parts) + 1))
        return next((place for place in around if place in self._packages), "")

    @cached_property
    def _last_names(self) -> frozenset[str]:
        return frozenset(word.rpartition("/")[2] for word in self.words)

    @cached_property
    def _places(self) -> frozenset[str]:
        """The directories that the texts name by themselves or in a pattern; `[project]` names files only."""
        words = _words(_text([self._tool, self._stated.get("license-files")]) + self._setup) - set(self._names)
        parts = (word.split("/") for word in words)
        return frozenset("/".join(part[:number]) for part in parts for number in range(1, len(part) + 1))

    @cached_property
    def _imported(self) -> frozenset[str]:
        """The modules of the highest level that `setup.py` may import."""
        lines = " ".join(_IMPORTED.findall(self._setup))
        return frozenset(name.partition(".")[0] for name in re.findall(r"[\w.]+", lines))

    @cached_property
    def _attributes(self) -> frozenset[str]:
        return frozenset(_ATTR.findall(self._texts))

    @cached_property
    def _reads_init(self) -> bool:
        return re.search(r"flit_core|__init__|__version__", self._texts) is not None

    @cached_property
    def _installs(self) -> bool:
        return _INSTALLS.search(self._texts) is not None


def _text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _words(texts: str) -> set[str]:
    words = (re.sub(r"^(?:\.{0,2}/)+", "", word).rstrip("/") for word in _WORD.findall(_NO_PATH.sub("", texts)))
    return {word for word in words if word}


def shaping_tables(project: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a parsed `pyproject.toml` that a build backend may read."""
    tool = {name: _read_part(name, table) for name, table in project.get("tool", {}).items()}
    tool = {name: table for name, table in tool.items() if name not in _NOT_BUILDING}
    # The rest of this table is for the command line of uv.
    if own := _table(project.get("tool", {}), "uv").get("build-backend"):
        tool["uv"] = {"build-backend": own}
    return {**{name: project.get(name) for name in ("project", "build-system")}, "tool": tool}


def _read_part(name: str, table: Any) -> Any:
    left_out = _NOT_READ.get(name, ())
    return {key: value for key, value in table.items() if key not in left_out} if isinstance(table, dict) else table
