"""What the shim `main_pytest.py` calls first; apart from `bootstrap.py`, so that even that one is read compiled."""

import gc
import os
import sys

from helpers.thin_env import INFRASTRUCTURE, INTERRUPTED, leave_path, use_bytecode_cache

# All modules up to here are loaded before, or built into Python: `__future__` would be searched in the repo.
leave_path()
from helpers.thin_env.streams import make_safe  # noqa: E402

# What may answer a whole run by itself, or begin with it, in any Python, before the environment is entered.
_ASKED_FIRST = {"helpers.driver.cli": ("helpers.driver.memo", "helpers.driver.headstart")}
# A short run keeps nearly all objects that it makes, and Python's default is to look through them every 700.
_OBJECTS_BETWEEN_COLLECTIONS = 100_000


def start(script: str, module: str) -> int:
    """What a shim does: enter the thin environment, then call `main()` of a module and return its exit code.

    Arguments:
        script: the shim's `__file__`.
        module: the full name of a module with `main() -> int`.
    """
    make_safe()
    leave_path(os.path.dirname(os.path.realpath(script)))
    gc.set_threshold(_OBJECTS_BETWEEN_COLLECTIONS)
    try:
        code = _start(script, module)
    except KeyboardInterrupt:
        # While something is imported, as most of a short start is; whoever does more ends it in words of his own.
        sys.stderr.write("helpers: interrupted\n")
        return INTERRUPTED
    except SystemExit as end:
        if not isinstance(end.code, int):
            raise
        code = end.code
    try:
        sys.stdout.flush()
    except OSError as error:
        sys.stderr.write(f"helpers: infrastructure: {error.filename}: {error.strerror}\n")
        return INFRASTRUCTURE
    # Python would look through all objects once more before its end.
    gc.freeze()
    return code


def _start(script: str, module: str) -> int:
    use_bytecode_cache()
    for first in _ASKED_FIRST.get(module, ()) if "HELPERS_ENTERED" not in os.environ else ():
        code: int | None = __import__(first, fromlist=["answer"]).answer(script, sys.argv[1:])
        if code is not None:
            return code
    from helpers.thin_env import bootstrap

    return bootstrap.run(script, module)
