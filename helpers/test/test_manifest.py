"""The manifest of a project in each format, read from small projects; no file of a project runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.model.manifest import Stated
from helpers.test.manifest_fixtures import manifest, of_toml, value, values

POETRY = """\
[tool.poetry]
name = "mine"
version = "2.5.0"
[tool.poetry.dependencies]
python = "^3.9"
attrs = "^23.1"
click = {version = ">=8,<9", extras = ["x"], markers = "sys_platform == 'win32'"}
six = {version = "*", python = "<3.11", platform = "linux"}
h11 = {version = "~0.14", optional = true}
numpy = [{version = "1.*", python = "<3.12"}, {version = "^2.0", python = ">=3.12"}]
tool = {git = "git@host.example:team/tool.git", tag = "v1", subdirectory = "py"}
wheel = {url = "https://host.example/wheel-1.tar.gz"}
common = {path = "../common", develop = true}
plain = "1.5"
[tool.poetry.extras]
http = ["h11"]
[tool.poetry.group.test.dependencies]
pytest = "^8"
fake = {path = "../fake"}
[tool.poetry.group.all]
include-groups = ["test"]
[tool.poetry.dev-dependencies]
mypy = "*"
[[tool.poetry.source]]
name = "inner"
url = "https://index.example/simple"
[build-system]
requires = ["poetry-core"]
build-backend = "poetry.core.masonry.api"
"""


def test_project_table_states_all_fields_with_their_places(tmp_path: Path) -> None:
    found = of_toml(
        tmp_path,
        '[project]\nname = "Mine"\nversion = "1.2"\nrequires-python = ">=3.9"\n'
        "dependencies = [\"a>=1 ; os_name == 'nt'\"]\n"
        '[project.optional-dependencies]\nhttp = ["h11", "mine[more]"]\nmore = []\n'
        '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "own"\nbackend-path = ["_build"]\n',
    )
    assert found.dependencies == (Stated("a>=1 ; os_name == 'nt'", "pyproject.toml [project] dependencies"),)
    assert (value(found.name), value(found.version), value(found.requires_python)) == ("Mine", "1.2", ">=3.9")
    assert {name: values(items) for name, items in found.extras.items()} == {"http": ["h11", "mine[more]"], "more": []}
    assert found.build and (found.build.backend, found.build.backend_path) == ("own", ("_build",))
    assert (found.kind, found.unknown) == ("pep621", frozenset())


def test_dynamic_fields_without_a_plain_value_are_unknown(tmp_path: Path) -> None:
    text = '[project]\nname = "mine"\ndynamic = ["version", "dependencies", "optional-dependencies", "readme"]\n'
    text += '[build-system]\nrequires = []\nbuild-backend = "hatchling.build"\n'
    assert of_toml(tmp_path, text).unknown == {"version", "dependencies", "extras"}


def test_groups_include_groups_once_and_by_any_spelling(tmp_path: Path) -> None:
    text = '[dependency-groups]\nTest_Only = ["pytest", {include-group = "more"}]\nmore = ["a", "pytest"]\n'
    text += 'all = [{include-group = "test-only"}, {include-group = "MORE"}]\n'
    found = of_toml(tmp_path, text).groups
    assert values(found["Test_Only"]) == ["pytest", "a", "pytest"]
    assert len(found["all"]) == 3 and found["all"][1].source == "pyproject.toml [dependency-groups] more"


def test_poetry_tables_become_requirements(tmp_path: Path) -> None:
    found = of_toml(tmp_path, POETRY)
    assert values(found.dependencies) == [
        "attrs>=23.1,<24.0",
        "click[x]>=8,<9 ; sys_platform == 'win32'",
        'six ; python_version < "3.11" and sys_platform == "linux"',
        'numpy==1.* ; python_version < "3.12"',
        'numpy>=2.0,<3.0 ; python_version >= "3.12"',
        "tool @ git+ssh://git@host.example/team/tool.git@v1#subdirectory=py",
        "wheel @ https://host.example/wheel-1.tar.gz",
        "plain==1.5",
    ]
    assert {name: values(items) for name, items in found.extras.items()} == {"http": ["h11>=0.14,<0.15"]}
    assert {name: values(items) for name, items in found.groups.items()} == {
        "test": ["pytest>=8,<9"],
        "all": ["pytest>=8,<9"],
        "dev": ["mypy"],
    }
    assert [(item.name, item.path, item.group) for item in found.paths] == [
        ("common", "../common", ""),
        ("fake", "../fake", "test"),
        ("fake", "../fake", "all"),
    ]
    assert (value(found.version), value(found.requires_python), found.kind) == ("2.5.0", ">=3.9,<4.0", "poetry")
    assert values(found.indexes) == ["https://index.example/simple"]
    assert found.dependencies[0].source == "pyproject.toml [tool.poetry.dependencies] attrs"


def test_poetry_2_enriches_and_fills_the_project_table(tmp_path: Path) -> None:
    text = '[project]\nname = "mine"\ndynamic = ["version", "dependencies"]\nrequires-python = ">=3.10"\n'
    text += '[build-system]\nrequires = ["poetry-core>=2"]\nbuild-backend = "poetry.core.masonry.api"\n'
    poetry = '[tool.poetry]\nversion = "3.0"\n[tool.poetry.dependencies]\nattrs = "^23"\npython = "^3.11"\n'
    poetry += 'common = {path = "../common"}\n'
    found = of_toml(tmp_path, text + poetry)
    assert (values(found.dependencies), value(found.version)) == (["attrs>=23,<24"], "3.0")
    assert (value(found.requires_python), found.unknown) == (">=3.10", frozenset())
    static = text.replace('"dependencies"]', '"readme"]\ndependencies = ["attrs", "common"]')
    found = of_toml(tmp_path, static + poetry)
    assert (values(found.dependencies), [item.path for item in found.paths]) == (["attrs"], ["../common"])


@pytest.mark.parametrize(
    "table", ["[tool.poetry]\npackage-mode = false", "[tool.uv]\npackage = false", "[tool.pdm]\ndistribution = false"]
)
def test_project_that_builds_nothing_has_no_backend(tmp_path: Path, table: str) -> None:
    text = '[project]\nname = "mine"\n'
    assert of_toml(tmp_path, text).build is None
    text += '[build-system]\nrequires = []\nbuild-backend = "poetry.core.masonry.api"\n'
    assert of_toml(tmp_path, text).build is not None
    assert of_toml(tmp_path, f"{text}{table}\n").build is None


def test_old_flit_table_is_read_and_its_module_states_the_version(tmp_path: Path) -> None:
    text = '[tool.flit.metadata]\nmodule = "mine"\nrequires = ["a>=1"]\nrequires-python = ">=3.6"\n'
    text += 'dev-requires = ["b"]\n[tool.flit.metadata.requires-extra]\ntest = ["pytest"]\n'
    found = of_toml(tmp_path, text, **{"mine.py": '"""Doc."""\n__version__ = "0.3"\n'})
    assert (value(found.name), value(found.version), values(found.dependencies)) == ("mine", "0.3", ["a>=1"])
    assert {name: values(items) for name, items in found.extras.items()} == {"test": ["pytest"], "dev": ["b"]}
    assert of_toml(tmp_path, text, **{"mine.py": "from x import __version__\n"}).unknown == {"version"}


VERSIONS = {
    "flit_core.buildapi": ("", "src/mine/__init__.py", '__version__ = "1.4"'),
    "hatchling.build": ('[tool.hatch.version]\npath = "mine.py"\n', "mine.py", 'VERSION: str = "v1.4"'),
    "pdm.backend": ('[tool.pdm.version]\nsource = "file"\npath = "mine.py"\n', "mine.py", "__version__ = '1.4'"),
    "maturin": ("", "Cargo.toml", '[package]\nversion = "1.4"\n'),
    "setuptools.build_meta": (
        '[tool.setuptools.dynamic]\nversion = {attr = "mine.__version__"}\n',
        "src/mine/__init__.py",
        "import os\n__version__ = '1.4'",
    ),
    "setuptools.build_meta:__legacy__": (
        '[tool.setuptools.dynamic]\nversion = {file = ["VERSION"]}\n',
        "VERSION",
        "1.4\n",
    ),
}


@pytest.mark.parametrize("backend", VERSIONS)
def test_version_is_read_from_the_file_of_the_backend(tmp_path: Path, backend: str) -> None:
    table, file, content = VERSIONS[backend]
    text = '[project]\nname = "mine"\ndynamic = ["version"]\n'
    text += f'[build-system]\nrequires = []\nbuild-backend = "{backend}"\n{table}'
    found = of_toml(tmp_path, text, **{file: content})
    assert (value(found.version), found.unknown) == ("1.4", frozenset())
    assert of_toml(tmp_path, text, **{file: "[package]\nversion = {workspace = true}\n"}).unknown == {"version"}


def test_setup_cfg_is_read(tmp_path: Path) -> None:
    found = manifest(
        tmp_path,
        {
            "setup.cfg": "[metadata]\nname = Mine\nversion = attr: mine.version\n[options]\npython-requires = >=3.8\n"
            "package_dir =\n    = lib\ninstall_requires =\n    # a comment\n    a>=1; python_version < '3.10'\n    b\n"
            "[options.extras_require]\nDev-X = c; d\nfiles = file: more.txt\n",
            "setup.py": "from setuptools import setup\nsetup()\n",
            "lib/mine.py": "version = '7'\n",
            "more.txt": "e  # why\n",
        },
    )
    assert (value(found.name), value(found.version), value(found.requires_python)) == ("Mine", "7", ">=3.8")
    assert values(found.dependencies) == ["a>=1 ; python_version < '3.10'", "b"]
    assert {name: values(items) for name, items in found.extras.items()} == {"Dev-X": ["c", "d"], "files": ["e"]}
    assert found.build and found.build.backend == "setuptools.build_meta:__legacy__"
    assert found.unknown == frozenset()


SCRIPT = """\
import os
from setuptools import setup, find_packages
here = os.path.abspath(os.path.dirname(__file__))
with open(os.path.join(here, "README")) as f:
    readme = f.read()
