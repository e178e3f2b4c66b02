"""What is left to do for a release: from the state of checkout, engine and registry to actions, without doing them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from helpers.errors import PolicyError
from helpers.model.stage import Stage
from helpers.model.version import Version

# Paths in an error.
CHANGES_SHOWN = 5


class Action(Enum):
    """One thing that a release does; doing it again when it is done changes nothing."""

    BUILD = "build"
    TRY = "try"
    TEST = "test"
    PUSH = "push"
    TAG = "tag"
    MOVE = "move"


@dataclass(frozen=True)
class Published:
    """What a registry has under a version tag.

    Arguments:
        digest: of its index.
        inputs: hash of what it was built from, from its label; empty if it does not say so.
    """

    digest: str
    inputs: str


@dataclass(frozen=True)
class State:
    """How far a release has come.

    Arguments:
        name: the runnable dir.
        stage: `dev` or `prod`.
        version: the newest one in its changelog.
        inputs: hash of what its image would be built from now.
        changes: changed and untracked files of the checkout.
        newest: the highest version that the registry has in this stage.
        published: what the registry has of this version.
        moving: digest that the stage's moving tag has.
        withdrawn: whether this version was the newest one at the last rollback.
        in_use: version that the stage's moving tag has, looked up where `withdrawn`.
        built: digest of the image, if it is built already.
        tested: whether its tests passed in exactly that image.
    """

    name: str
    stage: Stage
    version: Version
    inputs: str
    changes: tuple[str, ...] = ()
    newest: Version | None = None
    published: Published | None = None
    moving: str | None = None
    withdrawn: bool = False
    in_use: Version | None = None
    built: str | None = None
    tested: bool = False

    @property
    def tag(self) -> str:
        """The version tag."""
        return self.stage.version_tag(self.version)

    @property
    def behind(self) -> bool:
        """Whether this version is the newest that is released, and the moving tag is another one."""
        return bool(self.published and self.moving != self.published.digest and self.newest == self.version)

    @property
    def rolled_back(self) -> bool:
        """Whether somebody moved the stage back from this version."""
        return self.behind and self.withdrawn


def check_committed(where: str, changes: Sequence[str]) -> None:
    """Refuse a checkout with changes.

    Arguments:
        where: the place for the error: the runnable dir, or the root of the checkout.
        changes: the changed and untracked paths.

    Raises:
        PolicyError: there are changes.
    """
    if changes:
        raise PolicyError(
            "the checkout has changes that no commit holds",
            where=where,
            why=", ".join(changes[:CHANGES_SHOWN]) + (" ..." if len(changes) > CHANGES_SHOWN else ""),
            fix="git add --all && git commit  (git status names the changes)",
        )


def actions(state: State) -> tuple[Action, ...]:
    """Return what is left to do, in order; nothing when the release is done.

    Raises:
        PolicyError: the release would change what is released, go back in time, or be of what no commit holds.
    """
    if state.published and state.published.inputs == state.inputs:
        # A release that was cut off goes on. What somebody rolled back stays so, and a newer version stays as well.
        return (Action.MOVE,) if state.behind and not state.withdrawn else ()
    if state.published and state.built:
        raise PolicyError(
            f"{state.tag} is released with other content",
            where=state.name,
            why=f"the registry has {state.published.digest}, this checkout gives {state.built}",
            fix="add a new version to changelog.txt: a released one never changes",
        )
    check_committed(state.name, state.changes)
    if state.newest and state.newest > state.version:
        raise PolicyError(
            f"changelog.txt says {state.version}, and {state.newest} is released",
            where=state.name,
            fix=f"add an entry above {state.newest} to changelog.txt",
        )
    if state.published:
        # What it would be is not known yet: the build says it, and the next look refuses with both digests.
        return (Action.BUILD,)
    steps = [Action.BUILD] if not state.built else []
    steps += [] if state.tested else [Action.TRY, Action.TEST]
    return (*steps, Action.PUSH, Action.TAG, Action.MOVE)
