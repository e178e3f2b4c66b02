"""How the distribution of a project is installed, decided by its files before anything is built."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
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
# Directories that shape no wheel.
_ASIDE = ("test", "tests", "testing", "doc", "docs", "examples", "benchmarks", "devops", ".github", ".circleci")
_ASIDE_FILES = ("changelog.txt", "poetry.lock", "uv.lock", "pdm.lock", "pylock.toml", ".gitignore", "tox.ini")
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
_MANIFESTS = ("setup.py", "setup.cfg", "MANIFEST.in", "PKG-INFO", "hatch_build.py", "pdm_build.py")
_BESIDE = re.compile(r"(readme|licen[cs]e|copying|notice|authors)[^/]*|licenses/.*", re.IGNORECASE)
_VERSIONS = re.compile(r"_*(version|about|meta|metadata)_*(\.py|\.txt)?", re.IGNORECASE)
_DEEPEST_PACKAGE = 3
_ROOTS = ("src", "lib", "python")


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


def _source(names: Iterable[str], tests: Iterable[str] = ()) -> Iterator[str]:
    """Yield the files that can shape a wheel."""
    below = tuple(f"{test.rstrip('/')}/" for test in tests)
    for name in names:
        if name.split("/")[0] not in _ASIDE and name not in _ASIDE_FILES and not name.startswith(below):
            yield name


def shaping_files(installed: str, names: Iterable[str], tests: Iterable[str], texts: str) -> list[str]:
    """Return the files that shape what is installed, without `pyproject.toml`.

    Arguments:
        installed: `editable`: files that shape metadata. Otherwise all files except tests and documentation.
        names: the files of the project.
        tests: places that hold tests.
        texts: the texts of `pyproject.toml`, `setup.py` and `setup.cfg`: they name further files.
    """
    source = [name for name in names if name != "pyproject.toml"]
    if installed != EDITABLE:
        # A readme or a version may be in a place for documentation.
        return sorted({*_source(source, tests), *(name for name in source if _shapes_metadata(name, texts))})
    return sorted(name for name in source if _shapes_metadata(name, texts))


def _shapes_metadata(name: str, texts: str) -> bool:
    if name in _MANIFESTS or _BESIDE.fullmatch(name) or name in texts:
        return True
    path = PurePosixPath(name)
    parts = path.with_suffix("").parts
    if len(parts) > _DEEPEST_PACKAGE:
        return False
    if _VERSIONS.fullmatch(path.name):
        return True
    # Flit reads the version there, and a setup.py may.
    if path.name == "__init__.py" and re.search(r"flit_core|__init__|__version__", texts):
        return True
    # As in `version = {attr = "package.module.__version__"}`.
    module = ".".join(part for part in parts[1 if parts[0] in _ROOTS else 0 :] if part != "__init__")
    pattern = rf"\battr\W+{re.escape(module)}\.\w+\W"
    return path.suffix == ".py" and re.search(pattern, texts) is not None


def shaping_tables(project: Mapping[str, Any]) -> dict[str, Any]:
    """Return the part of a parsed `pyproject.toml` that a build backend may read."""
    tool = {name: table for name, table in project.get("tool", {}).items() if name not in _NOT_BUILDING}
    return {**{name: project.get(name) for name in ("project", "build-system")}, "tool": tool}
