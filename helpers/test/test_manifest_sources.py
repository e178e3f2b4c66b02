"""Sources, groups and files of requirements, which the tools of a project state beside its own table."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.model.manifest import Manifest, PathDependency
from helpers.test.manifest_fixtures import manifest, of_toml, values

PATHS = {
    "direct reference": ("dependencies = [\"lib[x] @ file:../lib ; os_name == 'nt'\"]", "os_name == 'nt'"),
    "hatch": ('dependencies = ["lib[x] @ {root:parent:uri}/lib"]', ""),
    "hatch, up": ('dependencies = ["lib[x] @ {root:uri}/../lib"]', ""),
    "pdm": ('dependencies = ["lib[x] @ file:///${PROJECT_ROOT}/../lib"]', ""),
    "uv path": ('dependencies = ["lib[x]"]\n[tool.uv.sources]\nLib = { path = "../lib", editable = true }', ""),
    "uv workspace": ('dependencies = ["lib[x]"]\n[tool.uv.sources]\nlib = { workspace = true }', ""),
}


@pytest.mark.parametrize("how", PATHS)
def test_dependency_on_a_sibling_is_a_path(tmp_path: Path, how: str) -> None:
    text, marker = PATHS[how]
    workspace = '[tool.uv.workspace]\nmembers = ["p", "l*", "../out"]\n'
    of_toml(tmp_path, workspace, **{"lib/pyproject.toml": '[project]\nname = "lib"\n'})
    found = of_toml(tmp_path / "p", f'[project]\nname = "mine"\n{text}\n')
    (path,) = found.paths
    assert (path.name, path.path, path.extras, path.marker) == ("lib", "../lib", ("x",), marker)
    assert not found.dependencies


def test_sources_of_uv_give_groups_and_extras_their_repositories(tmp_path: Path) -> None:
    text = '[project]\nname = "mine"\noptional-dependencies.x = ["tool>1"]\n[dependency-groups]\ntest = ["tool"]\n'
    text += '[tool.uv]\ndev-dependencies = ["old"]\nconstraint-dependencies = ["six<2"]\n'
    text += '[tool.uv.sources]\ntool = { git = "https://host.example/tool", rev = "abc" }\nold = { index = "inner" }\n'
    text += '[[tool.uv.index]]\nname = "inner"\nurl = "https://index.example"\n'
    found = of_toml(tmp_path, text)
    wanted = "tool @ git+https://host.example/tool@abc"
    assert values(found.extras["x"]) == values(found.groups["test"]) == [wanted]
    assert (values(found.groups["dev"]), values(found.constraints)) == (["old"], ["six<2"])
    assert values(found.indexes) == ["https://index.example"]


def test_development_groups_of_pdm_are_read(tmp_path: Path) -> None:
    text = '[project]\nname = "mine"\n[tool.pdm.dev-dependencies]\n'
    text += 'test = ["pytest", "-e file:///${PROJECT_ROOT}/../lib#egg=lib"]\n'
    found = of_toml(tmp_path, text)
    assert values(found.groups["test"]) == ["pytest"]
    assert found.paths == (
        PathDependency("lib", "../lib", (), "pyproject.toml [tool.pdm.dev-dependencies] test", "test"),
    )


def test_directory_without_a_manifest_is_empty(tmp_path: Path) -> None:
    assert manifest(tmp_path, {}) == Manifest(kind="requirements")


def test_groups_of_poetry_beside_a_static_project_table_are_read(tmp_path: Path) -> None:
    text = '[project]\nname = "mine"\nversion = "1"\ndependencies = ["attrs"]\n[dependency-groups]\ndev = ["mypy"]\n'
    text += '[tool.poetry.group.dev.dependencies]\npytest = "^8"\nfake = {path = "../fake"}\n'
    text += '[[tool.poetry.source]]\nname = "inner"\nurl = "https://index.example/simple"\n'
    found = of_toml(tmp_path, text)
    assert values(found.groups["dev"]) == ["pytest>=8,<9", "mypy"]
    assert [(item.path, item.group) for item in found.paths] == [("../fake", "dev")]
    assert values(found.indexes) == ["https://index.example/simple"]


@pytest.mark.parametrize("table", ["tool.uv", "tool.pdm.dev-dependencies"])
def test_groups_with_the_same_name_are_merged(tmp_path: Path, table: str) -> None:
    key = "dev-dependencies" if table == "tool.uv" else "dev"
    found = of_toml(tmp_path, f'[{table}]\n{key} = ["six", "attrs"]\n[dependency-groups]\nDev = ["attrs", "h11"]\n')
    assert {name: sorted(set(values(items))) for name, items in found.groups.items()} == {
        "dev": ["attrs", "h11", "six"]
    }


def test_requirement_stays_where_the_marker_of_its_source_is_false(tmp_path: Path) -> None:
    text = '[project]\nname = "mine"\ndependencies = ["foo>1", "torch", "lib"]\n[tool.uv.sources]\n'
    text += "foo = {git = \"https://host.example/foo\", marker = \"sys_platform == 'darwin' or os_name == 'x'\"}\n"
    text += 'torch = [{index = "a", marker = "sys_platform == \'linux\'"},\n'
    text += '  {url = "https://host.example/torch-1.zip", marker = "sys_platform == \'win32\'"}]\n'
    text += 'lib = {path = "../lib", marker = "python_version >= \'3.9\'"}\n'
    found = of_toml(tmp_path, text + '[[tool.uv.index]]\nname = "a"\nurl = "https://index.example"\n')
    assert values(found.dependencies) == [
        "foo @ git+https://host.example/foo ; sys_platform == 'darwin' or os_name == 'x'",
        "foo>1 ; sys_platform != 'darwin' and os_name != 'x'",
        "torch @ https://host.example/torch-1.zip ; sys_platform == 'win32'",
        "torch ; sys_platform != 'win32'",
        "lib ; python_version < '3.9'",
    ]
    assert [(item.path, item.marker) for item in found.paths] == [("../lib", "python_version >= '3.9'")]


def test_markers_of_a_source_of_poetry_are_read(tmp_path: Path) -> None:
    text = '[project]\nname = "mine"\ndependencies = ["foo"]\n[tool.poetry.dependencies]\n'
    text += 'foo = {git = "https://host.example/foo", markers = "os_name == \'nt\'", platform = "win32"}\n'
    assert values(of_toml(tmp_path, text).dependencies) == [
        "foo @ git+https://host.example/foo ; os_name == 'nt' and sys_platform == \"win32\"",
        "foo ; os_name != 'nt' or sys_platform != \"win32\"",
    ]


def test_source_counts_for_its_own_group_only(tmp_path: Path) -> None:
    text = '[dependency-groups]\na = ["foo"]\nb = ["foo"]\n[tool.uv.sources]\n'
    found = of_toml(tmp_path, f'{text}foo = {{url = "https://host.example/foo.zip", group = "a"}}\n')
    assert (values(found.groups["a"]), values(found.groups["b"])) == (["foo @ https://host.example/foo.zip"], ["foo"])


def test_group_of_pdm_with_a_url_without_a_name_is_unknown(tmp_path: Path) -> None:
    found = of_toml(tmp_path, '[tool.pdm.dev-dependencies]\ntest = ["pytest", "git+https://host.example/foo"]\n')
    assert (values(found.groups["test"]), found.unknown) == (["pytest"], frozenset({"test"}))


def test_constraints_file_that_is_also_included_counts_as_both(tmp_path: Path) -> None:
    files = {"requirements.txt": "-c c.txt\n-r c.txt\nsix\n", "c.txt": "attrs<24\n"}
    found = manifest(tmp_path, files)
    assert (values(found.dependencies), values(found.constraints)) == (["six", "attrs<24"], ["attrs<24"])


def test_list_that_is_only_read_in_loops_and_calls_is_known(tmp_path: Path) -> None:
    script = "reqs = ['a']\nfor name in reqs:\n    check(name.strip())\n    check(name)\nmore = reqs + ['b']\n"
    script += "setup(name='mine', install_requires=more)\n"
    assert values(manifest(tmp_path, {"setup.py": f"from setuptools import setup\n{script}"}).dependencies) == [
        "a",
        "b",
    ]
