"""Containers that are started before they are needed: each waits for one order, and is used once, on the newest files.

What a container is given at its start must still hold when it is used: it is taken only for tests that would be started
just like it, in the same image, and only while every path that is mounted is still the same file or directory.
"""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from helpers.containers.environment import services_file
from helpers.driver import headstart, share
from helpers.driver.container import INSIDE, test_container, without_git
from helpers.driver.plan import DirPlan
from helpers.driver.run import new_run_id
from helpers.engine.seam import Control, Engine, Ingredients, Outcome, Prepared
from helpers.engine.specs import ImageSpec, Mount, RunSpec
from helpers.errors import HelpersError
from helpers.host import user
from helpers.proc import Child
from helpers.spawn import call_off


class _Paths:
    """Paths of the host as they were at one moment.

    Each is held open: a number that the file system gives to a file is not given to another one meanwhile.

    Arguments:
        held: each path, and the file descriptor that holds it.
    """

    def __init__(self, held: Sequence[tuple[str, int]]) -> None:
        self._held = held

    def __len__(self) -> int:
        return len(self._held)

    def are_the_same(self) -> bool:
        """Say whether each path still leads to the same file or directory."""
        try:
            return all(os.path.samestat(os.stat(path), os.fstat(held)) for path, held in self._held)
        except OSError:
            return False

    def close(self) -> None:
        """Hold them no longer."""
        for _, held in self._held:
            os.close(held)


@dataclass(frozen=True)
class _Container:
    """One that waits: what it was started as, where its results go, and the paths that it has mounted."""

    form: str
    results: Path
    paths: _Paths
    waiting: Prepared

    def fits(self, spec: RunSpec) -> bool:
        """Say whether tests that are to be started like `spec` can run in it."""
        return form_of(spec) == self.form and self.paths.are_the_same()

    def drop(self) -> None:
        """Leave nothing of it behind."""
        self.waiting.drop()
        self.close()
        shutil.rmtree(self.results.parent, ignore_errors=True)

    def close(self) -> None:
        """Hold its paths no longer; it has ended."""
        self.paths.close()


class HeadStart:
    """The containers that were started before this run was planned.

    Arguments:
        handed: what is known of them.
        root: absolute path of the repo.
        wanted: the directories that will be tested; the containers of others end now.
    """

    def __init__(self, handed: headstart.Handed, root: Path, wanted: Collection[Path]) -> None:
        self._guard, self._directory, _, begun = handed
        self._begun = {root / one[0]: one for one in begun}
        self._children = {path: Child.adopted(*one[4:7]) for path, one in self._begun.items()}
        for path in set(self._begun) - set(wanted):
            self._children[path].close_input()

    @property
    def paths(self) -> list[Path]:
        """The directories of the containers that nobody has taken."""
        return list(self._begun)

    def take(self, spec: RunSpec, engine: Engine) -> _Container | None:
        """Return the container that was started where tests are to be run; None without one.

        Arguments:
            spec: how they are to be run.
            engine: follows it.
        """
        if not (begun := self._begun.get(spec.cwd)):
            return None
        _, command, name, results, *_, held = begun
        wanted = _like_first(spec, name, Path(results))
        waiting = engine.prepare(wanted, self._children[spec.cwd])
        if not waiting:
            return None
        del self._begun[spec.cwd]
        # Other code of ours may have written the note: what counts is how this one would have started it.
        form = form_of(spec) if engine.start_command(wanted) == command else ""
        return _Container(form, Path(results), _Paths(held), waiting)

    def end(self, engine: Engine) -> None:
        """Let the engine remove those that nobody has taken; what it can not remove yet goes after our death."""
        for path, begun in self._begun.items():
            self._children[path].close_input()
            engine.drop(begun[2], self._children[path])
        if not self._begun:
            call_off(self._guard)
            shutil.rmtree(self._directory, ignore_errors=True)


