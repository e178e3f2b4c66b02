from __future__ import annotations

from typing import Any

import pytest

from helpers.model.installation import (
    COMPILED,
    EDITABLE,
    build_packages,
    default,
    shaping_files,
    shaping_tables,
)
from helpers.model.manifest import BuildSystem

SETUPTOOLS = BuildSystem("setuptools.build_meta", ("setuptools>=61",))
PURE = ("pyproject.toml", "README.md", "src/one/__init__.py", "src/one/work.py", "test/test_it.py")


def chosen(backend: str = "setuptools.build_meta", *requires: str, setup: str = "", more: Any = (), **tool: Any) -> str:
    return default(BuildSystem(backend, requires), {"tool": tool}, setup, (*PURE, *more))


@pytest.mark.parametrize(
    "backend", ["setuptools.build_meta", "hatchling.build", "flit_core.buildapi", "poetry.core.masonry.api"]
)
def test_project_of_python_files_only_is_editable(backend: str) -> None:
    assert chosen(backend, "setuptools>=61", "wheel") == EDITABLE


@pytest.mark.parametrize("backend", ["mesonpy", "scikit_build_core.build", "maturin", "setuptools_rust"])
def test_backend_that_compiles_makes_a_project_compiled(backend: str) -> None:
    assert chosen(backend) == COMPILED


@pytest.mark.parametrize(
    "requirement",
    ["Cython>=3", "cffi ; python_version>'3'", "pybind11", "numpy==2.*", "setuptools_rust", "versioneer[toml]"],
)
def test_requirement_of_a_compiler_makes_a_project_compiled(requirement: str) -> None:
    assert chosen("setuptools.build_meta", "setuptools", requirement) == COMPILED


@pytest.mark.parametrize(
    ("setup", "installed"),
    [
        ("setup(ext_modules=[Extension('one', ['one.c'])])", COMPILED),
        ("setup(cffi_modules=['build.py:ffi'])", COMPILED),
        ("import versioneer\n", COMPILED),
        ("setup(use_scm_version={'write_to': 'one/_version.py'})", COMPILED),
        ("setup(classifiers=['Framework :: Sphinx :: Extension', 'Topic :: Libraries'])", EDITABLE),
    ],
)
def test_setup_file_says_whether_a_project_compiles(setup: str, installed: str) -> None:
    assert chosen(setup=setup) == installed


def test_cython_file_outside_of_tests_makes_a_project_compiled() -> None:
    assert chosen(more=["src/one/fast.pyx"]) == COMPILED
    assert chosen(more=["tests/fast.pyx"]) == EDITABLE


@pytest.mark.parametrize("key", ["write_to", "version_file"])
def test_version_file_makes_a_project_compiled_unless_the_project_has_it(key: str) -> None:
    written = {key: "src/one/_version.py"}
    assert chosen(setuptools_scm=written) == COMPILED
    assert chosen(setuptools_scm=written, more=["src/one/_version.py"]) == EDITABLE
    assert chosen(setuptools_scm={}) == EDITABLE


def test_hook_of_a_build_makes_a_project_compiled() -> None:
    assert chosen("hatchling.build", hatch={"version": {"source": "vcs"}}) == EDITABLE
    assert chosen("hatchling.build", hatch={"build": {"hooks": {"vcs": {"version-file": "x"}}}}) == COMPILED
    assert chosen("hatchling.build", hatch={"build": {"targets": {"wheel": {"hooks": {"custom": {}}}}}}) == COMPILED
    assert chosen("pdm.backend", more=["pdm_build.py"]) == COMPILED
    assert chosen("pdm.backend", pdm={"version": {"source": "scm", "write_to": "one/_version.py"}}) == COMPILED
    assert chosen("poetry.core.masonry.api", poetry={"build": "build.py"}) == COMPILED


@pytest.mark.parametrize(
    ("backend", "files", "wanted"),
    [
        (SETUPTOOLS, ["one.c"], {"gcc", "libc6-dev", "python3-dev"}),
        (SETUPTOOLS, ["one.cpp"], {"gcc", "g++", "libc6-dev", "python3-dev"}),
        (BuildSystem("maturin", ()), ["src/lib.rs"], {"cargo", "rustc", "gcc", "libc6-dev"}),
        (BuildSystem("mesonpy", ()), ["one.c"], {"gcc", "g++", "libc6-dev", "pkg-config", "python3-dev"}),
        (BuildSystem("x", ("cffi",)), [], {"gcc", "libc6-dev", "python3-dev"}),
        (BuildSystem("hatchling.build", ("hatch-vcs",)), ["tests/one.c"], set()),
    ],
)
def test_build_packages_follow_the_languages(backend: BuildSystem, files: list[str], wanted: set[str]) -> None:
    assert set(build_packages(backend, "", files)) == wanted


def test_editable_project_is_shaped_by_its_metadata_only() -> None:
    texts = '{"readme": "docs/intro.md", "version": {"attr": "one.about.__version__"}} '
    names = [*PURE, "docs/intro.md", "docs/more.md", "src/one/about.py", "src/one/other.py", "LICENSE", "setup.cfg"]
    assert shaping_files(EDITABLE, names, ["test"], texts) == [
        "LICENSE",
        "README.md",
        "docs/intro.md",
        "setup.cfg",
        "src/one/__init__.py",
        "src/one/about.py",
    ]


def test_init_file_shapes_metadata_if_the_backend_may_read_it() -> None:
    assert shaping_files(EDITABLE, PURE, [], '"requires": ["hatchling"]') == ["README.md"]
    for texts in ('"requires": ["flit_core"]', "re.search('__version__', open(here + 'one/__init__.py'))"):
        assert shaping_files(EDITABLE, PURE, [], texts) == ["README.md", "src/one/__init__.py"]


def test_module_named_by_attr_shapes_metadata() -> None:
    names = ["src/one/work.py", "src/one/other.py", "lib/two.py"]
    assert shaping_files(EDITABLE, names, [], '"attr": "one.work.VERSION"}') == ["src/one/work.py"]
    assert shaping_files(EDITABLE, names, [], "version = attr: two.__version__\n") == ["lib/two.py"]


def test_compiled_project_is_shaped_by_all_files_except_tests_and_docs() -> None:
    names = [*PURE, "docs/a.md", "src/one/fast.c", "src/one/tests/test_fast.py", "changelog.txt", "devops/.gitkeep"]
    assert shaping_files(COMPILED, names, ["test", "src/one/tests"], "") == [
        "README.md",
        "src/one/__init__.py",
        "src/one/fast.c",
        "src/one/work.py",
    ]


def test_tables_of_tools_that_build_nothing_shape_nothing() -> None:
    project = {"project": {"name": "one"}, "tool": {"ruff": {"line-length": 1}, "helpers": {}, "own-backend": {"a": 1}}}
    assert shaping_tables(project) == {
        "project": {"name": "one"},
        "build-system": None,
        "tool": {"own-backend": {"a": 1}},
    }