with open(os.path.join(here, "needs.txt"), encoding="utf-8") as f:
    needs = [line.strip() for line in f if line.strip() and not line.startswith("#")]
TESTS = ["pytest>=7"]
EXTRAS = {"test": TESTS + ["mock"], ":python_version < '3.11'": ["tomli"]}
MAJOR = "1"
setup(name="mine", version=f"{MAJOR}.2", install_requires=needs, extras_require=EXTRAS, tests_require=TESTS,
      packages=find_packages(), long_description=readme, python_requires=">=" + "3.8")
"""


def test_setup_py_is_read_without_running(tmp_path: Path) -> None:
    needs = "# what it needs\na==1\n\nb ; os_name == 'nt'\n"
    found = manifest(tmp_path, {"setup.py": SCRIPT, "needs.txt": needs, "README": "x"})
    assert values(found.dependencies) == ["a==1", "b ; os_name == 'nt'", "tomli ; python_version < '3.11'"]
    assert {name: values(items) for name, items in found.extras.items()} == {"test": ["pytest>=7", "mock"]}
    assert (value(found.version), value(found.requires_python), found.unknown) == ("1.2", ">=3.8", frozenset())
    assert values(found.groups["tests_require"]) == ["pytest>=7"]


@pytest.mark.parametrize(
    "change",
    [
        ("MAJOR =", "EXTRAS['more'] = ['x']\nMAJOR ="),
        ("MAJOR =", "EXTRAS.update(more=['x'])\nMAJOR ="),
        ("MAJOR =", "if os.name == 'nt':\n    EXTRAS = {}\nMAJOR ="),
        ("MAJOR =", "TESTS += ['x']\nMAJOR ="),
        ("MAJOR =", "complete(EXTRAS)\nMAJOR ="),
        ("MAJOR =", "for key in EXTRAS:\n    EXTRAS[key].append('x')\nMAJOR ="),
        ("MAJOR =", "for key in EXTRAS.values():\n    key.append('x')\nMAJOR ="),
        ("MAJOR =", "other = EXTRAS\nother['more'] = ['x']\nMAJOR ="),
        ("MAJOR =", "tests = list(EXTRAS.values())[0]\ntests += ['x']\nMAJOR ="),
        ("MAJOR =", "add = EXTRAS['test'].append\nadd('x')\nMAJOR ="),
        ("MAJOR =", "def more(known=EXTRAS):\n    known.update(x=[])\nmore()\nMAJOR ="),
        ("MAJOR =", "both = [TESTS, EXTRAS]\ncomplete(both[0])\nMAJOR ="),
        ("MAJOR =", "complete(known=EXTRAS)\nMAJOR ="),
        ("extras_require=EXTRAS", "**{'extras_require': compute()}"),
        ("extras_require=EXTRAS", "**compute()"),
    ],
)
def test_value_that_code_changes_is_unknown(tmp_path: Path, change: tuple[str, str]) -> None:
    script = SCRIPT.replace(*change)
    assert script != SCRIPT
    assert "extras" in manifest(tmp_path, {"setup.py": script, "needs.txt": "a\n"}).unknown


@pytest.mark.parametrize(
    "script",
    ["print 'two'\n", "import other\nother.run()\n", "setup(\n", SCRIPT + "setup()\n", "x = " + "(" * 5000, ""],
)
def test_script_without_one_plain_call_states_nothing(tmp_path: Path, script: str) -> None:
    found = manifest(tmp_path, {"setup.py": script})
    assert {"version", "dependencies", "extras", "requires_python"} <= found.unknown
    assert not found.dependencies


INFO = "Metadata-Version: 2.1\nName: Mine\nVersion: 9\nRequires-Dist: a\nProvides-Extra: x\nProvides-Extra: y\n"
INFO += "Requires-Dist: b>1; (python_version < '3.11' or os_name == 'nt') and extra == 'x'\n"
INFO += 'Requires-Dist: c; extra == "x" or extra == "y"\n\nText: none\n'


def test_metadata_of_a_source_distribution_fills_unknown_fields_only(tmp_path: Path) -> None:
    text = '[project]\nname = "mine"\ndynamic = ["version", "dependencies"]\noptional-dependencies.z = ["q"]\n'
    text += '[build-system]\nrequires = []\nbuild-backend = "hatchling.build"\n'
    found = of_toml(tmp_path, text, **{"PKG-INFO": INFO})
    assert (value(found.version), values(found.dependencies), list(found.extras)) == ("9", ["a"], ["z"])
    assert found.unknown == frozenset()
    other = of_toml(tmp_path, text.replace('"mine"', '"other"'))
    assert other.unknown == {"version", "dependencies"}


def test_metadata_alone_describe_a_project(tmp_path: Path) -> None:
    found = manifest(tmp_path, {"PKG-INFO": INFO})
    assert (found.kind, value(found.name), value(found.version)) == ("sdist", "Mine", "9")
    assert {name: values(items) for name, items in found.extras.items()} == {
        "x": ["b>1 ; python_version < '3.11' or os_name == 'nt'", "c"],
        "y": ["c"],
    }
    old = manifest(tmp_path, {"PKG-INFO": "Metadata-Version: 1.2\nName: Mine\nVersion: 9\n"})
    assert old.unknown == {"dependencies", "extras"}, "metadata of that time leave dependencies out"


def test_requirements_files_are_groups_and_the_plain_one_is_the_dependencies(tmp_path: Path) -> None:
    plain = "-r more.txt\n-c limits.txt\n-i https://index.example/simple\na==1 --hash=sha256:0 \\\n  --hash=sha256:1\n"
    files = {"requirements.txt": plain, "more.txt": "b # c\n-r requirements.txt\n", "limits.txt": "six<2\n"}
    tests = "-r ../requirements.txt\npytest\n-e ../lib[x]\ngit+https://host.example/t@v1#egg=t\n-e ../other\n"
    found = manifest(tmp_path, {**files, "tests/requirements.txt": tests})
    assert (found.kind, values(found.dependencies)) == ("requirements", ["a==1", "b"])
    assert values(found.groups["tests/requirements.txt"]) == [
        "pytest",
        "t @ git+https://host.example/t@v1",
        "a==1",
        "b",
    ]
    assert values(found.constraints) == ["six<2"]
    assert values(found.indexes) == ["https://index.example/simple"]
    assert [(item.path, item.extras, item.group) for item in found.paths] == [
        ("../lib", ("x",), "tests/requirements.txt"),
        ("../other", (), "tests/requirements.txt"),
    ]


def test_file_of_ours_states_dependencies_that_a_backend_computes(tmp_path: Path) -> None:
    files = {"setup.py": "from setuptools import setup\nsetup(install_requires=compute())\n"}
    assert "dependencies" in manifest(tmp_path, files).unknown
    found = manifest(tmp_path, {"devops/requirements.txt": "a>=1\n"})
    assert (values(found.dependencies), "dependencies" in found.unknown) == (["a>=1"], False)
    assert not found.groups
    found = of_toml(tmp_path, '[project]\nname = "mine"\ndependencies = ["b"]\n')
    assert (values(found.dependencies), list(found.groups)) == (["b"], ["devops/requirements.txt"])


def test_line_that_is_no_requirement_makes_its_file_unknown(tmp_path: Path) -> None:
    for line in ("numpy=1.26=py_0", "https://host.example/x", "-r ../outside.txt", "-r missing.txt"):
        found = of_toml(tmp_path, '[project]\nname = "mine"\n', **{"requirements/dev.txt": f"a\n{line}\n"})
        assert found.unknown == {"requirements/dev.txt"}
    found = of_toml(tmp_path, '[project]\nname = "mine"\n', **{"requirements/dev.txt": "-e .[test,more]\n.\n"})
    assert values(found.groups["requirements/dev.txt"]) == ["mine[test]", "mine[more]"]
