from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from helpers.errors import CRASHED, INFRASTRUCTURE, OK, REFUSED, SIGINT_EXIT, TESTS_FAILED, USAGE, UsageError
from helpers.repos import foreach
from helpers.test import fleet
from helpers.test.fleet import Fleet, git, one, pristine, user

__all__ = ["one", "pristine", "user"]
# These tests start processes, and there are many of them.
pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("user")]

ROOT = Path(__file__).resolve().parents[2]
SHARED = "apps/one/libs/shared"
ORDER = [SHARED, "apps/one", "data", "tools", "."]


def ran(
    one: Fleet, capfd: pytest.CaptureFixture[str], *command: str, keep_going: bool = False, start: str = ""
) -> tuple[int, list[str], str]:
    """Run a command in all repos; return the exit code, the lines of its output, and the messages."""
    capfd.readouterr()
    code = foreach.main(command, keep_going=keep_going, start=start, cwd=one.top)
    said = capfd.readouterr()
    return code, said.out.splitlines(), said.err


def headings(lines: Sequence[str]) -> list[str]:
    return [line[3:] for line in lines if line.startswith("== ")]


def test_it_runs_in_each_repo_a_submodule_before_its_super_repo(one: Fleet, capfd: pytest.CaptureFixture[str]) -> None:
    code, lines, said = ran(one, capfd, "git", "rev-parse", "--show-toplevel")
    assert (code, headings(lines)) == (OK, ORDER)
    assert lines[1::2] == [str(one.at(path)) for path in (*ORDER[:-1], "")]
    assert "helpers: done in 5 of 5 repos  (" in said


def fails_in(path: str) -> tuple[str, ...]:
    return (sys.executable, "-c", f"import os, sys; sys.exit(3 if os.getcwd().endswith({path!r}) else 0)")


def test_it_stops_at_the_first_failure_and_says_how_to_go_on(one: Fleet, capfd: pytest.CaptureFixture[str]) -> None:
    code, lines, said = ran(one, capfd, *fails_in("/data"))
    assert (code, headings(lines)) == (TESTS_FAILED, ORDER[:3])
    assert "data: exit code 3\n" in said and "go on there: invoke repo_foreach --from data -- " in said
    assert ran(one, capfd, "true", start="data/")[:2] == (OK, ["== data", "== tools", "== ."])


def test_it_goes_on_after_a_failure_when_asked(one: Fleet, capfd: pytest.CaptureFixture[str]) -> None:
    code, lines, _ = ran(one, capfd, *fails_in("/data"), keep_going=True)
    assert (code, headings(lines)) == (TESTS_FAILED, ORDER)


@pytest.mark.parametrize("signal, wanted", [("KILL", CRASHED), ("INT", SIGINT_EXIT)])
def test_a_signal_is_told_from_a_failure(
    one: Fleet, capfd: pytest.CaptureFixture[str], signal: str, wanted: int
) -> None:
    code, _, said = ran(one, capfd, "sh", "-c", f"kill -{signal} $$")
    assert code == wanted and "ended by signal" in said


def test_no_shell_reads_the_command_and_it_has_nothing_to_read(one: Fleet, capfd: pytest.CaptureFixture[str]) -> None:
    assert ran(one, capfd, "echo", "$HOME; a  b", start=".")[1] == ["== .", "$HOME; a  b"]
    assert ran(one, capfd, "cat", start=".")[1] == ["== ."]


def test_what_can_not_be_started_is_bad_usage(one: Fleet) -> None:
    for command in ([], ["no-such-program"]):
        with pytest.raises(UsageError):
            foreach.main(command, cwd=one.top)
    with pytest.raises(UsageError, match="is no repo here"):
        foreach.main(["true"], start="nowhere", cwd=one.top)


SCRIPT = "run_tests.sh"


def give(one: Fleet, *paths: str, text: str = "#!/bin/sh\necho ran in $PWD\n", mode: int = 0o755) -> None:
    for path in paths:
        (one.at(path) / SCRIPT).write_text(text)
        (one.at(path) / SCRIPT).chmod(mode)


@pytest.mark.parametrize("keep_going", [False, True])
def test_a_repo_without_the_program_is_skipped_and_the_others_run(
    one: Fleet, capfd: pytest.CaptureFixture[str], keep_going: bool
) -> None:
    give(one, "apps/one", ".")
    code, lines, said = ran(one, capfd, f"./{SCRIPT}", keep_going=keep_going)
    assert (code, headings(lines)) == (OK, ["apps/one", "."])
    assert f"skipped    data  has no ./{SCRIPT}" in lines and f"ran in {one.top}" in lines
    assert "done in 5 of 5 repos" in said


def test_a_program_that_no_repo_has_is_bad_usage(one: Fleet) -> None:
    with pytest.raises(UsageError, match=r"no repo has \./no-such"):
        foreach.main(["./no-such"], keep_going=True, cwd=one.top)


