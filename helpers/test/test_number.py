"""Numbers of a user, a checkout or another program are bounded: none ends in a traceback or fills the memory."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

from helpers.containers import shell
from helpers.dirs import create
from helpers.driver import options, shard
from helpers.engine import compose_file, ownership
from helpers.errors import ConfigError, UsageError
from helpers.model.number import whole
from helpers.repo import closed
from helpers.tasks.adapter import whole_number
from helpers.test.conftest import ROOT

LONG = "9" * 5000


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *(("0", 0), ("7", 7), ("99", 99), ("0" * 5000 + "7", 7)),
        *((text, None) for text in ("100", LONG, "", "-1", "+1", " 1", "1 ", "1_0", "٣", "²", "1.0", "x")),
    ],
)
def test_number_is_made_of_digits_and_bounded(text: str, number: int | None) -> None:
    assert whole(text, 99) == number


def test_long_number_on_a_command_line_is_bad_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"9\.\.\. is no port"):
        shell._published([LONG])
    with pytest.raises(UsageError, match=r"9\.\.\. is not a whole number from 0"):
        whole_number("due", LONG, 0)
    with pytest.raises(UsageError, match=r"9\.\.\. is not a version like 3.11"):
        create._requires_python(tmp_path, "archive:bookworm", f"3.{LONG}")
    with pytest.raises(argparse.ArgumentTypeError, match=r"9\.\.\. is not a whole number from 1"):
        options._positive(LONG)
    with pytest.raises(argparse.ArgumentTypeError, match=r"9\.\.\. is not I/N"):
        shard.parse(f"1/{LONG}")


@pytest.mark.parametrize("number", [LONG, f"0{'7' * 5000}"], ids=["decimal", "octal"])
def test_long_number_in_a_compose_file_is_bad_configuration(tmp_path: Path, number: str) -> None:
    file = tmp_path / "compose.yaml"
    file.write_text(f"services: {number}\n")
    with pytest.raises(ConfigError, match="a number has more than 100 digits"):
        compose_file.read(file)


@pytest.mark.parametrize("given", [LONG, "²"])
def test_odd_number_in_the_environment_counts_as_none(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", given)
    assert int(closed.environment()["GIT_CONFIG_COUNT"]) < 100
    scope = ownership.this_owner().rpartition(" ")[0].rpartition(" ")[0]
    assert not ownership.is_dead(f"{scope} {given} 1")


def test_text_becomes_a_number_in_one_place() -> None:
    """Islands import nothing of ours: their digits are those of the kernel and of our own files."""
    seen = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "helpers").rglob("*.py")
        if re.search(r"\.(isdigit|isdecimal|isnumeric)\(\)", path.read_text(encoding="utf-8"))
    }
    allowed = {"helpers/model/number.py", "helpers/inside/runner.py", "helpers/driver/report/progress.py"}
    assert {path for path in seen if not path.startswith("helpers/test/")} == allowed
