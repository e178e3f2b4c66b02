"""Tests again what changes while somebody works: the newest state of the files wins.

A change only wakes us. What has to be tested is decided by the names that verdicts are kept by: a directory is tested
when the name of all that its tests see is not the one that its last verdict is about. Tests that run meanwhile on
another state are stopped.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from helpers import config, console, errors
from helpers.dirs.lost_tests import LostTests
from helpers.driver import durations, history, run, uncollected
from helpers.driver.changes import Changes
from helpers.driver.events import Event, Observer, Work
from helpers.driver.plan import DirPlan, Plan, without
from helpers.driver.prepared import PreparedEngine
from helpers.driver.report.hints import hint_lines
from helpers.driver.verdict import Status, Verdict
from helpers.driver.verdict_cache import VerdictCache
from helpers.engine.seam import Control, Engine, Stop
from helpers.repo.contents import Contents, Unknown, contents

# Between two of these the main thread is told of signals.
_TICK_SECONDS = 0.2
_ROUNDS_KEPT = 20


@dataclass(frozen=True)
class How:
    """What a watch does again and again.

    Arguments:
        root: absolute path of the repo.
        plan: makes the plan of this moment.
        tier: which tests.
        arguments: pytest's own, from the command line.
        jobs: how many directories at a time.
        directory: for logs and results.
        timeout: seconds for one directory's tests; None takes each one's own setting.
        exitfirst: whether a directory that does not pass ends a run.
        cached: whether kept verdicts count.
        began: the words that the watch began with, to say how one directory is run again.
        again: is called, and does not return, when helpers itself has changed: the code in memory is the old one.
    """

    root: Path
    plan: Callable[[], Plan]
    tier: str
    arguments: Sequence[str]
    jobs: int
    directory: Path
    timeout: float | None = None
    exitfirst: bool = False
    cached: bool = True
    began: Sequence[str] = ()
    again: Callable[[], object] = lambda: None


class _Linked(Control):
    """Stops the tests of one directory, as does what stops the whole watch."""

    def __init__(self, above: Control) -> None:
        super().__init__()
        self._above = above

    @property
    def level(self) -> Stop:
        return max(super().level, self._above.level)

    @property
    def is_stale(self) -> bool:
        """Whether it was stopped because its files changed."""
        return super().level is not Stop.NO


@dataclass(frozen=True)
class _Running:
    """The tests of a directory that run, or wait to: on which state of its files, and what stops them."""

    state: str
    control: _Linked


class Watch:
    """One watch over a repo.

    Arguments:
        how: what it does.
        engine: runs the tests.
        changes: tells of changes.
        control: ends it.
        observer: is told of every event, from several threads.
    """

    def __init__(
        self,
        how: How,
        engine: Engine,
        changes: Changes,
        control: Control,
        observer: Observer,
    ) -> None:
        self._how = how
        self._engine = PreparedEngine(engine, how.directory / "prepared", how.jobs)
        self._changes = changes
        self._control = control
        self._observer = observer
        self._lock = threading.Lock()
        self._rounds: list[threading.Thread] = []
        self._number = 0
        self._running: dict[str, _Running] = {}
        # The last verdict on each directory, and the state of its files that it is about.
        self._verdicts: dict[str, Verdict] = {}
        self._states: dict[str, str] = {}
        self._own = ""
        self._plan: Plan | None = None
        self._lost = LostTests()
        self._look_again = True
        self._tested: list[Verdict] = []
        # Directories that were tested last, the newest first.
        self._lately: list[str] = []
        self._busy_since: float | None = None

    def follow(self) -> int:
        """Test what changes until we are told to end; return the exit code of that."""
        try:
            while not self._control.level:
                if self._look_again:
                    self._look_again = False
                    self._begin()
                self._rest()
                if self._changes.wait(_TICK_SECONDS):
                    self._look_again = True
        finally:
            self._end()
        return self._control.exit_code

    def _end(self) -> None:
        for thread in self._rounds:
            thread.join()
        self._engine.finish()

    def _begin(self) -> None:
        """Look at what there is now: stop what has become stale, and begin to test what has no verdict."""
        self._busy_since = self._busy_since or time.monotonic()
        config.forget()
        try:
            plan = self._how.plan()
            kept = VerdictCache(self._how.root, self._how.tier, self._how.arguments)
            now = contents(self._how.root, seen=kept.seen(plan.dirs))
            own, states = kept.own_state(now), {item.name: kept.state(item, now) or _wrong(item) for item in plan.dirs}
        except Unknown as error:
            self._say(errors.InfrastructureError(f"what the files hold can not be said: {error}"))
            return
        except (errors.HelpersError, OSError) as error:
            self._say(error)
            return
        self._plan = plan
        self._check_own(own)
        with self._lock:
            self._forget_others(states)
            for name, running in self._running.items():
                if running.state != states.get(name):
                    running.control.stop(Stop.NOW, 0)
            todo = [item for item in plan.dirs if self._is_to_be_tested(item.name, states)]
        rest = self._without_known(plan, todo, states, kept, now)
        if rest.dirs:
            self._start(rest, states, kept)

    def _is_to_be_tested(self, name: str, states: Mapping[str, str]) -> bool:
        # One that runs on an older state is looked at again when it has ended: never twice at once.
        return name not in self._running and self._states.get(name) != states[name]

    def _forget_others(self, states: Mapping[str, str]) -> None:
        for name in set(self._states) - set(states):
            del self._states[name]
            self._verdicts.pop(name, None)

    def _without_known(
        self, plan: Plan, todo: Sequence[DirPlan], states: Mapping[str, str], kept: VerdictCache, now: Contents
    ) -> Plan:
        """Return the plan of what has to be run; the others have a kept verdict now, or had one before."""
        isolated = self._how.cached and self._engine.isolates
        known = kept.find(todo, now) if isolated else {}
        for name, verdict in known.items():
            self._settle(verdict, states[name])
            self._observer.event(Event("done", name, verdict=verdict))
        wanted = {item.name for item in todo} - set(known)
        return without(plan, {item.name for item in plan.dirs} - wanted)

    def _check_own(self, own: str) -> None:
        if self._own and own != self._own:
            console.say("helpers itself has changed: the watch begins again")
            self._control.stop(Stop.NOW, 0)
            self._end()
            self._how.again()
        self._own = own

    def _start(self, plan: Plan, states: Mapping[str, str], kept: VerdictCache) -> None:
        with self._lock:
            jobs = max(1, self._how.jobs - len(self._running))
            mine = {item.name: _Running(states[item.name], _Linked(self._control)) for item in plan.dirs}
            self._running |= mine
        seconds = durations.of_steps(self._how.root, plan)
        if not any(thread.is_alive() for thread in self._rounds):
            self._observer.begin(Work(plan, jobs, seconds))
        self._number += 1
        options = run.Options(
            run.new_run_id(),
            self._how.directory / str(self._number),
            jobs,
            self._how.timeout,
            self._how.exitfirst,
            self._how.arguments,
            began=self._how.began,
            seconds=seconds,
            controls={name: running.control for name, running in mine.items()},
        )
        thread = threading.Thread(target=self._round, args=(plan, options, mine, kept))
        thread.start()
        self._rounds = [*(one for one in self._rounds if one.is_alive()), thread]

    def _round(self, plan: Plan, options: run.Options, mine: Mapping[str, _Running], kept: VerdictCache) -> None:
        """Run what changed, in a thread of its own."""

        def notify(event: Event) -> None:
            if event.verdict:
                event = self._ended(event, event.verdict, mine[event.name])
            self._observer.event(event)

        try:
            self._drop_old()
            options.directory.mkdir(parents=True)
            verdicts = run.Run(plan, self._engine, options, self._control, notify).execute()
            if not options.arguments:
                durations.record(self._how.root, plan.tier, verdicts)
                history.record(self._how.root, plan.tier, verdicts, self._engine.name)
            if self._how.cached and self._engine.isolates:
                results = {item.name: run.results_of(options.directory, plan, item.name) for item in plan.dirs}
                kept.keep(plan.dirs, verdicts, results)
        except Exception as error:
            self._say(error)
        finally:
            with self._lock:
                for name, running in mine.items():
                    if self._running.get(name) is running:
                        del self._running[name]
            self._changes.wake()

    def _ended(self, event: Event, verdict: Verdict, running: _Running) -> Event:
        """Take the verdict on a directory, and return what is told of it."""
        with self._lock:
            self._running.pop(event.name, None)
        stale = running.control.is_stale and not self._control.level
        if verdict.status is Status.STOPPED:
            if stale:
                verdict = replace(verdict, why="its files changed meanwhile; begins again", output="", again=())
        else:
            # What went wrong around the tests is tried again at the next change.
            self._settle(verdict, "" if verdict.status in (Status.INFRA, Status.BUG) else running.state)
        if stale:
            # Also where it ended before it was stopped, and where the files are again what they were before: what is
            # shown last must be about the newest state.
            with self._lock:
                self._states.pop(event.name, None)
            self._look_again = True
            self._changes.wake()
        return replace(event, verdict=verdict)

    def _settle(self, verdict: Verdict, state: str) -> None:
        with self._lock:
            self._verdicts[verdict.name] = verdict
            self._states[verdict.name] = state
            self._tested.append(verdict)

    def _rest(self) -> None:
        """Say how things stand when everything that ran has ended."""
        if self._busy_since is None or any(thread.is_alive() for thread in self._rounds) or self._look_again:
            return
        seconds, self._busy_since = time.monotonic() - self._busy_since, None
        self._observer.close()
        with self._lock:
            tested, self._tested = self._tested, []
            verdicts = list(self._verdicts.values())
        if self._plan:
            before, self._lost = self._lost, uncollected.find(self._how.root, self._plan.lost, verdicts)
            if self._lost != before:
                self._lost.show()
        if tested or self._number == 0:
            for line in [*hint_lines(tested), summary(tested, verdicts, seconds)]:
                console.say(line)
            console.say("waiting for changes (Ctrl-C ends)")
        if self._plan:
            self._engine.make_ready(self._likely(self._plan, tested), self._how.tier, self._how.arguments)

    def _likely(self, plan: Plan, tested: Sequence[Verdict]) -> list[tuple[DirPlan, str]]:
        """Return the directories of a plan, those first that may be tested next: changed lately, failed, the others."""
        fresh = [verdict.name for verdict in reversed(tested) if not verdict.cached]
        self._lately = list(dict.fromkeys([*fresh, *self._lately]))[: self._how.jobs]
        failed = [one.name for one in self._verdicts.values() if one.status is not Status.PASS]
        first = [*self._lately, *failed]
        items = {item.name: item for item in plan.dirs}
        order = [name for name in dict.fromkeys([*first, *items]) if name in items and name in self._verdicts]
        return [(items[name], self._verdicts[name].image) for name in order]

    def _say(self, error: Exception) -> None:
        # What a Ctrl-C at a terminal ends beside us is no news.
        if not self._control.level:
            console.report_error(error)
            console.say("waiting for changes (Ctrl-C ends)")

    def _drop_old(self) -> None:
        """Remove the logs of rounds long ago: a watch may last for days."""
        import shutil

        old = sorted((path for path in self._how.directory.glob("[0-9]*")), key=lambda path: int(path.name))
        for path in old[:-_ROUNDS_KEPT]:
            shutil.rmtree(path, ignore_errors=True)


def _wrong(item: DirPlan) -> str:
    """Return what stands for the state of a directory that can not be tested: why not."""
    return f"wrong: {item.error.summary if item.error else ''}"


def summary(tested: Sequence[Verdict], every: Sequence[Verdict], seconds: float) -> str:
    """Return one line: what was tested now, and how all directories stand.

    Arguments:
        tested: verdicts of this run.
        every: the last verdict on each directory.
        seconds: how long the run took.
    """
    cached = sum(verdict.cached for verdict in tested)
    known = f" ({cached} cached)" if cached else ""
    tests = f"{sum(one.passed for one in tested)} passed, {sum(one.failed for one in tested)} failed"
    line = f"{len({one.name for one in tested})} of {len(every)} tested{known} in {seconds:.1f} s: {tests}"
    red = sorted(console.printable(one.name) for one in every if one.status not in (Status.PASS, Status.SKIP))
    return f"{line}; not passing: {', '.join(red)}" if red else f"{line}; all pass"
