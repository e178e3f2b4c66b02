"""The other half of the door to processes: for a start that is over before `subprocess` would be imported.

`proc` is for all else: here is no time limit, and what the program says of itself is not kept.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_MANY_BYTES = 1 << 20
_KILL = 9


class Asked:
    """A program that was started, in our own session, and will print an answer.

    Arguments:
        argv: the program and its arguments.
        env: its whole environment.

    Raises:
        OSError: it can not be started.
    """

    def __init__(self, argv: Sequence[str], env: Mapping[str, str]) -> None:
        self._output, end = os.pipe()
        # Files of ours are closed when it starts; what it prints about itself is for nobody.
        streams = (
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, end, 1),
            (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
        )
        try:
            self._pid = os.posix_spawnp(argv[0], list(argv), dict(env), file_actions=streams)
        except BaseException:
            os.close(self._output)
            raise
        finally:
            os.close(end)

    def answer(self) -> bytes | None:
        """Return what it prints, when it has ended; None when it does not end well."""
        parts = []
        while part := os.read(self._output, _MANY_BYTES):
            parts.append(part)
        return b"".join(parts) if self._end() == 0 else None

    def stop(self) -> None:
        """End it, if it still runs."""
        if self._pid:
            os.kill(self._pid, _KILL)
            self._end()

    def _end(self) -> int:
        os.close(self._output)
        pid, self._pid = self._pid, 0
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
