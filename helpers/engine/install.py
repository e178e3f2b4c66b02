"""The command that gets this machine an engine."""

from __future__ import annotations

import os
from pathlib import Path

_SCRIPT = Path(__file__).with_name("install_engine.sh")


def install_command() -> str:
    """Return the command that gets a docker engine, and all that goes with it, from the current directory."""
    near = os.path.relpath(_SCRIPT)
    return str(_SCRIPT) if near.startswith("..") else near
