from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest

from helpers import console
from helpers.driver.events import Event
from helpers.driver.report.lines import Lines
from helpers.driver.report.table import print_table
from helpers.driver.report.words import quoted
from helpers.driver.verdict import Status, Verdict, exit_code

PASS = Verdict(
    "a", Status.PASS, 0, counts={"passed": 2, "skipped": 1}, seconds=1.2, image="sha256:" + "0123456789abcdef" * 4
)
FAIL = Verdict(
    "b\nc", Status.FAIL, 1, "t.py::test_a", {"failed": 1}, output="\x1b[31mbad\x07\n", failures=("t",), log="/l"
)
SKIP = Verdict("d", Status.SKIP, 0, "needs gcc")
EMPTY = Verdict("e", Status.EMPTY, 5, "no test")
STOPPED = Verdict("f", Status.STOPPED, 130, "stopped")
NOT_RUN = Verdict("g", Status.STOPPED, 0, "not run: --exitfirst")
CRASH = Verdict("g", Status.CRASH, 8, "killed")


@pytest.mark.parametrize(
    "verdicts, strict, lenient",
    [
        ([PASS], 0, 0),
        ([PASS, SKIP], 0, 0),
        ([PASS, EMPTY], 5, 0),
        ([SKIP], 5, 0),
        ([EMPTY], 5, 0),
        ([SKIP, EMPTY], 5, 0),
        ([], 5, 0),
        ([PASS, FAIL], 1, 1),
        ([FAIL, EMPTY], 1, 1),
        ([FAIL, CRASH, EMPTY], 8, 8),
        ([CRASH, STOPPED], 130, 130),
        ([SKIP, FAIL], 1, 1),
        ([EMPTY, NOT_RUN], 5, 5),
        ([PASS, NOT_RUN], 5, 5),
    ],
)
def test_the_worst_verdict_decides_and_a_run_of_no_test_is_no_success(
    verdicts: list[Verdict], strict: int, lenient: int
) -> None:
    assert exit_code(verdicts, allow_empty=False) == strict
    assert exit_code(verdicts, allow_empty=True) == lenient


def shown(*events: Event) -> str:
    stream = io.StringIO()
    reporter = Lines(stream)
    for event in events:
        reporter.event(event)
    reporter.close()
    return stream.getvalue()


def test_a_pipe_gets_plain_lines_as_things_happen() -> None:
    text = shown(
        Event("building", "a", "making the environment of a"),
        Event("testing", "a", "/r"),
        Event("weaker", "a", 'docker = "child"'),
        Event("done", "a", verdict=PASS),
    )
    weaker = 'weaker a: docker = "child"'
    assert text == f"making the environment of a\ntesting a\n{weaker}\nPASS a 2 passed 1 skipped (1.2 s)\n"


