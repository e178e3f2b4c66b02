from __future__ import annotations

from pathlib import Path

import pytest

from helpers import build_system, config
from helpers.errors import ConfigError
from helpers.inside import build_wheel
from helpers.model.manifest import BuildSystem
from helpers.test.unit_fixtures import add_dir, cache, forget, make_repo

__all__ = ["cache"]

FLIT = '[build-system]\nrequires = ["flit_core >=3"]\nbuild-backend = "flit_core.buildapi"\n'
LEGACY = BuildSystem("setuptools.build_meta:__legacy__", ("setuptools",))


@pytest.fixture
def path(tmp_path: Path, cache: Path) -> Path:
    return add_dir(make_repo(tmp_path / "r"), "one")


def found(path: Path, **files: str) -> BuildSystem | None:
    for name, text in files.items():
        (path / name.replace("__", ".")).write_text(text)
    forget()
    return build_system.of_directory(path)


def test_directory_with_package_mode_false_has_no_build_backend(path: Path) -> None:
    assert found(path) is None
    assert found(path, setup__py="from setuptools import setup\nsetup()\n") is None


def test_build_system_table_names_the_backend(path: Path) -> None:
    backend = BuildSystem("flit_core.buildapi", ("flit_core >=3",))
    assert found(path, pyproject__toml=f'[project]\nname = "one"\n{FLIT}') == backend
    loaded = config.load(path.parent, path, ())
    assert loaded.build == backend


def test_build_system_counts_with_package_mode_false_unless_poetry_builds(path: Path) -> None:
    off = "[tool.poetry]\npackage-mode = false\n"
    assert found(path, pyproject__toml=FLIT + off)
    poetry = FLIT.replace("flit_core.buildapi", "poetry.core.masonry.api")
    assert found(path, pyproject__toml=poetry)
    assert found(path, pyproject__toml=poetry + off) is None


def test_project_table_alone_builds_nothing(path: Path) -> None:
    assert found(path, pyproject__toml='[project]\nname = "one"\n') is None


@pytest.mark.parametrize(
    ("name", "text", "builds"),
    [
        ("setup__py", "from setuptools import setup\nsetup()\n", True),
        ("setup__cfg", "[metadata]\nname = one\n", True),
        ("setup__cfg", "[flake8]\nmax-line-length = 100\n", False),
    ],
)
def test_setuptools_builds_a_directory_with_its_files_only(path: Path, name: str, text: str, builds: bool) -> None:
    assert found(path, pyproject__toml="[project]\n", **{name: text}) == (LEGACY if builds else None)


@pytest.mark.parametrize(
    ("table", "what"),
    [
        ("requires = 1\n", r"\[build-system\] requires"),
        ("requires = [1]\n", r"\[build-system\] requires"),
        ("requires = []\nbuild-backend = 1\n", r"\[build-system\] build-backend"),
        ('requires = []\nbackend-path = ["../x"]\n', "backend-path '../x' leads out of the directory"),
        ('requires = []\nbackend-path = ["/x"]\n', "backend-path '/x' leads out of the directory"),
    ],
)
def test_wrong_build_system_is_an_error_of_the_file(path: Path, table: str, what: str) -> None:
    with pytest.raises(ConfigError, match=what) as caught:
        found(path, pyproject__toml=f"[build-system]\n{table}")
    assert caught.value.where == f"{path / 'pyproject.toml'}:1"


def test_build_system_that_is_no_table_is_an_error(path: Path) -> None:
    with pytest.raises(ConfigError, match="build-system"):
        found(path, pyproject__toml='build-system = "x"\n')


@pytest.mark.parametrize(
    "item", ["-r /run/secrets/host_env", "evil @ https://example.invalid/evil.tar.gz", "./evil", "--index-url x", ""]
)
def test_requirement_that_is_no_name_with_versions_is_refused(path: Path, item: str) -> None:
    with pytest.raises(ConfigError, match="is not the name of a distribution"):
        found(path, pyproject__toml=f'[build-system]\nrequires = ["{item}"]\nbuild-backend = "x"\n')


@pytest.mark.parametrize("item", ["-r /etc/passwd", "evil @ file:///x", "/x/y.whl", "../evil", "x\x00", "a b"])
def test_backend_gets_only_distributions_by_name(tmp_path: Path, item: str) -> None:
    (tmp_path / "asked.txt").write_text(f"setuptools>=61\n{item}\n")
    with pytest.raises(ValueError, match="only names and versions are installed"):
        build_wheel.asked(str(tmp_path / "asked.txt"))


def test_backend_gets_distributions_with_extras_versions_and_markers(tmp_path: Path) -> None:
    lines = ["wheel", "setuptools >= 61, <80", "cython~=3.0; python_version < '4'", "a[b,c]==1.*", "ninja (>=1.8)"]
    (tmp_path / "asked.txt").write_text("\n".join(lines))
    assert build_wheel.asked(str(tmp_path / "asked.txt")) == lines
