"""Locks by poetry itself, under limits that are not in the project: of the image below, and of the owner's manifest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.test import package_index
from helpers.test.test_lock import WANTS_A_AND_B, Locked, news

pytestmark = [pytest.mark.host, pytest.mark.slow]

SETTINGS = '\n[tool.helpers]\nbase = "dir:../one"\n'


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Locked]:
    """A locked directory `one`, after which each package of its index has a newer version."""
    with package_index.serve() as index:
        for name, requires in (("a", ["c"]), ("b", []), ("c", [])):
            index.add(name, "1.0", days=100, requires=requires)
        found = Locked(tmp_path / "repo", index)
        assert found.run("--dir", "one").returncode == 0
        news(index)
        yield found


def child(locked: Locked, dependencies: str) -> Path:
    path = locked.add("two")
    (path / "pyproject.toml").write_text(WANTS_A_AND_B.replace('"a", "b"', dependencies) + SETTINGS)
    return path


def test_new_directory_takes_the_versions_of_the_image_below(locked: Locked) -> None:
    locked.index.add("d", "1.0", days=100, requires=["c"])
    child(locked, '"d"')
    done = locked.run("--dir", "two")
    assert (done.returncode, done.stdout) == (0, "c  (new) -> 1.0\nd  (new) -> 1.0\n"), done.stderr
    assert locked.run("--check", "--dir", "two").returncode == 0


def test_lock_follows_the_image_below_to_its_newer_versions(locked: Locked) -> None:
    child(locked, '"a"')
    done = locked.run("--all", "--upgrade", "c")
    assert "c  1.0 -> 1.1" in done.stdout and locked.run("--dir", "two").returncode == 0
    assert 'name = "c"\nversion = "1.1"' in locked.file("two").read_text()
    assert 'name = "a"\nversion = "1.0"' in locked.file("two").read_text()


def test_requirement_that_the_image_below_cannot_meet_is_named_with_both_versions(locked: Locked) -> None:
    path = child(locked, '"b", "a>=1.1"')
    done = locked.run("--dir", "two")
    assert done.returncode == 2 and not locked.file("two").exists()
    assert "a: a (>=1.1), and ../one below it has 1.0" in done.stderr and str(path) in done.stderr
    assert "b:" not in done.stderr


def test_conflict_without_a_part_of_the_image_below_keeps_the_words_of_poetry(locked: Locked) -> None:
    child(locked, '"a", "b>=7"')
    done = locked.run("--dir", "two")
    assert done.returncode == 2 and "poetry lock failed" in done.stderr and "b" in done.stderr


@pytest.mark.parametrize("setting", ["groups", "extras"])
def test_group_or_extra_that_a_project_of_poetry_lacks_is_refused_by_its_setting(locked: Locked, setting: str) -> None:
    project = locked.scratch.root / "one" / "pyproject.toml"
    project.write_text(f'{project.read_text()}\n[tool.helpers]\n{setting} = ["nothing"]\n')
    done = locked.run("--check", "--dir", "one")
    assert done.returncode == 2 and f"[tool.helpers] {setting}: the project has no 'nothing'" in done.stderr


def test_directory_with_settings_of_its_own_is_locked_in_devops_without_an_edit(locked: Locked) -> None:
    path = locked.add("three")
    limit = '[tool.uv]\nconstraint-dependencies = ["c<1.1"]\n'
    manifest = f'[project]\nname = "three"\nversion = "7"\ndependencies = ["a"]\n{limit}'
    (path / "pyproject.toml").write_text(manifest)
    (path / "devops" / "helpers.toml").write_text('base = "archive:bookworm"\n')
    locked.index.add("pytest", "5.0", days=100)
    done = locked.run("--dir", "three")
    assert (done.returncode, done.stdout) == (0, "a  (new) -> 1.1\nc  (new) -> 1.0\npytest  (new) -> 5.0\n"), (
        done.stderr
    )
    assert (path / "pyproject.toml").read_text() == manifest and not (path / "poetry.lock").exists()
    assert 'python-versions = ">=3.11,<3.12"' in (path / "devops" / "poetry.lock").read_text()
    assert locked.run("--check", "--dir", "three").returncode == 0
    (path / "pyproject.toml").write_text(manifest.replace('"a"', '"a", "b"'))
    done = locked.run("--check", "--dir", "three")
    assert done.returncode == 1 and "devops/poetry.lock does not match" in done.stderr
