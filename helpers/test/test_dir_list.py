"""`dir_list` on real git repos: sound and wrong directories, in a table and in JSON."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from helpers.dirs import listing
from helpers.errors import HelpersError
from helpers.test.dirs_fixtures import root, sound

__all__ = ["root"]

# These tests start processes, and there are many of them.
pytestmark = pytest.mark.slow


def test_the_list_shows_sound_and_wrong_directories(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound(root, "forecast")
    (sound(root, "wrong") / "changelog.txt").write_text("nonsense\n")
    assert listing.main(as_json=False, cwd=root / "forecast") == 2
    head, good, bad = capsys.readouterr().out.splitlines()
    assert head.split() == ["directory", "image", "version", "base", "python", "tests"]
    assert good.split() == ["forecast", "forecast", "0.1.0", "archive:bookworm", ">=3.11,<3.12", "1"]
    assert bad.startswith("wrong ")
    assert "changelog.txt:1" in bad
    assert listing.main(as_json=True, cwd=root) == 2
    rows = json.loads(capsys.readouterr().out)
    assert [(row["directory"], bool(row["error"])) for row in rows] == [("forecast", False), ("wrong", True)]


def test_the_list_of_sound_directories_ends_with_0_and_is_fast(root: Path) -> None:
    for number in range(20):
        sound(root, f"dir-{number}")
    started = time.monotonic()
    assert listing.main(as_json=True, cwd=root) == 0
    assert time.monotonic() - started < 2


def test_a_narrow_terminal_shows_paths_from_here_and_errors_below_their_row() -> None:
    good = listing.Row("dirs/forecast", "forecast", "1.2.0", "archive:bookworm", ">=3.11,<3.12", 3)
    wrong = listing.Row("dirs/b", error="pyproject.toml has no [project] table, and nothing else says it either")
    lines = listing.as_text([good, wrong], 60, lambda name: name.removeprefix("dirs/")).splitlines()
    assert lines == [
        "directory  version  base              python        tests",
        "forecast   1.2.0    archive:bookworm  >=3.11,<3.12  3",
        "b",
        "    error: pyproject.toml has no [project] table, and",
        "    nothing else says it either",
    ]


def test_a_repo_without_runnable_dirs_says_so(root: Path) -> None:
    with pytest.raises(HelpersError, match="no runnable dir") as caught:
        listing.main(as_json=False, cwd=root)
    assert caught.value.exit_code == 5
