"""What the repo_ commands say when they leave a repo, and that the command they name does it."""

from __future__ import annotations

import pytest

from helpers.errors import OK, REFUSED
from helpers.test import fleet
from helpers.test.fleet import Fleet, git, one, pristine, user
from helpers.test.test_repo_roll_forward import left, rolled, words

__all__ = ["one", "pristine", "user"]
# These tests start processes, and there are many of them.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("user")]


def test_a_push_of_a_branch_that_follows_none_is_left_with_the_command_that_does_it(
    one: Fleet, capsys: pytest.CaptureFixture[str]
) -> None:
    git(one.top, "switch", "--quiet", "--create", "topic")
    assert rolled(one, capsys, push=True) == (OK, [])
    one.push("tools")
    code, told = rolled(one, capsys, push=True)
    assert (code, words(told)) == (REFUSED, ["check out tools", "commit .", "left ."])
    assert "topic follows no branch of a remote, and no remote has 1 commit of it" in told[-2]
    fix = told[-1].strip()
    assert fix == "fix: git push -u origin topic"
    git(one.top, *fix.split()[2:])
    assert rolled(one, capsys, push=True) == (OK, [])


def test_a_push_without_any_remote_is_left(one: Fleet, capsys: pytest.CaptureFixture[str]) -> None:
    git(one.top, "remote", "remove", "origin")
    assert rolled(one, capsys) == (OK, [])
    code, told = rolled(one, capsys, push=True)
    assert (code, words(told), told[-1].strip()) == (REFUSED, ["left ."], "fix: git remote add origin URL")


@pytest.mark.parametrize("path", ["tools", "."])
def test_an_unfinished_rebase_is_what_is_said_of_a_repo(
    one: Fleet, capsys: pytest.CaptureFixture[str], path: str
) -> None:
    one.push("tools")
    fleet.in_a_rebase(one, path)
    assert left(one, capsys, path).startswith("a rebase is under way\nfix: git ")
