"""What passed is answered from the cache exactly until something changes that its container can see."""

from __future__ import annotations

import json
import os
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from helpers.driver import container, verdict_cache
from helpers.engine.specs import RunSpec
from helpers.errors import InfrastructureError
from helpers.repo import state
from helpers.repo.seen import Seen
from helpers.test.fake_engine import FAILS, PASSES, Tests
from helpers.test.unit_fixtures import LOCK, add_dir, cache, git, no_poetry
from helpers.test.verdict_scene import ALL, CHANGES, Scene, scene, setting, write, write_junit

pytestmark = pytest.mark.slow

__all__ = ["cache", "no_poetry", "scene"]


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_reruns_exactly_what_can_see_it(scene: Scene, name: str) -> None:
    change, again = CHANGES[name]
    assert scene.run() == (0, ALL)
    change(scene)
    assert scene.run() == (0, again)
    if name != "the image, of the same inputs":  # our engine has the one that it had before
        assert scene.run() == (0, set())


def test_a_run_in_which_nothing_changed_asks_no_engine_and_says_so(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.run()
    capsys.readouterr()
    assert scene.run("--json", "r.json", "--junit", "r.xml") == (0, set())
    assert scene.calls == []
    out, err = capsys.readouterr()
    assert "6 directories: 6 PASS; 6 cached; " in out and "logs in" not in out
    assert "PASS outer/inner 1 passed" in err and ": cached" in err
    data = json.loads((scene.root / "r.json").read_text())
    assert {item["cached"] for item in data["directories"]} == {True} and data["engine"] == ""
    suites = list(ET.parse(scene.root / "r.xml").getroot())
    assert [suite.get("name") for suite in suites] == sorted(ALL)
    assert {case.get("name") for suite in suites for case in suite.iter("testcase")} == {"test_it"}


def listed(scene: Scene, capsys: pytest.CaptureFixture[str], *arguments: str) -> set[str]:
    """Return the directories that the plan says are cached, in its text as in its JSON."""
    capsys.readouterr()
    assert scene.run("--list", *arguments) == (0, set()) and scene.calls == []
    head, *rows = capsys.readouterr().out.splitlines()
    assert scene.run("--list", "--json", "-", *arguments)[0] == 0
    found = {one["directory"] for one in json.loads(capsys.readouterr().out)["directories"] if one["cached"]}
    in_text = {row.split()[0] for row in rows if "cached" in row.split()}
    assert in_text == found and (" verdict " in head) == bool(found)
    return found


@pytest.mark.parametrize("name", ["nothing", "a byte of a test", "the lock of a base", "the image, of the same inputs"])
def test_the_plan_names_the_directories_that_would_not_be_tested_again(
    scene: Scene, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change, again = CHANGES[name]
    assert listed(scene, capsys) == set()
    scene.run()
    change(scene)
    assert listed(scene, capsys) == ALL - again
    for other in (["--no-cache"], ["--engine", "venv"], ["--tier", "slow"], ["--", "-x"]):
        assert listed(scene, capsys, *other) == set(), other


def test_where_nobody_can_say_what_the_files_hold_the_plan_says_nothing_of_it(
    scene: Scene, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(root: Path, seen: Seen, asked: object) -> None:
        raise InfrastructureError("git gave no answer")

    scene.run()
    monkeypatch.setattr(verdict_cache, "contents", broken)
    assert listed(scene, capsys) == set()


def test_a_kept_verdict_brings_its_coverage_and_one_without_is_no_answer_where_that_is_asked_for(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure(spec: RunSpec) -> None:
        told = {"files": {"code.py": {"executed_lines": [1, 2, 3], "missing_lines": [4]}}}
        (Path(json.loads(spec.argv[-1])["results"]) / "coverage.json").write_text(json.dumps(told))

    write("a/poetry.lock", f'{LOCK}\n[[package]]\nname = "pytest-cov"\nversion = "7"\n')(scene)
    scene.tests["a"] = Tests(PASSES, measure)
    assert scene.run("--dir", "a") == (0, {"a"})
    assert scene.run("--dir", "a", "--coverage") == (0, {"a"})
    capsys.readouterr()
    assert scene.run("--dir", "a", "--coverage", "--json", "r.json") == (0, set())
    assert "a          4      1       -         75.00 %" in capsys.readouterr().out
    (item,) = json.loads((scene.root / "r.json").read_text())["directories"]
    assert item["cached"] and item["coverage"]["files"] == {"a/code.py": ["1-3", "4"]}
    assert scene.run("--dir", "a") == (0, set())
    write("a/code.py", "code = 2\n")(scene)
    assert scene.run("--dir", "a", "--coverage") == (0, {"a"})


def test_a_kept_verdict_still_says_which_tests_were_flaky_and_slow(scene: Scene) -> None:
    told = {"id": "test_it.py::test_it", "file": "", "line": 1, "message": "OSError: no", "text": "t"}
    scene.tests["a"] = Tests({**PASSES, "flaky": [told], "slowest": [["test_it.py::test_it", 2.5]]}, write_junit)

    def said() -> object:
        data = json.loads((scene.root / "r.json").read_text())
        return [(item["flaky"], item["slowest"]) for item in data["directories"] if item["directory"] == "a"]

    scene.run("--json", "r.json")
    first = said()
    assert first == [(["test_it.py::test_it"], [{"test": "test_it.py::test_it", "seconds": 2.5}])]
    assert scene.run("--json", "r.json", "--junit", "r.xml") == (0, set())
    assert said() == first


def test_what_did_not_pass_is_never_kept(scene: Scene) -> None:
    scene.tests["a"] = Tests(FAILS)
    scene.tests["b"] = Tests(None)
    assert scene.run() == (8, ALL)
    assert scene.run() == (8, {"a", "b"})


def test_what_changes_while_its_tests_run_is_not_kept(scene: Scene) -> None:
    scene.tests["a"] = Tests(PASSES, lambda spec: (scene.root / "a" / "code.py").write_text("code = 3\n"))
    assert scene.run() == (0, ALL)
    assert scene.run() == (0, {"a"})


def test_where_our_own_code_changes_while_tests_run_nothing_is_kept(scene: Scene) -> None:
    judge = scene.package / "driver" / "verdict.py"
    before = judge.read_text()
    scene.tests["a"] = Tests(PASSES, lambda spec: judge.write_text("another\n"))
    assert scene.run() == (0, ALL)
    judge.write_text(before)
    assert scene.run() == (0, ALL)


@pytest.mark.parametrize("way", ["written", "replaced", "beside", "in a used directory"])
def test_what_is_another_thing_only_while_its_tests_run_is_not_kept(scene: Scene, way: str) -> None:
    file = scene.root / ("lib/x.py" if way == "in a used directory" else "a/code.py")
    old = file.read_bytes()

    def meanwhile(spec: RunSpec) -> None:
        if way == "replaced":
            file.rename(file.with_name("aside"))
            file.with_name("aside").rename(file)
        elif way == "beside":
            (file.parent / "conftest.py").touch()
            (file.parent / "conftest.py").unlink()
        else:
            file.write_text("works = 1\n")
            file.write_bytes(old)

    scene.tests["a"] = Tests(PASSES, meanwhile)
    assert scene.run() == (0, ALL)
    assert scene.run() == (0, {"a"})
    scene.tests["a"] = Tests(PASSES)
    assert scene.run() == (0, {"a"})
    assert scene.run() == (0, set())


# What lies in a directory that git ignores as a whole: a file, the settings of `a`, and whose tests see the file.
IGNORED = {
    "in a directory": ("a/built/x", "", {"a"}),
    "far down": ("a/deep/built/deep/x", "", {"a"}),
    "in a used one": ("lib/built/x", "", {"a"}),
    "that is used": ("built/x", "../built", {"a"}),
    "of which a part is used": ("built/lib/x", "../built/lib", {"a"}),
    "of which another part is used": ("built/x", "../built/lib", set()),
    "at which a link leads that is used": ("built/x", "../link", {"a"}),
    "that nobody sees": ("built/x", "", set()),
    "with a name like one that is used": ("lib built/x", "", set()),
}


@pytest.mark.parametrize("name", IGNORED)
def test_a_directory_that_git_ignores_counts_where_tests_see_it_and_is_not_looked_into_elsewhere(
    scene: Scene, name: str
) -> None:
    path, used, again = IGNORED[name]
    file = scene.root / path
    (scene.root / ".gitignore").write_text("built/\nlib built/\n")
    (scene.root / "link").symlink_to("built")
    for parent in (file.parent, scene.root / "built" / "lib"):
        parent.mkdir(parents=True, exist_ok=True)
        (parent / "x").write_text("one")
    if used:
        setting("a", f'uses = ["../lib", "{used}"]')(scene)
        text = (scene.root / "a" / "pyproject.toml").read_text()
        (scene.root / "a" / "pyproject.toml").write_text(text.replace('uses = ["../lib"]\n', ""))
    assert scene.run() == (0, ALL)
    assert scene.run() == (0, set())
    looked: list[str] = []
    by_looking = state.by_looking

    def noted(path: str) -> str:
        looked.append(path)
        return by_looking(path)

    scene.monkeypatch.setattr(state, "by_looking", noted)
    file.write_text("two")
    assert scene.run() == (0, again)
    # A part of it is not told from the rest.
    assert (str(file) in looked) == bool(again or used)
    assert scene.run() == (0, set())


@pytest.mark.parametrize("where", ["link", "unseen/link"])
def test_a_link_that_leads_to_another_ignored_directory_meanwhile_keeps_no_verdict(scene: Scene, where: str) -> None:
    (scene.root / ".gitignore").write_text("one/\ntwo/\nunseen/\nlink\n")
    for name in ("one", "two", "unseen"):
        (scene.root / name).mkdir()
        (scene.root / name / "x").write_text("x")
    link = scene.root / where
    link.symlink_to(scene.root / "one")
    setting("b", f'uses = ["../{where}"]')(scene)

    def meanwhile(spec: RunSpec) -> None:
        link.unlink()
        link.symlink_to(scene.root / "two")

    scene.tests["b"] = Tests(PASSES, meanwhile)
    assert scene.run() == (0, ALL)
    scene.tests["b"] = Tests(PASSES)
    # On neither of the two: nobody knows which one its tests have seen.
    for leads_to in ("two", "one"):
        link.unlink()
        link.symlink_to(scene.root / leads_to)
        assert scene.run() == (0, {"b"})
        assert scene.run() == (0, set())


@pytest.mark.parametrize("name", ["link", "next"])
def test_a_link_that_leads_elsewhere_only_while_tests_run_keeps_no_verdict(scene: Scene, name: str) -> None:
    (scene.root / "link").symlink_to("next")
    (scene.root / "next").symlink_to("lib")
    setting("b", 'uses = ["../link"]')(scene)

    def meanwhile(spec: RunSpec) -> None:
        link = scene.root / name
        was = os.readlink(link)
        for leads_to in ("a", was):
            link.unlink()
            link.symlink_to(leads_to)

    scene.tests["b"] = Tests(PASSES, meanwhile)
    assert scene.run() == (0, ALL)
    scene.tests["b"] = Tests(PASSES)
    assert scene.run() == (0, {"b"})
    assert scene.run() == (0, set())


def test_a_directory_that_is_only_a_link_is_seen_through_it(scene: Scene) -> None:
    (scene.root / ".gitignore").write_text("built/\n")
    add_dir(scene.root, "new")
    git(scene.root, "add", "--all")
    there = scene.root / "built" / "new"
    there.parent.mkdir(exist_ok=True)
    shutil.move(scene.root / "new", there)
    (scene.root / "new").symlink_to(there)

    def meanwhile(spec: RunSpec) -> None:
        (there / "conftest.py").touch()
        (there / "conftest.py").unlink()

    scene.tests["new"] = Tests(PASSES, meanwhile)
    assert scene.run() == (0, {*ALL, "new"})
    scene.tests["new"] = Tests(PASSES)
    assert [scene.run(), scene.run()] == [(0, {"new"}), (0, set())]
    for name in ("test/test_it.py", "conftest.py"):
        (there / name).write_text("def test_it():\n    asserT\n")
        assert [scene.run(), scene.run()] == [(0, {"new"}), (0, set())]


@pytest.mark.parametrize("place", ["vendor", "built"])
def test_a_package_that_is_reached_by_a_link_counts(scene: Scene, place: str) -> None:
    (scene.root / ".gitignore").write_text("built/\n")
    (scene.root / place).mkdir()
    shutil.move(scene.package, scene.root / place / "helpers")
    (scene.root / "helpers").symlink_to(f"{place}/helpers")
    scene.package = scene.root / "helpers"
    scene.monkeypatch.setattr(container, "INSIDE", scene.package / "inside")
    scene.monkeypatch.setattr(verdict_cache, "_PACKAGE", scene.package)
    assert [scene.run(), scene.run()] == [(0, ALL), (0, set())]
    for file in ("driver/verdict.py", "inside/helpers_verdict.py"):
        (scene.package / file).write_text("another\n")
        assert [scene.run(), scene.run()] == [(0, ALL), (0, set())]


def test_without_the_cache_all_run_and_their_verdicts_stay(scene: Scene) -> None:
    assert scene.run("--no-cache") == (0, ALL)
    assert scene.run() == (0, ALL)
    assert scene.run("--no-cache") == (0, ALL)
    assert scene.run() == (0, set())


def test_a_part_of_a_hidden_directory_that_is_used_counts(scene: Scene) -> None:
    setting("outer", 'uses = ["inner/lib"]')(scene)
    assert scene.run() == (0, ALL)
    write("outer/inner/lib/z.py", "z = 2\n")(scene)
    assert scene.run() == (0, {"outer", "outer/inner", "user"})


@pytest.mark.parametrize("text", ["", "{", "[]", '{"counts": 1}', '{"counts": {"passed": "x"}, "seconds": 1}', "\xff"])
def test_a_damaged_verdict_is_put_aside_and_its_tests_run(scene: Scene, cache: Path, text: str) -> None:
    scene.run()
    for file in (cache / "verdicts").glob("*/*.json"):
        file.write_text(text, encoding="latin-1")
    assert scene.run() == (0, ALL)
    assert len(list((cache / "verdicts").glob("*/*.damaged"))) == len(ALL)
    assert scene.run() == (0, set())


def test_a_cache_that_can_not_be_written_costs_only_the_time(scene: Scene, cache: Path) -> None:
    cache.mkdir()
    (cache / "verdicts").write_text("a file in its place")
    assert scene.run() == (0, ALL)
    assert scene.run() == (0, ALL)


@pytest.mark.parametrize("bound", ["_MOST", "_MOST_BYTES"])
def test_what_is_kept_is_bounded_and_the_newest_stay(
    scene: Scene, cache: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(os, "urandom", lambda count: b"\0" * count)
    scene.run()
    files = verdict_cache.entries()
    assert len(files) == len(ALL)
    for number, file in enumerate(files):
        os.utime(file, (number, number))
    monkeypatch.setattr(
        verdict_cache, bound, 2 if bound == "_MOST" else sum(file.stat().st_size for file in files[-2:])
    )
    verdict_cache._drop_oldest()
    assert verdict_cache.entries() == files[-2:]


def test_the_tasks_show_and_forget_verdicts(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    setting("b", 'network = "bridge"')(scene)
    scene.run()
    capsys.readouterr()
    assert verdict_cache.show(cwd=scene.root / "a") == 0
    out = capsys.readouterr().out
    assert out.startswith("5 verdicts, ") and 'never kept: b: network = "bridge"' in out
    assert verdict_cache.clear(dry_run=True) == 0
    assert scene.run() == (0, {"b"})
    assert verdict_cache.clear() == 0
    assert scene.run() == (0, ALL)
