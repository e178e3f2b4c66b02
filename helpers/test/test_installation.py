from __future__ import annotations

import time
from collections.abc import Iterable
from typing import Any

import pytest

from helpers.model.installation import (
    COMPILED,
    EDITABLE,
    WHEEL,
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


def shaping(installed: str, names: Iterable[str], setup: str = "", more: Any = (), **project: Any) -> list[str]:
    return shaping_files(installed, list(names), project, setup, more)


def test_editable_project_is_shaped_by_its_metadata_only() -> None:
    project = {"readme": "docs/intro.md"}
    tool = {"setuptools": {"dynamic": {"version": {"attr": "one.about.__version__"}}}}
    names = [*PURE, "docs/intro.md", "docs/more.md", "src/one/about.py", "src/one/other.py", "LICENSE", "setup.cfg"]
    assert shaping(EDITABLE, names, project=project, tool=tool) == [
        "LICENSE",
        "README.md",
        "docs/intro.md",
        "setup.cfg",
        "src/one/__init__.py",
        "src/one/about.py",
    ]


def test_init_file_shapes_metadata_if_the_backend_may_read_it() -> None:
    assert shaping_files(EDITABLE, PURE, {"build-system": {"requires": ["hatchling"]}}, "") == ["README.md"]
    both = ["README.md", "src/one/__init__.py"]
    assert shaping_files(EDITABLE, PURE, {"build-system": {"requires": ["flit_core"]}}, "") == both
    assert shaping(EDITABLE, PURE, "re.search('__version__', open(here + 'one/__init__.py'))") == both


def table(*keys: str, **values: Any) -> dict[str, Any]:
    found: dict[str, Any] = values
    for key in reversed(keys):
        found = {key: found}
    return {"tool": found}


ATTR = table("setuptools", "dynamic", "version", attr="ns.one.__version__")
SHARED = table("hatch", "build", "targets", "wheel", **{"shared-data": {"one/share": "share/one"}})
# The file, `pyproject.toml`, and the texts of `setup.py` and `setup.cfg`.
READ_BY_THE_BUILD: dict[str, tuple[str, dict[str, Any], str]] = {
    "module that is the whole project": ("one.py", {"build-system": {"requires": ["flit_core"]}}, ""),
    "module in src that is the whole project": ("src/one.py", {"build-system": {"requires": ["flit_core"]}}, ""),
    "attr of a namespace package": ("src/ns/one/__init__.py", ATTR, ""),
    "attr of setup.cfg": ("lib/two/far/in/work.py", {}, "version = attr: two.far.in.work.__version__\n"),
    "shared data of hatch": ("assets/icon.svg", table("hatch", "build", **{"shared-data": {"assets": "x"}}), ""),
    "shared data of hatch in a package": ("one/share/x.txt", SHARED, ""),
    "module that is shared data": ("one/share/x.py", SHARED, ""),
    "shared script of hatch": ("bin/run", table("hatch", **{"shared-scripts": {"bin": "bin"}}), ""),
    "data of flit": ("data/man/one.1", table("flit", "external-data", directory="data"), ""),
    "data of flit in docs": ("docs/man/one.1", table("flit", "external-data", directory="docs"), ""),
    "data of setuptools by a pattern": ("etc/x.ini", table("setuptools", **{"data-files": {"etc": ["etc/*"]}}), ""),
    "data of setuptools in a package": ("one/data/x.ini", table("setuptools", **{"data-files": {"": ["one/*"]}}), ""),
    "data of pdm": ("one/data/x.ini", table("pdm", "build", **{"wheel-data": {"data": ["one/data/*"]}}), ""),
    "data of uv": ("one/data/x.ini", table("uv", "build-backend", data={"data": "one/data"}), ""),
    "script by a pattern": ("bin/run", {}, "setup(scripts=glob('bin/*'))"),
    "script by a pattern in a package": ("one/bin/run", {}, "setup(scripts=glob('one/bin/*'))"),
    "script in a directory of tests": ("tests/bin/run", {}, "setup(scripts=glob(join('tests', 'bin', '*')))"),
    "module that setup.py imports": ("build_help.py", {}, "import build_help\n"),
    "module of a package that setup.py imports": ("src/one/work.py", {}, "    from one.work import VERSION\n"),
    "module of a helper package": ("tests/tools/x.py", {}, "import sys, tests.tools\n"),
    "module that setup.py loads": ("one/deep/const.py", {}, "importlib.import_module(name)"),
    "module that setup.py joins a path of": ("one/const.py", {}, "open(join(here, 'one', 'const.py'))"),
    "file that setup.py joins a path of": ("requirements/base.txt", {}, "os.path.join('requirements','base.txt')"),
    "page that setup.py joins a path of": ("docs/intro.md", {}, "os.path.join('docs','intro.md')"),
    "page behind a place for a value": ("docs/intro.md", {}, "open('%s/docs/intro.md' % here)"),
    "name with a blank": ("docs/read me.md", {"project": {"readme": "docs/read me.md"}}, ""),
    "licence by a pattern": ("docs/lic/MIT", {"project": {"license-files": ["docs/lic/*"]}}, ""),
    "module of a version that is computed": ("src/one/work.py", table("hatch", "version", source="code"), ""),
    "module of a getter": ("src/one/work.py", table("pdm", "version", source="call", getter="one.work:get"), ""),
    "module of a hook for metadata": ("src/one/x.py", table("hatch", "metadata", "hooks", custom={"path": "h.py"}), ""),
    "ignored files": (".gitignore", {}, ""),
}


@pytest.mark.parametrize("case", READ_BY_THE_BUILD)
def test_file_that_the_build_reads_shapes_an_editable_project(case: str) -> None:
    name, project, setup = READ_BY_THE_BUILD[case]
    names = [*PURE, "src/ns/one/other.py", "one/__init__.py", "lib/two/__init__.py", name]
    assert name in shaping(EDITABLE, names, setup, **project)


@pytest.mark.parametrize(
    "name",
    [
        *("src/one/work.py", "src/one/new.py", "src/ns/one/work.py", "one/deep/other.py", "one/data/page.html"),
        *("test/test_it.py", "tests/data/x.json", "one/test_it.py", "conftest.py", "docs/index.md", "examples/x.py"),
        *("devops/helpers.toml", "changelog.txt", "uv.lock", "like_it/no_init.py"),
    ],
)
def test_module_test_and_page_shape_no_editable_project(name: str) -> None:
    names = [*PURE, "one/__init__.py", "src/ns/one/__init__.py", name]
    urls = {"Documentation": "https://docs.example/docs/"}
    project = {"name": "Like-it", "urls": urls, "optional-dependencies": {"docs": ["sphinx"], "test": []}}
    tool = {"hatch": {"envs": {"docs": {}}}, "poetry": {"group": {"test": {}}}, "pytest": {"testpaths": ["tests"]}}
    assert name not in shaping(EDITABLE, names, "from setuptools import setup\n", project=project, tool=tool)


BUILT = ["one/_c.c", "one/check.pyx", "tests/_t.c", "testing/src/lib.rs", "examples/x.c", "benchmarks/x.c", "x_test.c"]


@pytest.mark.parametrize("installed", [COMPILED, WHEEL])
def test_wheel_is_shaped_by_all_files_except_tests_and_docs(installed: str) -> None:
    aside = ["docs/a.md", "tests/test_it.py", "tests/it_test.py", "tests/conftest.py", "changelog.txt"]
    names = [*PURE, *BUILT, *aside, "devops/.gitkeep"]
    assert shaping(installed, names) == sorted({*PURE, *BUILT} - {"pyproject.toml", "test/test_it.py"})


def test_tests_inside_a_package_shape_the_wheel_that_holds_them() -> None:
    names = ["src/one/__init__.py", "src/one/test_utils.py"]
    assert shaping(WHEEL, names) == names
    assert shaping(COMPILED, names) == names[:1]


@pytest.mark.parametrize("path", [".", "backend", "backend/", "./backend"])
def test_backend_of_the_project_shapes_it(path: str) -> None:
    names = ["src/one/__init__.py", "src/one/work.py", "backend/own/work.py", "backend/own/__init__.py"]
    found = shaping(EDITABLE, names, more=[path])
    assert {"backend/own/work.py", "backend/own/__init__.py"} <= set(found)
    assert ("src/one/work.py" in found) == (path == ".")


def test_shaping_files_of_a_big_project_are_found_in_a_moment() -> None:
    names = [f"src/one/module{number}.py" for number in range(5000)]
    setup = "".join(f"open('other/file{number}.txt')\n" for number in range(800))
    begin = time.process_time()
    for installed in (EDITABLE, WHEEL):
        shaping(installed, names, setup)
    assert time.process_time() - begin < 0.5


def test_table_of_the_backend_of_uv_shapes_a_project_and_the_rest_of_uv_does_not() -> None:
    both = {"sources": {}, "build-backend": {"module-name": "one"}}
    assert shaping_tables({"tool": {"uv": both}})["tool"] == {"uv": {"build-backend": {"module-name": "one"}}}
    assert shaping_tables({"tool": {"uv": {"sources": {}}}})["tool"] == {}


def test_tables_of_tools_that_build_nothing_shape_nothing() -> None:
    project = {"project": {"name": "one"}, "tool": {"ruff": {"line-length": 1}, "helpers": {}, "own-backend": {"a": 1}}}
    assert shaping_tables(project) == {
        "project": {"name": "one"},
        "build-system": None,
        "tool": {"own-backend": {"a": 1}},
    }
