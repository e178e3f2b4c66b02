from __future__ import annotations

from itertools import combinations

import pytest

from helpers import errors

WORST_FIRST = (130, 143, 70, 6, 9, 4, 2, 3, 8, 7, 1, 5, 0)


def all_errors(base: type[errors.HelpersError] = errors.HelpersError) -> list[type[errors.HelpersError]]:
    found = [base]
    for child in base.__subclasses__():
        if child.__module__ == errors.__name__:
            found += all_errors(child)
    return found


@pytest.mark.parametrize("worse, better", list(combinations(WORST_FIRST, 2)))
def test_of_two_codes_the_worse_one_wins_in_any_order(worse: int, better: int) -> None:
    assert errors.worst([worse, better]) == worse
    assert errors.worst([better, worse]) == worse


def test_the_worst_of_many_is_found_and_one_code_is_itself() -> None:
    assert errors.worst([0, 5, 1, 8, 0]) == 8
    assert [errors.worst([code]) for code in WORST_FIRST] == list(WORST_FIRST)


@pytest.mark.parametrize("code", [-9, 42, 255])
def test_a_code_that_no_directory_may_end_in_is_our_bug(code: int) -> None:
    assert errors.worst([0, code]) == 70


def test_a_run_of_nothing_has_no_good_end() -> None:
    with pytest.raises(errors.NothingSelectedError) as caught:
        errors.worst([])
    assert caught.value.exit_code == 5


def test_every_error_has_a_documented_exit_code_of_its_own_meaning() -> None:
    codes = {error.__name__: error.exit_code for error in all_errors()}
    assert codes == {
        "HelpersError": 70,
        "UsageError": 2,
        "ConfigError": 2,
        "NotCheckedOutError": 2,
        "StaleError": 2,
        "BuildError": 3,
        "TestsFailedError": 1,
        "PolicyError": 4,
        "NothingSelectedError": 5,
        "InfrastructureError": 6,
        "LockHeldError": 9,
    }
    # Those without an error are verdicts on tests that ran, or signals.
    assert set(codes.values()) | {0, 1, 7, 8, 130, 143} == set(errors.EXIT_CODES)
    assert set(errors.SEVERITY) == set(errors.EXIT_CODES)


def test_a_message_says_what_where_why_and_the_next_command() -> None:
    error = errors.ConfigError("is wrong", where="a/changelog.txt:3", why="it is", fix="invoke dir_check")
    assert str(error) == "a/changelog.txt:3: is wrong\n  why: it is\n  fix: invoke dir_check"


def test_the_summary_is_one_line_whatever_was_quoted() -> None:
    assert errors.ConfigError("no\n  dir 'a\nb'", fix="x").summary == "no dir 'a b'; fix: x"


def test_a_name_with_control_characters_is_shown_and_not_obeyed() -> None:
    name = "a\x1b[31m\x9b\u202ed\r"
    error = errors.ConfigError(f"{name} is wrong\nreally", where=f"/x/{name}", why=name, fix=f"rm {name}")
    shown = r"a\x1b[31m\x9b\u202ed\r"
    assert str(error) == f"/x/{shown}: {shown} is wrong\nreally\n  why: {shown}\n  fix: rm {shown}"
    assert error.summary == rf"{shown} is wrong really; fix: rm {shown}" and error.where == f"/x/{name}"
