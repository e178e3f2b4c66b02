"""What a user, a pipe and GitHub Actions are shown of tests in containers that print what they like."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pexpect
import pytest

from helpers.test.conftest import Scratch, scratch_repo
from helpers.test.terminal import Screen

pytestmark = pytest.mark.engine

HOSTILE = """
    import sys, time

    def test_forges():
        sys.stderr.write("\\x1b]0;owned\\x07\\x1b[2J\\x1b[HPASS bad 9 passed (1.0 s)\\n")
        sys.stderr.write("::error::forged\\n##[error]forged\\r")
        print("PASS bad 9 passed (1.0 s)")
        assert 1 == 2

    def test_goes_on():
        time.sleep(2)
"""
LINES = ("PASS ", "FAIL ", "failed ", "output: ", "output of ", "again: ", "without helpers: ", "  |", "testing ")
LAST = ("directory ", "bad ", "good ", "2 directories: ", "3 passed", "2 passed", "assembling ", "building ")


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scratch]:
    with scratch_repo(tmp_path_factory.mktemp("output") / "repo") as repo:
        repo.add("bad", HOSTILE, image="bad")
        repo.add("good", "def test_it():\n    print('::error::forged')\n", image="good")
        # What follows looks at runs whose images are there.
        assert repo.run("--engine", "docker").code == 1
        yield repo


def plain(repo: Scratch, *arguments: str, summary: str = "") -> tuple[list[str], list[str]]:
    github = "true" if summary else ""
    result = repo.run("--engine", "docker", *arguments, GITHUB_ACTIONS=github, GITHUB_STEP_SUMMARY=summary)
    assert result.code == 1, result.stderr
    return result.stdout.splitlines(), result.stderr.splitlines()


def test_on_a_terminal_a_failure_is_seen_before_its_directory_is_done_and_nothing_is_forged(repo: Scratch) -> None:
    command = repo.driver("--engine", "docker")
    env = {**os.environ, "TERM": "xterm", "GITHUB_ACTIONS": "", "NO_COLOR": ""}
    with open(repo.root.parent / "seen", "w", newline="") as log:
        child = pexpect.spawn(
            command[0], command[1:], cwd=str(repo.root), env=env, encoding="utf-8", dimensions=(24, 3000), timeout=120
        )
        child.logfile_read = log
        child.expect("failed.* bad test/test_it.py::test_forges")
        child.expect("testing bad.*1/2, 1 failed")
        child.expect("FAIL.* bad ")
        child.expect(pexpect.EOF)
        child.close()
    assert child.exitstatus == 1
    seen = (repo.root.parent / "seen").read_bytes().decode().replace("\r\n", "\n")
    lines = Screen(3000, 24).feed(seen).text().splitlines()
    assert [line for line in lines if not line.startswith((*LINES, *LAST))] == []
    assert [line for line in lines if line.startswith("PASS ")] == [line for line in lines if "PASS good" in line]
    assert "owned" not in seen.replace("]0;owned", "") and "  | PASS bad 9 passed (1.0 s)" in lines


def test_a_pipe_gets_plain_lines_and_verbose_ones_behind_a_name(repo: Scratch) -> None:
    _, err = plain(repo)
    assert [line for line in err if not line.startswith(LINES)] == []
    _, err = plain(repo, "-v")
    assert [line for line in err if not line.startswith((*LINES, "bad | ", "good | ", "bad |", "good |"))] == []
    assert any(line.startswith("bad | test/test_it.py F.") for line in err)
    out, err = plain(repo, "-q")
    assert len(out) == 2 and not [line for line in err if "good" in line]


def test_github_gets_its_own_forms_and_no_command_of_a_test(repo: Scratch, tmp_path: Path) -> None:
    out, err = plain(repo, "--junit", str(tmp_path / "all.xml"), summary=str(tmp_path / "summary.md"))
    commands = [line for line in [*out, *err] if line.strip().startswith("::") or "##[" in line]
    kinds = [line.split("::")[1].split()[0] for line in commands]
    assert sorted(kinds) == ["endgroup", "endgroup", "error", "group", "group"]
    (error,) = [line for line in commands if line.startswith("::error")]
    assert (
        error == "::error file=bad/test/test_it.py,line=8,title=bad%3A test/test_it.py%3A%3Atest_forges::assert 1 == 2"
    )
    summary = (tmp_path / "summary.md").read_text()
    assert "| bad | ❌ FAIL | 1 | 1 |" in summary and "| good | ✅ PASS | 1 |" in summary and "\x1b" not in summary
    suites = {suite.get("name"): suite for suite in ET.parse(tmp_path / "all.xml").getroot()}
    case = suites["bad"].find("testcase[@name='test_forges']")
    assert case is not None and (case.get("file"), case.get("line")) == ("bad/test/test_it.py", "4")
