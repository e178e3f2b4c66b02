from __future__ import annotations

import datetime

import pytest

from helpers.errors import ConfigError
from helpers.model.changelog import parse
from helpers.model.version import Version

GOOD = "# forecast-1.10.0\n- 2026-03-04\n- new\n- more\n\n# forecast-1.9.2\n- 2026-03-04\n- old\n"


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        GOOD.replace("\n", "\r\n"),
        "\n\n" + GOOD.rstrip(),
        GOOD.replace("# ", "#  "),
        GOOD.replace("# ", "#\t"),
        GOOD.replace("\n", "  \t\n"),
        GOOD.replace("- ", "  - "),
    ],
    ids=["plain", "CRLF", "no_last_line_end", "two_spaces", "tab", "spaces_at_the_end", "indented"],
)
def test_a_good_changelog_is_read_whatever_its_line_ends_and_blanks(text: str) -> None:
    log = parse(text, "changelog.txt")
    assert (log.name, log.version) == ("forecast", Version(1, 10, 0))
    assert [(entry.date, entry.notes) for entry in log.entries] == [
        (datetime.date(2026, 3, 4), ("new", "more")),
        (datetime.date(2026, 3, 4), ("old",)),
    ]


def test_a_name_may_hold_dashes_and_digits() -> None:
    log = parse("# a-1b.c_d-0.0.1\n- 2026-01-01\n- x\n", "c")
    assert (log.name, str(log.version)) == ("a-1b.c_d", "0.0.1")


HEAD = "# a-1.0.0\n- 2026-01-01\n- x\n"


@pytest.mark.parametrize(
    "text, line, says",
    [
        ("", 1, "has no entry"),
        ("\n \n", 1, "has no entry"),
        ("\ufeff" + HEAD, 1, "byte order mark"),
        ("notes\n" + HEAD, 1, "expected an entry"),
        ("\n\n- 2026-01-01\n", 3, "expected an entry"),
        ("#\n- 2026-01-01\n- x\n", 1, "does not name an image"),
        ("# 1.0.0\n- 2026-01-01\n- x\n", 1, "does not name an image"),
        ("# Fore Cast-1.0.0\n- 2026-01-01\n- x\n", 1, "does not name an image"),
        ("# a-1.0\n- 2026-01-01\n- x\n", 1, "'1.0' is not a version"),
        ("# a-01.0.0\n- 2026-01-01\n- x\n", 1, "is not a version"),
        ("# a-1.0.0\n", 1, "has no date"),
        ("# a-1.0.0\n\n- x\n", 3, "expected a date"),
        ("# a-1.0.0\n2026-01-01\n- x\n", 2, "expected a date"),
        ("# a-1.0.0\n- 2026-02-30\n- x\n", 2, "expected a date"),
        ("# a-1.0.0\n- 2026-1-5\n- x\n", 2, "expected a date"),
        ("# a-1.0.0\n- 20260105\n- x\n", 2, "expected a date"),
        ("# a-1.0.0\n- 2026-13-01\n- x\n", 2, "expected a date"),
        ("# a-1.0.0\n- 0000-01-01\n- x\n", 2, "expected a date"),
        ("# a-1.0.0\n- 2026-01-01 Ann\n- x\n", 2, "expected a date"),
        ("# a-1.0.0\n-\t2026-01-01\n- x\n", 2, "expected a date"),
        ("# a-1.0.0\n- x\n- 2026-01-01\n", 2, "expected a date"),
        ("# a-1.0.0\r\n- 2026-02-30\r\n- x\r\n", 2, "expected a date"),
        ("# a-1.0.0\n- 2026-01-01\n", 1, "says nothing of what changed"),
        ("# a-1.0.0\n- 2026-01-01\n- \n", 1, "says nothing of what changed"),
        ("# a-1.0.0-rc1\n- 2026-01-01\n- x\n", 1, "'rc1' is not a version"),
        ("# a 1.0.0\n- 2026-01-01\n- x\n", 1, "does not name an image"),
        (HEAD + "\n## More\n- y\n", 5, "does not name an image"),
        (HEAD + "\n\n# a-0.9.0\n- 2026-1-1\n- x\n", 7, "expected a date"),
        (HEAD + "# b-0.9.0\n- 2026-01-01\n- x\n", 4, "names the image 'b'"),
        (HEAD + "# a-1.0.0\n- 2026-01-01\n- x\n", 4, "version 1.0.0 stands below 1.0.0"),
        (HEAD + "# a-1.0.1\n- 2026-01-01\n- x\n", 4, "version 1.0.1 stands below 1.0.0"),
        ("# a-1.9.0\n- 2026-01-01\n- x\n# a-1.10.0\n- 2026-01-01\n- x\n", 4, "version 1.10.0 stands below"),
        (HEAD + "# a-0.9.0\n- 2026-01-02\n- x\n", 4, "date 2026-01-02 is later"),
        (HEAD.replace("\n", "\r\n") + "# a-0.9.0\r\n", 4, "has no date"),
        (HEAD + HEAD.replace("1.0.0", "0.9.0") + HEAD.replace("1.0.0", "0.9.0"), 7, "version 0.9.0 stands below 0.9.0"),
    ],
)
def test_the_first_mistake_is_named_with_file_and_line(text: str, line: int, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "dir/changelog.txt")
    assert says in str(caught.value)
    assert caught.value.where == f"dir/changelog.txt:{line}"
    assert caught.value.exit_code == 2 and caught.value.fix


def test_a_version_may_be_left_out_between_two_releases() -> None:
    log = parse(HEAD + "# a-0.2.0\n- 2025-01-01\n- x\n", "c")
    assert [str(entry.version) for entry in log.entries] == ["1.0.0", "0.2.0"]


@pytest.mark.parametrize(("directory", "name"), [("orders", "orders"), ("Orders", "orders"), ("a b", "forecast")])
def test_example_of_an_entry_names_the_directory(directory: str, name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse("first version\n", f"/repo/{directory}/changelog.txt")
    assert f"like '# {name}-1.2.0'" in caught.value.what
