"""An upgrade of helpers in a super-repo: the new code in a new process, on real git repos."""

from __future__ import annotations

import os
import random
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.errors import PolicyError
from helpers.model import sync_lock
from helpers.repos import upgrade
from helpers.repos.shared_files import PACKAGE
from helpers.test.conftest import ROOT
from helpers.test.helpers_repo import EDITORCONFIG, TEXT, HelpersRepo, invoke, started
from helpers.test.unit_fixtures import forget, git

# Other code needs the thin environment of this machine.
pytestmark = [pytest.mark.host, pytest.mark.slow]
FAILS = "import sys\nprint('one test fails')\nsys.exit(1)\n"


@pytest.fixture(params=["the sub-repo alone", "the whole repo"])
def both(request: pytest.FixtureRequest, path: str, tmp_path: Path) -> HelpersRepo:
    """A super-repo with a whole helpers of version 0.1.0, for each form of the submodule and two of its paths."""
    return adopted(tmp_path, whole=request.param == "the whole repo", path=path)


@pytest.fixture(params=["helpers", "tools/helpers"])
def path(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def repo(tmp_path: Path) -> HelpersRepo:
    """A super-repo with a whole helpers of version 0.1.0."""
    return adopted(tmp_path)


def adopted(home: Path, *, whole: bool = False, path: str = "helpers") -> HelpersRepo:
    made = HelpersRepo(home, whole=whole, code=True, path=path)
    carry_out(made, made.first)
    made.commit("common files")
    return made


def carry_out(repo: HelpersRepo, before: str, *, test: bool = True) -> list[str]:
    forget()
    after = git(repo.root / repo.path, "rev-parse", "HEAD").strip()
    return list(upgrade.files(repo.root, repo.path, before, after, test=test))


def newer(repo: HelpersRepo, line: str = "line 9 of two\n") -> None:
    """Publish version 0.2.0, with another template, and check it out."""
    repo.template(EDITORCONFIG, TEXT.replace("line 9\n", line))
    repo.changelog("0.2.0", "0.1.0")
    repo.publish("second")
    repo.upgrade()


def test_it_shows_the_changelog_merges_the_templates_runs_the_tests_and_names_what_to_commit(
    both: HelpersRepo, capfd: pytest.CaptureFixture[str]
) -> None:
    both.edit(EDITORCONFIG, "line 2\n", "line 2 of mine\n")
    both.commit("mine")
    newer(both)
    assert upgrade.concerns(both.root, both.path)
    capfd.readouterr()
    assert carry_out(both, both.first) == [EDITORCONFIG, sync_lock.PATH]
    printed = capfd.readouterr()
    assert "helpers 0.1.0 -> 0.2.0" in printed.err
    assert "# helpers-0.2.0\n- 2026-11-21\n- what 0.2.0 brings\n" in printed.out
    assert "what 0.1.0 brings" not in printed.out
    assert "no runnable dir in this repo" in printed.out
    assert both.read(EDITORCONFIG) == TEXT.replace("line 2\n", "line 2 of mine\n").replace(
        "line 9\n", "line 9 of two\n"
    )


def test_it_is_the_new_code_that_merges(repo: HelpersRepo, capfd: pytest.CaptureFixture[str]) -> None:
    file = repo.remote / "repos" / "sync.py"
    file.write_text(file.read_text() + "\n\ndef update(**_: object) -> int:\n    print('new code')\n    return 0\n")
    newer(repo)
    assert carry_out(repo, repo.first) == []
    assert "new code\n" in capfd.readouterr().out


def test_conflicts_stop_it_and_the_same_again_goes_on(repo: HelpersRepo, capfd: pytest.CaptureFixture[str]) -> None:
    repo.edit(EDITORCONFIG, "line 9\n", "line 9 of mine\n")
    repo.commit("mine")
    newer(repo)
    for _ in range(2):
        with pytest.raises(upgrade.StoppedError, match="its templates are not merged") as caught:
            carry_out(repo, repo.first)
        assert caught.value.exit_code == 1
        git = f"git -C {shlex.quote(str(repo.root))}"
        back = f"{git} submodule update helpers && {git} checkout HEAD -- {EDITORCONFIG} {sync_lock.PATH})"
        assert back in str(caught.value.fix)
    repo.write(EDITORCONFIG, TEXT)
    assert carry_out(repo, repo.first) == [EDITORCONFIG, sync_lock.PATH]


def test_failing_tests_stop_it_unless_they_are_not_wanted(repo: HelpersRepo, capfd: pytest.CaptureFixture[str]) -> None:
    repo.write("main_pytest.py", FAILS)
    repo.commit("tests that fail")
    newer(repo)
    with pytest.raises(upgrade.StoppedError, match="the tests ended with exit code 1"):
        carry_out(repo, repo.first)
    assert "one test fails" in capfd.readouterr().out
    assert carry_out(repo, repo.first, test=False) == [EDITORCONFIG, sync_lock.PATH]


def test_changes_that_nobody_committed_do_not_get_into_the_commit(repo: HelpersRepo) -> None:
    repo.edit(EDITORCONFIG, "line 2\n", "line 2 of mine\n")
    with pytest.raises(PolicyError, match=r"\.editorconfig: changed, and would get into the commit"):
        carry_out(repo, repo.first)
    repo.write("notes.txt", "of no concern\n")
    # Another change of the record does not make it the upgrade's own.
    repo.write(sync_lock.PATH, f"{repo.read(sync_lock.PATH)}# of mine\n")
    with pytest.raises(PolicyError, match=r"\.editorconfig: changed, and would get into the commit"):
        carry_out(repo, repo.first)
    git(repo.root, "checkout", "--quiet", sync_lock.PATH)
    repo.edit(EDITORCONFIG, "line 2 of mine\n", "line 2\n")
    assert carry_out(repo, repo.first) == []


def test_a_version_out_of_the_range_is_refused_before_anything_is_merged(repo: HelpersRepo) -> None:
    repo.settings('sync = [".editorconfig"]', 'helpers = "<0.2"')
    newer(repo)
    with pytest.raises(PolicyError, match=r"works with helpers <0\.2, and this is helpers 0\.2\.0"):
        carry_out(repo, repo.first)
    assert repo.read(EDITORCONFIG) == TEXT


def test_it_concerns_only_the_helpers_of_a_repo_that_works_with_it(repo: HelpersRepo) -> None:
    assert not upgrade.concerns(repo.root, "vendor/helpers")
    (repo.root / "tasks.py").unlink()
    assert carry_out(repo, repo.first) == []
    assert not (repo.root / "tasks.py").exists()


def committed(repo: HelpersRepo) -> tuple[str, list[str]]:
    """Return the last commit's subject and what it changes."""
    subject, _, *names = git(repo.root, "log", "-1", "--format=%s", "--name-only").splitlines()
    return subject, names


def test_over_three_versions_edits_survive_conflicts_are_marked_and_all_is_in_order(both: HelpersRepo) -> None:
    repo, forward = both, ("repo_roll_forward", "--only", "helpers")
    repo.edit(EDITORCONFIG, "line 2\n", "line 2 of mine\n")
    repo.commit("mine")
    repo.write("notes.txt", "not committed\n")
    # The second version changes other lines.
    repo.template(EDITORCONFIG, TEXT.replace("line 9\n", "line 9 of two\n"))
    repo.changelog("0.2.0", "0.1.0")
    second = repo.publish("second")
    code, printed, _ = invoke(repo, *forward)
    assert (code, "- what 0.2.0 brings" in printed) == (0, True), printed
    assert committed(repo) == (f"roll forward: {repo.path}", [EDITORCONFIG, sync_lock.PATH, repo.path])
    assert git(repo.root, "rev-parse", f"HEAD:{repo.path}").strip() == second
    assert git(repo.root, "status", "--porcelain") == "?? notes.txt\n"
    assert invoke(repo, "sync_status", "--check")[0] == 0
    assert invoke(repo, *forward)[0] == 0
    # The third one changes the line that was edited.
    repo.template(EDITORCONFIG, TEXT.replace("line 2\n", "line 2 of three\n"))
    repo.changelog("0.3.0", "0.2.0", "0.1.0")
    third = repo.publish("third")
    for _ in range(2):
        code, printed, _ = invoke(repo, *forward)
        assert (code, "its templates are not merged" in printed) == (1, True), printed
        assert git(repo.root, "rev-parse", f"HEAD:{repo.path}").strip() == second
        assert "<<<<<<< yours\nline 2 of mine\n=======\nline 2 of three\n>>>>>>> " in repo.read(EDITORCONFIG)
        assert invoke(repo, "sync_status", "--check")[0] == 1
    repo.write(EDITORCONFIG, TEXT.replace("line 2\n", "line 2 of mine and of three\n"))
    code, printed, _ = invoke(repo, *forward)
    assert code == 0, printed
    assert committed(repo) == (f"roll forward: {repo.path}", [EDITORCONFIG, sync_lock.PATH, repo.path])
    assert git(repo.root, "rev-parse", f"HEAD:{repo.path}").strip() == third
    assert "line 2 of mine and of three\n" in git(repo.root, "show", f"HEAD:{EDITORCONFIG}")
    assert invoke(repo, "sync_status", "--check")[0] == 0
    assert git(repo.root, "status", "--porcelain") == "?? notes.txt\n"


def test_killed_anywhere_the_same_command_again_ends_it(repo: HelpersRepo) -> None:
    repo.edit(EDITORCONFIG, "line 2\n", "line 2 of mine\n")
    repo.commit("mine")
    repo.write("notes.txt", "not committed\n")
    dice, killed = random.Random(7), 0
    for version in range(2, 6):
        repo.template(EDITORCONFIG, TEXT.replace("line 9\n", f"line 9 of {version}\n"))
        repo.changelog(*(f"0.{number}.0" for number in range(version, 0, -1)))
        tip = repo.publish("next")
        for _ in range(3):
            process = started(repo, "repo_roll_forward")
            try:
                process.communicate(timeout=dice.uniform(0.05, 0.9))
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                killed += 1
        code, printed, _ = invoke(repo, "repo_roll_forward")
        assert code == 0, printed
        assert git(repo.root, "rev-parse", "HEAD:helpers").strip() == tip
        assert git(repo.root, "status", "--porcelain") == "?? notes.txt\n"
        wanted = TEXT.replace("line 2\n", "line 2 of mine\n").replace("line 9\n", f"line 9 of {version}\n")
        assert git(repo.root, "show", f"HEAD:{EDITORCONFIG}") == wanted
        assert invoke(repo, "sync_status", "--check")[0] == 0
    assert killed > 4


def test_the_process_that_moves_helpers_reads_no_code_of_the_new_one(repo: HelpersRepo) -> None:
    for file in repo.remote.rglob("*.py"):
        if file.relative_to(repo.remote).parts[0] not in ("templates", "thin_env", "inside"):
            file.write_text(f"{file.read_text()}\n\nimport os as _os\n\nprint('loaded by', _os.getpid(), __name__)\n")
    newer(repo)
    git(repo.root / repo.path, "checkout", "--quiet", repo.first)
    code, printed, pid = invoke(repo, "repo_roll_forward", "--push")
    assert code in (0, 4), printed
    assert committed(repo)[0] == "roll forward: helpers"
    readers = re.findall(r"^loaded by (\d+) (\S+)", printed, re.MULTILINE)
    assert readers and [name for reader, name in readers if reader == str(pid)] == []


def test_a_repo_can_do_without_the_tests(repo: HelpersRepo) -> None:
    repo.write("main_pytest.py", FAILS)
    repo.commit("tests that fail")
    newer(repo)
    git(repo.root / repo.path, "checkout", "--quiet", repo.first)
    code, printed, _ = invoke(repo, "repo_roll_forward")
    assert (code, "the tests ended with exit code 1" in printed) == (1, True), printed
    assert invoke(repo, "repo_roll_forward", "--no-test")[0] == 0
    assert committed(repo)[0] == "roll forward: helpers"


@pytest.mark.parametrize("path", ["errors.py", "test/test_new.py"])
def test_changes_inside_helpers_stop_it_before_anything_is_done(repo: HelpersRepo, path: str) -> None:
    newer(repo)
    git(repo.root / repo.path, "checkout", "--quiet", repo.first)
    head = git(repo.root, "rev-parse", "HEAD")
    file = repo.root / "helpers" / path
    file.parent.mkdir(exist_ok=True)
    file.write_text((file.read_text() if file.exists() else "") + "# of mine\n")
    for options in (("--dry-run",), ()):
        code, printed, _ = invoke(repo, "repo_roll_forward", "--only", "helpers", *options)
        assert code == 4, printed
        assert f"{path.removesuffix('test_new.py')}: changed, so the tests would run" in printed
    assert git(repo.root / repo.path, "rev-parse", "HEAD").strip() == repo.first
    assert (git(repo.root, "rev-parse", "HEAD"), repo.read(EDITORCONFIG)) == (head, TEXT)
    git(repo.root / repo.path, "add", "--all")
    git(repo.root / repo.path, "reset", "--quiet", "--hard")
    assert invoke(repo, "repo_roll_forward", "--only", "helpers")[0] == 0


def test_all_code_that_may_still_be_needed_is_read_before_it_moves() -> None:
    told = "from helpers.repos import upgrade; upgrade.keep_code(); import sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
    files = [file for name in ("model", "repo", "repos") for file in (PACKAGE / name).glob("*.py")]
    names = {".".join(("helpers", file.parent.name, file.stem)).removesuffix(".__init__") for file in files}
    assert names - set(done.stdout.split()) == set()
