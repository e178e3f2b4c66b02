from __future__ import annotations

import io
from pathlib import Path
from typing import TextIO

import pytest

from helpers import console, errors


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    "stream, env, wanted",
    [
        (Terminal(), {}, True),
        (io.StringIO(), {}, False),
        (Terminal(), {"NO_COLOR": "1"}, False),
        (Terminal(), {"NO_COLOR": ""}, True),
        (Terminal(), {"TERM": "dumb"}, False),
    ],
)
def test_colours_go_only_to_a_terminal_that_wants_them(
    stream: TextIO, env: dict[str, str], wanted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    assert (console.paint("x", "red", stream) != "x") is wanted


@pytest.mark.parametrize(
    "text, shown", [("a b", "a b"), ("a\nb", "a\\nb"), ("\x1b[31m", "\\x1b[31m"), ("gr\u00fc\u00df", "gr\u00fc\u00df")]
)
def test_control_characters_of_a_name_are_shown_as_escapes(text: str, shown: str) -> None:
    assert console.printable(text) == shown


def test_rows_are_columns_without_trailing_blanks(capsys: pytest.CaptureFixture[str]) -> None:
    console.print_rows([("name", "size"), ("forecast", "1")])
    assert capsys.readouterr().out == "name      size\nforecast  1\n"


@pytest.mark.parametrize(
    "error, code, says",
    [
        (errors.PolicyError("no", fix="yes"), 4, "refused: no\n  fix: yes"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (OSError(28, "x", "/a/file"), 6, "/a/file: No space left on device"),
        (ValueError("odd"), 70, "this is a bug in helpers: ValueError: odd"),
        (OSError("without a number"), 70, "this is a bug in helpers"),
    ],
)
def test_an_error_is_one_message_without_a_traceback(
    error: BaseException, code: int, says: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HELPERS_DEBUG", raising=False)
    assert console.report_error(error) == code
    out, err = capsys.readouterr()
    assert says in err and err.startswith("helpers: ")
    assert "Traceback" not in err and out == ""


@pytest.mark.parametrize(
    ("fix", "there", "told"),
    [
        ("invoke doctor", False, True),
        ("wait, or: invoke doctor", False, True),
        ("invoke doctor", True, False),
        ("df -h", False, False),
        (None, False, False),
    ],
)
def test_who_has_no_invoke_on_path_is_told_where_it_comes_from(
    fix: str | None,
    there: bool,
    told: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    if there:
        (tmp_path / "invoke").write_text("#!/bin/sh\n")
        (tmp_path / "invoke").chmod(0o755)
    assert console.report_error(errors.UsageError("no", fix=fix)) == 2
    assert ("source dev_scripts/setenv.sh" in capsys.readouterr().err) == told


def test_a_traceback_is_shown_on_demand(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HELPERS_DEBUG", "1")
    try:
        raise errors.UsageError("no such directory")
    except errors.UsageError as error:
        assert console.report_error(error) == 2
    assert "Traceback" in capsys.readouterr().err


class Writes(io.StringIO):
    """Remembers what came in each write; another thread's text can come between any two."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return super().write(text)


def test_a_message_and_an_error_are_one_write_each_so_that_threads_do_not_mix_lines(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    stream = Writes()
    monkeypatch.setattr("sys.stderr", stream)
    console.say("building one")
    console.report_error(errors.UsageError("no such thing", fix="invoke --list"))
    assert stream.pieces[0] == "helpers: building one\n"
    assert len(stream.pieces) == 2
    assert stream.pieces[1].endswith("\n")
