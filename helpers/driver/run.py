"""Follows a plan: starts each step when what it needs is done, several at a time, and collects the verdicts."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from helpers.console import printable, say, unforeseen
from helpers.containers import rights
from helpers.driver import again, failures, measuring, share, uncollected, undeclared
from helpers.driver import verdict as verdicts
from helpers.driver.container import test_container, without_git
from helpers.driver.events import Event
from helpers.driver.plan import DirPlan, Plan, image_step
from helpers.driver.results import read_more, read_result
from helpers.driver.verdict import Status, Verdict
from helpers.engine.seam import Control, Engine, UnsupportedError
from helpers.engine.specs import RunSpec
from helpers.errors import OK, HelpersError
from helpers.host import user
from helpers.images.parallel import Images, Room, follow
from helpers.model.graph import longest
from helpers.model.runnable import RunnableDir

# More is not what our plugin writes.
_MOST_REPORT_BYTES, _MOST_PROGRESS_BYTES, _MOST_RUNNING_BYTES = 64 << 20, 16 << 20, 4 << 10


@dataclass
class Options:
    """How a plan is followed.

    Arguments:
        run_id: unique name of the run.
        directory: for logs and results.
        jobs: how many steps at a time.
        timeout: seconds for one directory's tests; None takes each one's own setting.
        exitfirst: start nothing more after the first directory that does not pass.
        arguments: pytest's own arguments.
        began: the words that the run began with, to say how one directory is run again.
        seconds: how long each step may take, as far as that is known; the longest way is begun first.
        coverage: whether the lines that run are noted.
        adapt: changes the container that tests run in, for another image than the one that they are written in.
        controls: what stops the tests of one directory alone, by its name.
        ahead: is given, as the tests of a directory begin, those that come next and whose images are there, in the
            order in which they are begun, with the ids of these images.
    """

    run_id: str
    directory: Path
    jobs: int
    timeout: float | None = None
    exitfirst: bool = False
    arguments: Sequence[str] = ()
    began: Sequence[str] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    coverage: bool = False
    adapt: Callable[[RunSpec], RunSpec] = lambda spec: spec
    controls: Mapping[str, Control] = field(default_factory=dict)
    ahead: Callable[[Iterator[tuple[DirPlan, str]]], None] = lambda following: None


class Run:
    """One run of a plan.

    Arguments:
        plan: what to do.
        engine: what does it.
        options: how.
        control: stops it.
        notify: is told of every event, from several threads.
    """

    def __init__(
        self, plan: Plan, engine: Engine, options: Options, control: Control, notify: Callable[[Event], None]
    ) -> None:
        self._plan = plan
        self._engine = engine
        self._options = options
        self._control = control
        self._observer = notify
        self._verdicts: dict[str, Verdict] = {}
        self._no_more = threading.Event()
        # Directories that are not begun, those first that will be, and those that are tested now, by step.
        self._left: dict[str, DirPlan] = {}
        self._running: set[str] = set()

    def execute(self) -> list[Verdict]:
        """Do every step of the plan and return one verdict for each directory, in the plan's order."""
        for item in self._plan.dirs:
            if item.error:
                self._settle(verdicts.of_error(item.name, item.error))
        chains = [item.chain for item in self._plan.dirs if item.chain]
        images = Images(self._engine, chains, self._options.directory, self._control, self._show)
        keys = {image_step(key): key for key in self._plan.images}
        tests = {item.step: item for item in self._plan.dirs}

        weights = longest(self._plan.steps, self._options.seconds)
        heaviest = sorted(self._plan.steps, key=lambda step: -weights.get(step.key, 0.0))
        self._left = {step.key: tests[step.key] for step in heaviest if step.key in tests}
        room = share.room(self._plan.dirs) if self._engine.isolates else Room(0, {})

        def do(step: str) -> None:
            if step not in tests:
                if not self._stopping():
                    images.get(keys[step])
                return
            del self._left[step]
            self._running.add(step)
            try:
                self._test(tests[step], images, room)
            finally:
                self._running.discard(step)

        follow({step.key: step.needs for step in self._plan.steps}, do, self._options.jobs, weights, room)
        return [self._verdicts[item.name] for item in self._plan.dirs]

    def _following(self, images: Images, room: Room) -> Iterator[tuple[DirPlan, str]]:
        """Yield what can be begun when one that runs has ended, with the id of its image."""
        running = sorted(self._running, key=lambda step: room.needs.get(step, 0))[1:]
        for step, item in list(self._left.items()):
            if self._stopping():
                return
            if (image := images.digests.get(item.chain[-1].key)) and room.fits(step, running):
                yield item, image

    @contextmanager
    def _show(self, key: str, doing: str) -> Iterator[None]:
        self._notify(Event("building", key, doing))
        try:
            yield
        finally:
            self._notify(Event("built", key))

    def _notify(self, event: Event) -> None:
        """Tell of an event; who can not show it ends neither its directory nor others."""
        try:
            self._observer(event)
        except BrokenPipeError:
            raise  # nobody reads any more
        except Exception as error:
            say(f"warning: '{event.kind}' of {printable(event.name)} is not shown: {unforeseen(error)}")

    def _control_of(self, item: DirPlan) -> Control:
        return self._options.controls.get(item.name, self._control)

    def _stopping(self) -> bool:
        return bool(self._control.level) or self._no_more.is_set()

    def _test(self, item: DirPlan, images: Images, room: Room) -> None:
        image = item.chain[-1]
        fault = images.faults.get(image.key)
        if self._stopping() or self._control_of(item).level:
            code = self._control.exit_code
            why = "not run: stopped by a signal" if code else "not run: another directory did not pass (--exitfirst)"
            self._settle(Verdict(item.name, Status.STOPPED, code, why))
        elif isinstance(fault, UnsupportedError):
            self._settle(self._skip(item, fault))
        elif fault:
            self._settle(verdicts.of_error(item.name, fault))
        else:
            try:
                following = self._following(images, room)
                self._settle(self._run_tests(item, images.digests[image.key], following))
            except UnsupportedError as error:
                self._settle(self._skip(item, error))
            except HelpersError as error:
                self._settle(verdicts.of_error(item.name, error))
            except Exception as error:
                self._settle(verdicts.of_error(item.name, unforeseen(error)))

    def _skip(self, item: DirPlan, error: UnsupportedError) -> Verdict:
        return Verdict(item.name, Status.SKIP, OK, f"{error} (engine {self._engine.name} can not give it)")

    def _run_tests(self, item: DirPlan, image: str, following: Iterator[tuple[DirPlan, str]]) -> Verdict:
        assert item.runnable
        number = self._plan.dirs.index(item)
        results = self._options.directory / f"{number}" / "results"
        results.mkdir(parents=True)
        nonce = os.urandom(16).hex()
        timeout = self._options.timeout or item.runnable.settings.timeout
        spec = test_container(
            item.runnable,
            name=f"helpers-{self._options.run_id}-{number}",
            image=image,
            labels=item.chain[-1].labels,
            user=user(),
            results=results,
            nonce=nonce,
            tier=self._plan.tier,
            arguments=self._options.arguments,
            coverage=self._options.coverage,
            rights=item.rights,
        )
        spec = share.with_workers(
            without_git(spec), self._options.jobs, sum(bool(each.chain) for each in self._plan.dirs)
        )
        self._notify(Event("testing", item.name, str(results)))
        for text in rights.lines(item.needs) if self._engine.isolates else ():
            self._notify(Event("weaker", item.name, text))
        control = self._control_of(item)
        self._options.ahead(following)
        outcome = self._engine.run(self._options.adapt(spec), results.with_name("output.log"), timeout, control)
        for text in outcome.weaker:
            self._notify(Event("weaker", item.name, text))
        report = _read_report(results / "verdict.json")
        if report and not self._engine.isolates:
            report["hints"] = []
        verdict = verdicts.judge(
            item.name,
            outcome,
            report,
            _finished_tests(results / "progress"),
            image=image,
            nonce=nonce,
            timeout=timeout,
            stop_code=self._control.exit_code,
            details=failures.read(results, item.runnable.root),
            running=_running_tests(results / "running"),
            root=item.runnable.root,
        )
        if not uncollected.collects_all(self._options.arguments):
            verdict = replace(verdict, files=None)
        if read_result(results / "full", 1 << 10):
            verdict = verdicts.of_full_results(verdict)
        if self._engine.isolates:
            verdict = undeclared.explained(verdict, item.runnable)
        if self._options.coverage:
            verdict = replace(
                verdict, coverage=measuring.found(item.runnable.path, results, report, item.runnable.root)
            )
        return self._with_commands(verdict, item.runnable, spec) if self._options.began else verdict

    def _with_commands(self, verdict: Verdict, runnable: RunnableDir, spec: RunSpec) -> Verdict:
        # Where tests failed, measuring again those alone tells nothing.
        low = self._options.coverage and not verdict.failures
        began = [*self._options.began, *(["--coverage"] if low else [])]
        began += ["--only-this"] if runnable.nested else []
        told = again.lines(verdict, began, self._engine, spec, self._options.arguments)
        hints = again.debugger_hints(verdict, told[0]) if told else ()
        return replace(verdict, again=tuple(told), hints=(*verdict.hints, *hints))

    def _settle(self, verdict: Verdict) -> None:
        self._verdicts[verdict.name] = verdict
        if self._options.exitfirst and verdict.status not in (Status.PASS, Status.SKIP):
            self._no_more.set()
        self._notify(Event("done", verdict.name, verdict=verdict))


