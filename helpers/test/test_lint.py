"""The linters are a part of the tests: their settings are in the root's `pyproject.toml`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

# Every test here starts processes and waits for them.
pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = {
    "ruff check": ["ruff", "check", "--no-cache", "--output-format", "concise", "."],
    "ruff format": ["ruff", "format", "--no-cache", "--check", "."],
    "mypy": ["mypy", "--cache-dir", "CACHE"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_nothing_is_found_by(name: str, tmp_path: Path) -> None:
    command = [str(tmp_path) if word == "CACHE" else word for word in COMMANDS[name]]
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, encoding="utf-8", timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
