"""What an engine is asked for, and what it answers: the seam between the plan and the real world."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Protocol

from helpers.host import User
from helpers.model.image import Base


@dataclass(frozen=True)
class Mount:
    """A path of the host that a container sees at the same absolute path.

    Arguments:
        path: the path.
        read_only: whether the container may only read it.
    """

    path: Path
    read_only: bool = True


@dataclass(frozen=True)
class ImageSpec:
    """An image: what it is called, what it is made from.

    Arguments:
        key: its step in the plan: the name of a runnable dir, or the base as written.
        reference: `repository:tag` that finds it; the tag holds the hash of its inputs.
        tags: other references that it is given when it is built.
        base: what it is built on, as written; None for an image that is pulled or assembled.
        parent: key of the image that it is built on.
        inputs: hash of all that goes into it.
        directory: the runnable dir that it belongs to.
        labels: labels that it is given when it is built.
        requires_python: PEP 440 specifier that its Python must meet.
        system_packages: packages of the distribution that it holds.
        suite: suite of the distribution at the bottom of its bases, if that is an `archive:`.
        dockerfile: the recipe; None for an image that is pulled or assembled.
    """

    key: str
    reference: str
    inputs: str
    base: Base
    parent: str | None = None
    tags: tuple[str, ...] = ()
    directory: Path | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    requires_python: str = ""
    system_packages: tuple[str, ...] = ()
    suite: str = ""
    dockerfile: Path | None = None


@dataclass(frozen=True)
class Ingredients:
    """What an image is made from, gathered for the engine.

    Arguments:
        requirements: files of pinned, hashed requirements, those of the images below first.
        base: reference of the image that it is built on; empty if it has none.
    """

    requirements: tuple[Path, ...] = ()
    base: str = ""


@dataclass(frozen=True)
class BuildContext:
    """What a recipe may read while it is built.

    Arguments:
        base: reference of the image that it is built on.
        directory: all files that it may copy.
        secrets: files that it may read while it runs, by id; they end in no layer.
        tools: directory with the installer, the named context `tools`.
    """

    base: str
    directory: Path
    secrets: Mapping[str, Path]
    tools: Path


@dataclass(frozen=True)
class RunSpec:
    """A container to run.

    Arguments:
        name: its unique name.
        image: id of the image, as the engine gave it.
        argv: the command; never read by a shell.
        cwd: its working directory.
        user: whose files it makes.
        mounts: what it sees of the host.
        hidden: directories inside the mounts that it must not see the content of.
        env: its environment, besides what the image sets.
        inherit: names of our own variables that it is given; their values are on no command line.
        network: `none` or `bridge`.
        memory: limit, as in `2g`.
        pids: how many processes it may have.
        read_only: whether its root file system is read-only.
        publish: pairs of a port on the host's loopback address and the container's port that it leads to.
        terminal: whether it gets the caller's terminal.
        labels: what the reaper knows it by.
    """

    name: str
    image: str
    argv: tuple[str, ...]
    cwd: Path
    user: User
    mounts: tuple[Mount, ...]
    env: Mapping[str, str]
    network: str
    memory: str
    pids: int
    read_only: bool
    labels: Mapping[str, str]
    hidden: tuple[Path, ...] = ()
    inherit: tuple[str, ...] = ()
    publish: tuple[tuple[int, int], ...] = ()
    terminal: bool = False


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
        self._changed = threading.Event()

    @property
    def level(self) -> Stop:
        """How urgently to stop."""
        return self._level

    def stop(self, level: Stop, exit_code: int) -> None:
        """Ask everything to stop; a lower level than the present one changes nothing."""
        self._level = max(self._level, level)
        self.exit_code = self.exit_code or exit_code
        self._changed.set()


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
    """

    code: int
    seconds: float
    output: str
    log: Path
    image: str = ""
    out_of_memory: bool = False
    timed_out: bool = False
    stopped: bool = False


class Engine(Protocol):
    """What builds images and runs containers."""

    name: str

    def find(self, references: Sequence[str]) -> dict[str, str]:
        """Return the id of each image of `references` that is there."""

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
        """Run a container to its end and leave nothing of it behind.

        Arguments:
            spec: the container.
            log: file that its output goes to.
            timeout: seconds until it is stopped.
            control: stops it earlier.
        """

    def reap(self) -> int:
        """Remove what drivers that are dead left behind; return how many containers that were."""


class UnsupportedError(Exception):
    """This engine can not give what a directory needs; another one can."""
