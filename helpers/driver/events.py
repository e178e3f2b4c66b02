"""What a run tells those who watch it, and what they must be able to do with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from helpers.driver.verdict import Verdict
from helpers.errors import HelpersError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helpers.driver.plan import Plan


@dataclass(frozen=True)
class Event:
    """Something that an observer may show.

    Arguments:
        kind: `building`, and `built` when that is over, well or not; `testing`, and `done` when that is; `weaker`.
        name: the image or directory that it is about.
        text: what is done to get an image; where a test's results go; what its container may do that others may not.
        verdict: the verdict, when `kind` is `done`.
    """

    kind: str
    name: str
    text: str = ""
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Work:
    """What a run is about to do, after all that it knew already.

    Arguments:
        plan: the directories whose tests are to run, and their steps.
        jobs: how many steps at a time.
        seconds: how long each step may take, by its key, as far as that is known.
    """

    plan: Plan
    jobs: int
    seconds: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Ran:
    """What came out of a run.

    Arguments:
        verdicts: one for each directory, in the plan's order.
        engine: name of what ran tests; empty when nothing had to be run.
        directory: with all logs; None when nothing was run.
        results: the directory with the results of the tests that ran, by the name of the runnable dir.
        exit_code: of the whole run.
        interrupted: whether a signal came first.
        seconds: how long it took.
        lost: paths of the test files that no directory collects, relative to the root.
    """

    verdicts: list[Verdict]
    engine: str = ""
    directory: Path | None = None
    results: Mapping[str, Path] = field(default_factory=dict)
    exit_code: int = 0
    interrupted: bool = False
    seconds: float = 0.0
    lost: Sequence[str] = ()


class Observer:
    """Watches runs, one after the other; each method does nothing where it is not overridden.

    A run calls `begin` when there is work to do, `event` from several threads, `close` when nothing more happens, also
    after an error, and `end` when it has a result.
    """

    def begin(self, work: Work) -> None:
        """Take note of what is about to be done; not called when everything is known already."""

    def event(self, event: Event) -> None:
        """Take note of one event."""

    def close(self) -> None:
        """Show nothing more of what goes on."""

    def end(self, ran: Ran) -> None:
        """Show or write what came out."""


class Observers(Observer):
    """Tells several observers, in their order.

    Arguments:
        members: the observers.
    """

    def __init__(self, members: Sequence[Observer]) -> None:
        self.members = list(members)

    def begin(self, work: Work) -> None:
        """Tell of the work."""
        for member in self.members:
            member.begin(work)

    def event(self, event: Event) -> None:
        """Tell of one event."""
        for member in self.members:
            member.event(event)

    def close(self) -> None:
        """Tell that nothing more happens."""
        for member in self.members:
            member.close()

    def end(self, ran: Ran) -> None:
        """Notify each observer of the result; a failing observer must not hide the result from later observers.

        Raises:
            HelpersError: an observer cannot write its result; the first error.
            OSError: standard output cannot be written.
        """
        faults: list[Exception] = []
        for member in self.members:
            try:
                member.end(ran)
            except (HelpersError, OSError) as fault:
                faults.append(fault)
        if faults:
            raise faults[0]
