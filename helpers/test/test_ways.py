"""Which links are met on the way to something."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helpers.driver.ways import links

LINKS = {
    "one": "a",
    "two": "one",
    "a/up": "../two/b",
    "far": "{outside}/there",
    "round": "round",
    "nowhere": "gone",
}
WAYS = {
    "a": [],
    "a/b/file": [],
    "one/b/file": ["one"],
    "two/b": ["two", "one"],
    "a/up/file": ["a/up", "two", "one"],
    "two/../one/b": ["two", "one", "one"],
    "./a//b/../up": ["a/up", "two", "one"],
    "nowhere/more": ["nowhere"],
    "missing/more": [],
    "": [],
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = Path(os.path.realpath(tmp_path)) / "r"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "file").touch()
    (root.parent / "outside").mkdir()
    (root.parent / "outside" / "there").symlink_to(root / "one")
    for name, target in LINKS.items():
        (root / name).symlink_to(target.format(outside=root.parent / "outside"))
    return root


@pytest.mark.parametrize("way", WAYS)
def test_each_link_is_met_in_its_turn(root: Path, way: str) -> None:
    for begin in (str(root), "/"):
        assert list(links(f"{root}/{way}", begin)) == [f"{root}/{name}" for name in WAYS[way]]


def test_a_way_that_leaves_the_repo_is_followed_too(root: Path) -> None:
    met = [f"{root}/far", f"{root.parent}/outside/there", f"{root}/one"]
    assert list(links(f"{root}/far/b", str(root))) == met
    assert list(links(f"{root.parent}/outside/there", str(root))) == met[1:]


def test_a_way_in_a_circle_ends(root: Path) -> None:
    assert set(links(f"{root}/round/x", str(root))) == {f"{root}/round"}
