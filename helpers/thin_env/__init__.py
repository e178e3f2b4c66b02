"""The thin environment: the few packages that the toolchain needs on the host. Standard library only.

Here is what its two halves share: `bootstrap.py` (every start) and `install.py` (only when something is missing).

A Python that is too old reads this file first, and must parse it: nothing newer than Python 3.6.
"""

import os
import sys

NEEDED = (3, 10)


def _check_python() -> None:
    """End with one line if this Python is too old."""
    if sys.version_info >= NEEDED:
        return
    import shlex
    import shutil

    names = [f"python3.{minor}" for minor in range(NEEDED[1], NEEDED[1] + 10)]
    newer = next(filter(shutil.which, reversed(names)), names[0])
    again = f"HELPERS_PYTHON={newer} source dev_scripts/setenv.sh"
    if sys.argv[0].endswith("bootstrap.py"):
        again = " ".join(map(shlex.quote, [newer, *sys.argv]))
    old, needed = (".".join(map(str, version[:2])) for version in (sys.version_info, NEEDED))
    text = f"helpers: error: Python {old} is too old; why: helpers needs Python {needed} or newer; fix: {again}\n"
    sys.exit(os.write(2, text.encode()) and 2)


_check_python()

# Written last into an environment, a copy of what was installed: only an environment that has it is believed.
MARKER = "installed.txt"
INFRASTRUCTURE, LOCK_HELD, INTERRUPTED, TERMINATED = 6, 9, 130, 143


class ThinEnvError(Exception):
    """An environment could not be made.

    Arguments:
        message: what, where, why and the next command.
        exit_code: 6 (network, disk, Python) or 9 (lock held too long).
    """

    def __init__(self, message: str, exit_code: int = INFRASTRUCTURE) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def is_ready(env: str) -> bool:
    """Whether the environment at this path was made to its end: one `stat`."""
    return os.path.exists(os.path.join(env, MARKER))


def cache_path() -> str:
    """Return the directory, absolute but perhaps not yet made, for all that the toolchain can make again."""
    cache = os.environ.get("HELPERS_CACHE")
    if not cache:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
        cache = os.path.join(base, "helpers")
    return os.path.abspath(cache)


def leave_path(*more: str) -> None:
    """Take the places of helpers, and `more`, out of `sys.path`: modules of the repo lie there, too."""
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    above = os.path.dirname(package)
    places = (package, above, os.path.dirname(above), *more)
    sys.path[:] = [path for path in sys.path if path not in places]


def use_bytecode_cache() -> None:
    """Keep compiled modules in the cache: checkouts stay clean, and starts fast under PYTHONDONTWRITEBYTECODE."""
    folder = os.path.join(cache_path(), "pycache")
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError:
        return
    if os.access(folder, os.W_OK):
        sys.pycache_prefix = folder
        sys.dont_write_bytecode = False
