from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from helpers import config
from helpers.engine.specs import Distribution, ImageSpec
from helpers.errors import ConfigError, PolicyError
from helpers.images.recipe import image_chain
from helpers.model.stage import Stage
from helpers.test.unit_fixtures import add_dir, cache, forget, git, make_repo

__all__ = ["cache"]

PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "one"
version = "1.2.3"
requires-python = ">=3.11"
readme = "README.md"

[tool.ruff]
line-length = 100

[tool.helpers]
"""


@pytest.fixture
def path(tmp_path: Path, cache: Path) -> Path:
    """A project with a pure Python package, all of it tracked."""
    path = add_dir(make_repo(tmp_path / "r"), "one", image="one", version="0.3.0")
    (path / "pyproject.toml").write_text(PROJECT)
    for name in ("README.md", "src/one/__init__.py", "src/one/work.py"):
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(f"# {name}\n")
    git(path, "add", "--all")
    return path


def image(path: Path, stage: Stage = Stage.LOCAL) -> ImageSpec:
    forget()
    return image_chain(config.load(path.parent, path, ()), config.loader(path.parent), stage)[-1]


def own(spec: ImageSpec) -> Distribution:
    (found,) = spec.distributions
    return found


def edit(path: Path, text: str = "# more\n") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.write(text)


def test_directory_without_a_build_backend_has_no_distribution(path: Path) -> None:
    plain = add_dir(path.parent, "plain")
    assert image(plain).distributions == ()
    assert image(plain).target == "dev"


def test_image_of_a_project_is_built_by_the_stages_for_projects(path: Path) -> None:
    found = image(path)
    assert found.target == "project-dev"
    assert (own(found).installed, own(found).name) == ("editable", "one")
    names = [item.name for item in own(found).files]
    assert "src/one/work.py" in names and not any(name.startswith(".git") for name in names)
    assert image(path, Stage.PROD).target == "project-prod"


def test_edit_of_a_module_keeps_the_image_of_an_editable_project(path: Path) -> None:
    before = image(path).reference
    edit(path / "src/one/work.py")
    edit(path / "src/one/new.py")
    edit(path / "test/test_it.py")
    assert image(path).reference == before


@pytest.mark.parametrize("name", ["README.md", "LICENSE", "src/one/_version.py"])
def test_edit_of_metadata_gives_another_image(path: Path, name: str) -> None:
    before = image(path).reference
    edit(path / name)
    assert image(path).reference != before


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('version = "1.2.3"', 'version = "1.2.4"', False),
        ('requires = ["hatchling"]', 'requires = ["hatchling<2"]', False),
        ("line-length = 100", "line-length = 120", True),
        ("[tool.helpers]", '[tool.helpers]\ninstalled = "editable"', True),
        ("[tool.helpers]", '[tool.helpers]\ninstalled = "compiled"', False),
        ("[tool.helpers]", '[tool.helpers]\ninstalled = "wheel"', False),
    ],
)
def test_pyproject_decides_the_image_by_the_tables_of_the_build(path: Path, old: str, new: str, same: bool) -> None:
    before = image(path).reference
    file = path / "pyproject.toml"
    file.write_text(file.read_text().replace(old, new))
    assert (image(path).reference == before) == same


def test_edit_of_a_module_gives_another_image_of_a_compiled_project(path: Path) -> None:
    edit(path / "pyproject.toml", 'installed = "compiled"\nbuild_packages = ["gcc"]\n')
    before = image(path)
    assert own(before).build_packages == ("gcc",)
    edit(path / "test/test_it.py")
    assert image(path).reference == before.reference
    edit(path / "src/one/work.py")
    assert image(path).reference != before.reference


def test_source_in_a_directory_of_tests_gives_another_image_of_a_compiled_project(path: Path) -> None:
    edit(path / "pyproject.toml", 'installed = "compiled"\ntests = ["src/one"]\n')
    edit(path / "src/one/test_it.py")
    before = image(path).reference
    edit(path / "src/one/test_it.py")
    assert image(path).reference == before
    edit(path / "src/one/_c.c")
    assert image(path).reference != before


def test_backend_in_the_directory_of_the_project_gives_another_image_after_an_edit(path: Path) -> None:
    file = path / "pyproject.toml"
    file.write_text(file.read_text().replace('["hatchling"]', '[]\nbackend-path = ["./src/"]'))
    before = image(path).reference
    edit(path / "src/one/work.py")
    assert image(path).reference != before


def test_prod_image_of_a_project_holds_the_wheel_of_tracked_files(path: Path) -> None:
    before = image(path, Stage.PROD)
    assert own(before).installed == "wheel"
    edit(path / "src/one/untracked.py")
    assert image(path, Stage.PROD).reference == before.reference
    edit(path / "src/one/work.py")
    assert image(path, Stage.PROD).reference != before.reference


def test_version_for_the_backend_is_that_of_the_changelog_or_of_an_unpacked_distribution(path: Path) -> None:
    found = own(image(path))
    assert found and found.version == "0.3.0"
    edit(path / "PKG-INFO", "Metadata-Version: 2.4\nName: one\nVersion: 9.8.7\n")
    found = own(image(path))
    assert found and found.version == "9.8.7"


def test_files_of_a_runnable_dir_inside_a_project_are_no_source(path: Path) -> None:
    inner = add_dir(path.parent, "one/inner")
    forget()
    runnable = config.load(path.parent, path, (path, inner))
    found = image_chain(runnable, config.loader(path.parent, (path, inner)))[-1].distributions[-1]
    assert found and not any(item.name.startswith("inner/") for item in found.files)


def test_link_out_of_the_repo_is_refused(path: Path) -> None:
    (path / "secret").symlink_to("/etc/hostname")
    git(path, "add", "--all")
    with pytest.raises(ConfigError, match="is a link out of the repo"):
        image(path)


def test_own_dockerfile_of_a_project_installs_by_itself(path: Path) -> None:
    (path / "devops" / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    assert image(path).distributions == ()


def test_link_to_a_file_that_git_ignores_is_refused(path: Path) -> None:
    root = path.parent
    (root / ".gitignore").write_text("secrets.env\n")
    (root / "secrets.env").write_text("TOKEN=x\n")
    (path / "NOTES").symlink_to("../secrets.env")
    with pytest.raises(ConfigError, match="is a link to a file that git ignores"):
        image(path)


def test_package_that_is_a_link_to_a_directory_without_a_file_of_git_is_refused(path: Path) -> None:
    (path.parent / ".gitignore").write_text("built/\n")
    edit(path.parent / "built" / "two" / "__init__.py")
    (path / "src" / "two").symlink_to("../../built/two")
    with pytest.raises(ConfigError, match="is a link to a directory that git ignores") as raised:
        image(path)
    assert raised.value.where == str(path / "src" / "two")


def test_link_to_data_of_git_is_refused(path: Path) -> None:
    (path / "README.md").unlink()
    (path / "README.md").symlink_to("../.git/config")
    with pytest.raises(ConfigError, match="data of git"):
        image(path)


def test_link_to_a_file_and_a_directory_of_the_repo_give_the_build_their_files(path: Path) -> None:
    shared = path.parent / "shared" / "two"
    shared.mkdir(parents=True)
    (shared / "__init__.py").write_text("")
    (path.parent / "LICENSE").write_text("free\n")
    (path / "src" / "two").symlink_to("../../shared/two")
    (path / "LICENSE").symlink_to("../LICENSE")
    distribution = own(image(path))
    names = {item.name: item.source for item in distribution.files}
    assert names["src/two/__init__.py"] == shared / "__init__.py" and names["LICENSE"] == path / "LICENSE"


def test_key_in_the_source_of_a_prod_image_is_refused(path: Path) -> None:
    (path / "src" / "one" / ".env").write_text("x\n")
    git(path, "add", "--all")
    assert image(path).is_project
    with pytest.raises(PolicyError, match="may not be in an image") as caught:
        image(path, Stage.PROD)
    subprocess.run(shlex.split(str(caught.value.fix)), check=True, capture_output=True)
    forget()
    image(path, Stage.PROD)


def test_key_of_tests_stays_out_of_a_prod_build(path: Path) -> None:
    (path / "test" / ".env").write_text("x\n")
    git(path, "add", "--all")
    distribution = own(image(path, Stage.PROD))
    assert "test/.env" not in {item.name for item in distribution.files}
