"""A slow step shows a sign of life: a rewritten line on a terminal, plain lines in a pipe, and nothing afterwards."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path

import pytest

from helpers.console import say
from helpers.test.terminal import Screen
from helpers.thin_env import install, slow_steps, streams
from helpers.thin_env.slow_steps import SlowStep, cells, clock, in_words, last_line, shown, usual_seconds

BUILD = """\
#8 [packages 2/3] RUN --mount=type=bind sh /run/context/install.sh
#9 [packages 3/3] RUN uv
#8 0.3 Reading package lists...
#9 4.200  \x1b[32mDownloaded\x1b[0m babel
#6 ...
"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELPERS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TERM", "xterm")
    for name, seconds in {"_TICK_SECONDS": 0.02, "_SHOWN_AFTER": 0.0, "PLAIN_SECONDS": 0.2}.items():
        monkeypatch.setattr(slow_steps, name, seconds)


def shown_on(stream: io.StringIO, monkeypatch: pytest.MonkeyPatch, log: Path, seconds: float = 0.5) -> str:
    """Return what stands on `stream` before the end of a step."""
    monkeypatch.setattr("sys.stderr", stream)
    with shown("building x", usual=40, output=log):
        time.sleep(seconds)
        return stream.getvalue()


def test_terminal_shows_time_estimate_and_the_last_line_of_the_build(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"
    log.write_text(BUILD)
    stream = Terminal()
    text = shown_on(stream, monkeypatch, log)
    assert Screen(90).feed(text).text() == "building x: 0 s of about 40 s: [packages 3/3] Downloaded babel"
    assert Screen(90).feed(stream.getvalue()).text() == "" and streams.shown_above is None


def test_line_of_another_thread_stands_above_the_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", stream)
    with shown("building x"), shown("building y"):
        time.sleep(0.2)
        say("a note")
        assert Screen(90).feed(stream.getvalue()).text().splitlines() == [
            "helpers: a note",
            "building y: 0 s (and 1 more)",
        ]
    assert Screen(90).feed(stream.getvalue()).text() == "helpers: a note"


@pytest.mark.parametrize("stream", [io.StringIO(), Terminal()], ids=["pipe", "dumb terminal"])
def test_other_streams_get_few_plain_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], stream: io.StringIO
) -> None:
    monkeypatch.setenv("TERM", "dumb")
    log = tmp_path / "log"
    log.write_text("I: ##[error]extracting archives\n")
    lines = shown_on(stream, monkeypatch, log).splitlines()
    assert set(lines) == {"helpers: still building x: 0 s of about 40 s: # #[error]extracting archives"}
    assert len(lines) == 2 and capsys.readouterr().out == ""


def test_nothing_is_drawn_while_another_part_shows_the_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_steps, "shown_elsewhere", True)
    assert shown_on(Terminal(), monkeypatch, tmp_path / "log") == ""


def test_seconds_of_a_successful_step_are_the_next_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_steps, "_REMEMBERED_AFTER", 0.1)
    with shown("a", key="key"):
        time.sleep(0.2)
    assert usual_seconds("key") == 0.2
    with pytest.raises(KeyError), shown("b"):
        time.sleep(0.2)
        raise KeyError
    assert usual_seconds("b", 7.0) == 7.0


@pytest.mark.parametrize("content", ["", "[]", '{"a": "x"}', "[" * 100_000], ids=["empty", "list", "text", "deep"])
def test_damaged_memory_gives_no_estimate_and_is_replaced(content: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = slow_steps._file()
    file.parent.mkdir(parents=True)
    file.write_text(content)
    assert usual_seconds("a") == 0.0
    monkeypatch.setattr(slow_steps, "_REMEMBERED_AFTER", 0.0)
    with shown("a"):
        pass
    assert list(json.loads(file.read_text())) == ["a"]


def test_memory_does_not_grow_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_steps, "_MOST_REMEMBERED", 3)
    for name in "abcda":
        slow_steps._remember(name, 1.0)
    assert list(slow_steps._remembered()) == ["c", "d", "a"]


def test_step_that_takes_longer_than_usual_says_so() -> None:
    step = SlowStep("locking x\x1b[2J", usual=5.0)
    step.since -= 67
    assert step.line() == "locking x[2J: 1:07 min, usually 5 s"


def test_only_the_first_environment_of_a_machine_is_announced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    requirements = tmp_path / "requirements.txt"
    requirements.write_text("")
    making = "making the thin environment (once, about 10 s)"
    first = f"helpers: first run on this machine: {making}; bases and images follow, each once\n"
    for name, said in (("one", first), ("two", f"helpers: {making}...\n")):
        install.build(str(tmp_path / "envs" / name), str(requirements), lambda env, file: [])
        assert capsys.readouterr().err == said


@pytest.mark.parametrize(
    ("output", "last"),
    [
        ("", ""),
        ("\n \n", ""),
        ("Collecting rich\nDownloading a\rDownloading b\n", "Downloading b"),
        ("#5 [1/2] FROM x\n#5 DONE 0.1s\n", "[1/2] DONE 0.1s"),
        ("#5 [1/2] FROM x\n", "[1/2] FROM x"),
        ("#5 [p 1/1] RUN --mount=type=bind,source=a --mount=type=secret,id=b sh -c x\n", "[p 1/1] RUN sh -c x"),
        ("#5 [1/2] RUN x\n#5 1.2 done\n#5 1.638 \x1b[2m\n\n", "[1/2] done"),
    ],
)
def test_last_line_is_the_newest_text(tmp_path: Path, output: str, last: str) -> None:
    file = tmp_path / "log"
    assert last_line(file) == ""
    file.write_text(output)
    assert last_line(file) == last


@pytest.mark.parametrize(
    ("seconds", "words"), [(1.4, "1 s"), (9.4, "9 s"), (12, "10 s"), (58, "60 s"), (61, "1 min"), (150, "2 min")]
)
def test_an_estimate_is_no_more_exact_than_it_can_be(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_clock_and_cells() -> None:
    assert (clock(59.9), clock(61)) == ("59 s", "1:01 min")
    assert [cells(char) for char in ("a", "東", "\u0301")] == [1, 2, 0]


@pytest.mark.parametrize("rewrites", [True, False])
@pytest.mark.parametrize("error", [OSError, ValueError])
def test_step_goes_on_without_its_terminal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception], rewrites: bool
) -> None:
    class Gone(Terminal):
        def write(self, text: str) -> int:
            raise error("gone")

    if not rewrites:
        monkeypatch.setenv("TERM", "dumb")
    assert shown_on(Gone(), monkeypatch, tmp_path / "log", 0.3) == ""
    assert streams.shown_above is None and not slow_steps.running


def test_step_runs_when_standard_error_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = Terminal()
    stream.close()
    monkeypatch.setattr("sys.stderr", stream)
    with shown("building x"):
        time.sleep(0.1)
    assert not slow_steps.running
