"""The hook of the common file `.pre-commit-config.yaml`, by the real framework, at real commits."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from helpers.dirs import touched
from helpers.errors import UsageError
from helpers.repos import shared_files
from helpers.test.dirs_fixtures import sound
from helpers.test.unit_fixtures import add_dir, cache, git, make_repo

__all__ = ["cache"]

pytestmark = pytest.mark.slow

ODD = "it's $(touch PWNED)"
TEMPLATE = shared_files.PACKAGE / "templates" / "shared" / ".pre-commit-config.yaml"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repo with helpers and two sound runnable dirs, one of them with an odd name, all of it committed."""
    path = make_repo(tmp_path / "a repo")
    (path / "helpers").symlink_to(shared_files.PACKAGE)
    shutil.copy2(TEMPLATE, path)
    sound(path, "one")
    (sound(path, ODD) / "changelog.txt").write_text("# odd-0.1.0\n- 2024-05-06\n- first version\n")
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--message", "all")
    return path


def commit(root: Path, home: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Commit what is staged, as a user whose hooks run."""
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    env = {**os.environ, "PRE_COMMIT_HOME": str(home), "PRE_COMMIT_COLOR": "never"}
    return subprocess.run(
        ["git", *identity, "commit", "--message", "change", *options],
        cwd=root,
        env=env,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def install(root: Path, home: Path) -> None:
    env = {**os.environ, "PRE_COMMIT_HOME": str(home)}
    subprocess.run([sys.executable, "-m", "pre_commit", "install"], cwd=root, env=env, check=True, capture_output=True)


@pytest.mark.host
def test_a_bad_changelog_is_refused_at_the_commit_and_a_good_one_passes(root: Path, tmp_path: Path) -> None:
    home = tmp_path / "home of pre-commit"
    install(root, home)
    log = root / "one" / "changelog.txt"
    good = log.read_text()
    name = good.split("-")[0]
    log.write_text(f"{name}-0.0.1\n- 2026-11-22\n- older\n\n{good}")
    before = git(root, "rev-parse", "HEAD")
    refused = commit(root, home, "--all")
    assert refused.returncode == 1
    said = refused.stderr + refused.stdout
    assert "one/changelog.txt:" in said and "the newest entry comes first" in said
    assert git(root, "rev-parse", "HEAD") == before
    log.write_text(f"{name}-0.2.0\n- 2026-11-22\n- newer\n\n{good}")
    done = commit(root, home, "--all")
    assert done.returncode == 0, done.stderr
    assert "Passed" in done.stderr
    assert git(root, "rev-parse", "HEAD") != before


@pytest.mark.host
def test_a_bad_setting_is_refused_in_a_directory_of_any_name_and_the_name_runs_nothing(
    root: Path, tmp_path: Path
) -> None:
    home = tmp_path / "home of pre-commit"
    install(root, home)
    project = root / ODD / "pyproject.toml"
    project.write_text(project.read_text().replace("base =", "bsae ="))
    refused = commit(root, home, "--all")
    assert refused.returncode == 1
    assert "did you mean 'base'" in refused.stderr + refused.stdout
    assert not list(root.rglob("PWNED"))


@pytest.mark.host
def test_what_is_staged_counts_and_not_what_lies_beside_it(root: Path, tmp_path: Path) -> None:
    home = tmp_path / "home of pre-commit"
    install(root, home)
    log = root / "one" / "changelog.txt"
    good = log.read_text()
    log.write_text("not a changelog\n")
    git(root, "add", "one/changelog.txt")
    log.write_text(good)
    assert commit(root, home).returncode == 1
    git(root, "reset", "--quiet")
    (root / "one" / "code.py").write_text("x = 1\n")
    log.write_text("not a changelog\n")
    git(root, "add", "one/code.py")
    done = commit(root, home)
    assert (done.returncode, "Skipped" in done.stderr) == (0, True), done.stderr
    assert log.read_text() == "not a changelog\n"


def test_the_file_is_one_that_the_framework_knows() -> None:
    check = [sys.executable, "-m", "pre_commit", "validate-config", str(TEMPLATE)]
    done = subprocess.run(check, capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert (shared_files.PACKAGE.parent / _hook()["entry"].split()[1]).is_file()


def _hook() -> dict[str, str]:
    (found,) = yaml.safe_load(TEMPLATE.read_text())["repos"][0]["hooks"]
    return dict(found)


@pytest.mark.parametrize(
    "path, matters",
    [
        ("changelog.txt", True),
        ("a/changelog.txt", True),
        ("a/b c/pyproject.toml", True),
        ("a/poetry.lock", True),
        ("a/devops/base.lock", True),
        ("devops/Dockerfile", True),
        ("a/code.py", False),
        ("a/my_changelog.txt", False),
        ("a/changelog.txt.orig", False),
        ("mydevops/x", False),
    ],
)
def test_it_starts_for_the_files_that_say_what_a_directory_is(path: str, matters: bool) -> None:
    assert bool(re.search(_hook()["files"], path)) is matters


def test_only_directories_that_a_file_lies_in_are_checked_and_each_file_counts_for_the_nearest(
    tmp_path: Path, cache: Path
) -> None:
    root = make_repo(tmp_path / "r")
    for name in ("a", "a/nested", "b"):
        add_dir(root, name)
    (root / "free").mkdir()

    def of(*names: str) -> list[str]:
        return [path.relative_to(root).as_posix() for path in touched.touched(root, [root / name for name in names])]

    assert of("a/devops/base.lock", "a/changelog.txt") == ["a"]
    assert of("a/nested/deep/x", "b/gone") == ["a/nested", "b"]
    assert of("free/changelog.txt", "changelog.txt", "../outside") == []


def test_a_directory_that_has_lost_a_mark_is_touched_all_the_same(
    root: Path, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "one" / "changelog.txt").unlink()
    assert touched.main(["one/pyproject.toml"], root) == 2
    assert "one/changelog.txt:1: is missing" in capsys.readouterr().out


def test_a_fault_in_another_directory_is_no_matter(root: Path, cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "one" / "changelog.txt").write_text("not a changelog\n")
    assert touched.main([f"{ODD}/changelog.txt"], root) == 0
    assert touched.main(["changelog.txt"], root / "one") == 2
    assert capsys.readouterr().out.startswith("changelog.txt:1: ")
    for names, more in (([], False), (["one/changelog.txt"], True)):
        with pytest.raises(UsageError, match="takes the directories from files"):
            touched.main(names, root, more=more)