class PreparedEngine:
    """An engine whose tests run in containers that wait for them, where there is one that fits.

    Arguments:
        engine: starts them, and all others.
        directory: for the results of those that wait.
        most: how many may wait at a time.
        begun: those that were started before the run.
    """

    def __init__(self, engine: Engine, directory: Path, most: int, begun: HeadStart | None = None) -> None:
        self.name = engine.name
        self.isolates = engine.isolates
        self._engine = engine
        self._directory = directory
        self._most = most
        self._begun = begun
        self._lock = threading.Lock()
        # Held while one is made for later, which nobody waits for but who finishes.
        self._making = threading.Lock()
        self._number = 0
        self._waiting: dict[Path, _Container] = {}
        # Those that were asked to wait once, and those whose tests were begun.
        self._asked: set[Path] = set(begun.paths) if begun else set()
        self._ran: set[Path] = set()
        self._finished = False

    def find(self, references: Sequence[str]) -> dict[str, str]:
        """Ask the engine."""
        return self._engine.find(references)

    def describe(self, image: ImageSpec) -> str:
        """Ask the engine."""
        return self._engine.describe(image)

    def provide(self, image: ImageSpec, ingredients: Ingredients, log: Path, control: Control) -> str:
        """Let the engine make it."""
        return self._engine.provide(image, ingredients, log, control)

    def by_hand(self, spec: RunSpec, command: Sequence[str]) -> list[str]:
        """Ask the engine."""
        return self._engine.by_hand(spec, command)

    def prepare(self, spec: RunSpec, begun: Child | None = None) -> Prepared | None:
        """Let the engine start one."""
        return self._engine.prepare(spec, begun)

    def start_command(self, spec: RunSpec) -> list[str]:
        """Ask the engine."""
        return self._engine.start_command(spec)

    def drop(self, name: str, begun: Child) -> None:
        """Let the engine do it."""
        self._engine.drop(name, begun)

    def reap(self) -> int:
        """Let the engine do it."""
        return self._engine.reap()

    def run(self, spec: RunSpec, log: Path, timeout: float, control: Control) -> Outcome:
        """Run tests in the container that waits for them, or in a new one."""
        with self._lock:
            self._ran.add(spec.cwd)
            container = self._waiting.pop(spec.cwd, None)
            if not container and self._begun:
                container = self._begun.take(spec, self._engine)
        if container and not container.fits(spec):
            container.drop()
        elif container:
            outcome = _use(container, spec, log, timeout, control)
            if not outcome and control.level:
                # Stopped as it was handed its order: a new one would be started only to be stopped.
                outcome = Outcome(1, 0.0, "", log, spec.image, stopped=True)
            if outcome:
                return outcome
        return self._engine.run(spec, log, timeout, control)

    def make_ready(self, likely: Sequence[tuple[DirPlan, str]], tier: str, arguments: Sequence[str]) -> None:
        """Let containers wait for the tests of the first directories of `likely`, and no others.

        Arguments:
            likely: those that may be tested next, the likeliest first, and the id of the image of each.
            tier: which tests.
            arguments: pytest's own.
        """
        chosen: dict[Path, RunSpec] = {}
        for item, image in likely:
            if len(chosen) < self._most and (spec := self._spec(item, image, tier, arguments)):
                chosen[spec.cwd] = spec
        with self._lock:
            for path in [
                path for path, one in self._waiting.items() if path not in chosen or not one.fits(chosen[path])
            ]:
                self._waiting.pop(path).drop()
            for path in set(chosen) - set(self._waiting):
                if made := self._start(chosen[path]):
                    self._waiting[path] = made

    def make_one_ready(self, item: DirPlan, image: str, tier: str, arguments: Sequence[str]) -> bool:
        """Let a container wait for a directory that is tested later in a run, if it is asked for the first time.

        Arguments:
            item: the directory.
            image: id of its image.
            tier: which tests.
            arguments: pytest's own.

        Returns:
            Whether more may wait.
        """
        if not item.runnable or services_file(item.runnable) or item.runnable.settings.docker:
            return True  # no engine lets it wait
        path = item.runnable.path
        with self._making:
            with self._lock:
                if self._finished or len(self._waiting) >= self._most:
                    return False
                if path in self._asked | self._ran:
                    return True
                self._asked.add(path)
            # Others may begin meanwhile, this directory too.
            spec = self._spec(item, image, tier, arguments)
            if made := self._start(spec) if spec else None:
                with self._lock:
                    if self._finished or path in self._ran:
                        made.drop()
                    else:
                        self._waiting[path] = made
        return True

    def finish(self) -> None:
        """Leave no container behind."""
        with self._lock:
            self._finished = True
        # After what is just being made.
        with self._making, self._lock:
            left, self._waiting = list(self._waiting.values()), {}
        try:
            for container in left:
                container.drop()
            if self._begun:
                self._begun.end(self._engine)
        finally:
            self._engine.finish()

    def _spec(self, item: DirPlan, image: str, tier: str, arguments: Sequence[str]) -> RunSpec | None:
        """Return what would run the tests of a directory; None where that can not be said now."""
        self._number += 1
        results = self._directory / str(self._number) / "results"
        return spec_of(item, image, tier, arguments, name=f"helpers-{new_run_id()}-next", results=results)

    def _start(self, spec: RunSpec) -> _Container | None:
        paths = [str(path) for path in mounted(spec)]
        results = _results_of(spec)
        if sum(len(one.paths) for one in list(self._waiting.values())) + len(paths) > headstart.MOST_HELD:
            return None
        if (found := headstart.hold(paths)) is None:
            return None  # one of them is gone, and who runs the tests will see that
        held, waiting = _Paths(found), None
        try:
            results.mkdir(parents=True)
            waiting = self._engine.prepare(to_wait(spec, results))
        except (OSError, HelpersError):
            pass  # a container waits or not; what is wrong is told when the tests are run
        finally:
            if not waiting:
                held.close()
                shutil.rmtree(results.parent, ignore_errors=True)
        return _Container(form_of(spec), results, held, waiting) if waiting else None