def test_tests_that_run_long_are_named_with_their_number_from_time_to_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "progress").write_text("collected 9\npassed\npassed\n")
    now = [1000.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    stream = io.StringIO()
    reporter = Lines(stream)
    reporter.event(Event("testing", "a\nb", str(tmp_path)))
    for seconds in (59, 61, 100, 122):
        now[0] = 1000.0 + seconds
        reporter.tick()
    reporter.event(Event("done", "a\nb", verdict=replace(PASS, name="a\nb")))
    now[0] = 2000.0
    reporter.tick()
    told = [line for line in stream.getvalue().splitlines() if line.startswith("still")]
    assert told == ["still testing a\\nb: 1:01 min, tests 2/9", "still testing a\\nb: 2:02 min, tests 2/9"]


def test_the_output_of_what_failed_is_shown_and_can_not_steer_the_terminal() -> None:
    text = shown(Event("done", FAIL.name, verdict=FAIL))
    assert text == "FAIL b\\nc 1 failed (0.0 s): t.py::test_a\noutput of b\\nc (whole: /l)\n  | bad\n"


@pytest.mark.parametrize("verbose", [False, True])
def test_the_command_without_helpers_is_printed_only_with_v(verbose: bool) -> None:
    stream = io.StringIO()
    Lines(stream, verbose=verbose).event(Event("done", "a", verdict=replace(CRASH, again=("ours", "docker run"))))
    assert "again: ours\n" in stream.getvalue()
    assert ("without helpers: docker run\n" in stream.getvalue()) is verbose


def test_the_table_has_a_line_for_each_directory_and_ends_with_the_counts(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([PASS, FAIL, SKIP], interrupted=False, engine="docker", seconds=3.21, folder=Path("/runs/1"))
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["directory", "verdict", "passed", "failed", "skipped", "time", "image", "why"]
    assert lines[1] == ["a", "PASS", "2", "0", "1", "1.2", "s", "sha256:0123456789ab"]
    assert lines[2] == ["b\\nc", "FAIL", "0", "1", "0", "0.0", "s", "-", "t.py::test_a"]
    assert " ".join(lines[-2]) == "3 directories: 1 PASS, 1 FAIL, 1 SKIP; engine docker; 3.2 s; logs in /runs/1"
    assert " ".join(lines[-1]) == "2 passed, 1 failed, 1 skipped"


def test_one_directory_is_no_directories(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([PASS], interrupted=False, engine="docker", seconds=1, folder=Path("/r"))
    assert "\n1 directory: 1 PASS; " in capsys.readouterr().out


@pytest.mark.parametrize(("hint", "told"), [("fix: invoke docker_lock", True), ("hint: more memory", False)])
def test_who_is_to_call_invoke_and_has_it_not_is_told_where_it_is(
    hint: str, told: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    found = [Verdict("a", Status.CONFIG, 2, "no lock", hints=(hint,))]
    print_table(found, interrupted=False, engine="x", seconds=0, folder=None)
    assert ("\nhint: invoke is there after: source dev_scripts/setenv.sh" in capsys.readouterr().out) == told


def test_a_run_that_was_stopped_says_that_its_table_is_partial(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([STOPPED], interrupted=True, engine="x", seconds=0, folder=Path("/r"))
    assert capsys.readouterr().out.startswith("INTERRUPTED: this report is partial\n")


def test_words_in_brackets_are_text_and_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    odd = Verdict("[red]x[/red]", Status.FAIL, 1, "t.py::test_a[1-b]")
    print_table([odd], interrupted=False, engine="x", seconds=0, folder=Path("/r"))
    out = capsys.readouterr().out
    assert "[red]x[/red]" in out and "test_a[1-b]" in out


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("a\r\nb", ["  | a", "  | b"]),
        ("50 %\r100 %\n", ["  | 50 %", "  | 100 %"]),
        ("\x1b[1;31mred\x1b[0m \x1b]8;;x\x1b\\link\x1b]8;;\x07 \x1b(Bend", ["  | red link end"]),
        ("\n\na\tb\n\n", ["  |", "  |", "  | a\tb"]),
    ],
)
def test_what_a_test_printed_is_read_as_it_was_meant_and_steers_nothing(text: str, lines: list[str]) -> None:
    assert list(quoted(text)) == lines


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_numbers_stand_at_the_right_and_a_verdict_has_its_colour_on_a_terminal(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    print_table([PASS, FAIL], interrupted=False, engine="x", seconds=0, folder=None)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "directory  verdict  passed  failed  skipped   time  image                why"
    assert lines[1] == "a          PASS          2       0        1  1.2 s  sha256:0123456789ab"
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setattr(console, "_USUAL_COLUMNS", 82)
    print_table([PASS, FAIL], interrupted=False, engine="x", seconds=0, folder=None)
    lines = stream.getvalue().splitlines()
    assert lines[0].startswith("\x1b[1mdirectory") and "image" not in lines[0]
    assert lines[1] == "a          \x1b[32mPASS\x1b[0m          2       0        1  1.2 s"
    monkeypatch.setattr(console, "_USUAL_COLUMNS", 200)
    print_table([PASS, FAIL], interrupted=False, engine="x", seconds=0, folder=None)
    assert "sha256:0123456789ab" in stream.getvalue()
