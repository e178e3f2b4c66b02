"""The range of helpers' versions that a repo works with, and what a wrong one does."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import config
from helpers.errors import ConfigError, PolicyError
from helpers.model import changelog
from helpers.repos import own_version
from helpers.repos.shared_files import PACKAGE
from helpers.test.conftest import ROOT
from helpers.test.unit_fixtures import forget, make_repo


@pytest.fixture(params=["the sub-repo alone", "the whole repo"])
def package(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A helpers of version 0.3.1 in a super-repo, in a form of the submodule."""
    forget()
    path = tmp_path / "top" / ("helpers" if request.param == "the sub-repo alone" else "helpers/helpers")
    path.mkdir(parents=True)
    (path / "changelog.txt").write_text("# helpers-0.3.1\n- 2026-11-21\n- it\n")
    return path


def settle(package: Path, *lines: str) -> None:
    forget()
    top = next(path for path in package.parents if path.name == "top")
    (top / "pyproject.toml").write_text("\n".join(lines) + "\n")


def test_helpers_has_a_changelog_of_its_own() -> None:
    log = changelog.parse(config.read_text(PACKAGE / "changelog.txt"), "changelog.txt")
    assert (log.name, log.version) == ("helpers", own_version.own())


@pytest.mark.parametrize(
    "lines",
    [
        [],
        ["[tool.helpers]", 'registry = ""'],
        ["[tool.helpers]", 'helpers = ">=0.3,<1"'],
        ["[tool]", 'helpers.helpers = "==0.3.1"'],
        ["[tool]", 'helpers = { registry = "" }'],
    ],
)
def test_a_repo_that_works_with_this_version_or_does_not_say_is_let_go_on(package: Path, lines: list[str]) -> None:
    settle(package, *lines)
    own_version.check(package)


@pytest.mark.parametrize(
    ("lines", "fix"),
    [
        (["[tool.helpers]", 'helpers = ">=0.4,<1"'], "invoke repo_roll_forward --only helpers"),
        (["[tool]", 'helpers.helpers = ">=0.4"'], "invoke repo_roll_forward --only helpers"),
        (["[tool.helpers]", 'helpers = "<0.3"'], " submodule update helpers  ("),
    ],
)
def test_another_version_is_refused_with_both_and_the_next_command(package: Path, lines: list[str], fix: str) -> None:
    settle(package, *lines)
    with pytest.raises(PolicyError, match=r"works with helpers \S+, and this is helpers 0\.3\.1") as caught:
        own_version.check(package)
    assert fix in str(caught.value.fix)
    with pytest.raises(ConfigError, match="is no range"):
        settle(package, "[tool.helpers]", 'helpers = "0.4"')
        own_version.check(package)


def test_where_nothing_is_set_no_settings_are_read(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settle(package, "[tool.helpers]", 'registry = ""', 'name = "helpers"')
    monkeypatch.setattr(config, "repo_settings", lambda root: pytest.fail("the settings were read"))
    own_version.check(package)
    settle(package, "[tool.helpers]", 'helpers = ">=0"')
    with pytest.raises(pytest.fail.Exception):
        own_version.check(package)


@pytest.mark.slow
def test_every_command_but_those_that_mend_it_refuses(tmp_path: Path) -> None:
    root = make_repo(tmp_path / "a repo")
    for name in ("tasks.py", "main_pytest.py", "invoke.yaml"):
        (root / name).write_bytes((ROOT / name).read_bytes())
    # Not as a link, which Python follows to the place where this helpers lies.
    subprocess.run(["cp", "-R", PACKAGE, root / "helpers"], check=True)
    (root / "pyproject.toml").write_text('[tool.helpers]\nhelpers = ">=99"\n')
    env = {**os.environ, "HELPERS_INSIDE": "x 1.0.0"} if sys.version_info >= (3, 11) else {**os.environ}
    commands = (["main_pytest.py", "--list"], ["-m", "invoke", "dir_list"], ["-m", "invoke", "sync_status"])
    for command in commands:
        done = subprocess.run([sys.executable, *command], cwd=root, env=env, capture_output=True, encoding="utf-8")
        assert done.returncode == 4, (command, done.stderr)
        assert "works with helpers >=99, and this is helpers 0." in done.stderr
    mends = subprocess.run(
        [sys.executable, "-m", "invoke", "repo_status"], cwd=root, env=env, capture_output=True, encoding="utf-8"
    )
    assert (mends.returncode, "works with" in mends.stderr) == (0, False), mends.stderr
