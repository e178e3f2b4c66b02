"""An upgrade of helpers in a super-repo: the new code in a new process, on real git repos."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers.errors import PolicyError
from helpers.model import sync_lock
from helpers.repos import upgrade
from helpers.test.helpers_repo import EDITORCONFIG, TEXT, HelpersRepo
from helpers.test.unit_fixtures import forget, git

# Other code needs the thin environment of this machine.
pytestmark = [pytest.mark.host, pytest.mark.slow]
FAILS = "import sys\nprint('one test fails')\nsys.exit(1)\n"


@pytest.fixture(params=["the sub-repo alone", "the whole repo"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> HelpersRepo:
    """A super-repo with a whole helpers of version 0.1.0, for each form of the submodule."""
    return adopted(tmp_path, whole=request.param == "the whole repo")


@pytest.fixture
def repo(tmp_path: Path) -> HelpersRepo:
    """A super-repo with a whole helpers of version 0.1.0."""
    return adopted(tmp_path)


def adopted(home: Path, *, whole: bool = False) -> HelpersRepo:
    made = HelpersRepo(home, whole=whole, code=True)
    (made.root / "tasks.py").write_bytes((made.package / "templates/super_repo/tasks.py").read_bytes())
    assert carry_out(made, made.first).code == 0
    made.commit("common files")
    return made


def carry_out(repo: HelpersRepo, before: str, *, test: bool = True) -> upgrade.Upgraded:
    forget()
    after = git(repo.root / "helpers", "rev-parse", "HEAD").strip()
    return upgrade.carry_out(repo.root, before, after, test=test)


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
    assert upgrade.concerns(both.root, "helpers")
    upgrade.check(both.root)
    capfd.readouterr()
    assert carry_out(both, both.first) == upgrade.Upgraded(0, [EDITORCONFIG, sync_lock.PATH])
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
    assert carry_out(repo, repo.first).code == 0
    assert "new code\n" in capfd.readouterr().out


def test_conflicts_stop_it_and_the_same_again_goes_on(repo: HelpersRepo, capfd: pytest.CaptureFixture[str]) -> None:
    repo.edit(EDITORCONFIG, "line 9\n", "line 9 of mine\n")
    repo.commit("mine")
    newer(repo)
    for _ in range(2):
        upgrade.check(repo.root)
        assert carry_out(repo, repo.first) == upgrade.Upgraded(1)
        told = capfd.readouterr().err
        assert "the pin of helpers is not committed: resolve this" in told
        assert f"git submodule update helpers && git checkout HEAD -- {EDITORCONFIG} {sync_lock.PATH}\n" in told
    repo.write(EDITORCONFIG, TEXT)
    upgrade.check(repo.root)
    assert carry_out(repo, repo.first) == upgrade.Upgraded(0, [EDITORCONFIG, sync_lock.PATH])


def test_failing_tests_stop_it_unless_they_are_not_wanted(repo: HelpersRepo, capfd: pytest.CaptureFixture[str]) -> None:
    repo.write("main_pytest.py", FAILS)
    assert carry_out(repo, repo.first, test=False).code == 0
    repo.commit("tests that fail")
    newer(repo)
    assert carry_out(repo, repo.first) == upgrade.Upgraded(1)
    printed = capfd.readouterr()
    assert "one test fails" in printed.out and "the tests do not pass with it" in printed.err
    upgrade.check(repo.root)
    assert carry_out(repo, repo.first, test=False) == upgrade.Upgraded(0, [EDITORCONFIG, sync_lock.PATH])


def test_changes_that_nobody_committed_do_not_get_into_the_commit(repo: HelpersRepo) -> None:
    repo.edit(EDITORCONFIG, "line 2\n", "line 2 of mine\n")
    with pytest.raises(PolicyError, match=r"\.editorconfig: changed, and would get into the commit"):
        upgrade.check(repo.root)
    repo.write("notes.txt", "of no concern\n")
    repo.edit(EDITORCONFIG, "line 2 of mine\n", "line 2\n")
    upgrade.check(repo.root)


def test_a_version_out_of_the_range_is_refused_before_anything_is_merged(repo: HelpersRepo) -> None:
    repo.settings('sync = [".editorconfig"]', 'helpers = "<0.2"')
    newer(repo)
    with pytest.raises(PolicyError, match=r"works with helpers <0\.2, and this is helpers 0\.2\.0"):
        carry_out(repo, repo.first)
    assert repo.read(EDITORCONFIG) == TEXT


def test_it_concerns_only_the_helpers_of_a_repo_that_works_with_it(repo: HelpersRepo) -> None:
    assert not upgrade.concerns(repo.root, "vendor/helpers")
    (repo.root / "tasks.py").unlink()
    assert not upgrade.concerns(repo.root, "helpers")
