"""What tests leave among their results can be anything: it is read as a plain file of bounded size, or not at all."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers.driver import failures, junit, measuring, run
from helpers.driver.report.progress import Progress
from helpers.driver.results import MOST_JUNIT_BYTES, read_more, read_result
from helpers.driver.verdict import Status, Verdict
from helpers.test.conftest import open_files
from helpers.test.fake_engine import PASSES, Tests
from helpers.test.unit_fixtures import cache, no_poetry
from helpers.test.verdict_scene import ALL, Scene, scene

__all__ = ["cache", "no_poetry", "scene"]

ROOT = Path("/repo")
SECRET = "a file of this machine"
# What is read, the file that it is read from, what that holds where all is well, and what is read where nothing is.
GOOD_FAILURE = json.dumps({"id": "t", "file": "", "line": 1, "message": SECRET, "text": "", "sections": []})
GOOD_COVERAGE = json.dumps({"files": {SECRET: {"executed_lines": [1], "missing_lines": []}}})
GOOD_JUNIT = f'<testsuite><testcase name="{SECRET}"/></testsuite>'
PASS = Verdict("a", Status.PASS, 0)


def progress(results: Path) -> str:
    counted = Progress(results)
    counted.update()
    return str(counted)


def cases(results: Path) -> list[str | None]:
    return [case.get("name") for case in junit.suite(PASS, results).iter("testcase")]


READERS: dict[str, tuple[Callable[[Path], Any], str, str, Any]] = {
    "the report": (
        lambda at: run._read_report(at / "verdict.json"),
        "verdict.json",
        "n\n" + json.dumps({**PASSES, "a": SECRET}),
        None,
    ),
    "finished tests": (lambda at: run._finished_tests(at / "progress"), "progress", "collected 1\npassed\n", {}),
    "progress": (progress, "progress", "collected 1\npassed\n", ""),
    "failures": (lambda at: failures.read(at, ROOT), "failures", f"{GOOD_FAILURE}\n", ()),
    "coverage": (lambda at: measuring.found(ROOT, at, None, ROOT), "coverage.json", GOOD_COVERAGE, ""),
    "the suite": (cases, "junit.xml", GOOD_JUNIT, ["verdict"]),
}


def in_time(read: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Return what is read; a reader that waits for ever fails its test instead of holding it."""
    found: list[Any] = []
    thread = threading.Thread(target=lambda: found.append(read()), daemon=True)
    thread.start()
    thread.join(seconds)
    assert found, "it waits, or it has raised"
    return found[0]


def link(file: Path, good: str) -> None:
    target = file.with_name("elsewhere")
    target.write_text(good)
    file.symlink_to(target)


PUT: dict[str, Callable[[Path, str], object]] = {
    "nothing": lambda file, good: None,
    "a FIFO": lambda file, good: os.mkfifo(file),
    "a link to a file": link,
    "a link to a device": lambda file, good: file.symlink_to("/dev/zero"),
    "a link to nothing": lambda file, good: file.symlink_to("nothing"),
    "a directory": lambda file, good: file.mkdir(),
}


@pytest.mark.parametrize("reader", READERS)
def test_each_reader_reads_what_is_written_in_good_faith(tmp_path: Path, reader: str) -> None:
    read, name, good, nothing = READERS[reader]
    (tmp_path / name).write_text(good)
    assert read(tmp_path) not in (nothing, None)


@pytest.mark.parametrize("what", PUT)
@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_plain_file_is_as_if_it_was_not_there(tmp_path: Path, reader: str, what: str) -> None:
    read, name, good, nothing = READERS[reader]
    PUT[what](tmp_path / name, good)
    before = open_files()
    assert in_time(lambda: read(tmp_path)) == nothing
    assert not open_files() - before


def test_a_file_that_holds_more_than_it_may_is_none(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"1234")
    assert (read_result(file, 4), read_result(file, 3)) == (b"1234", None)
    assert [read_more(file, at, 3) for at in (0, 2, 3, 9)] == [b"123", b"3", b"", b""]


@pytest.mark.parametrize("reader", ["the report", "the suite"])
def test_no_more_is_held_in_memory_than_a_report_can_have(tmp_path: Path, reader: str) -> None:
    read, name, good, nothing = READERS[reader]
    (tmp_path / name).write_text(good + (MOST_JUNIT_BYTES + 1 - len(good)) * " ")
    assert read(tmp_path) == nothing


def test_a_number_that_is_no_number_of_tests_is_cut(tmp_path: Path) -> None:
    # Python refuses to read, and to print, more than 4300 digits.
    (tmp_path / "progress").write_text(f"collected {'9' * 5000}\npassed\n")
    assert progress(tmp_path) == f"1/{'9' * 9}"


