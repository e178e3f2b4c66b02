from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from helpers import discover
from helpers.driver import plan as planner
from helpers.driver.plan import Plan
from helpers.test.unit_fixtures import add_dir, cache, git, make_repo

__all__ = ["cache"]


@pytest.fixture
def root(tmp_path: Path, cache: Path) -> Path:
    """A repo in which `a` stands on `z`, `b` is wrong, and `c` is alone."""
    root = make_repo(tmp_path / "r")
    add_dir(root, "z", image="zed")
    add_dir(root, "a", 'base = "dir:../z"\ntimeout = 5', image="aye", version="2.0.1")
    add_dir(root, "b", "tiemout = 5")
    add_dir(root, "c", 'base = "archive:trixie"\nnetwork = "bridge"\ndocker = "sibling"', image="cee")
    (root / "c" / "devops" / "compose.yaml").write_text("services: {}\n")
    return root


def make(root: Path, *names: str) -> Plan:
    every = discover.runnable_paths(root)
    return planner.make(root, [root / name for name in names] or every, every, "fast")


def test_every_step_stands_after_what_it_needs(root: Path) -> None:
    plan = make(root)
    done: set[str] = set()
    for step in plan.steps:
        assert set(step.needs) <= done, step
        done.add(step.key)
    assert {"image z", "image a", "test a", "test c", "test z", "image archive:trixie"} <= done
    needs = {step.key: step.needs for step in plan.steps}
    assert needs["test a"] == ("image a",) and needs["image a"] == ("image z",)


def test_an_image_that_several_need_is_one_step(root: Path) -> None:
    keys = [step.key for step in make(root).steps]
    assert len(keys) == len(set(keys)) and keys.count("image z") == 1


def test_a_directory_that_is_wrong_does_not_stop_the_plan_for_the_others(root: Path) -> None:
    plan = make(root)
    assert [(item.name, item.error is None) for item in plan.dirs] == [
        ("a", True),
        ("b", False),
        ("c", True),
        ("z", True),
    ]
    assert not any("b" in step.key.split() for step in plan.steps)


@pytest.mark.parametrize("mode", [0o000, 0o444])
@pytest.mark.parametrize("name", ["c", "c/devops", "used"])
def test_an_unreadable_place_is_a_fault_of_its_directory_alone(root: Path, name: str, mode: int) -> None:
    (root / "used").mkdir()
    (root / "used" / "one.py").touch()
    add_dir(root, "d", 'uses = ["../used"]', image="dee")
    git(root, "add", "--all")
    place = root / name
    before, mode_before = make(root), place.stat().st_mode
    place.chmod(mode)
    # Root reads the place all the same, if it has its capabilities. The containers of tests have none.
    readable = os.access(place, os.R_OK | os.X_OK)
    try:
        now = make(root)
    finally:
        place.chmod(mode_before)
    assert [item.name for item in now.dirs] == [item.name for item in before.dirs] == ["a", "b", "c", "d", "z"]
    wrong = {item.name: item.error for item in now.dirs if item.error and item.name != "b"}
    assert set(wrong) == ({"c"} if not readable and name != "used" else set())
    for error in wrong.values():
        assert error.what == "cannot be read: permission denied" and f"chmod u+rwX {place}" in str(error.fix)


def test_one_directory_needs_only_its_own_bases(root: Path) -> None:
    assert [step.key for step in make(root, "a").steps] == ["image archive:bookworm", "image z", "image a", "test a"]


def test_the_plan_as_data_is_what_a_ci_matrix_needs(root: Path) -> None:
    plan = make(root)
    data = json.loads(json.dumps(plan.as_data()))
    first, wrong, third, _ = data["directories"]
    assert (third["docker"], third["services"]) == ("sibling", True)
    chain = plan.dirs[0].chain
    assert first == {
        "directory": "a",
        "id": "a",
        "cached": False,
        "image": chain[-1].reference,
        "version": "2.0.1",
        "base": "dir:../z",
        "python": ">=3.11",
        "system_packages": [],
        "network": "none",
        "docker": "",
        "services": False,
        "timeout": 5,
        "minutes": 1 + 3 * 30,
        "builds": [image.reference for image in chain],
    }
    error = "[tool.helpers] has no setting 'tiemout'; fix: did you mean 'timeout'?"
    assert wrong == {"directory": "b", "id": "b", "error": error}
    assert (data["tier"], {"step": "test a", "needs": ["image a"]} in data["steps"]) == ("fast", True)


def test_the_plan_as_text_is_a_line_for_each_directory(root: Path) -> None:
    lines = make(root).as_text().splitlines()
    assert [line.split()[0] for line in lines] == ["directory", "a", "b", "c", "z"]
    assert lines[1].split()[1:5] == ["2.0.1", "dir:../z", ">=3.11", "none"]
    assert " <- zed:inputs-" in lines[1] and " <- aye:inputs-" in lines[1]
    assert "error: [tool.helpers] has no setting 'tiemout'" in lines[2]


def test_the_plan_on_a_narrow_terminal_keeps_names_and_errors_and_goes_without_images(root: Path) -> None:
    plan = make(root)
    lines = plan.as_text(60, lambda name: f"../{name}").splitlines()
    assert (
        all(len(line) <= 60 or line.startswith("    fix: ") for line in lines)
        and "images" not in lines[0]
        and "inputs-" not in "".join(lines)
    )
    assert [line.split()[0] for line in lines if not line.startswith(" ")] == [
        "directory",
        "../a",
        "../b",
        "../c",
        "../z",
    ]
    at = lines.index("    error: [tool.helpers] has no setting 'tiemout';")
    assert lines[at + 1].startswith("    fix: did you mean ")
    assert plan.as_text(1000) == plan.as_text()


def test_a_name_with_a_newline_stays_on_its_line(root: Path) -> None:
    add_dir(root, "new\nline")
    lines = make(root, "new\nline", "c").as_text().splitlines()
    assert len(lines) == 3 and lines[1].startswith("new\\nline  ")


def test_planning_writes_nothing_but_what_it_parsed(root: Path, cache: Path) -> None:
    before = sorted(root.rglob("*"))
    make(root)
    assert sorted(root.rglob("*")) == before and [path.name for path in cache.iterdir()] == ["parsed"]


def test_two_directories_with_one_image_name_are_both_an_error(tmp_path: Path, cache: Path) -> None:
    root = make_repo(tmp_path / "twins")
    for name in ("a", "b"):
        add_dir(root, name, image="same")
    paths = [root / "a", root / "b"]
    plan = planner.make(root, paths, paths, "fast")
    assert [item.error.exit_code for item in plan.dirs if item.error] == [2, 2]
    assert not plan.steps
