"""When a call must have ended: after so many seconds, or when the user wants it."""

from __future__ import annotations

import time

from helpers.engine.seam import Control
from helpers.errors import InfrastructureError

_LOOK_SECONDS = 0.1


class Deadline:
    """The end of a call.

    Arguments:
        seconds: how long it may take.
        control: ends it earlier.
    """

    def __init__(self, seconds: float, control: Control | None = None) -> None:
        self.seconds = seconds
        self.control = control
        self._end = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds that are left, never below 0."""
        return max(0.0, self._end - time.monotonic())

    @property
    def over(self) -> bool:
        """Whether to end now."""
        return self._stopped or not self.left

    @property
    def _stopped(self) -> bool:
        return self.control is not None and bool(self.control.level)

    def check(self) -> None:
        """Do nothing unless the user has asked for an end.

        Raises:
            InfrastructureError: they have.
        """
        if self._stopped:
            raise InfrastructureError("stopped by the user")

    def sleep(self, seconds: float) -> None:
        """Wait, but not beyond the end.

        Raises:
            InfrastructureError: the user has asked for an end.
        """
        end = time.monotonic() + seconds
        while not self.over and (left := end - time.monotonic()) > 0:
            time.sleep(min(_LOOK_SECONDS, left, self.left))
        self.check()
