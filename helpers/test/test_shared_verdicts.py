"""What passed on one machine counts on another one of the team, and nobody who may not write is believed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.driver import kept_verdict, shared_verdicts
from helpers.driver.verdict import Status, Verdict
from helpers.engine.seam import Control
from helpers.errors import UsageError
from helpers.images import digests
from helpers.test.fake_engine import FAILS, Tests
from helpers.test.registry_fixtures import docker_registry
from helpers.test.unit_fixtures import cache, no_poetry
from helpers.test.verdict_scene import ALL, Scene, scene, write

pytestmark = pytest.mark.slow

__all__ = ["cache", "no_poetry", "scene"]
KEY = "ab" * 32
VERDICT = Verdict("a", Status.PASS, 0, counts={"passed": 1}, image="id", junit="<x>\u00fc</x>", seconds=0.5)


@pytest.fixture(params=["directory", pytest.param("registry", marks=pytest.mark.host)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Where a team keeps its verdicts."""
    if request.param == "directory":
        yield a_directory(tmp_path)
        return
    with docker_registry(tmp_path) as host:
        yield f"{host}/team/verdicts"


def a_directory(tmp_path: Path) -> str:
    """Make a directory that a team can keep verdicts in."""
    path = tmp_path / "team's verdicts"
    path.mkdir()
    return str(path)


def on_another_machine(scene: Scene, place: str, *, writes: bool = False) -> None:
    """Go on with an empty cache, where `place` is known."""
    number = len(list(scene.root.parent.glob("cache of *")))
    (scene.root.parent / f"cache of {number}").mkdir()
    scene.monkeypatch.setenv("HELPERS_CACHE", str(scene.root.parent / f"cache of {number}"))
    scene.monkeypatch.setenv("HELPERS_VERDICTS", place)
    scene.monkeypatch.setenv("HELPERS_VERDICTS_WRITE", "1" if writes else "0")


def test_what_passed_on_one_machine_starts_nothing_on_the_next(
    scene: Scene, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    on_another_machine(scene, place, writes=True)
    scene.tests["b"] = Tests(FAILS)
    assert scene.run() == (1, ALL)
    on_another_machine(scene, place)
    capsys.readouterr()
    assert scene.run("--junit", "r.xml") == (1, {"b"})
    out, err = capsys.readouterr()
    assert "5 cached" in out and "cached by the team" in err and "warning" not in err
    assert (scene.root / "r.xml").read_text().count('name="test_it"') == 5
    write("a/code.py", "code = 2\n")(scene)
    on_another_machine(scene, place)
    assert scene.run() == (1, {"a", "b"})


def test_what_was_taken_over_is_known_without_the_team(scene: Scene, place: str) -> None:
    on_another_machine(scene, place, writes=True)
    scene.run()
    on_another_machine(scene, place)
    assert scene.run() == (0, set())
    scene.monkeypatch.delenv("HELPERS_VERDICTS")
    assert scene.run() == (0, set())


def test_who_may_not_write_adds_nothing(scene: Scene, place: str) -> None:
    on_another_machine(scene, place)
    scene.run()
    on_another_machine(scene, place)
    assert scene.run() == (0, ALL)


def test_who_may_write_adds_what_was_known_before(scene: Scene, place: str) -> None:
    on_another_machine(scene, place)
    assert scene.run() == (0, ALL)
    scene.monkeypatch.setenv("HELPERS_VERDICTS_WRITE", "1")
    assert scene.run() == (0, set())
    on_another_machine(scene, place)
    assert scene.run() == (0, set())


def test_an_image_that_is_another_one_here_is_tested_here(scene: Scene, tmp_path: Path) -> None:
    place = a_directory(tmp_path)
    on_another_machine(scene, place, writes=True)
    scene.run()
    on_another_machine(scene, place)
    scene.prefix = "built here"
    scene.monkeypatch.setattr(digests, "known", lambda reference: "id of the one that was built here")
    assert scene.run() == (0, ALL)


def failed_counts(file: Path) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), "counts": {"failed": 5}}))


def a_link(file: Path) -> None:
    file.rename(file.with_suffix(".elsewhere"))
    file.symlink_to(file.with_suffix(".elsewhere"))


def a_fifo(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize(
    "damage",
    [
        *(lambda file, text=text: file.write_text(text, encoding="latin-1") for text in ["", "{", "[]", "{}", "\xff"]),
        *(failed_counts, a_link, a_fifo),
    ],
)
def test_an_entry_that_no_run_wrote_is_a_line_and_a_miss(
    scene: Scene, tmp_path: Path, damage: Callable[[Path], object], capsys: pytest.CaptureFixture[str]
) -> None:
    place = Path(a_directory(tmp_path))
    on_another_machine(scene, str(place), writes=True)
    scene.run()
    files = list(place.glob("*/*.json"))
    for file in files:
        damage(file)
    on_another_machine(scene, str(place), writes=True)
    capsys.readouterr()
    assert scene.run() == (0, ALL)
    err = capsys.readouterr().err
    assert err.count("is not believed") == len(ALL) and all(str(file) in err for file in files)
    on_another_machine(scene, str(place))
    assert scene.run() == (0, set()), "it was not written anew"


@pytest.mark.parametrize(
    "which", ["a file in its place", "a directory that is not there", "a registry that is not there"]
)
def test_a_place_that_fails_costs_one_warning_and_no_run(
    scene: Scene, tmp_path: Path, which: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a file in its place").write_text("no directory")
    place = "127.0.0.1:9/team" if "registry" in which else str(tmp_path / which)
    on_another_machine(scene, place, writes=True)
    assert scene.run() == (0, ALL)
    assert capsys.readouterr().err.count("warning: without the verdicts in HELPERS_VERDICTS") == 1
    assert not (tmp_path / "a directory that is not there").exists()


@pytest.mark.parametrize("place", ["verdicts", "../verdicts", "team/verdicts", "localhost:5000/Team"])
def test_a_place_that_is_none_is_refused(scene: Scene, place: str, capsys: pytest.CaptureFixture[str]) -> None:
    on_another_machine(scene, place)
    assert scene.run() == (UsageError.exit_code, set())
    assert f"HELPERS_VERDICTS={place}" in capsys.readouterr().err


def test_a_store_gives_back_what_it_was_given(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELPERS_VERDICTS", place)
    monkeypatch.setenv("HELPERS_VERDICTS_WRITE", "1")
    shared = shared_verdicts.named(Control())
    assert shared.find({KEY: "a"}) == {}
    for verdict in (VERDICT, replace(VERDICT, seconds=0.75)):
        shared.add({KEY: kept_verdict.entry(verdict, verdict.junit)})
        found = shared.find({KEY: "a", "cd" * 32: "b"})
        assert found == {KEY: replace(verdict, cached=True, why="cached")}
