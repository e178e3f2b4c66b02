"""Adoption loses nothing of a project: each test compares the project before and after."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from helpers import config, pytest_settings
from helpers.dirs import project_tests
from helpers.manifest.read import read
from helpers.model.manifest import Manifest
from helpers.test.dirs_fixtures import new, root
from helpers.test.unit_fixtures import git, make_repo

__all__ = ["root"]

pytestmark = pytest.mark.slow

PROJECT = """\
[build-system]
requires = ["uv_build>=0.1"]
build-backend = "uv_build"

[project]
name = "Whole.Tool"
version = "2.5.0"
requires-python = ">=3.9"
dependencies = ["attrs>=20 ; python_version < '4'", "common"]

[project.optional-dependencies]
http = ["h11<1"]

[project.scripts]
whole = "whole:main"

[project.entry-points.pytest11]
whole = "whole.plugin"

[dependency-groups]
test = ["pytest<8", { include-group = "fast" }]
fast = ["pytest-xdist"]
docs = ["sphinx"]

[tool.uv.build-backend]
module-name = "whole"
module-root = ""

[tool.uv]
constraint-dependencies = ["six<2"]

[tool.uv.sources]
common = { path = "vendor/common", editable = true }
h11 = { git = "https://host.example/h11", rev = "abc" }

[[tool.uv.index]]
url = "https://index.example/simple"

[tool.pytest.ini_options]
testpaths = ["checks"]
addopts = "-p whole.plugin"
filterwarnings = ["error"]

[tool.ruff]
line-length = 99
"""
FILES = {
    "pyproject.toml": PROJECT,
    "whole/__init__.py": "def main() -> None: ...\n",
    "whole/plugin.py": "",
    "whole/data.json": "{}\n",
    "checks/test_a.py": "def test_a(): pass\n",
    "checks/conftest.py": "",
    "requirements-dev.txt": "-c limits.txt\nmypy\n",
    "limits.txt": "mypy<2\n",
    "vendor/common/pyproject.toml": '[project]\nname = "common"\n',
    "CHANGES.rst": "2.5.0\n",
}


@pytest.fixture(params=["copied", "in place", "root"])
def adopted(request: pytest.FixtureRequest, root: Path) -> tuple[Path, Path]:
    """Return a project as it was, and the runnable dir that it became."""
    before = root.parent / "before"
    place = {"copied": root.parent / "source", "in place": root / "runnable_dirs" / "tool", "root": root}[request.param]
    for top in (before, place):
        for name, text in FILES.items():
            (top / name).parent.mkdir(parents=True, exist_ok=True)
            (top / name).write_text(text)
    config.forget()
    if request.param == "root":
        make_repo(root / "helpers")
        assert new(root, ".", source=".") == 0
        return before, root
    assert new(root, "tool", source=str(place)) == 0
    return before, root / "runnable_dirs" / "tool"


def manifests(adopted: tuple[Path, Path]) -> tuple[Manifest, Manifest]:
    config.forget()
    before, after = map(read, adopted)
    return before, after


def test_dependency_is_not_lost(adopted: tuple[Path, Path]) -> None:
    before, after = manifests(adopted)
    assert [item.value for item in after.dependencies] == ["attrs>=20 ; python_version < '4'"]
    assert after.dependencies == before.dependencies and after.paths == before.paths and len(after.paths) == 1


def test_marker_is_not_lost(adopted: tuple[Path, Path]) -> None:
    before, after = manifests(adopted)
    assert after.dependencies[0].value.endswith("; python_version < '4'")
    assert after.dependencies[0] == before.dependencies[0]


def test_extra_is_not_lost(adopted: tuple[Path, Path]) -> None:
    before, after = manifests(adopted)
    assert after.extras == before.extras and list(after.extras) == ["http"]


def test_group_is_not_lost_and_those_of_tests_are_chosen(adopted: tuple[Path, Path]) -> None:
    before, after = manifests(adopted)
    assert after.groups == before.groups and {"test", "fast", "docs"} <= set(after.groups)
    assert config.settings_of(adopted[1]).groups == ("test",)


POINTS = "whole_tool-2.5.0.dist-info/entry_points.txt"


@pytest.fixture
def wheels(adopted: tuple[Path, Path], tmp_path: Path) -> list[dict[str, bytes]]:
    """Return the files of the project's wheel before and after."""
    return [content_of_wheel(path, tmp_path / name) for path, name in zip(adopted, ("b", "a"), strict=True)]


def test_script_is_not_lost(wheels: list[dict[str, bytes]]) -> None:
    assert b"whole = whole:main" in wheels[1][POINTS]
    assert wheels[0] == wheels[1], "name, version, files and metadata of the wheel"


def test_plugin_is_not_lost(wheels: list[dict[str, bytes]]) -> None:
    assert b"[pytest11]\nwhole = whole.plugin" in wheels[1][POINTS]
    assert wheels[0][POINTS] == wheels[1][POINTS]


def test_data_file_is_not_lost(wheels: list[dict[str, bytes]]) -> None:
    assert wheels[0]["whole/data.json"] == wheels[1]["whole/data.json"] == b"{}\n"


def content_of_wheel(project: Path, out: Path) -> dict[str, bytes]:
    # uv has this build backend in itself, so that nothing is fetched.
    command = [sys.executable, "-m", "uv", "build", "--offline", "--wheel", "--out-dir", str(out), str(project)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in sorted(archive.namelist())}


def test_version_is_not_lost(adopted: tuple[Path, Path]) -> None:
    before, after = manifests(adopted)
    assert after.version == before.version
    assert (adopted[1] / "changelog.txt").read_text().startswith("# whole-tool-2.5.0\n")


def test_constraint_is_not_lost(adopted: tuple[Path, Path]) -> None:
    before, after = manifests(adopted)
    assert after.constraints == before.constraints
    assert [item.value for item in after.constraints] == ["six<2", "mypy<2"]
    assert after.groups["test"][0].value == "pytest<8"


def test_source_is_not_lost(adopted: tuple[Path, Path]) -> None:
    before, after = manifests(adopted)
    assert after.indexes == before.indexes and after.indexes[0].value == "https://index.example/simple"
    assert after.extras["http"][0].value == "h11 @ git+https://host.example/h11@abc"


def test_test_is_not_lost(adopted: tuple[Path, Path]) -> None:
    before, after = (project_tests.find(path) for path in adopted)
    assert [item.value for item in after] == [item.value for item in before] == ["checks"]
    assert list(config.settings_of(adopted[1]).tests) == ["checks"]


def test_setting_of_pytest_is_not_lost(adopted: tuple[Path, Path]) -> None:
    before, after = map(pytest_settings.read, adopted)
    assert after == before and after["filterwarnings"] == ["error"] and "whole.plugin" in after["addopts"]


def test_file_is_not_lost_or_changed(adopted: tuple[Path, Path]) -> None:
    assert {name: (adopted[1] / name).read_text() for name in FILES} == FILES


def test_git_shows_added_files_only(root: Path) -> None:
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    (root / "helpers").mkdir()
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "before")
    config.forget()
    assert new(root, ".", source=".") == 0
    changed = git(root, "status", "--porcelain", "--untracked-files=all").splitlines()
    assert sorted(changed) == ["?? changelog.txt", "?? devops/helpers.toml", "?? devops/poetry.lock"]
