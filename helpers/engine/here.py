"""The container that we are in as an engine: it has one image, its own, and runs tests right here.

This is what `--engine auto` means inside a container of ours, where no other engine is. Nothing new is isolated: tests
may do what the shell may.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from helpers.engine.seam import Control, Ingredients, Outcome
from helpers.engine.specs import ImageSpec, RunSpec
from helpers.engine.supervise import attend_here, run_here
from helpers.errors import PolicyError
from helpers.proc import Child


class HereEngine:
    """The engine seam over the container that this process runs in.

    Arguments:
        image: what its image is, as in `forecast-1.2.0`.
    """

    name = "here"
    isolates = False

    def __init__(self, image: str) -> None:
        self._image = image

    def find(self, references: Sequence[str]) -> dict[str, str]:
        """Return this container for each reference by our image's name; its version is compared before tests run."""
        name = self._image.rpartition("-")[0]
        return {
            reference: self._image
            for reference in references
            if reference.rpartition(":")[0].rpartition("/")[2] == name
        }

    def describe(self, image: ImageSpec) -> str:
        """Return nothing: images can not be made here."""
        return ""

    def provide(self, image: ImageSpec, ingredients: Ingredients, log: Path, control: Control) -> str:
        """Refuse: a directory that needs another image is not tested in this one."""
        raise PolicyError(
            f"needs an image of its own, and this is a container of {self._image}",
            fix="leave it, and test this directory on the host",
        )

    def run(self, spec: RunSpec, log: Path, timeout: float, control: Control) -> Outcome:
        """Run a command as a child of ours."""
        env = {**os.environ, **spec.env}
        if spec.terminal:
            return attend_here(spec.argv, spec, env, log, control)
        child = Child(spec.argv, cwd=spec.cwd, env=env)
        return run_here(child, spec, log, timeout, control)

    def prepare(self, spec: RunSpec, begun: Child | None = None) -> None:
        """Prepare nothing: a process here starts in no time."""

    def drop(self, name: str, begun: Child) -> None:
        """Do nothing: nothing is begun."""

    def start_command(self, spec: RunSpec) -> list[str]:
        """Return nothing: there is nothing to wait in."""
        return []

    def by_hand(self, spec: RunSpec, command: Sequence[str]) -> list[str]:
        """Return the command itself."""
        return list(command)

    def reap(self) -> int:
        """Do nothing: what is started here ends with us."""
        return 0

    def finish(self) -> None:
        """Do nothing: what was started here has ended."""
