"""`invoke sync_update` as its user types it: options, and shims that invoke itself needs, on real git repos."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.test.helpers_repo import EDITORCONFIG, SHIM, TEXT, HelpersRepo, invoke
from helpers.test.unit_fixtures import git

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


def conflicts(repo: HelpersRepo, path: str, old: str, mine: str, theirs: str) -> None:
    """Let a repo and a newer helpers change the same line of a shim, and merge them."""
    template = repo.remote / "templates" / "super_repo" / path
    before = repo.read(path)
    repo.edit(path, old, mine)
    repo.commit("mine")
    template.write_text(before.replace(old, theirs))
    repo.changelog("0.2.0", "0.1.0")
    repo.publish("second")
    code, printed, _ = invoke(repo, "repo_roll_forward", "--only", "helpers", "--no-test")
    assert code == 1, printed
    merged = shlex.quote(str(repo.root / f"{path}.merged"))
    move = f"mv {merged} {shlex.quote(str(repo.root / path))} && invoke sync_update"
    assert f"resolve what is between <<<<<<< and >>>>>>>, then again: {move}" in printed
    assert f" && rm {merged})" in printed
    assert repo.read(path) == before.replace(old, mine)


@pytest.mark.parametrize(
    ("path", "old"),
    [
        ("invoke.yaml", "  auto_dash_names: false"),
        (SHIM, "use_bytecode_cache()"),
        ("main_pytest.py", "import sys"),
        ("dev_scripts/setenv.sh", "#     source dev_scripts/setenv.sh"),
    ],
)
def test_conflicts_in_what_our_commands_start_by_are_marked_beside_it(repo: HelpersRepo, path: str, old: str) -> None:
    conflicts(repo, path, old, f"{old}  # a", f"{old}  # b")
    merged = repo.read(f"{path}.merged")
    assert "<<<<<<< yours\n" in merged and ">>>>>>> template of helpers\n" in merged
    for command in (("--list",), ("dir_list",)):
        assert "Traceback" not in invoke(repo, *command)[1]
    code, printed, _ = invoke(repo, "sync_status", "--check")
    assert code == 1 and f"resolve {path}.merged, then move it over this file" in printed, printed
    assert invoke(repo, "sync_update")[0] == 1
    assert repo.read(f"{path}.merged") == merged
    # The user resolves them as he is told.
    repo.write(f"{path}.merged", repo.read(path).replace("  # a", "  # a and b"))
    (repo.root / f"{path}.merged").rename(repo.root / path)
    code, printed, _ = invoke(repo, "repo_roll_forward", "--only", "helpers", "--no-test")
    assert code == 0, printed
    assert invoke(repo, "sync_status", "--check")[0] == 0
    assert git(repo.root, "status", "--porcelain") == ""
    assert f"{path}\n" in git(repo.root, "show", "--name-only", "--format=", "HEAD")


def test_theirs_ends_a_conflict_that_is_marked_beside_a_shim(repo: HelpersRepo) -> None:
    conflicts(repo, SHIM, "use_bytecode_cache()", "use_bytecode_cache()  # a", "use_bytecode_cache()  # b")
    code, printed, _ = invoke(repo, "sync_update", "--theirs", SHIM)
    assert code == 0, printed
    assert "  # b\n" in repo.read(SHIM) and "  # a\n" in repo.read(f"{SHIM}.orig")
    assert not (repo.root / f"{SHIM}.merged").exists()
    assert invoke(repo, "sync_status", "--check")[0] == 0
