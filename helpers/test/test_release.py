"""What is left of a release, from its state alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from helpers.errors import PolicyError
from helpers.model.release import Action, Published, State, actions
from helpers.model.stage import Stage
from helpers.model.version import Version

BUILD, TRY, TEST, PUSH, TAG, MOVE = Action
NEW = State(
    name="forecast", stage=Stage.DEV, version=Version(1, 10, 0), inputs="in", newest=Version(1, 9, 0), moving="a"
)
DONE = replace(NEW, newest=NEW.version, published=Published("b", "in"), moving="b", built="b", tested=True)


@pytest.mark.parametrize(
    "state, left",
    [
        (NEW, (BUILD, TRY, TEST, PUSH, TAG, MOVE)),
        (replace(NEW, newest=None, moving=None), (BUILD, TRY, TEST, PUSH, TAG, MOVE)),
        (replace(NEW, built="b"), (TRY, TEST, PUSH, TAG, MOVE)),
        (replace(NEW, built="b", tested=True), (PUSH, TAG, MOVE)),
        (replace(DONE, moving="a"), (MOVE,)),
        (DONE, ()),
        # What is done stays done on another machine, and in a checkout that somebody works in.
        (replace(DONE, built=None, tested=False, changes=("x.py",)), ()),
        # Somebody rolled it back: a release that does nothing else must not undo that.
        (replace(DONE, moving="a", withdrawn=True), ()),
        # A newer version is released: the moving tag is not taken back by the release of an older one.
        (replace(DONE, newest=Version(1, 11, 0), moving="c"), ()),
    ],
)
def test_only_what_is_left_is_done(state: State, left: tuple[Action, ...]) -> None:
    assert actions(state) == left


def test_after_every_action_what_is_left_is_the_rest() -> None:
    """The state after each action gives the actions that follow it, so a release that was cut off goes on."""
    after = {
        BUILD: replace(NEW, built="b"),
        TEST: replace(NEW, built="b", tested=True),
        TAG: replace(DONE, moving="a"),
        MOVE: DONE,
    }
    whole = actions(NEW)
    for action, state in after.items():
        assert actions(state) == whole[whole.index(action) + 1 :]


@pytest.mark.parametrize(
    "state, rolled_back",
    [
        (replace(DONE, moving="a", withdrawn=True), True),
        # A release that was cut off, one that is done, and one that went forward again after a rollback.
        (replace(DONE, moving="a"), False),
        (DONE, False),
        (replace(DONE, withdrawn=True), False),
        # The one after it is in use; nobody cares for what was before.
        (replace(DONE, newest=Version(1, 11, 0), moving="c", withdrawn=True), False),
        (replace(NEW, withdrawn=True), False),
    ],
)
def test_only_the_newest_version_that_is_not_in_use_counts_as_rolled_back(state: State, rolled_back: bool) -> None:
    assert state.rolled_back is rolled_back


@pytest.mark.parametrize(
    "state, says",
    [
        (replace(NEW, changes=("a.py", "b.py")), "a.py, b.py"),
        (replace(NEW, newest=Version(1, 11, 0)), "changelog.txt says 1.10.0, and 1.11.0 is released"),
        (replace(DONE, inputs="other", built="sha256:ours"), "the registry has b, this checkout gives sha256:ours"),
    ],
)
def test_what_would_break_a_rule_is_refused(state: State, says: str) -> None:
    with pytest.raises(PolicyError) as caught:
        actions(state)
    assert says in str(caught.value)
    assert caught.value.exit_code == 4 and caught.value.fix


def test_a_version_with_other_content_is_built_only_to_name_both_digests() -> None:
    assert actions(replace(DONE, inputs="other", built=None)) == (BUILD,)
