"""What a stranger's checkout may try when a command of the user's runs git in it: a file PWNED must never appear."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from helpers.errors import OK
from helpers.repos import foreach
from helpers.test.fleet import Fleet, git, one, pristine, user

__all__ = ["one", "pristine", "user"]
# These tests start processes, and there are many of them.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("user")]

SHARED = "apps/one/libs/shared"
FILTER = [("filter.evil.clean", "TRAP"), ("filter.evil.required", "true")]
SSH = [("gpg.format", "ssh"), ("gpg.ssh.defaultKeyCommand", "TRAP")]


@pytest.fixture
def mark(one: Fleet, user: Path) -> Path:
    """The file that no command may make; the program that would make it stands beside it."""
    trap = user / "trap"
    trap.write_text(f"#!/bin/sh\n: > '{user}/PWNED'\ncat\n")
    trap.chmod(0o755)
    return user / "PWNED"


def plant(one: Fleet, mark: Path, path: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Put settings into one checkout, and have a file changed there that its attributes send through filters."""
    root = one.at(path)
    for key, value in pairs:
        git(root, "config", key, value.replace("TRAP", str(mark.with_name("trap"))))
    info = Path(git(root, "rev-parse", "--absolute-git-dir").strip()) / "info"
    info.mkdir(exist_ok=True)
    (info / "attributes").write_text("* filter=evil diff=evil\n")
    # As long as before: only what it holds can tell git that it has changed.
    file = root / "file.txt"
    file.write_text("x" * (file.stat().st_size - 1) + "\n")


def bites(one: Fleet, path: str, command: Sequence[str], mark: Path) -> bool:
    """Say whether the trick works on plain git, without which the test could not fail."""
    subprocess.run(
        ["git", *command], cwd=one.at(path), input=b"q\n", capture_output=True, check=False, timeout=20, env=os.environ
    )
    return mark.exists()


@pytest.mark.parametrize(
    "pairs, command",
    [
        (FILTER, ("status", "--short")),
        (FILTER, ("diff", "--submodule=diff")),
        ([("diff.external", "TRAP")], ("diff", "--submodule=diff")),
        ([("diff.evil.textconv", "TRAP")], ("diff", "--submodule=diff")),
        ([("core.fsmonitor", "TRAP")], ("status", "--short")),
    ],
    ids=lambda value: value[0] if isinstance(value[0], str) else value[0][0],
)
@pytest.mark.parametrize("path, start", [("tools", "."), (SHARED, "apps/one"), (SHARED, ".")])
def test_git_that_enters_a_submodule_runs_nothing_of_it(
    one: Fleet, mark: Path, path: str, start: str, pairs: Sequence[tuple[str, str]], command: Sequence[str]
) -> None:
    plant(one, mark, path, pairs)
    code = foreach.main(["git", *command], start=start, cwd=one.top)
    # There is no value by which git takes its own diff for this one, so that it says what is wrong.
    assert not mark.exists() and (code == OK or pairs[0][0] == "diff.external")
    assert bites(one, start, command, mark), "the trick is none"


@pytest.mark.parametrize(
    "pairs, command",
    [
        ([("tar.tgz.command", "TRAP")], ("archive", "--format=tgz", "--output=x.tgz", "HEAD")),
        ([("tar.x.command", "TRAP")], ("archive", "--format=x", "--output=x.x", "HEAD")),
        ([("interactive.diffFilter", "TRAP")], ()),
        (SSH, ("commit", "--quiet", "--allow-empty", "--gpg-sign", "--message", "x")),
        ([("gc.recentObjectsHook", "TRAP")], ()),
        ([("hook.evil.command", "TRAP"), ("hook.evil.event", "pre-commit")], ()),
        ([("difftool.evil.cmd", "TRAP"), ("diff.tool", "evil")], ("difftool", "--no-prompt")),
        ([("sendemail.smtpServer", "TRAP")], ()),
    ],
    ids=lambda value: "" if not value else value[0] if isinstance(value[0], str) else value[0][0],
)
def test_programs_that_few_commands_run_are_not_run_and_are_named(
    one: Fleet,
    mark: Path,
    capfd: pytest.CaptureFixture[str],
    pairs: Sequence[tuple[str, str]],
    command: Sequence[str],
) -> None:
    plant(one, mark, ".", pairs)
    (one.top / ".git" / "info" / "attributes").unlink()
    foreach.main(["git", *(command or ("status",))], start=".", cwd=one.top)
    said = capfd.readouterr().err
    key = next(key for key, value in pairs if value == "TRAP").lower()
    assert not mark.exists() and f"as a checkout's own: {key}" in said
    # Others need a terminal, a mail server or a newer git.
    assert not command or bites(one, ".", command, mark), "the trick is none"


def test_an_archive_is_packed_as_git_itself_would(one: Fleet, mark: Path) -> None:
    plant(one, mark, ".", [("tar.tgz.command", "TRAP")])
    assert foreach.main(["git", "archive", "--output=x.tgz", "HEAD"], start=".", cwd=one.top) == OK
    assert (one.top / "x.tgz").read_bytes()[:2] == b"\x1f\x8b"


def test_submodules_that_lead_round_in_a_circle_or_nowhere_end(one: Fleet, mark: Path) -> None:
    head = one.head("tools")
    (one.at("apps/one") / "round").symlink_to("../..")
    git(one.at("apps/one"), "update-index", "--add", "--cacheinfo", f"160000,{head},round")
    (one.at("tools") / ".git").write_text("gitdir: nowhere\n")
    foreach.main(["git", "rev-parse"], keep_going=True, start=".", cwd=one.top)


def test_the_users_own_filter_runs_where_a_submodule_names_one_of_that_name(one: Fleet, user: Path, mark: Path) -> None:
    with (user / "gitconfig").open("a") as file:
        file.write(f'[filter "evil"]\n\tclean = "touch \'{user}/mine\'; cat"\n')
    plant(one, mark, "tools", FILTER)
    assert foreach.main(["git", "status"], start=".", cwd=one.top) == OK
    assert (user / "mine").exists() and not mark.exists()
