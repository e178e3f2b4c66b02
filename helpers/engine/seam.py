"""The seam between the plan and the real world: what every engine can do, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Protocol

from helpers.engine.specs import Distribution, ImageSpec, RunSpec
from helpers.model.package_index import PackageIndex

TYPE_CHECKING = False
if TYPE_CHECKING:
    from helpers.proc import Child


@dataclass(frozen=True)
class Ingredients:
    """What an image is made from, gathered for the engine.

    Arguments:
        requirements: files of pinned, hashed requirements, those of the images below first.
        base: reference of the image that it is built on; empty if it has none.
        distributions: of the projects, those of the images below first.
        indexes: package indexes of the locks besides those of this machine.
    """

    requirements: tuple[Path, ...] = ()
    base: str = ""
    distributions: tuple[Distribution, ...] = ()
    indexes: tuple[PackageIndex, ...] = ()


@dataclass(frozen=True)
class BuildContext:
    """What a recipe may read while it is built.

    Arguments:
        directory: all files that it may copy.
        dockerfile: the recipe.
        target: the stage of the recipe that is built; empty is its last one.
        arguments: its build arguments.
        secrets: files that it may read while it runs, by id; they end in no layer.
        tools: directory with the installer, the named context `tools`; None where nothing is installed.
    """

    directory: Path
    dockerfile: Path
    target: str
    arguments: Mapping[str, str]
    secrets: Mapping[str, Path]
    tools: Path | None = None


@dataclass(frozen=True)
class Layout:
    """Where an image is built to as an OCI layout (https://github.com/opencontainers/image-spec, image-layout.md).

    Arguments:
        directory: does not exist yet.
        epoch: seconds since 1970 that nothing in the image is newer than
            (https://reproducible-builds.org/specs/source-date-epoch/).
    """

    directory: Path
    epoch: int


class Stop(IntEnum):
    """How much of a hurry the user is in."""

    NO = 0
    POLITELY = 1
    NOW = 2


class Control:
    """The one switch by which a run is stopped from outside; safe to use from several threads and signal handlers."""

    def __init__(self) -> None:
        self._level = Stop.NO
        self.exit_code = 0

    @property
    def level(self) -> Stop:
        """How urgently to stop."""
        return self._level

    def stop(self, level: Stop, exit_code: int) -> None:
        """Ask everything to stop; a lower level than the present one changes nothing."""
        self._level = max(self._level, level)
        self.exit_code = self.exit_code or exit_code


@dataclass(frozen=True)
class Outcome:
    """How a container, or a build, ended.

    Arguments:
        code: its exit code; negative or above 128 for a signal.
        seconds: how long it ran.
        output: the end of what it printed.
        image: id of the image that really ran, as the engine says.
        out_of_memory: whether a process in it was killed for memory.
        timed_out: whether it was stopped at its deadline.
        stopped: whether the user stopped it.
        log: file with what it printed.
        weaker: what its services were given beyond Docker's own rules, a line each.
    """

    code: int
    seconds: float
    output: str
    log: Path
    image: str = ""
    out_of_memory: bool = False
    timed_out: bool = False
    stopped: bool = False
    weaker: tuple[str, ...] = ()


class Prepared(Protocol):
    """A container that was started and waits for its order; it is used once."""

    def go(self, order: str, nonce: str, log: Path, timeout: float, control: Control) -> Outcome | None:
        """Give it its order, follow it to its end and leave nothing of it behind; None when it can not take one.

        Arguments:
            order: what it does.
            nonce: the secret in its verdict; only the runner in the container gets the secret.
            log: file that its output goes to.
            timeout: seconds from now until it is stopped.
            control: stops it earlier.
        """

    def drop(self) -> None:
        """Leave nothing of it behind, unused; does nothing after `go`."""


class Engine(Protocol):
    """What builds images and runs containers."""

    name: str
    # Whether what it runs is kept to limits (read-only files, no network, memory): a failure may come from one of them.
    isolates: bool

    def find(self, references: Sequence[str]) -> dict[str, str]:
        """Return the id of each image of `references` that is there."""

    def describe(self, image: ImageSpec) -> str:
        """Return what `provide` does to make `image`, for a line of progress; empty if it has nothing to do."""

    def provide(self, image: ImageSpec, ingredients: Ingredients, log: Path, control: Control) -> str:
        """Make `image` and return its id.

        Arguments:
            image: what is asked for; what it is built on is there already.
            ingredients: what it is made from.
            log: file that the build's output goes to.
            control: stops the build.

        Raises:
            BuildError: it can not be built; the message holds the end of the build's output.
            UnsupportedError: this engine can never give it.
        """

    def run(self, spec: RunSpec, log: Path, timeout: float, control: Control) -> Outcome:
        """Run a container to its end; what is left of it may still be removed until `finish`.

        Arguments:
            spec: the container.
            log: file that its output goes to.
            timeout: seconds until it is stopped.
            control: stops it earlier.

        Raises:
            UnsupportedError: this engine can never give what stands beside it or inside it.
        """

    def prepare(self, spec: RunSpec, begun: Child | None = None) -> Prepared | None:
        """Start a container that waits for its order; None where this engine runs it only as a whole.

        Arguments:
            spec: the container; the last word of its command is the path of a FIFO, made here, that it reads.
            begun: the client that has started it before, with a FIFO that was made before; None where nobody has.
        """

    def start_command(self, spec: RunSpec) -> list[str]:
        """Return the command by which `prepare` starts a container; empty where it starts none.

        Arguments:
            spec: the container.
        """

    def drop(self, name: str, begun: Child) -> None:
        """End a container that was begun and is not wanted, and remove it; `finish` waits for that.

        Arguments:
            name: of the container.
            begun: the client that has started it.
        """

    def by_hand(self, spec: RunSpec, command: Sequence[str]) -> list[str]:
        """Return the command line that runs `command` as in a container, without us; empty if there is none.

        Arguments:
            spec: the container.
            command: what is run in it.
        """

    def reap(self) -> int:
        """Remove what drivers that are dead left behind; return how many containers that were."""

    def finish(self) -> None:
        """Wait until nothing is left of what was run; it is the last thing that this engine is asked for."""


class UnsupportedError(Exception):
    """This engine can not give what a directory needs; another one can."""
