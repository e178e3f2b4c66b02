"""What became of a directory in its last runs, and when each step of a run began."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.driver import history
from helpers.driver.events import Event, Work
from helpers.driver.plan import Plan
from helpers.driver.report.timeline import Span, Timeline
from helpers.driver.verdict import Status, Verdict
from helpers.model.graph import Step
from helpers.test.unit_fixtures import cache

__all__ = ["cache"]


def ran(seconds: float, status: Status = Status.PASS, *, cached: bool = False) -> list[Verdict]:
    return [Verdict("a", status, 0, counts={"failed": 2}, seconds=seconds, cached=cached)]


def test_the_last_runs_of_a_directory_are_known_by_repo_and_tier(tmp_path: Path, cache: Path) -> None:
    history.record(tmp_path, "fast", ran(1.0), "venv")
    history.record(tmp_path, "slow", ran(9.0), "docker")
    history.record(tmp_path, "fast", ran(2.0, Status.FAIL), "docker")
    found = history.of(tmp_path, "a", "fast")
    assert [(past.verdict, past.seconds, past.failed) for past in found] == [("PASS", 1.0, 2), ("FAIL", 2.0, 2)]
    assert [past.engine for past in found] == ["venv", "docker"]
    assert history.of(tmp_path, "b", "fast") == history.of(tmp_path / "other", "a", "fast") == []


def test_what_did_not_run_leaves_no_trace(tmp_path: Path, cache: Path) -> None:
    for verdicts in (ran(1.0, cached=True), ran(1.0, Status.STOPPED), ran(1.0, Status.SKIP)):
        history.record(tmp_path, "fast", verdicts, "docker")
    assert history.of(tmp_path, "a", "fast") == [] and not (cache / "history").exists()


def test_the_record_stays_short_and_its_newest_lines_are_there(tmp_path: Path, cache: Path) -> None:
    for number in range(500):
        history.record(tmp_path, "superslow", ran(number), "docker")
    assert [past.seconds for past in history.of(tmp_path, "a", "superslow")] == [float(n) for n in range(470, 500)]
    (file,) = (cache / "history").glob("*/*")
    assert file.stat().st_size < 8000


@pytest.mark.parametrize("text", ["", "x\n", "[1, 2]\n", '[1, "fast", "GREAT", 1, 0]\n', "\xff\xfe\n", "{}\n"])
def test_a_damaged_line_is_passed_over(tmp_path: Path, cache: Path, text: str) -> None:
    history.record(tmp_path, "fast", ran(1.0), "docker")
    (file,) = (cache / "history").glob("*/*")
    whole = file.read_bytes()
    file.write_bytes(text.encode("latin-1") + whole)
    assert [past.seconds for past in history.of(tmp_path, "a", "fast")] == [1.0]


def test_a_line_of_before_engines_were_noted_counts_too(tmp_path: Path, cache: Path) -> None:
    history.record(tmp_path, "fast", ran(1.0), "docker")
    (file,) = (cache / "history").glob("*/*")
    file.write_text('[1, "fast", "PASS", 3.0, 0]\n' + file.read_text())
    assert [(past.seconds, past.engine) for past in history.of(tmp_path, "a", "fast")] == [(3.0, ""), (1.0, "docker")]


def timeline(steps: list[Step], told: list[tuple[float, str, str]], end: float) -> list[Span]:
    """Return the spans of a run that is told of at given times; it begins at second 100."""
    now: Iterator[float] = iter([100.0, *(100 + at for at, _, _ in told), 100 + end])
    watched = Timeline(lambda: next(now))
    watched.begin(Work(Plan("fast", (), {}, tuple(steps)), 2))
    for _, kind, name in told:
        watched.event(Event(kind, name))
    watched.close()
    return watched.spans()


STEPS = [
    Step("image base", ()),
    Step("image a", ("image base",)),
    Step("image b", ("image base",)),
    Step("test a", ("image a",)),
    Step("test b", ("image b",)),
]


def test_a_step_waits_for_what_it_needs_and_then_for_a_free_slot() -> None:
    told = [
        *((1.0, "building", "base"), (4.0, "built", "base"), (4.0, "building", "a"), (5.0, "weaker", "a")),
        *((6.0, "built", "a"), (6.5, "testing", "a"), (7.0, "testing", "b"), (9.0, "done", "a"), (9.5, "done", "b")),
    ]
    assert timeline(STEPS, told, 9.5) == [
        Span("base", "building", 0.0, 1.0, 4.0),
        Span("a", "building", 4.0, 4.0, 6.0, "base"),
        Span("a", "testing", 6.0, 6.5, 9.0, "a"),
        # Its own image was there already, and counts as soon as what that stands on.
        Span("b", "testing", 4.0, 7.0, 9.5, "base"),
    ]


def test_what_was_cut_short_ends_with_the_run_and_what_never_began_is_not_shown() -> None:
    told = [(1.0, "testing", "a"), (2.0, "done", "b")]
    assert timeline(STEPS, told, 3.0) == [Span("a", "testing", 0.0, 1.0, 3.0)]


def test_what_is_known_before_the_work_begins_takes_no_time() -> None:
    watched = Timeline(lambda: 1 / 0)
    watched.event(Event("done", "a"))
    watched.close()
    assert watched.spans() == []
