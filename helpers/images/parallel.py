"""Gets the images of many directories, several at a time: each one once, and after what it is built on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

from helpers.console import counted, say, unforeseen
from helpers.engine.seam import Engine, UnsupportedError
from helpers.engine.specs import ImageSpec
from helpers.errors import HelpersError
from helpers.host import once
from helpers.images import build
from helpers.thin_env.slow_steps import in_words, usual_seconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helpers.engine.seam import Control

_TICK_SECONDS = 0.2
# A first time, on a quiet machine.
_TYPICAL_SECONDS, _TYPICAL_OF_BASE = 20.0, 50.0
# A shorter wait needs no notice.
_SAID_SECONDS = 15.0


@dataclass(frozen=True)
class Room:
    """Something that is scarce, such as memory, which steps share that are done at the same time.

    Arguments:
        whole: how much there is.
        needs: how much of it each step needs, by its key; all others need none of it.
    """

    whole: int
    needs: Mapping[str, int]

    def fits(self, key: str, running: Iterable[str]) -> bool:
        """Say whether a step can be begun beside those that are `running`; one alone always can."""
        used = sum(self.needs.get(other, 0) for other in running)
        return not used or used + self.needs.get(key, 0) <= self.whole


def follow(
    graph: Mapping[str, Iterable[str]],
    do: Callable[[str], None],
    jobs: int,
    weights: Mapping[str, float] | None = None,
    room: Room | None = None,
) -> None:
    """Call `do` with each step of `graph` when all that it needs are done.

    Arguments:
        graph: the steps that each step needs; no circle.
        do: does one step, in a thread; an exception of it ends all.
        jobs: how many steps at a time.
        weights: of several steps that can be done the heaviest is begun first; without them the first of `graph`.
        room: what steps share; one for which there is no room waits, and lighter ones go on.
    """
    waiting = {key: set(needs) for key, needs in graph.items()}
    weights = weights or {}
    room = room or Room(0, {})
    ended: SimpleQueue[tuple[str, BaseException | None]] = SimpleQueue()
    running: dict[str, Thread] = {}

    def run(key: str) -> None:
        fault: BaseException | None = None
        try:
            do(key)
        except BaseException as error:
            fault = error
        ended.put((key, fault))

    faults: list[BaseException] = []
    while running or (waiting and not faults):
        ready = [key for key, needs in waiting.items() if not needs and not faults]
        for key in sorted(ready, key=lambda key: -weights.get(key, 0.0)):
            if len(running) < jobs and room.fits(key, running):
                del waiting[key]
                running[key] = Thread(target=run, args=(key,))
                running[key].start()
        # The wait is short because only the main thread is told of signals, between two waits.
        try:
            key, fault = ended.get(timeout=_TICK_SECONDS)
        except Empty:
            continue
        running.pop(key).join()
        faults += [fault] if fault else []
        for needs in waiting.values():
            needs.discard(key)
    if faults:
        raise faults[0]


class Images:
    """The images that several directories need; safe to use from several threads.

    Arguments:
        engine: has or makes them.
        chains: the images of each directory, each one built on the one before it; chains may share some.
        logs: directory for the output of builds.
        control: stops a build.
        show: is given an image's key and what is done to get it, and is left when that is over, well or not.
    """

    def __init__(
        self,
        engine: Engine,
        chains: Sequence[Sequence[ImageSpec]],
        logs: Path,
        control: Control,
        show: Callable[[str, str], AbstractContextManager[None]],
    ) -> None:
        self._engine = engine
        self._logs = logs
        self._control = control
        self._show = show
        self._chains = {chain[-1].key: chain for whole in chains for chain in _beginnings(whole)}
        found = engine.find([chain[-1].reference for chain in self._chains.values()])
        self._wanted = {image.key for chain in chains for image in build.missing(chain, found)}
        self._say_how_long()
        # By the first who makes one; a start of poetry for each would take all cores from the builds for seconds.
        self._export_locks = once(lambda: build.export_locks(self._chains[key] for key in self._wanted))
        # What is there, and why the others are not.
        self.digests = {
            key: found[chain[-1].reference] for key, chain in self._chains.items() if chain[-1].reference in found
        }
        self.faults: dict[str, HelpersError | UnsupportedError] = {}

    def _say_how_long(self) -> None:
        """Say before a slow first run how long it takes: the longest chain, or the builds shared among the cores."""
        seconds = {key: _usual_seconds(self._engine, self._chains[key][-1]) for key in self._wanted}
        chains = (sum(seconds.get(image.key, 0.0) for image in chain) for chain in self._chains.values())
        whole = max(sum(seconds.values()) / (os.cpu_count() or 1), *chains, 0.0)
        if whole >= _SAID_SECONDS:
            wanted = [self._chains[key][-1] for key in self._wanted]
            # The engine without containers makes nothing of a base.
            bases = sum(not image.directory and bool(self._engine.describe(image)) for image in wanted)
            noun = "image" if self._engine.isolates else "environment"
            counts = {"base": bases, noun: sum(bool(image.directory) for image in wanted)}
            made = " and ".join(counted(number, noun) for noun, number in counts.items() if number)
            say(f"to make: {made}, about {in_words(whole)}; later runs find them")

    @property
    def graph(self) -> dict[str, tuple[str, ...]]:
        """The key of the image that each image is built on, by its own."""
        return {key: (chain[-2].key,) if len(chain) > 1 else () for key, chain in self._chains.items()}

    def get(self, key: str) -> None:
        """Make an image, if it is missing and nothing below it could not be had; the one below it has been got."""
        image = self._chains[key][-1]
        if key not in self._wanted:
            return
        if image.parent in self.faults:
            self.faults[key] = self.faults[image.parent]
            return
        doing = self._engine.describe(image)
        try:
            with self._show(key, doing) if doing else nullcontext():
                build.export_beside(image, self._export_locks)
                self.digests[key] = build.build_one(self._engine, self._chains[key], self._logs, self._control)
        except (HelpersError, UnsupportedError) as error:
            self.faults[key] = error
        except Exception as error:
            self.faults[key] = unforeseen(error)


def _usual_seconds(engine: Engine, image: ImageSpec) -> float:
    doing = engine.describe(image)
    return usual_seconds(doing, _TYPICAL_SECONDS if image.directory else _TYPICAL_OF_BASE) if doing else 0.0


def _beginnings(chain: Sequence[ImageSpec]) -> list[Sequence[ImageSpec]]:
    return [chain[: count + 1] for count in range(len(chain))]
