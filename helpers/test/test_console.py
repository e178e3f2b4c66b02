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


ROWS = [("directory", "base", "why"), ("runnable_dirs/forecast", "archive:bookworm", ""), ("a", "b", "a reason")]


def test_rows_that_fit_or_go_to_a_pipe_are_a_line_each() -> None:
    wide = console.in_columns(ROWS)
    assert wide == [
        "directory               base              why",
        "runnable_dirs/forecast  archive:bookworm",
        "a                       b                 a reason",
    ]
    assert console.in_columns(ROWS, 50) == wide


def test_cells_without_room_stand_below_their_row_in_whole_words() -> None:
    assert console.in_columns(ROWS, 41) == [
        "directory               base",
        "    why",
        "runnable_dirs/forecast  archive:bookworm",
        "a                       b",
        "    a reason",
    ]
    path = "/a/path/longer/than/the/line"
    assert console.in_columns([("name", "why"), ("x", f"no file {path}")], 20)[1:] == [
        "x",
        "    no file",
        f"    {path}",
    ]


def test_a_command_in_a_narrow_table_stays_in_one_line() -> None:
    command = "fix: invoke docker_lock --dir runnable_dirs/forecast"
    rows = [("name", "why"), ("x", f"the lock is stale; {command}")]
    assert console.in_columns(rows, 20)[1:] == ["x", "    the lock is", "    stale;", f"    {command}"]


def test_a_narrow_table_goes_without_the_least_needed_columns() -> None:
    rows = [("name", "id", "base"), *((f"image-{number}", "0123456789", "bookworm") for number in range(3))]
    assert console.in_columns(rows, 20, spare=("id", "name")) == [
        "name     base",
        *(f"image-{n}  bookworm" for n in range(3)),
    ]
    assert console.in_columns(rows, 15, spare=("id", "name"))[1:] == ["bookworm"] * 3
    assert console.in_columns(rows, 40, spare=("id",)) == console.in_columns(rows)


def test_one_long_name_of_many_folds_its_row_alone() -> None:
    name = "a-name-that-is-longer-than-a-line"
    rows = [("name", "id", "size"), ("a", "1", "10 MB"), (name, "2", "20 MB"), ("bb", "3", "30 MB")]
    assert console.in_columns(rows, 25, spare=("id",)) == [
        "name  id  size",
        "a     1   10 MB",
        name,
        "    2  20 MB",
        "bb    3   30 MB",
    ]
    # Where most rows are long, the column is.
    most = console.in_columns([rows[0], rows[2], rows[2]], 25)
    assert most == ["name", "    id  size", name, "    2  20 MB", name, "    2  20 MB"]


def test_one_long_row_of_many_costs_no_column() -> None:
    rows = [("name", "id", "why"), ("a", "1", ""), ("b", "2", ""), ("c", "3", "quite a long reason")]
    assert console.in_columns(rows, 14, spare=("id",)) == [
        "name  id  why",
        "a     1",
        "b     2",
        "c     3",
        "    quite a",
        "    long",
        "    reason",
    ]


def test_colours_take_no_room_and_a_short_row_ends_in_a_text() -> None:
    red = "\033[31mbad\033[0m"
    assert console.in_columns([("a", "b", "c"), (red, "1", "2"), ("x", "a long text")], 14, right=("b",)) == [
        "a    b  c",
        f"{red}  1  2",
        "x",
        "    a long",
        "    text",
    ]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("read {here}/a b/x, then {here}", "read a b/x, then ."),
        ("--dir {root}/other", "--dir ../other"),
        ("in {root}, and '{root}/x y'", "in .., and '../x y'"),
        ("{home}/.cache/log but '{home}/a b'", "~/.cache/log but '{home}/a b'"),
        ("{root}-old/x /mnt{here}/x {root}.bak", "{root}-old/x /mnt{here}/x {root}.bak"),
        ("/etc/hosts", "/etc/hosts"),
    ],
)
def test_paths_are_shown_as_a_person_writes_them_where_they_stand(
    text: str, wanted: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = {"root": tmp_path / "repo", "here": tmp_path / "repo" / "dir", "home": tmp_path / "home"}
    (tmp_path / "repo" / "dir").mkdir(parents=True)
    (tmp_path / "repo" / ".git").touch()
    monkeypatch.chdir(places["here"])
    monkeypatch.setenv("HOME", str(places["home"]))
    assert console.nearer(text.format(**places)) == wanted.format(**places)


def test_outside_of_a_checkout_and_at_the_root_of_the_disk_paths_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    monkeypatch.setenv("HOME", "/")
    assert console.nearer("/etc/hosts and /") == "/etc/hosts and /"
