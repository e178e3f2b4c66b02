"""Makes containers ready for the directories that come next in a run, while the tests of others run."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from helpers.driver.plan import DirPlan
from helpers.driver.prepared import PreparedEngine
from helpers.thin_env.threads import started

# The container of the tests that are begun gets the machine first.
_SECONDS = 0.25
# Each takes some memory, and of those that run more seldom end at once.
MOST_WAITING = 4


class Ahead:
    """Looks ahead in a run, in threads of its own.

    Arguments:
        engine: lets containers wait.
        tier: which tests.
        arguments: pytest's own.
    """

    def __init__(self, engine: PreparedEngine, tier: str, arguments: Sequence[str]) -> None:
        self._engine = engine
        self._tier = tier
        self._arguments = arguments
        self._lock = threading.Lock()
        self._pending = False

    def look(self, following: Iterable[tuple[DirPlan, str]]) -> None:
        """Let containers wait, soon, for the first directories of `following`; nothing, where a look is due already.

        Arguments:
            following: those whose tests are not begun, in the order in which they will be, and the id of the image of
                each; asked for only then.
        """
        with self._lock:
            if self._pending:
                return
            self._pending = True
        timer = threading.Timer(_SECONDS, self._make_ready, [following])
        timer.daemon = True
        if not started(timer):
            with self._lock:
                self._pending = False

    def _make_ready(self, following: Iterable[tuple[DirPlan, str]]) -> None:
        with self._lock:
            self._pending = False
        for item, image in following:
            try:
                if not self._engine.make_one_ready(item, image, self._tier, self._arguments):
                    return
            except Exception:
                continue  # what is wrong with it is told when its turn comes
