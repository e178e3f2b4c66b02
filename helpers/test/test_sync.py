"""`sync_status` and `sync_update` on real git repos: a super-repo, and helpers as its submodule in several versions."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.errors import ConfigError, PolicyError, UsageError
from helpers.repos import shared_files, sync
from helpers.test.helpers_repo import (
    EDITORCONFIG,
    SHIM,
    TEXT,
    HelpersRepo,
    everything,
    in_order,
    states,
    status,
    update,
)
from helpers.test.unit_fixtures import git

pytestmark = pytest.mark.slow


@pytest.fixture(params=["the sub-repo alone", "the whole repo"])
def both(request: pytest.FixtureRequest, tmp_path: Path) -> HelpersRepo:
    """A super-repo whose common files are in order, for each form of the submodule."""
    return in_order(tmp_path, whole=request.param == "the whole repo")


@pytest.fixture
def repo(tmp_path: Path) -> HelpersRepo:
    """A super-repo whose common files are in order."""
    return in_order(tmp_path)


def test_edits_survive_three_versions_of_helpers_and_the_status_is_in_order_afterwards(
    both: HelpersRepo, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = both
    assert status(repo) == 0
    repo.edit(EDITORCONFIG, "line 2\n", "line 2 of mine\n")
    repo.write(SHIM, repo.read(SHIM) + "namespace.add_task(mine)\n")
    # Lines of one's own below a shim are in order.
    assert states(repo, capsys) == {EDITORCONFIG: "yours moved"}
    # The second version changes other lines: both sides are in the file afterwards.
    repo.template(EDITORCONFIG, TEXT.replace("line 9\n", "line 9 of two\n"))
    repo.template(SHIM, "import two\n" + repo.read(SHIM).removesuffix("namespace.add_task(mine)\n"))
    repo.publish("second")
    repo.upgrade()
    assert states(repo, capsys) == {EDITORCONFIG: "both moved", SHIM: "both moved"}
    assert update(repo) == 0
    assert repo.read(EDITORCONFIG) == TEXT.replace("line 2\n", "line 2 of mine\n").replace(
        "line 9\n", "line 9 of two\n"
    )
    assert repo.read(SHIM).startswith("import two\n")
    assert repo.read(SHIM).endswith("namespace.add_task(mine)\n")
    assert status(repo) == 0
    repo.commit("second")
    # The third one changes the very line: that is a conflict, and nothing of it is lost.
    repo.template(EDITORCONFIG, TEXT.replace("line 9\n", "line 9 of two\n").replace("line 2\n", "line 2 of three\n"))
    repo.publish("third")
    repo.upgrade()
    assert update(repo) == 1
    text = repo.read(EDITORCONFIG)
    assert "<<<<<<< yours\nline 2 of mine\n=======\nline 2 of three\n>>>>>>> template of helpers\n" in text
    assert (states(repo, capsys), status(repo), update(repo)) == ({EDITORCONFIG: "conflict"}, 1, 1)
    assert repo.read(EDITORCONFIG) == text
    repo.write(EDITORCONFIG, TEXT.replace("line 2\n", "line 2 of us both\n").replace("line 9\n", "line 9 of two\n"))
    assert "its conflicts are resolved" in told(repo, capsys)
    assert update(repo) == 0
    assert status(repo) == 0
    assert "line 2 of us both\n" in repo.read(EDITORCONFIG)
    # A fourth one goes on from there.
    repo.template(EDITORCONFIG, TEXT.replace("line 9\n", "line 9 of four\n").replace("line 2\n", "line 2 of three\n"))
    repo.publish("fourth")
    repo.upgrade()
    assert update(repo) == 0
    assert "line 2 of us both\n" in repo.read(EDITORCONFIG) and "line 9 of four\n" in repo.read(EDITORCONFIG)


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_tasks_of_one_s_own_below_the_shim_are_in_order_and_an_edit_of_its_own_lines_is_not(
    repo: HelpersRepo, capsys: pytest.CaptureFixture[str], ends: str
) -> None:
    shim = repo.read(SHIM)
    repo.write(SHIM, f"{shim}namespace.add_task(mine)\n".replace("\n", ends))
    assert (status(repo), states(repo, capsys)) == (0, {})
    before = everything(repo.root)
    assert update(repo) == 0
    assert (status(repo), repo.read(SHIM).encode()) == (0, before[SHIM][0])
    repo.edit(SHIM, "import sys", "import  sys")
    assert (status(repo), states(repo, capsys)) == (1, {SHIM: "yours moved"})
    repo.write(SHIM, shim.replace("\n", ends))
    assert update(repo) == 0
    # The template of another file is no beginning of something.
    repo.write(EDITORCONFIG, TEXT + "of mine\n")
    assert (status(repo), states(repo, capsys)) == (1, {EDITORCONFIG: "yours moved"})


def test_what_comes_while_conflicts_are_open_is_merged_once_they_are_resolved(repo: HelpersRepo) -> None:
    repo.edit(EDITORCONFIG, "line 2\n", "line 2 of mine\n")
    for two, nine in (("line 2 of two\n", "line 9\n"), ("line 2 of two\n", "line 9 of three\n")):
        repo.template(EDITORCONFIG, TEXT.replace("line 2\n", two).replace("line 9\n", nine))
        repo.publish("next")
        repo.upgrade()
        assert update(repo) == 1
    assert "line 9\n" in repo.read(EDITORCONFIG)
    repo.write(EDITORCONFIG, TEXT.replace("line 2\n", "line 2 of us both\n"))
    assert update(repo) == 0
    wanted = TEXT.replace("line 2\n", "line 2 of us both\n").replace("line 9\n", "line 9 of three\n")
    assert (repo.read(EDITORCONFIG), status(repo)) == (wanted, 0)


def told(repo: HelpersRepo, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    status(repo)
    return capsys.readouterr().out


def test_a_change_of_one_byte_is_found_and_whose_it_is(repo: HelpersRepo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.edit(EDITORCONFIG, "line 7\n", "line 7 mine\n")
    assert update(repo) == 0
    assert (status(repo), states(repo, capsys)) == (0, {})
    repo.edit(EDITORCONFIG, "line 5\n", "line 5 \n")
    assert (status(repo), states(repo, capsys)) == (1, {EDITORCONFIG: "yours moved"})
    assert status(repo, check=False) == 0
    repo.edit(EDITORCONFIG, "line 5 \n", "line 5\n")
    assert status(repo) == 0
    repo.template(EDITORCONFIG, TEXT + "\n")
    repo.publish("one byte")
    repo.upgrade()
    assert (status(repo), states(repo, capsys)) == (1, {EDITORCONFIG: "template moved"})
    repo.edit(EDITORCONFIG, "line 5\n", "line 5 \n")
    assert (status(repo), states(repo, capsys)) == (1, {EDITORCONFIG: "both moved"})


def test_a_file_that_was_not_edited_is_the_template(repo: HelpersRepo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.template(EDITORCONFIG, "all is new\n")
    repo.publish("second")
    repo.upgrade()
    assert update(repo) == 0
    assert repo.read(EDITORCONFIG) == "all is new\n"
    assert "update: .editorconfig" in capsys.readouterr().out
    assert status(repo) == 0


def test_what_only_you_changed_is_kept_recorded_and_said(repo: HelpersRepo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.edit(EDITORCONFIG, "line 1\n", "line one\n")
    before = repo.read(EDITORCONFIG)
    assert update(repo) == 0
    assert "keep yours: .editorconfig" in capsys.readouterr().out
    assert (repo.read(EDITORCONFIG), status(repo)) == (before, 0)
    name = git(repo.root, "hash-object", EDITORCONFIG).strip()
    assert shared_files.recorded(repo.root)[EDITORCONFIG].result == name


def test_a_second_time_changes_no_file(repo: HelpersRepo, capsys: pytest.CaptureFixture[str]) -> None:
    assert sorted(shared_files.recorded(repo.root)) == sorted([EDITORCONFIG, *ALWAYS])
    before = {path: (repo.root / path).stat() for path in everything(repo.root)}
    assert update(repo) == 0
    assert {path: (repo.root / path).stat() for path in everything(repo.root)} == before
    assert "all is in order" in capsys.readouterr().err


ALWAYS = ("dev_scripts/setenv.sh", "invoke.yaml", "main_pytest.py", SHIM)


def test_a_dry_run_prints_the_difference_and_changes_nothing(
    repo: HelpersRepo, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.template(EDITORCONFIG, TEXT.replace("line 3\n", "line three\n"))
    repo.publish("second")
    repo.upgrade()
    before = everything(repo.root)
    assert update(repo, dry_run=True) == 0
    printed = capsys.readouterr()
    assert "  -line 3\n  +line three\n" in printed.out
    assert "nothing is changed" in printed.err
    assert everything(repo.root) == before


def test_a_file_that_is_gone_comes_back_and_one_that_is_listed_no_more_stays(
    repo: HelpersRepo, capsys: pytest.CaptureFixture[str]
) -> None:
    (repo.root / SHIM).unlink()
    repo.settings()
    assert states(repo, capsys) == {EDITORCONFIG: "not listed", SHIM: "missing"}
    assert update(repo) == 0
    assert repo.read(SHIM) and repo.read(EDITORCONFIG) == TEXT
    assert sorted(shared_files.recorded(repo.root)) == sorted(ALWAYS)
    assert status(repo) == 0


def test_a_file_that_was_there_before_it_was_shared_is_merged_or_marked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = HelpersRepo(tmp_path)
    repo.write(EDITORCONFIG, "of mine\n")
    repo.write(SHIM, (repo.package / "templates/super_repo" / SHIM).read_text() + "own = 1\n")
    assert states(repo, capsys) == dict.fromkeys([EDITORCONFIG, *ALWAYS], "new")
    assert update(repo) == 1
    assert repo.read(EDITORCONFIG) == f"<<<<<<< yours\nof mine\n=======\n{TEXT}>>>>>>> template of helpers\n"
    assert repo.read(SHIM).endswith("own = 1\n") and "<<<" not in repo.read(SHIM)
    repo.write(EDITORCONFIG, "of mine\n")
    assert update(repo) == 0
    assert status(repo) == 0


def test_the_template_is_taken_where_that_is_asked_for(repo: HelpersRepo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.edit(EDITORCONFIG, "line 1\n", "mine\n")
    mine = repo.read(EDITORCONFIG)
    assert update(repo, EDITORCONFIG) == 0
    assert (repo.read(EDITORCONFIG), repo.read(f"{EDITORCONFIG}.orig")) == (TEXT, mine)
    assert "yours is kept as .editorconfig.orig" in capsys.readouterr().out
    repo.edit(EDITORCONFIG, "line 1\n", "mine again\n")
    again = repo.read(EDITORCONFIG)
    assert update(repo, EDITORCONFIG) == 0
    assert "yours is kept as .editorconfig.orig.2" in capsys.readouterr().out
    assert (repo.read(f"{EDITORCONFIG}.orig"), repo.read(f"{EDITORCONFIG}.orig.2")) == (mine, again)
    assert status(repo) == 0
    with pytest.raises(UsageError, match=r"--theirs '\.editorconf' is no common file"):
        update(repo, ".editorconf")


def test_line_ends_and_modes_of_yours_stay(repo: HelpersRepo) -> None:
    repo.write(EDITORCONFIG, TEXT.replace("line 2\n", "line 2 of mine\n").replace("\n", "\r\n"))
    (repo.root / EDITORCONFIG).chmod(0o600)
    (repo.root / SHIM).chmod(0o755)
    assert update(repo) == 0
    repo.template(EDITORCONFIG, TEXT.replace("line 9\n", "line 9 of two\n"))
    repo.template(SHIM, repo.read(SHIM) + "# two\n")
    repo.publish("second")
    repo.upgrade()
    assert update(repo) == 0
    wanted = TEXT.replace("line 2\n", "line 2 of mine\n").replace("line 9\n", "line 9 of two\n")
    assert repo.read(EDITORCONFIG) == wanted.replace("\n", "\r\n")
    assert (repo.root / EDITORCONFIG).stat().st_mode & 0o777 == 0o600
    assert (repo.root / SHIM).stat().st_mode & 0o777 == 0o755
    assert repo.read(SHIM).endswith("# two\n")
    assert status(repo) == 0


def test_line_ends_that_only_this_checkout_has_are_no_change(repo: HelpersRepo) -> None:
    git(repo.root, "config", "core.autocrlf", "true")
    repo.write(EDITORCONFIG, TEXT.replace("\n", "\r\n"))
    assert status(repo) == 0
    git(repo.root, "config", "core.autocrlf", "false")
    assert status(repo) == 1


def test_a_name_that_is_no_common_file_is_said_with_the_nearest(repo: HelpersRepo) -> None:
    repo.settings('sync = [".editorconf"]')
    with pytest.raises(ConfigError, match=r"no common file '\.editorconf'") as caught:
        status(repo)
    assert caught.value.fix == "did you mean '.editorconfig'?"
    repo.settings('sync = ["tasks.py"]')
    with pytest.raises(ConfigError, match=r"no common file 'tasks\.py'") as caught:
        status(repo)
    assert "every repo has" in str(caught.value.fix)


def test_in_the_repo_that_helpers_is_made_in_it_works_alike(tmp_path: Path) -> None:
    made = HelpersRepo(tmp_path, whole=True)
    root, package = made.remote, made.remote / "helpers"
    (root / "pyproject.toml").write_text('[tool.helpers]\nsync = [".editorconfig"]\n')
    assert sync.update(cwd=root, package=package) == 0
    (root / EDITORCONFIG).write_text(TEXT.replace("line 2\n", "line 2 of mine\n"))
    made.template(EDITORCONFIG, TEXT.replace("line 9\n", "line 9 of two\n"))
    assert sync.update(cwd=root, package=package) == 0
    wanted = TEXT.replace("line 2\n", "line 2 of mine\n").replace("line 9\n", "line 9 of two\n")
    assert (root / EDITORCONFIG).read_text() == wanted
    assert sync.status(as_json=False, check=True, cwd=root, package=package) == 0


def test_the_linter_s_settings_are_such_that_it_takes(tmp_path: Path) -> None:
    config = shared_files.PACKAGE / "templates" / "shared" / "ruff.toml"
    for path in ("a.py", "helpers/b.py"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text("import os\n")
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--config", str(config), "--output-format=concise"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    found = [line for line in done.stdout.splitlines() if "F401" in line]
    assert (len(found), found[0].startswith("a.py:1:8")) == (1, True), done.stdout + done.stderr


def test_it_is_for_a_repo_with_this_helpers(repo: HelpersRepo) -> None:
    with pytest.raises(UsageError, match="whose directory helpers/ is this helpers"):
        sync.status(as_json=False, check=False, cwd=repo.remote, package=repo.package)


def test_a_file_of_the_user_s_where_a_merge_goes_is_not_overwritten(repo: HelpersRepo) -> None:
    repo.edit(SHIM, "import sys", "import sys  # a")
    repo.template(SHIM, repo.read(SHIM).replace("  # a", "  # b"))
    repo.publish("second")
    repo.upgrade()
    repo.write(f"{SHIM}.merged", "mine\n")
    before = everything(repo.root)
    with pytest.raises(PolicyError, match="is where the merge goes"):
        update(repo)
    assert everything(repo.root) == before
    (repo.root / f"{SHIM}.merged").unlink()
    assert (update(repo), repo.read(SHIM)) == (1, before[SHIM][0].decode())
