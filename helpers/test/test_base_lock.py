from __future__ import annotations

import datetime

import pytest

from helpers.errors import ConfigError
from helpers.model.base_lock import BaseLock, parse
from helpers.model.stage import Stage

ONE, TWO = "sha256:" + "1" * 64, "sha256:" + "2" * 64
DAY = datetime.date(2026, 11, 21)
OURS = BaseLock("dir:../base", "host:5000/t/base:2026.11.14.0", ONE, DAY, TWO, "ab" * 32, "bookworm")
FOREIGN = BaseLock("image:python:3.12", "python:3.12", ONE, DAY)


@pytest.mark.parametrize("lock", [OURS, FOREIGN])
def test_what_is_written_is_read_back(lock: BaseLock) -> None:
    assert parse(str(lock), "base.lock") == lock


def test_the_file_says_what_made_it_and_is_toml_of_one_line_a_key() -> None:
    lines = str(FOREIGN).splitlines()
    assert lines[0].startswith("# ") and "invoke docker_bases --update" in lines[0]
    assert lines[1:] == [
        'base = "image:python:3.12"',
        'name = "python:3.12"',
        f'digest = "{ONE}"',
        'recorded = "2026-11-21"',
    ]


def test_an_image_is_built_on_the_digest_and_prod_on_its_own() -> None:
    assert OURS.reference(Stage.DEV) == OURS.reference(Stage.LOCAL) == f"host:5000/t/base:2026.11.14.0@{ONE}"
    assert OURS.reference(Stage.PROD) == f"host:5000/t/base:2026.11.14.0-prod@{TWO}"
    assert FOREIGN.reference(Stage.PROD) == FOREIGN.reference(Stage.DEV) == f"python:3.12@{ONE}"


def test_a_base_with_a_date_tag_is_as_old_as_that_another_as_its_record() -> None:
    assert OURS.age(DAY) == 7
    assert FOREIGN.age(DAY) == 0
    assert FOREIGN.age(DAY + datetime.timedelta(days=30)) == 30


@pytest.mark.parametrize(
    "old, new, line, why",
    [
        ('digest = "sha256:1', 'digest = "sha256:x', 4, "is not sha256"),
        ('prod = "sha256:2', 'prod = "2', 6, "is not sha256"),
        ('digest = "', 'digset = "', 4, "expected a line like"),
        ('digest = "', "digest = ", 4, "expected a line like"),
        ('recorded = "2026-11-21"', 'recorded = "2026-11-31"', 5, "is not a day"),
        ('recorded = "2026-11-21"', 'recorded = "today"', 5, "is not a day"),
        ('recorded = "2026-11-21"', 'recorded = ""', 5, "does not say its recorded"),
        ('recorded = "2026-11-21"\n', "", 1, "does not say its recorded"),
        ('base = "dir:../base"\n', 'base = "a"\nbase = "b"\n', 3, "says base twice"),
        (":2026.11.14.0", "", 3, "is not REPOSITORY:TAG"),
        ("base:2026.11.14.0", f"base@{ONE}", 3, "is not REPOSITORY:TAG"),
        ("# The base", "<<<<<<< HEAD\n# The base", 1, "expected a line like"),
    ],
)
def test_a_wrong_record_is_named_with_its_line_and_the_command_that_mends_it(
    old: str, new: str, line: int, why: str
) -> None:
    text = str(OURS)
    assert old in text
    with pytest.raises(ConfigError, match=why) as caught:
        parse(text.replace(old, new), "devops/base.lock")
    assert caught.value.where == f"devops/base.lock:{line}"
    assert caught.value.fix and "docker_bases --update" in caught.value.fix
