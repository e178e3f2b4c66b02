"""`report_merge`: one result of those of all shards."""

from __future__ import annotations

import json
import shutil
import signal
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers import discover
from helpers.driver import cli, junit, merge
from helpers.driver import plan as planner
from helpers.driver.export import result_data
from helpers.driver.verdict import Status, Verdict
from helpers.engine import choose as choosing
from helpers.errors import UsageError
from helpers.test.fake_engine import FAILS, PASSES, FakeEngine, Tests
from helpers.test.unit_fixtures import add_dir, cache, make_repo, no_poetry

__all__ = ["cache", "no_poetry"]


def write(folder: Path, number: int, of: int = 2, **changes: Any) -> Path:
    """Write the result of a shard with one directory that passed."""
    item = {
        **{"directory": f"dir{number}", "verdict": "PASS", "exit_code": 0, "passed": 2, "failed": 0, "skipped": 1},
        **{"seconds": 1.5, "image": "sha256:1", "why": "", "failures": [], "log": "", "cached": False, "again": []},
        **changes.pop("item", {}),
    }
    data = {
        **{"exit_code": 0, "interrupted": False, "engine": "docker", "directories": [item]},
        "shard": {"number": number, "of": of, "split": changes.pop("split", "abc")},
        **changes,
    }
    (folder / f"{number}").mkdir(parents=True, exist_ok=True)
    path = folder / f"{number}" / "result.json"
    path.write_text(json.dumps(data))
    return path