@pytest.mark.slow
@pytest.mark.parametrize("what", ["a FIFO", "a link to a file", "a directory"])
def test_what_no_test_may_show_is_in_no_kept_verdict(
    scene: Scene, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    shared = tmp_path / "team"
    shared.mkdir()
    monkeypatch.setenv("HELPERS_VERDICTS", str(shared))
    monkeypatch.setenv("HELPERS_VERDICTS_WRITE", "1")

    def meanwhile(spec: Any) -> None:
        PUT[what](Path(json.loads(spec.argv[-1])["results"]) / "junit.xml", SECRET)

    scene.tests["a"] = Tests(PASSES, meanwhile)
    code, ran = scene.run()
    assert code == 0 and "a" in ran
    kept = [file.read_text() for place in (cache, shared) for file in place.rglob("*.json")]
    assert any('"directory": "a"' in text for text in kept)
    assert not any(SECRET in text for text in kept)


DEEP = 200_000 * "["
SHOWN_DEEP = 900 * "[" + 900 * "]"
NOT_OURS: dict[str, tuple[str, str]] = {
    "failures": ("failures", f"{DEEP}\n"),
    "a failure's text": ("failures", GOOD_FAILURE.replace('""', SHOWN_DEEP) + "\n"),
    "a failure's line": ("failures", GOOD_FAILURE.replace("1", "Infinity") + "\n"),
    "the report": ("verdict.json", "n\n" + DEEP),
    "coverage": ("coverage.json", DEEP),
    "lines of coverage": ("coverage.json", GOOD_COVERAGE.replace("[1]", '["1-99999999999"]')),
    "line numbers of coverage": ("coverage.json", GOOD_COVERAGE.replace("[1]", "[Infinity]")),
    "the suite": ("junit.xml", f"<testsuite><testcase>{100_000 * '<x>'}{100_000 * '</x>'}</testcase></testsuite>"),
    "a suite's times": ("junit.xml", "<testsuite>" + 2 * '<testcase name="t" time="x"/>' + "</testsuite>"),
    "a suite's lines": ("junit.xml", f'<testsuite><testcase name="t" line="{"9" * 5000}"/></testsuite>'),
    "a suite's encoding": ("junit.xml", '<?xml version="1.0" encoding="none"?><testsuite/>'),
}


@pytest.mark.parametrize("what", NOT_OURS)
def test_what_our_plugin_never_writes_makes_no_reader_fail(tmp_path: Path, what: str) -> None:
    name, text = NOT_OURS[what]
    (tmp_path / name).write_text(text)
    for read, file, _, nothing in READERS.values():
        if file == name and file != "junit.xml" and what != "a failure's text":
            assert read(tmp_path) == nothing
    failures.read(tmp_path, ROOT)
    junit.write(str(tmp_path / "all.xml"), [PASS], {"a": tmp_path})


@pytest.mark.parametrize(
    "change",
    [
        *({name: None} for name in ("exit", "collected", "reported", "collect_errors", "counts", "failures", "hints")),
        {"counts": {"passed": "1"}},
        {"counts": {"passed": 10**20}},
        {"counts": {"passed": -7}},
        {"counts": {"passed": True}},
        {"counts": {"exploded": 1}},
        {"runs_no_test": None},
        {"failures": [1]},
        {"hints": [[]]},
    ],
    ids=str,
)
def test_a_report_that_our_plugin_can_not_have_written_is_none(tmp_path: Path, change: dict[str, Any]) -> None:
    file = tmp_path / "verdict.json"
    file.write_text("n\n" + json.dumps(PASSES))
    assert run._read_report(file) == {**PASSES, "nonce": "n"}
    file.write_text("n\n" + json.dumps({**PASSES, **change}))
    assert run._read_report(file) is None


@pytest.mark.slow
@pytest.mark.parametrize("what", NOT_OURS)
def test_the_faults_of_one_directory_stop_no_other(scene: Scene, tmp_path: Path, what: str) -> None:
    name, text = NOT_OURS[what]

    def meanwhile(spec: Any) -> None:
        (Path(json.loads(spec.argv[-1])["results"]) / name).write_text(text)

    scene.tests["a"] = Tests(None if name == "verdict.json" else PASSES, meanwhile)
    written = tmp_path / "all.xml"
    code, ran = scene.run("--junit", str(written), "-j", "1")
    assert (code, ran) == (8 if name == "verdict.json" else 0, ALL)
    assert written.read_text().count("<testsuite ") == len(ALL)
