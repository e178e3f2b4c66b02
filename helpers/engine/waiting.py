"""A container of the docker engine that waits for its order."""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable
from pathlib import Path

from helpers import proc
from helpers.engine.seam import Control, Outcome

# A container that was begun has come so far long before; a machine may be busy.
_READY_SECONDS = 20.0
_TICK_SECONDS = 0.002


class Waiting:
    """A container that reads its order from a FIFO (https://man7.org/linux/man-pages/man7/fifo.7.html) in a mount.

    Arguments:
        fifo: its path; outside it is the same as inside.
        child: the client that has started the container.
        follow: follows the container to its end and removes the container; takes nonce, log, seconds and control.
        remove: removes it.
    """

    def __init__(
        self,
        fifo: Path,
        child: proc.Child,
        follow: Callable[[str, Path, float, Control], Outcome],
        remove: Callable[[], object],
    ) -> None:
        self._fifo = fifo
        self._child = child
        self._follow = follow
        self._remove = remove
        self._over = False

    def go(self, order: str, nonce: str, log: Path, timeout: float, control: Control) -> Outcome | None:
        """Write the nonce and the order, and follow the container."""
        self._child.write(f"{nonce}\n".encode())
        if self._over or not self._hand_over(order, control):
            self.drop()
            return None
        self._over = True
        return self._follow(nonce, log, timeout, control)

    def drop(self) -> None:
        """End it, as it does by itself when nobody holds its standard input any more; nothing, once it has ended."""
        if not self._over:
            self._over = True
            self._child.close_input()
            self._remove()
            self._child.output.close()

    def _hand_over(self, order: str, control: Control) -> bool:
        end = time.monotonic() + _READY_SECONDS
        while self._child.poll() is None and not control.level and time.monotonic() < end:
            try:
                # Without a wait this fails until somebody reads.
                file = os.open(self._fifo, os.O_WRONLY | os.O_NONBLOCK)
            except OSError as error:
                if error.errno != errno.ENXIO:
                    return False
                time.sleep(_TICK_SECONDS)
                continue
            os.set_blocking(file, True)
            try:
                with open(file, "w", encoding="utf-8") as writer:
                    writer.write(order)
            except BrokenPipeError:
                return False
            self._fifo.unlink()
            return True
        return False
