"""What a memo knows of directories that git ignores as a whole, and of links through them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers.test.fake_engine import PASSES, Tests
from helpers.test.test_memo import BUILT, answer, inside
from helpers.test.unit_fixtures import DERIVED_LOCK, LOCK, add_dir, cache, git, no_poetry
from helpers.test.verdict_scene import ALL, Scene, scene, setting, write_junit

pytestmark = pytest.mark.slow

__all__ = ["cache", "inside", "no_poetry", "scene"]


def ignored(scene: Scene) -> None:
    """Let git ignore a directory, in which there is a file."""
    (scene.root / "built" / "lib").mkdir(parents=True)
    (scene.root / "built" / "lib" / "x").write_text("one")
    (scene.root / ".gitignore").write_text("built/\n")


@pytest.mark.parametrize("used", ["../built/lib", "../lib"])
def test_a_change_in_a_directory_that_git_ignores_is_seen_where_tests_see_it(inside: Scene, used: str) -> None:
    ignored(inside)
    text = (inside.root / "a" / "pyproject.toml").read_text().replace("../lib", used)
    (inside.root / "a" / "pyproject.toml").write_text(text)
    assert [inside.run(), inside.run()] == [(0, ALL), (0, set())]
    assert answer(inside) == 0
    (inside.root / "built" / "lib" / "x").write_text("two")
    assert answer(inside) == (0 if used == "../lib" else None)


def leading(scene: Scene, names: tuple[str, str]) -> Path:
    """Let `built/current` lead to one of two directories that git knows."""
    ignored(scene)
    for name in names:
        shutil.copytree(scene.root / "base", scene.root / name)
        (scene.root / name / "changelog.txt").write_text(f"# {name}-1.0.0\n- 2026-01-01\n- first\n")
    link = scene.root / "built" / "current"
    link.symlink_to(scene.root / names[0])
    return link


@pytest.mark.parametrize("way", ["a file", "a base of a base", "our own part"])
def test_another_way_through_a_directory_that_git_ignores_is_seen(inside: Scene, way: str) -> None:
    link = leading(inside, ("one", "two"))
    arguments: list[str] = []
    if way == "a file":
        (inside.root / "a" / "tox.ini").symlink_to("../built/current/poetry.lock")
    elif way == "our own part":
        (inside.package / "driver" / "link.py").symlink_to("../../built/current/poetry.lock")
    else:
        setting("base", 'base = "dir:../built/current"')(inside)
        arguments = ["--dir", "b"]
    git(inside.root, "add", "--all")
    git(inside.root, "commit", "--quiet", "--message", "links")
    inside.tests |= {name: Tests(PASSES, write_junit) for name in ("one", "two")}
    inside.arguments += arguments
    inside.run()
    assert inside.run()[1] == set()
    assert answer(inside) == 0
    link.unlink()
    link.symlink_to(inside.root / "two")
    assert answer(inside) is None


def test_what_git_ignores_in_a_base_leaves_the_memo_of_what_stands_on_it(inside: Scene) -> None:
    (inside.root / ".gitignore").write_text(".tox/\n")
    (inside.root / "base" / ".tox").mkdir()
    (inside.root / "base" / ".tox" / "x").write_text("x")
    inside.arguments += ["--dir", "b"]
    assert [inside.run(), inside.run()] == [(0, {"b"}), (0, set())]
    assert answer(inside) == 0


@pytest.mark.parametrize("way", ["a recipe", "our own part"])
def test_a_plan_that_is_made_of_what_git_ignores_as_a_whole_is_not_remembered(inside: Scene, way: str) -> None:
    ignored(inside)
    if way == "a recipe":
        (inside.root / "a" / "tox.ini").symlink_to("../built/lib/x")
    else:
        (inside.package / "driver" / "link.py").symlink_to("../../built/lib/x")
    assert [inside.run(), inside.run()] == [(0, ALL), (0, set())]
    assert answer(inside) is None


@pytest.mark.parametrize("place", ["built", "common"])
def test_path_dependency_in_a_directory_that_git_ignores_leaves_no_memo(inside: Scene, place: str) -> None:
    ignored(inside)
    common = inside.root / place / "lib" / "pyproject.toml"
    common.parent.mkdir(parents=True, exist_ok=True)
    common.write_text('[project]\nname = "lib"\nversion = "1"\n')
    directory = inside.root / "b"
    (directory / "poetry.lock").unlink()
    (directory / "devops" / "poetry.lock").write_text(DERIVED_LOCK)
    (directory / "devops" / "helpers.toml").write_text('base = "archive:bookworm"\n')
    text = f'[project]\nname = "b"\nversion = "1"\ndependencies = ["lib @ file:../{place}/lib"]\n'
    (directory / "pyproject.toml").write_text(text)
    # A sibling that git ignores is refused.
    code, ran = (0, ALL) if place == "common" else (2, ALL - {"b"})
    assert [inside.run(), inside.run()] == [(code, ran), (code, set())]
    assert answer(inside) == (0 if place == "common" else None)
    common.write_text('[project]\nname = "lib"\nversion = "1"\ndependencies = ["six"]\n')
    assert answer(inside) is None


def test_package_of_a_project_behind_a_link_that_git_ignores_is_seen(inside: Scene) -> None:
    link = leading(inside, ("one", "two"))
    with (inside.root / "base" / "pyproject.toml").open("a") as manifest:
        manifest.write(BUILT)
    (inside.root / "base" / "package").symlink_to("../built/current/test")
    inside.tests |= {name: Tests(PASSES, write_junit) for name in ("one", "two")}
    inside.arguments += ["--dir", "b"]
    assert [inside.run(), inside.run()] == [(0, {"b"}), (0, set())]
    assert answer(inside) == 0
    link.unlink()
    link.symlink_to(inside.root / "two")
    assert answer(inside) is None


def test_a_base_in_a_directory_that_git_ignores_is_looked_at(inside: Scene) -> None:
    ignored(inside)
    shutil.move(inside.root / "base", inside.root / "built" / "base")
    text = (inside.root / "b" / "pyproject.toml").read_text()
    (inside.root / "b" / "pyproject.toml").write_text(text.replace("dir:../base", "dir:../built/base"))
    assert [inside.run(), inside.run()] == [(0, ALL - {"base"}), (0, set())]
    assert answer(inside) == 0
    (inside.root / "built" / "base" / "poetry.lock").write_text(f"# another\n{LOCK}")
    assert answer(inside) is None


@pytest.mark.parametrize("link", ["group", "group/new"])
@pytest.mark.parametrize("place", ["outside", "built"])
def test_a_memo_follows_links_inside_the_repo_and_a_link_out_of_it_is_refused(
    inside: Scene, tmp_path: Path, place: str, link: str
) -> None:
    (inside.root / ".gitignore").write_text("built/\n")
    add_dir(inside.root, "group/new")
    git(inside.root, "add", "--all")
    inside.tests["group/new"] = Tests(PASSES, write_junit)
    there = tmp_path / "there" if place == "outside" else inside.root / "built" / "there"
    there.parent.mkdir(exist_ok=True)
    shutil.move(inside.root / link, there)
    (inside.root / link).symlink_to(there)
    if place == "outside":
        assert [inside.run(), inside.run()] == [(2, ALL), (2, set())]
        assert answer(inside) is None
        return
    assert [inside.run(), inside.run()] == [(0, {*ALL, "group/new"}), (0, set())]
    assert answer(inside) == 0
    (inside.root / "group" / "new" / "conftest.py").write_text("more = 1\n")
    assert answer(inside) is None
    assert inside.run() == (0, {"group/new"})
