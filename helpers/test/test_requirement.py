"""Requirements, markers and constraints of poetry as text."""

from __future__ import annotations

import pytest

from helpers.manifest.poetry_version import python_marker, specifier
from helpers.manifest.requirement import for_extra, negated, parse, parse_marker

CONSTRAINTS = {
    "^1.2.3": ">=1.2.3,<2.0.0",
    "^0.2.3": ">=0.2.3,<0.3.0",
    "^0.0.3": ">=0.0.3,<0.0.4",
    "^0.0": ">=0.0,<0.1",
    "^0": ">=0,<1",
    "^1.0b1": ">=1.0b1,<2.0",
    "^20240101000000": ">=20240101000000,<20240101000001",
    "~1.2.3": ">=1.2.3,<1.3.0",
    "~1.2": ">=1.2,<1.3",
    "~1": ">=1,<2",
    "~=1.2": "~=1.2",
    "1.*": "==1.*",
    "==1.2.*": "==1.2.*",
    "1.x": "==1.*",
    "1.2": "==1.2",
    "=1.2": "==1.2",
    "*": "",
    ">=1 <2": ">=1,<2",
    ">= 1.0, != 1.5.*": ">=1.0,!=1.5.*",
    "^1 || ^2": ">=1,<3",
    "^1.0 | ^3.0": ">=1.0,!=2.*,<4.0",
    "<2,<3 || >=4": "!=2.*,!=3.*",
    ">=2,>=1 || >=5": ">=2",
    ">=1,<3,<4 || >=4": ">=1,!=3.*",
    "1.2.* || 1.4.*": ">=1.2,!=1.3.*,<1.5",
}


@pytest.mark.parametrize("text", CONSTRAINTS)
def test_constraint_of_poetry_becomes_a_specifier(text: str) -> None:
    assert specifier(text) == CONSTRAINTS[text]


def test_two_ranges_of_python_skip_versions_that_were_never_released() -> None:
    assert specifier("~2.7 || ^3.5", python=True) == ">=2.7,!=3.0.*,!=3.1.*,!=3.2.*,!=3.3.*,!=3.4.*,<4.0"


@pytest.mark.parametrize("text", ["one", "^", "^1 || 3.5", "~2.7 || ^3.5", "1" * 2000, "^1; drop", "==1.0 || ==1.2"])
def test_text_that_is_no_constraint_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no version|joins|has more than"):
        specifier(text)


@pytest.mark.parametrize(
    ("text", "marker"),
    [
        ("^3.8", 'python_version >= "3.8" and python_version < "4.0"'),
        (
            "~2.7 || 3.*",
            'python_version >= "2.7" and python_version < "2.8" or python_version >= "3" and python_version < "4"',
        ),
        (">=3.8.1", 'python_full_version >= "3.8.1"'),
        ("<3.11", 'python_version < "3.11"'),
        ("3.9", 'python_version == "3.9"'),
        ("!=2.*", '(python_version < "2" or python_version >= "3")'),
        ("*", ""),
    ],
)
def test_constraint_on_python_becomes_a_marker(text: str, marker: str) -> None:
    assert python_marker(text) == marker


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("a", "a"),
        ("A.b [x , y]>=1 , <2;python_version<'3'", "A.b[x,y]>=1,<2 ; python_version<'3'"),
        ("a (>=1)", "a>=1"),
        ("a @ https://host.example/x;y ; os_name == 'nt'", "a @ https://host.example/x;y ; os_name == 'nt'"),
        ("a @ https://host.example/x; os_name == 'nt'", "a @ https://host.example/x ; os_name == 'nt'"),
        ("a===1.0+x", "a===1.0+x"),
    ],
)
def test_requirement_is_written_as_read(text: str, same: str) -> None:
    assert str(parse(text)) == same == str(parse(same))


@pytest.mark.parametrize(
    "text",
    [
        *("", "[x]", "a b", "a >=", "a[x", "a[!]", "a;", "a=1", "a @ ", "a" * 20_000, "a ; os_name"),
        *("a ; os_name == 'nt' and", "a ; (os_name == 'x'", "a ; os_name == 'x' 'y'"),
        "a ; " + "(" * 100 + "os_name == 'x'" + ")" * 100,
    ],
)
def test_text_that_is_no_requirement_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"^(has|does) "):
        parse(text)


@pytest.mark.parametrize(
    ("marker", "extra", "rest"),
    [
        ("extra == 'X_y'", "x-Y", "True"),
        ("extra == 'x'", "", "False"),
        ("os_name == 'nt' and extra == 'x'", "x", "os_name == 'nt'"),
        (
            "(os_name == 'nt' or os_name == 'b') and (extra == 'x' or 'y' == extra)",
            "y",
            "os_name == 'nt' or os_name == 'b'",
        ),
        ("os_name == 'nt' or extra == 'x'", "", "os_name == 'nt'"),
        ("extra != 'x' and (a == '1' or b == '2') and c == '3'", "y", "(a == '1' or b == '2') and c == '3'"),
        ("'linux' not in sys_platform", "", "'linux' not in sys_platform"),
    ],
)
def test_marker_is_evaluated_for_an_extra(marker: str, extra: str, rest: str) -> None:
    assert str(for_extra(parse_marker(marker), extra)) == rest


def test_further_condition_keeps_the_meaning_of_an_alternative() -> None:
    assert str(parse("a ; b == '1' or c == '2'").when("d == '3'")) == "a ; (b == '1' or c == '2') and d == '3'"


@pytest.mark.parametrize("text", ["==1.0 || ==1.2", "~2.7 || ^3.5"])
def test_constraint_that_no_specifier_has_names_a_form_to_write(text: str) -> None:
    with pytest.raises(ValueError, match=r"write one range, as in >=1\.0,<=1\.2"):
        specifier(text)


def test_negated_marker_is_true_where_the_marker_is_not() -> None:
    text = "(a == '1' or b > '2') and c in 'x' and 'y' not in d"
    wanted = "(a != '1' and b <= '2') or c not in 'x' or 'y' in d"
    assert negated(text) == wanted.replace("(", "").replace(")", "")
    assert negated(negated(text)) == text
    with pytest.raises(ValueError, match="without an opposite"):
        negated("python_version ~= '3.9'")