@pytest.fixture
def ran(tmp_path: Path, no_poetry: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repo of three directories whose two shards have run, with the results of each in a directory of its own."""
    root = make_repo(tmp_path / "r")
    for name in "abc":
        add_dir(root, name)
    monkeypatch.chdir(root)
    every = discover.runnable_paths(root)
    images = planner.make(root, every, every, "fast").images
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    tests = {"a": Tests(PASSES), "b": Tests(FAILS), "c": Tests(PASSES)}
    for number, code in ((1, 0), (2, 1)):
        monkeypatch.setattr(choosing, "choose", lambda name: FakeEngine(images, has=tuple(images), tests=tests))
        folder = tmp_path / "results" / str(number)
        folder.mkdir(parents=True)
        words = ["--shard", f"{number}/2", "--json", str(folder / "result.json"), "--junit", str(folder / "junit.xml")]
        assert cli.main(words, root) == code
    yield tmp_path
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.slow
def test_two_shards_that_ran_are_one_run(ran: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    target, target_xml = ran / "all.json", ran / "all.xml"
    # As after a download: in another place, all in one directory.
    (ran / "results").rename(ran / "moved")
    assert merge.main([str(ran / "moved")], json_file=str(target), junit=str(target_xml)) == 1
    data = json.loads(target.read_text())
    assert [(item["directory"], item["verdict"]) for item in data["directories"]] == [
        ("a", "PASS"),
        ("b", "FAIL"),
        ("c", "PASS"),
    ]
    assert (data["exit_code"], data["engine"], data["interrupted"]) == (1, "fake", False)
    assert [shard["exit_code"] for shard in data["shards"]] == [0, 1]
    assert [suite.get("name") for suite in ET.parse(target_xml).getroot()] == ["a", "b", "c"]
    out = capsys.readouterr().out
    assert "3 directories: 2 PASS, 1 FAIL" in out and out.endswith("2 passed, 1 failed, 0 skipped\n")


@pytest.mark.slow
def test_a_junit_file_that_another_shard_has_overwritten_is_refused(ran: Path) -> None:
    target = ran / "all.xml"
    for stays, goes in (("1", "2"), ("2", "1")):
        folder = ran / f"only{stays}"
        folder.mkdir()
        for number in "12":
            shutil.copy(ran / "results" / number / "result.json", folder / f"{number}.json")
        shutil.copy(ran / "results" / stays / "junit.xml", folder / "junit.xml")
        with pytest.raises(UsageError, match=f"is not the JUnit file of shard {goes}/2: it has suites of ") as caught:
            merge.main([str(folder)], junit=str(target))
        assert caught.value.where == str(folder / "junit.xml") and f"--junit junit-{goes}.xml" in str(caught.value)
        assert not target.exists()


def test_suites_are_those_of_the_directories_also_of_those_without_tests_or_with_no_name_for_xml(
    tmp_path: Path,
) -> None:
    names = ["a\x01b", "none"]
    verdicts = [Verdict(name, Status.SKIP, 0, why="no tests") for name in names]
    junit.write(str(tmp_path / "j.xml"), verdicts, {})
    items = result_data(verdicts, exit_code=0, interrupted=False, engine="")["directories"]
    one = write(tmp_path, 1, of=1, directories=items, junit="../j.xml")
    target = tmp_path / "all.xml"
    assert merge.main([str(one)], junit=str(target)) == 0
    assert len(ET.parse(target).getroot()) == 2
    junit.write(str(tmp_path / "j.xml"), verdicts[1:], {})
    with pytest.raises(UsageError, match=r"it has suites of none, and the shard's directories are .*, none"):
        merge.main([str(one)], junit=str(target))


def test_what_is_joined_may_be_read_as_any_result(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, 1, interrupted=True, exit_code=130)
    write(tmp_path, 2, exit_code=6)
    assert merge.main([str(tmp_path)], json_file="-") == 130
    data = json.loads(capsys.readouterr().out)
    assert (data["interrupted"], data["engine"]) == (True, "docker")
    assert [merge.verdict_of(item).passed for item in data["directories"]] == [2, 2]


def test_what_different_engines_ran_is_refused_and_what_none_had_to_run_is_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = write(tmp_path, 1, of=3, engine="")
    write(tmp_path, 2, of=3)
    file = write(tmp_path, 3, of=3, engine="venv")
    with pytest.raises(UsageError, match=r"shard 3/3 was run by the engine venv, and 2/3 in .* by docker") as caught:
        merge.main([str(tmp_path)])
    assert caught.value.where == str(file)
    write(tmp_path, 3, of=3)
    assert merge.main([str(tmp_path)], json_file="-") == 0
    assert json.loads(capsys.readouterr().out)["engine"] == "docker"
    for number in (2, 3):
        write(tmp_path, number, of=3, engine="")
    assert one.exists() and merge.main([str(tmp_path)], json_file="-") == 0
    assert json.loads(capsys.readouterr().out)["engine"] == ""


def test_an_empty_shard_counts_by_its_exit_code(tmp_path: Path) -> None:
    write(tmp_path, 1)
    write(tmp_path, 2, directories=[], exit_code=5)
    assert merge.main([str(tmp_path)]) == 5
    write(tmp_path, 2, directories=[], exit_code=0)
    assert merge.main([str(tmp_path)]) == 0


@pytest.mark.parametrize(
    ("numbers", "says"),
    [
        ([1, 3], "missing: shard 2/4, 4/4"),
        ([1, 1, 2, 3, 4], "twice: shard 1/4; twice: directory dir1"),
        ([2, 2], "missing: shard 1/4, 3/4, 4/4; twice: shard 2/4"),
    ],
)
def test_shards_that_are_missing_or_there_twice_are_named(tmp_path: Path, numbers: list[int], says: str) -> None:
    for index, number in enumerate(numbers):
        write(tmp_path / str(index), number, of=4)
    with pytest.raises(UsageError) as caught:
        merge.main([str(tmp_path)])
    assert says in str(caught.value)


def test_a_file_that_was_given_twice_instead_of_another_is_named(tmp_path: Path) -> None:
    one, other = str(write(tmp_path, 1)), str(write(tmp_path, 2))
    with pytest.raises(UsageError) as caught:
        merge.main([one, one])
    assert caught.value.what == f"missing: shard 2/2; given more than once: file {one}"
    assert merge.main([one, other, str(tmp_path)]) == 0


@pytest.mark.parametrize("changes", [{"split": "other"}, {"of": 3}])
def test_shards_of_different_splits_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    write(tmp_path, 1)
    write(tmp_path, 2, **changes)
    with pytest.raises(UsageError, match="is of the split"):
        merge.main([str(tmp_path)])


def test_a_directory_in_two_shards_is_refused(tmp_path: Path) -> None:
    write(tmp_path, 1)
    write(tmp_path, 2, item={"directory": "dir1"})
    with pytest.raises(UsageError, match="twice: directory dir1"):
        merge.main([str(tmp_path)])


def test_a_file_that_is_no_result_is_passed_over_in_a_directory_and_an_error_when_it_is_named(tmp_path: Path) -> None:
    one = write(tmp_path, 1, of=1)
    other = tmp_path / "1" / "other.json"
    for text in ("{", "[]", '{"directories": []}', one.read_text().replace("PASS", "FINE")):
        other.write_text(text)
        assert merge.main([str(tmp_path)]) == 0
        with pytest.raises(UsageError, match="is not the result of a shard"):
            merge.main([str(other)])
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        merge.main([str(tmp_path / "nosuch.json")])
    with pytest.raises(UsageError, match="no result of a shard was found"):
        merge.main([])


def test_a_page_that_a_shard_did_not_make_is_an_error_that_names_the_shard(tmp_path: Path) -> None:
    write(tmp_path, 1, of=1)
    with pytest.raises(UsageError, match="shard 1/1 wrote no file for --html"):
        merge.main([str(tmp_path)], html=str(tmp_path / "all.html"))


def test_junit_that_a_shard_did_not_write_is_an_error_that_names_the_shard(tmp_path: Path) -> None:
    write(tmp_path, 1, of=1)
    target = str(tmp_path / "all.xml")
    with pytest.raises(UsageError, match="shard 1/1 wrote no file for --junit"):
        merge.main([str(tmp_path)], junit=target)
    write(tmp_path, 1, of=1, junit="j.xml")
    with pytest.raises(UsageError, match="JUnit file of shard 1/1 cannot be read"):
        merge.main([str(tmp_path)], junit=target)
    write(tmp_path, 1, of=1, directories=[], junit="../other/j.xml")
    (tmp_path / "1" / "j.xml").write_text("<testsuites/>")
    assert merge.main([str(tmp_path)], junit=target) == 0
    (tmp_path / "1" / "j.xml").write_text("<testsuites>")
    with pytest.raises(UsageError, match="JUnit file of shard 1/1 is not XML"):
        merge.main([str(tmp_path)], junit=target)
