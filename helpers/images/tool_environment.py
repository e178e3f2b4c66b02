"""Environments of tools that must not share our packages, each made once from its lock in `thin_env/`."""

from __future__ import annotations

from pathlib import Path

from helpers.errors import InfrastructureError, LockHeldError
from helpers.storage import use
from helpers.thin_env import ThinEnvError
from helpers.thin_env.bootstrap import ensure_tool_env

_LOCKS = Path(__file__).parent.parent / "thin_env"


def lock_of(name: str) -> Path:
    """Return the file that pins the environment `name` with hashes: `poetry`, `layers` or `report`."""
    return _LOCKS / f"{name}.txt"


def python_of(name: str) -> Path:
    """Return the Python of the environment `name`, which is made if need be.

    Raises:
        InfrastructureError: it could not be made.
        LockHeldError: another process makes it for longer than we wait.
    """
    try:
        env = ensure_tool_env(lock_of(name))
    except ThinEnvError as error:
        kind = LockHeldError if error.exit_code == LockHeldError.exit_code else InfrastructureError
        raise kind(f"the tool environment `{name}` could not be made: {error}") from None
    use("envs", env.name)
    return env / "bin" / "python"
