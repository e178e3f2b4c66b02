"""`invoke sync_update` as its user types it: options, and shims that invoke itself needs, on real git repos."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.test.helpers_repo import EDITORCONFIG, SHIM, TEXT, HelpersRepo, invoke

# The code runs in the thin environment of this machine.
pytestmark = [pytest.mark.host, pytest.mark.slow]


@pytest.fixture
def repo(tmp_path: Path) -> HelpersRepo:
    """A super-repo with a whole helpers, whose common files are in order."""
    made = HelpersRepo(tmp_path, code=True)
    command = [sys.executable, "helpers/thin_env/bootstrap.py", "invoke", "sync_update"]
    subprocess.run(command, cwd=made.root, check=True, capture_output=True)
    made.commit("common files")
    return made


def test_theirs_takes_the_template_of_each_file_that_is_named(repo: HelpersRepo) -> None:
    shim = repo.read(SHIM)
    repo.edit(EDITORCONFIG, "line 1\n", "mine\n")
    repo.write(SHIM, shim + "mine = 1\n")
    code, printed, _ = invoke(repo, "sync_update", "--theirs", SHIM)
    assert (code, repo.read(SHIM)) == (0, shim), printed
    repo.edit(EDITORCONFIG, "mine\n", "mine again\n")
    repo.write(SHIM, shim + "mine = 2\n")
    code, printed, _ = invoke(repo, "sync_update", "--theirs", SHIM, "--theirs", EDITORCONFIG)
    assert (code, repo.read(SHIM), repo.read(EDITORCONFIG)) == (0, shim, TEXT), printed
    code, printed, _ = invoke(repo, "sync_update", "--theirs", "nosuch")
    assert (code, "--theirs 'nosuch' is no common file" in printed) == (2, True), printed