def _use(container: _Container, spec: RunSpec, log: Path, timeout: float, control: Control) -> Outcome | None:
    """Run tests in a container that waits for them; None if it has gone."""
    results = _results_of(spec)
    # Inside it the results have the name of its own directory; outside they are found under both.
    order = json.loads(spec.argv[-1].replace(json.dumps(str(results))[1:-1], json.dumps(str(container.results))[1:-1]))
    order["environment"] = {share.WORKERS: spec.env[share.WORKERS]} if share.WORKERS in spec.env else {}
    outcome = None
    try:
        results.rmdir()
        results.symlink_to(container.results)
        outcome = container.waiting.go(json.dumps(order), spec.nonce, log, timeout, control)
    finally:
        if not outcome:
            container.waiting.drop()
        container.close()
        with suppress(OSError):
            results.unlink()
        if outcome:
            os.replace(container.results, results)
        else:
            results.mkdir(exist_ok=True)
        shutil.rmtree(container.results.parent, ignore_errors=True)
    return outcome


def spec_of(
    item: DirPlan, image: str, tier: str, arguments: Sequence[str], *, name: str, results: Path
) -> RunSpec | None:
    """Return what would run the tests of a directory; None where that can not be said now.

    Arguments:
        item: the directory.
        image: id of its image.
        tier: which tests.
        arguments: pytest's own.
        name: of the container.
        results: where its results go.
    """
    if not item.runnable or not item.chain or not image:
        return None
    try:
        spec = test_container(
            item.runnable,
            name=name,
            image=image,
            labels=item.chain[-1].labels,
            user=user(),
            results=results,
            nonce="",
            tier=tier,
            arguments=arguments,
            rights=item.rights,
        )
        return without_git(spec)
    except HelpersError:
        return None


def to_wait(spec: RunSpec, results: Path) -> RunSpec:
    """Return the container of tests with another command: one that waits for the order to run them."""
    order = results / headstart.ORDER
    argv = (spec.argv[-3], str(INSIDE / "prepared.py"), str(order))
    return replace(spec, argv=argv, mounts=(*spec.mounts, Mount(order)), results=results)


def _like_first(spec: RunSpec, name: str, results: Path) -> RunSpec:
    """Return the container of tests as one that was started first: with its own name and results, and with no share."""
    env = {key: value for key, value in spec.env.items() if key != share.WORKERS}
    return replace(to_wait(spec, results), name=name, env=env)


def mounted(spec: RunSpec) -> list[Path]:
    """Return the paths of the host in a container of tests."""
    return [*(mount.path for mount in spec.mounts), *spec.hidden]


def form_of(spec: RunSpec) -> str:
    """Return all that a container of tests is started with, without what is another one in each run."""
    results = _results_of(spec)
    env = {name: value for name, value in spec.env.items() if name != share.WORKERS}
    argv = tuple(word for word in spec.argv[:-1] if word != str(results))
    return repr(replace(spec, name="", labels={}, argv=argv, env=env, results=None))


def _results_of(spec: RunSpec) -> Path:
    return Path(json.loads(spec.argv[-1])["results"])
