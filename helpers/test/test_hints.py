from __future__ import annotations

import io
from pathlib import Path

import pytest

from helpers.driver import merge
from helpers.driver.events import Event
from helpers.driver.export import result_data
from helpers.driver.report.github import GitHub
from helpers.driver.report.hints import hint_lines
from helpers.driver.report.lines import Lines
from helpers.driver.report.table import print_table
from helpers.driver.verdict import Status, Verdict

NETWORK = "hint: a test has no network"


def verdict(name: str, *hints: str, status: Status = Status.FAIL) -> Verdict:
    return Verdict(name, status, 1, "why", hints=hints, output="said\n", log="/log")


def stale(name: str, locked: str = "") -> Verdict:
    return verdict(name, f"fix: invoke docker_lock --dir {locked or f'/r/{name}'}", status=Status.CONFIG)


def test_what_helps_several_directories_is_said_once_with_their_names() -> None:
    lines = hint_lines([verdict("a", NETWORK), verdict("b\nc", "hint: more memory", NETWORK), verdict("d")])
    assert lines == ["hint (a, b\\nc): a test has no network", "hint (b\\nc): more memory"]


def test_where_there_is_one_directory_nobody_asks_which() -> None:
    assert hint_lines([verdict("a", NETWORK)]) == [NETWORK]


def test_the_same_command_for_several_directories_is_one_loop() -> None:
    # `top` stands on `low`, whose lock is the wrong one.
    lines = hint_lines([stale("low"), stale("top", "/r/low"), stale("other", "'/r/ot her'"), stale("one")])
    loop = "for dir in /r/low '/r/ot her' /r/one; do invoke docker_lock --dir \"$dir\"; done"
    assert lines == [f"fix (low, top, other, one): {loop}"]
    assert hint_lines([stale("low"), stale("top", "/r/low")]) == ["fix (low, top): invoke docker_lock --dir /r/low"]


def test_of_many_directories_some_are_named() -> None:
    (line,) = hint_lines([verdict(f"d{number:02}", NETWORK) for number in range(14)])
    assert "d08, d09, and 4 more): " in line and "d10" not in line


def test_the_table_is_followed_by_each_hint_once(capsys: pytest.CaptureFixture[str]) -> None:
    for rows_too in (True, False):
        found = [verdict("a", NETWORK), verdict("b", NETWORK)]
        print_table(found, interrupted=False, engine="x", seconds=1, folder=None, rows_too=rows_too, safe=str.upper)
        out = capsys.readouterr().out
        assert out.upper().count("NO NETWORK") == 1 and "HINT (A, B): A TEST HAS NO NETWORK\n2 directories" in out


@pytest.mark.parametrize("shown", [Lines, GitHub])
def test_a_directory_without_a_test_is_one_line(shown: type[Lines]) -> None:
    stream = io.StringIO()
    empty = verdict("a", "hint: --tier all", status=Status.EMPTY)
    shown(stream).event(Event("done", "a", verdict=empty))
    lines = [line for line in stream.getvalue().splitlines() if not line.startswith("::error")]
    assert lines == ["EMPTY a (0.0 s): why"]


def test_what_a_run_without_tests_was_asked_to_print_is_shown() -> None:
    stream = io.StringIO()
    Lines(stream).event(Event("done", "a", verdict=verdict("a", status=Status.EMPTY)))
    assert "  | said\n" in stream.getvalue()


def test_joined_shards_have_the_same_hints() -> None:
    for one in (verdict("a", NETWORK, "fix: invoke docker_lock"), verdict("a")):
        (data,) = result_data([one], exit_code=1, interrupted=False, engine="x")["directories"]
        again = merge.verdict_of(data)
        assert (again.why, again.hints, data["why"]) == (one.why, one.hints, one.told)


def test_a_path_says_more_than_what_our_plugin_says_of_any_missing_file() -> None:
    from helpers.driver import undeclared

    plugin = Path(undeclared.__file__).parents[1] / "inside" / "helpers_verdict.py"
    assert f'"{undeclared.GENERAL.removeprefix("hint: ")}"' in plugin.read_text()
