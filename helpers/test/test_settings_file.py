"""The settings of a directory stand in `pyproject.toml`, or in `devops/helpers.toml` beside a file of another owner."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from helpers import config, discover
from helpers.dirs import soundness
from helpers.driver.container import pytest_arguments
from helpers.errors import ConfigError
from helpers.repos import own_version
from helpers.test.dirs_fixtures import findings
from helpers.test.unit_fixtures import add_dir, cache, make_repo

__all__ = ["cache"]
OWNERS = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n\n[project]\nname = "theirs"\n'


@pytest.fixture
def root(tmp_path: Path, cache: Path) -> Path:
    return make_repo(tmp_path / "r")


@pytest.fixture
def theirs(root: Path) -> Path:
    """A runnable dir whose `pyproject.toml` says nothing of helpers."""
    path = add_dir(root, "theirs")
    (path / "pyproject.toml").write_text(OWNERS)
    (path / "devops" / "helpers.toml").write_text('memory = "1g"\ntests = ["test"]\n')
    return path


def test_settings_are_read_from_a_file_of_their_own(root: Path, theirs: Path) -> None:
    runnable = config.load(root, theirs, [theirs])
    assert (runnable.settings.memory, runnable.settings.tests) == ("1g", ("test",))
    assert runnable.settings_file == theirs / "devops" / "helpers.toml"


def test_directory_with_settings_of_its_own_needs_no_pyproject(root: Path, theirs: Path) -> None:
    (theirs / "pyproject.toml").unlink()
    assert config.load(root, theirs, [theirs]).settings.memory == "1g"
    assert pytest_arguments(config.load(root, theirs, [theirs]), Path("/results"), ())[:3] == [
        f"--rootdir={theirs}",
        "-c",
        "/dev/null",
    ]


def test_settings_in_two_files_are_an_error_that_names_both(root: Path, theirs: Path) -> None:
    (theirs / "pyproject.toml").write_text(f"{OWNERS}[tool.helpers]\n")
    with pytest.raises(ConfigError, match="has two files with settings") as caught:
        config.load(root, theirs, [theirs])
    assert "devops/helpers.toml and [tool.helpers] of pyproject.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("tiemout = 5", "devops/helpers.toml has no setting 'tiemout'"),
        ("pids = 1", "setting pids must be at least 16"),
        ("[tool.helpers]", "devops/helpers.toml has no setting 'tool'"),
        ('base = "x"', "setting base: "),
        ("memory = ", "is not TOML"),
    ],
)
def test_wrong_line_is_an_error_that_names_the_file(root: Path, theirs: Path, line: str, what: str) -> None:
    file = theirs / "devops" / "helpers.toml"
    file.write_text(f"{line}\n")
    with pytest.raises(ConfigError, match=re.escape(what)) as caught:
        config.load(root, theirs, [theirs])
    assert str(caught.value.where).startswith(str(file)) and "[tool.helpers]" not in caught.value.what


@pytest.mark.slow
def test_dir_check_names_the_line_of_a_wrong_setting(root: Path, theirs: Path) -> None:
    (theirs / "devops" / "helpers.toml").write_text('memory = "1g"\nuses = ["../nothing"]\n')
    assert findings(root, theirs)[0].startswith("devops/helpers.toml:2: uses: '../nothing' does not exist")


def test_fault_of_a_path_names_the_file(root: Path, theirs: Path) -> None:
    (theirs / "devops" / "helpers.toml").write_text('uses = ["../nothing"]\n')
    with pytest.raises(ConfigError, match="setting uses") as caught:
        soundness.check_paths(config.load(root, theirs, [theirs]))
    assert caught.value.where == str(theirs / "devops" / "helpers.toml")


def test_link_in_place_of_the_file_is_refused(root: Path, theirs: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("base = 'SECRET'\n")
    file = theirs / "devops" / "helpers.toml"
    file.unlink()
    file.symlink_to(tmp_path / "secret")
    with pytest.raises(ConfigError) as caught:
        config.load(root, theirs, [theirs])
    assert "SECRET" not in str(caught.value)


@pytest.mark.slow
def test_directory_that_lost_its_changelog_stays_listed(root: Path, theirs: Path) -> None:
    (theirs / "changelog.txt").unlink()
    assert theirs in discover.runnable_paths(root)


def test_settings_of_the_repo_stand_in_the_file_too(root: Path) -> None:
    (root / "devops").mkdir()
    (root / "devops" / "helpers.toml").write_text('registry = "host:5000/team"\nhelpers = ">=99"\n')
    assert config.repo_settings(root).registry == "host:5000/team"
    wanted = own_version.wanted_range(root)
    assert wanted is not None and str(wanted) == ">=99"