def results_of(directory: Path, plan: Plan, name: str) -> Path:
    """Return the directory that the results of the runnable dir `name` were written to."""
    return directory / str([item.name for item in plan.dirs].index(name)) / "results"


def new_run_id() -> str:
    """Return a name for a run that no other run has; names sort by time."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{os.urandom(3).hex()}"


def _read_report(path: Path) -> dict[str, Any] | None:
    """Return the verdict in a file of our runner, with its nonce; None without a verdict.

    The first line is the nonce, the second the output of the plugin.
    """
    nonce, _, verdict = (read_result(path, _MOST_REPORT_BYTES) or b"").partition(b"\n")
    try:
        report = json.loads(verdict)
    except (ValueError, RecursionError):
        return None
    sound = isinstance(report, dict) and _is_sound(report)
    return {**report, "nonce": nonce.decode("ascii", "replace")} if sound else None


def _is_sound(report: dict[str, Any]) -> bool:
    """Say whether a report has what each one has that our plugin writes."""
    failed, hints = report.get("failures"), report.get("hints")
    if not (isinstance(failed, list) and isinstance(hints, list)) or verdicts.counts_fault(report.get("counts")):
        return False
    # A plugin may end pytest with a negative exit code.
    exit_code = abs(report["exit"]) if isinstance(report.get("exit"), int) else None
    numbers = (exit_code, *(report.get(name) for name in ("collected", "reported", "collect_errors")))
    texts = (report.get("runs_no_test"), *failed, *hints)
    return all(map(verdicts.is_count, numbers)) and all(isinstance(one, str) for one in texts)


def _finished_tests(progress: Path) -> dict[str, int]:
    """Return how many tests ended how, from the lines that our plugin wrote: all that a run leaves that was stopped."""
    lines = read_more(progress, 0, _MOST_PROGRESS_BYTES).decode(errors="replace").split()
    noted = {outcome: lines.count(outcome.replace(" ", "_")) for outcome in verdicts.OUTCOMES}
    return {outcome: number for outcome, number in noted.items() if number}


def _running_tests(file: Path) -> tuple[int, Sequence[str]]:
    """Return how many tests had begun and not ended, and the ids of the first ones."""
    try:
        number, *names = json.loads(read_more(file, 0, _MOST_RUNNING_BYTES).partition(b"\n")[0])
    except (ValueError, TypeError, RecursionError):
        return 0, ()
    return (number, names) if verdicts.is_count(number) and all(isinstance(one, str) for one in names) else (0, ())
