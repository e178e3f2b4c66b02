from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.engine import handout
from helpers.engine.handout import Handout, marks
from helpers.inside import runner

NONCE = "0123456789abcdef"
LIVE, FINAL = marks(NONCE.encode())


def frame(mark: bytes, name: str, at: int, data: bytes) -> bytes:
    return mark + b"%s %d %d\n" % (name.encode(), at, len(data)) + data


STREAM = b"".join(
    (
        b"be\0fore\n",
        frame(LIVE, "progress", 0, b"collected 2\n"),
        b"between \0 ",
        frame(LIVE, "progress", 12, b"passed\n\0"),
        frame(FINAL, "junit.xml", 0, b"<x/>" * 9),
        b"after",
        frame(FINAL, "verdict.json", 0, b"n\n{}"),
    )
)


@pytest.mark.parametrize("size", [1, 2, 7, 33, 10_000])
def test_frames_become_files_and_the_rest_is_output_however_the_stream_is_cut(size: int, tmp_path: Path) -> None:
    taker = Handout(NONCE, tmp_path)
    output = b"".join(taker.feed(STREAM[at : at + size]) for at in range(0, len(STREAM), size)) + taker.rest()
    assert output == b"be\0fore\nbetween \0 after"
    files = {file.name: file.read_bytes() for file in tmp_path.iterdir()}
    junit = b"<x/>" * 9
    assert files == {"progress": b"collected 2\npassed\n\0", "junit.xml": junit, "verdict.json": b"n\n{}"}


REFUSED = {
    "a name that is none of ours": frame(FINAL, "x", 0, b"data"),
    "a path": frame(FINAL, "../x", 0, b"data"),
    "a place behind the limit": frame(FINAL, "junit.xml", handout._MOST_BYTES, b"data"),
    "a place behind the limit while tests run": frame(LIVE, "progress", handout._MOST_LIVE_BYTES, b"data"),
    "more bytes than a frame of the runner": frame(FINAL, "junit.xml", 0, b"x" * 100_000),
    "a verdict while tests run": frame(LIVE, "verdict.json", 0, b"data"),
    "another nonce": frame(b"\0" + b"f" * 8 + b" ", "verdict.json", 0, b"data"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_frame_is_refused_that_has(case: str, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    Handout(NONCE, tmp_path / "results").feed(REFUSED[case])
    assert [path.name for path in tmp_path.rglob("*")] == ["results"]


def test_a_link_in_the_place_of_a_file_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "progress").symlink_to(tmp_path / "elsewhere")
    Handout(NONCE, tmp_path).feed(frame(LIVE, "progress", 0, b"data"))
    assert not (tmp_path / "elsewhere").exists()


def test_the_runner_sends_the_names_that_are_taken() -> None:
    assert (*runner.LIVE, runner.RUNNING) == handout.LIVE
    assert (*runner.WRITTEN, runner.FULL, runner.VERDICT) == handout.FINAL


def test_errors_leave_the_runner_by_the_pipe_of_the_output_so_they_tear_no_frame(tmp_path: Path) -> None:
    (tmp_path / "progress").write_text("passed\n")
    command = [sys.executable, "-I", "-S", runner.__file__, "--results", str(tmp_path)]
    process = subprocess.Popen(
        [*command, "sh", "-c", "echo error >&2; echo output"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        assert process.stdin and process.stdout and process.stderr
        process.stdin.write(f"{NONCE}\n".encode())
        process.stdin.flush()
        (tmp_path / "taken").mkdir()
        taker = Handout(NONCE, tmp_path / "taken")
        assert taker.feed(process.stdout.read()) == b"error\noutput\n"
        assert process.stderr.read() == b""
    assert (tmp_path / "taken" / "progress").read_text() == "passed\n"
