"""A journal of JSON lines: one event a line, for people who search and programs that count."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO


class Journal:
    """Writes events; safe to use from several threads.

    Arguments:
        stream: where they go.
        clock: tells the time, in seconds since 1970.
        more: what every event says.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.time, **more: Any) -> None:
        self._stream = stream
        self._clock = clock
        self._more = more
        self._lock = threading.Lock()

    def note(self, event: str, **facts: Any) -> None:
        """Write one event."""
        seconds = self._clock()
        day = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
        line = json.dumps({"time": f"{day}Z", "event": event, **self._more, **facts}, default=str)
        with self._lock:
            self._stream.write(f"{line}\n")
            self._stream.flush()