@pytest.mark.parametrize("text, mode", [("#!/bin/sh\n", 0o644), ("#!/no/such/shell\n", 0o755), ("echo\n", 0o755)])
def test_it_goes_on_after_a_program_that_can_not_be_started(
    one: Fleet, capfd: pytest.CaptureFixture[str], text: str, mode: int
) -> None:
    give(one, *ORDER)
    give(one, "data", text=text, mode=mode)
    code, lines, said = ran(one, capfd, f"./{SCRIPT}", keep_going=True)
    assert (code, headings(lines)) == (USAGE, ORDER)
    assert f"data: cannot run './{SCRIPT}': " in said and f"ran in {one.top}" in lines
    with pytest.raises(UsageError, match="cannot run"):
        foreach.main([f"./{SCRIPT}"], cwd=one.top)


def test_the_worst_exit_code_counts_when_it_goes_on(one: Fleet, capfd: pytest.CaptureFixture[str]) -> None:
    give(one, *ORDER)
    give(one, "data", text="#!/bin/sh\nkill -KILL $$\n")
    give(one, "tools", text="#!/bin/sh\nexit 1\n")
    code, lines, said = ran(one, capfd, f"./{SCRIPT}", keep_going=True)
    assert (code, headings(lines)) == (CRASHED, ORDER) and "2 failed or not entered" in said


def test_a_repo_is_left_out_by_name(one: Fleet, capfd: pytest.CaptureFixture[str]) -> None:
    capfd.readouterr()
    assert foreach.main(["true"], skip=["data/", SHARED], cwd=one.top) == OK
    assert headings(capfd.readouterr().out.splitlines()) == ["apps/one", "tools", "."]
    with pytest.raises(UsageError, match="--skip 'nowhere' is no repo here"):
        foreach.main(["true"], skip=["nowhere"], cwd=one.top)


@pytest.mark.parametrize("access, wanted", [(True, REFUSED), (False, INFRASTRUCTURE)])
def test_a_repo_that_can_not_be_entered_is_named_and_the_others_run(
    one: Fleet, capfd: pytest.CaptureFixture[str], access: bool, wanted: int
) -> None:
    git(one.top, "submodule", "deinit", "--quiet", "--force", "data")
    if not access:
        (one.remotes / "data.git").rename(one.home / "gone")
    code, lines, said = ran(one, capfd, "git", "rev-parse", "--show-toplevel")
    assert (code, headings(lines)) == (wanted, [path for path in ORDER if path != "data"])
    assert any(line.startswith("left       data  not" if access else "no access  data  ") for line in lines)
    assert "5 of 5 repos: 1 failed or not entered" in said


def test_variables_of_a_hook_do_not_lead_to_another_repo(
    one: Fleet, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", str(one.top / ".git"))
    assert ran(one, capfd, "git", "rev-parse", "--show-prefix", start="tools")[1] == ["== tools", "", "== .", ""]


def test_git_in_the_command_asks_nobody(one: Fleet, capfd: pytest.CaptureFixture[str]) -> None:
    _, lines, _ = ran(one, capfd, "env", start=".")
    given = dict(line.partition("=")[::2] for line in lines)
    assert given["GIT_TERMINAL_PROMPT"] == "0" and "BatchMode=yes" in given["GIT_SSH_COMMAND"]
    assert given["GIT_ALLOW_PROTOCOL"] == "https:ssh:file" and given["GIT_ASKPASS"] == ""


def test_git_in_the_command_commits_and_fetches(one: Fleet, capfd: pytest.CaptureFixture[str]) -> None:
    for path in ORDER:
        (one.at(path) / "file.txt").write_text("changed\n")
    assert ran(one, capfd, "git", "commit", "--all", "--quiet", "--message", "x")[0] == OK
    assert ran(one, capfd, "git", "fetch", "--quiet")[0] == OK
    assert git(one.at(SHARED), "rev-list", "--count", "origin/main..HEAD").strip() == "1"


def test_the_task_hands_on_what_stands_after_the_dashes(one: Fleet) -> None:
    words = ["repo_foreach", "--keep-going", "--from", "tools", "--", sys.executable, "-c", "print('a  b', 1)"]
    command = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), *words]
    done = subprocess.run(command, cwd=one.at(SHARED), capture_output=True, encoding="utf-8", check=False)
    assert (done.returncode, done.stdout) == (OK, "== tools\na  b 1\n== .\na  b 1\n")


def test_the_order_is_that_of_the_tree(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    many = fleet.clean(tmp_path / "fleet")
    lines = headings(ran(many, capfd, "true")[1])
    assert len(lines) == 12 and all(
        lines.index(path) < lines.index(other)
        for path in lines
        for other in lines
        if path != other and (other == "." or Path(path).is_relative_to(other))
    )
