"""What a user sees on a terminal: lines that stay, and below them what runs; and that no test can forge any of it."""

from __future__ import annotations

import fcntl
import io
import json
import os
import pty
import struct
import sys
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helpers.console import say
from helpers.driver.events import Event, Work
from helpers.driver.failures import Follower
from helpers.driver.plan import DirPlan, Plan
from helpers.driver.report import OnTerminal
from helpers.driver.report.live import Live
from helpers.driver.report.progress import Progress
from helpers.driver.report.region import Region
from helpers.driver.verdict import Status, Verdict
from helpers.model.graph import Step
from helpers.test.terminal import Screen
from helpers.thin_env import slow_steps, streams

DIRS = ("a", "b", "c")
PLAN = Plan("fast", tuple(map(DirPlan, DIRS)), {}, tuple(Step(f"test {name}", ()) for name in DIRS))


class Terminal(io.StringIO):
    """A terminal of any size, which remembers what it got."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("LINES", "8")
    yield
    assert streams.shown_above is None, "something still draws"


def screen(stream: io.StringIO, columns: int = 60, rows: int = 8) -> str:
    return Screen(columns, rows).feed(stream.getvalue()).text()


def wait_for(stream: io.StringIO, holds: Callable[[str], bool]) -> str:
    until = time.monotonic() + 10
    while not holds(screen(stream)) and time.monotonic() < until:
        time.sleep(0.02)
    shown = screen(stream)
    assert holds(shown), shown
    return shown


def started(stream: io.StringIO, *, verbose: bool = False, **seconds: float) -> Live:
    live = Live(stream, verbose=verbose)
    live.begin(Work(PLAN, 2, {f"test {name}": number for name, number in seconds.items()}))
    return live


def results(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name / "results"
    path.mkdir(parents=True)
    return path


def test_each_thing_that_runs_has_a_line_and_what_is_over_stays_above(tmp_path: Path) -> None:
    stream = Terminal()
    live = started(stream)
    with slow_steps.shown("assembling base"):
        shown = wait_for(stream, lambda text: "assembling base: 0 s" in text)
    assert shown.splitlines()[-1].startswith("0 of 3 done, 3 waiting, ")
    a, b = results(tmp_path, "a"), results(tmp_path, "b")
    live.event(Event("testing", "a", str(a)))
    live.event(Event("testing", "b", str(b)))
    (a / "progress").write_text("collected 4\npassed\nfailed\npass")
    shown = wait_for(stream, lambda text: "testing a" in text and "2/4, 1 failed" in text)
    assert "assembling" not in shown and "0 of 3 done, 1 waiting, " in shown
    live.event(Event("done", "b", verdict=Verdict("b", Status.PASS, 0, counts={"passed": 2}, seconds=1.2)))
    shown = wait_for(stream, lambda text: "1 of 3 done" in text)
    first, second, third = shown.splitlines()
    assert (first, second.split()[:2], third[:11]) == ("PASS b 2 passed (1.2 s)", ["testing", "a"], "1 of 3 done")
    live.event(Event("done", "a", verdict=Verdict("a", Status.CRASH, 8, "killed", output="last words\n", log="/l")))
    assert "1 did not pass, 2 of 3 done" in wait_for(stream, lambda text: "2 of 3 done" in text)
    live.close()
    assert screen(stream).splitlines() == [
        "PASS b 2 passed (1.2 s)",
        "CRASH a (0.0 s): killed",
        "output of a (whole: /l)",
        "  | last words",
    ]


def test_a_failure_is_printed_in_full_while_others_still_run_and_not_once_more_at_the_end(tmp_path: Path) -> None:
    stream = Terminal()
    live = started(stream)
    a = results(tmp_path, "a")
    live.event(Event("testing", "a", str(a)))
    told = {"id": "t.py::t", "file": "/t.py", "line": 3, "message": "m", "text": "E   assert 0\nt.py:3: AssertionError"}
    (a / "failures").write_text(json.dumps({**told, "sections": [["Captured stdout call", "said\n"]]}) + "\n")
    shown = wait_for(stream, lambda text: "t.py:3: AssertionError" in text and "testing a" in text)
    assert shown.splitlines()[:5] == [
        "failed a t.py::t (t.py:3)",
        "  | E   assert 0",
        "  | t.py:3: AssertionError",
        "  | --- Captured stdout call ---",
        "  | said",
    ]
    verdict = Verdict("a", Status.FAIL, 1, "t.py::t", {"failed": 1}, output="all", failures=("t.py::t",), log="/l")
    live.event(Event("done", "a", verdict=verdict))
    live.close()
    assert screen(stream).splitlines()[5:] == ["FAIL a 1 failed (0.0 s): t.py::t", "output: /l"]


def test_a_failure_at_the_very_end_is_printed_before_the_verdict(tmp_path: Path) -> None:
    stream = Terminal()
    live = Live(stream)
    a = results(tmp_path, "a")
    live.event(Event("testing", "a", str(a)))
    (a / "failures").write_text(json.dumps({"id": "t", "file": "", "line": 0, "message": "m", "text": "x"}) + "\n")
    live.event(Event("done", "a", verdict=Verdict("a", Status.FAIL, 1, "t", output="all", failures=("t",), log="/l")))
    assert screen(stream).splitlines() == ["failed a t", "  | x", "FAIL a (0.0 s): t", "output: /l"]


def test_failures_that_were_not_told_one_by_one_are_in_the_output_that_is_shown(tmp_path: Path) -> None:
    stream = Terminal()
    live = started(stream)
    live.event(Event("testing", "a", str(results(tmp_path, "a"))))
    live.event(Event("done", "a", verdict=Verdict("a", Status.FAIL, 1, "t", output="all of it", failures=("t",))))
    live.close()
    assert "  | all of it" in screen(stream)


def test_verbose_shows_what_tests_print_behind_the_name_of_their_directory_and_nothing_twice(tmp_path: Path) -> None:
    stream = Terminal()
    live = started(stream, verbose=True)
    a = results(tmp_path, "a")
    live.event(Event("testing", "a", str(a)))
    log = a.with_name("output.log")
    log.write_bytes(b"first\nsec")
    wait_for(stream, lambda text: "a | first" in text)
    log.write_bytes(b"first\nsecond\nlast")
    live.event(Event("done", "a", verdict=Verdict("a", Status.FAIL, 1, "t", output="x", failures=("t",))))
    live.close()
    assert screen(stream).splitlines() == ["a | first", "a | second", "a | last", "FAIL a (0.0 s): t"]


def test_a_line_of_somebody_else_stands_above_what_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    live = started(stream)
    live.event(Event("testing", "a", str(results(tmp_path, "a"))))
    wait_for(stream, lambda text: "testing a" in text)
    say("waiting for a lock")
    assert screen(stream).splitlines()[0] == "helpers: waiting for a lock"
    assert len(screen(stream).splitlines()) == 3
    live.close()
    assert screen(stream) == "helpers: waiting for a lock"


def test_a_run_can_follow_another(tmp_path: Path) -> None:
    stream = Terminal()
    live = started(stream)
    live.event(Event("done", "a", verdict=Verdict("a", Status.PASS, 0)))
    live.close()
    live.begin(Work(PLAN, 2))
    wait_for(stream, lambda text: "0 of 3 done, 3 waiting, 0 s" in text)
    live.close()


def test_what_was_known_before_is_left_to_the_table() -> None:
    stream = Terminal()
    live = Live(stream)
    live.event(Event("done", "a", verdict=Verdict("a", Status.PASS, 0, "cached", cached=True)))
    live.close()
    assert screen(stream) == ""


def test_the_region_is_only_loaded_when_there_is_something_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    monkeypatch.delitem(sys.modules, "helpers.driver.report.live")
    shown = OnTerminal()
    shown.event(Event("done", "a", verdict=Verdict("a", Status.PASS, 0, "cached", cached=True)))
    shown.close()
    assert "helpers.driver.report.live" not in sys.modules and stream.getvalue() == ""
    for _ in range(2):
        shown.begin(Work(PLAN, 2))
        shown.event(Event("done", "a", verdict=Verdict("a", Status.PASS, 0)))
        wait_for(stream, lambda text: "1 of 3 done" in text)
        shown.close()
    assert screen(stream) == "PASS a (0.0 s)\nPASS a (0.0 s)"


def test_a_real_terminal_shows_what_it_is_told_and_is_left_clean(tmp_path: Path) -> None:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 6, 40, 0, 0))
    with os.fdopen(follower, "w") as stream:
        live = Live(stream)
        live.begin(Work(PLAN, 2))
        for name in DIRS:
            live.event(Event("testing", name, str(results(tmp_path, name))))
        live.event(Event("done", "b", verdict=Verdict("b", Status.CRASH, 8, "killed", output="x\x1b[2J" + "y" * 60)))
        got = ""
        while "  | x" not in got or not got.endswith("\x1b[J"):
            got += os.read(leader, 1 << 16).decode()
        shown = Screen(40, 6).feed(got.replace("\r\n", "\n")).text().splitlines()
        assert shown[:3] == ["CRASH b (0.0 s): killed", "output of b (whole: )", "  | x" + "y" * 35]
        assert [line[:9] for line in shown[4:]] == ["testing a", "testing c", "1 did not"]
        live.close()
        while not got.endswith("\r\x1b[2A\x1b[J"):
            got += os.read(leader, 1 << 16).decode()
    assert Screen(40, 6).feed(got.replace("\r\n", "\n")).text().splitlines()[-1] == "y" * 25
    os.close(leader)


def test_what_is_left_is_reckoned_from_what_each_directory_took(tmp_path: Path) -> None:
    stream = Terminal()
    live = started(stream, a=100, b=30, c=50)
    live.event(Event("testing", "a", str(results(tmp_path, "a"))))
    wait_for(stream, lambda text: "about 2 min left" in text)
    live.event(Event("building", "x", "building x"))
    wait_for(stream, lambda text: "more than 2 min left" in text)
    live.close()


def test_there_is_never_more_than_the_terminal_is_high(tmp_path: Path) -> None:
    stream = Terminal()
    live = started(stream)
    for number in range(20):
        live.event(Event("testing", f"d{number}", str(tmp_path)))
    shown = wait_for(stream, lambda text: "more" in text).splitlines()
    assert len(shown) < 8 and shown[-2] == "and 16 more" and shown[-1].startswith("0 of 3 done")
    live.close()
    assert screen(stream) == ""


HOSTILE = {
    "a title": "\x1b]0;owned\x07",
    "a link": "\x1b]8;;http://evil\x1b\\here\x1b]8;;\x1b\\",
    "a cut title": "\x1b]0;owned",
    "the cursor": "\x1b[2A\x1b[2KPASS x 3 passed (1.0 s)",
    "a clear": "\x1b[2J\x1b[H",
    "eight bits": "\x9b2A\x9d0;owned\x9c",
    "a return": "real\rPASS x 3 passed (1.0 s)",
    "a fake line": "PASS x 3 passed (1.0 s)",
    "a fake table": "directory  verdict  passed\nx          PASS     3",
    "backspaces": "FAIL\b\b\b\bPASS",
    "a bell": "\x07\x00\x7f",
    "turned text": "\u202eSSAP\u2028x",
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("verbose", [False, True])
def test_what_tests_print_steers_nothing_and_stands_behind_a_bar(tmp_path: Path, name: str, verbose: bool) -> None:
    stream = Terminal()
    live = started(stream, verbose=verbose)
    a = results(tmp_path, "a")
    live.event(Event("testing", "a", str(a)))
    text = f"before\n{HOSTILE[name]}\nafter\n"
    a.with_name("output.log").write_text(text)
    told = {"id": f"t::{HOSTILE[name]}", "file": "", "line": 0, "message": text, "text": text}
    (a / "failures").write_text(json.dumps({**told, "sections": [[HOSTILE[name], text]]}) + "\n")
    time.sleep(0.3)
    verdict = Verdict("a", Status.CRASH, 8, HOSTILE[name], output=text, again=(HOSTILE[name],))
    live.event(Event("done", "a", verdict=verdict))
    live.close()
    ours = ("failed a t::", "CRASH a ", "output of a ", "again: ", "  | ", "a | ")
    assert [line for line in screen(stream, 200).splitlines() if not f"{line} ".startswith(ours)] == []
    assert not {"\x07", "\x00", "\x08", "\x9b", "\x9d", "\u202e"} & set(stream.getvalue())
    # Screen has refused any sequence that the region itself does not use.


def test_a_region_higher_than_the_terminal_is_cut_and_keeps_its_last_line() -> None:
    stream = Terminal()
    region = Region(stream)
    for what in "ab":
        region.draw([[(f"{what}{number}", "")] for number in range(20)])
    assert screen(stream).splitlines() == [*(f"b{number}" for number in range(6)), "b19"]


def test_a_line_is_cut_where_the_terminal_ends_and_wide_characters_count_twice() -> None:
    stream = Terminal()
    region = Region(stream)
    region.draw([[("x" * 50, ""), ("y" * 50, "red")], [("語" * 50, "")], [("e\u0301" * 70, "")]])
    first, second, third = stream.getvalue().replace("\x1b[K", "").replace("\x1b[J", "").split("\n")
    assert first == "\r" + "x" * 50 + "\x1b[31m" + "y" * 9 + "\x1b[0m"
    assert second.count("語") == 29 and third.count("e") == 59


def test_a_terminal_that_became_narrower_has_folded_the_lines_that_are_drawn_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Terminal()
    region = Region(stream)
    region.draw([[("x" * 50, "")], [("end", "")]])
    monkeypatch.setenv("COLUMNS", "20")
    region.draw([[("y", "")], [("end", "")]])
    # The first line takes three rows there now.
    assert stream.getvalue().endswith("\r\x1b[3Ay\x1b[K\nend\x1b[K\x1b[J")


def test_what_is_shown_already_is_not_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    region = Region(stream)
    region.clear()
    assert stream.getvalue() == ""
    region.draw([[("x", "")]])
    before = stream.getvalue()
    region.draw([[("x", "")]])
    assert stream.getvalue() == before
    monkeypatch.setenv("COLUMNS", "50")
    region.draw([[("x", "")]])
    assert stream.getvalue() != before


def test_the_size_is_that_of_the_terminal_itself() -> None:
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 11, 33, 0, 0))
    with os.fdopen(follower, "w") as stream:
        assert Region(stream).size() == os.terminal_size((33, 11))
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
        assert Region(stream).size() == os.terminal_size((60, 8))
    os.close(leader)


def test_progress_is_counted_once_and_only_from_whole_lines(tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    progress.update()
    assert str(progress) == ""
    with (tmp_path / "progress").open("w") as file:
        for text, wanted in (
            ("collected 3\npassed\nfai", "1/3"),
            ("led\n", "2/3, 1 failed"),
            ("\n", "2/3, 1 failed"),
            ("error\npassed\n", "3/3, 2 failed"),
        ):
            file.write(text)
            file.flush()
            progress.update()
            assert str(progress) == wanted


def test_a_follower_of_nothing_tells_nothing(tmp_path: Path) -> None:
    assert list(Follower(tmp_path / "no", tmp_path).new()) == []
