"""Lost test files are named, and refused on request; further files are not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from helpers import config, discover
from helpers.dirs import check, lost_tests
from helpers.driver import cli
from helpers.test.dirs_fixtures import agreed, sound
from helpers.test.unit_fixtures import cache, git, make_repo

__all__ = ["cache"]
# These tests start git, and there are many of them.
pytestmark = pytest.mark.slow


@pytest.fixture
def root(tmp_path: Path, cache: Path) -> Path:
    """A repo with two runnable dirs, nested, and a plain directory beside the outer directory."""
    root = make_repo(tmp_path / "r")
    sound(root, "d")
    sound(root, "d/inner")
    (root / ".gitignore").write_text("ignored/\n")
    return root


def add(root: Path, *names: str, text: str = "def test_it():\n    assert False\n") -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def lost(root: Path, *scope: str) -> list[str]:
    git(root, "add", "--all")
    config.forget()
    listing = discover.listing(root, lost_tests.PATTERNS)
    load = config.loader(root, listing.runnable)
    known = {path: load(path) for path in listing.runnable}
    found = lost_tests.find(listing, dict(known), listing.runnable, [root / name for name in scope])
    return [one.file.relative_to(root).as_posix() for one in found]


def setting(path: Path, text: str) -> None:
    with (path / "pyproject.toml").open("a") as file:
        file.write(text)


@pytest.mark.parametrize(
    "name",
    [
        "infra/test/test_lost.py",
        "test_at_root.py",
        "d/pkg/test/test_lost.py",
        "d/pkg/lost_test.py",
        "d/tests/test_other_name.py",
        "d/inner/test_above.py",
        "caf\u00e9 x/test_a.py",
        "d/test/build/test_not_entered.py",
        "d/test/.hidden/test_not_entered.py",
    ],
)
def test_a_tracked_test_that_no_directory_collects_is_lost(root: Path, name: str) -> None:
    add(root, name)
    assert lost(root) == [name]


@pytest.mark.parametrize(
    "name",
    [
        "d/test/test_more.py",
        "d/test/unit/test_deep.py",
        "d/inner/test/test_theirs.py",
        "d/pkg/testing.py",
        "d/pkg/conftest.py",
        "infra/check_it.py",
        "ignored/test_junk.py",
        "d/test_data.txt",
    ],
)
def test_a_file_that_runs_or_is_no_test_is_not_lost(root: Path, name: str) -> None:
    add(root, name)
    assert lost(root) == []


def test_untracked_and_deleted_files_and_other_repos_are_not_lost(root: Path, tmp_path: Path) -> None:
    add(root, "infra/test_deleted.py")
    lost(root)
    (root / "infra" / "test_deleted.py").unlink()
    other = make_repo(tmp_path / "other")
    add(other, "test_theirs.py")
    git(other, "add", "--all")
    git(other, "commit", "--quiet", "--message", "x")
    git(root, "submodule", "add", "--quiet", str(other), "sub")
    assert lost(root) == []
    make_repo(root / "infra" / "nested")
    add(root, "infra/nested/test_nested.py", "infra/test_new.py")
    listing = discover.listing(root, lost_tests.PATTERNS)
    assert lost_tests.find(listing, {}, listing.runnable) == []


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("pyproject.toml", '\n[tool.pytest.ini_options]\npython_files = ["check_*.py"]\n'),
        ("pyproject.toml", '\n[tool.pytest.ini_options]\npython_files = "check_*.py"\n'),
        ("pyproject.toml", '\n[tool.pytest]\npython_files = ["check_*.py"]\n'),
        ("pytest.toml", '[pytest]\npython_files = ["check_*.py"]\n'),
        (".pytest.toml", '[pytest]\npython_files = ["check_*.py"]\n'),
        ("pytest.ini", "[pytest]\npython_files = check_*.py\n"),
        (".pytest.ini", "[pytest]\npython_files = check_*.py\n"),
        ("tox.ini", "[pytest]\npython_files = check_*.py\n"),
        ("setup.cfg", "[tool:pytest]\npython_files =\n    check_*.py\n"),
    ],
)
@pytest.mark.parametrize("folder", ["d", "infra"])
def test_the_names_of_tests_are_those_of_the_directory_s_own_pytest_settings(
    root: Path, folder: str, file: str, text: str
) -> None:
    add(root, f"{folder}/pkg/check_a.py", f"{folder}/pkg/test_a.py")
    if folder == "infra" and file == "pyproject.toml":
        text = f"[project]\nname = 'x'\n{text}"
    with (root / folder / file).open("a") as written:
        written.write(text)
    if folder == "d":
        (root / "d" / "test" / "test_it.py").rename(root / "d" / "test" / "check_it.py")
    assert lost(root) == [f"{folder}/pkg/check_a.py"]


@pytest.mark.parametrize("pattern", ["pkg", "pkg/", "pkg/*.py", "pkg/test_a.py", "p*g", "*/test_a.py"])
def test_not_tests_of_the_directory_or_of_the_root_takes_files_out(root: Path, pattern: str) -> None:
    add(root, "d/pkg/test_a.py", "pkg/test_a.py")
    setting(root / "d", f'not_tests = ["{pattern}"]\n')
    assert lost(root) == ["pkg/test_a.py"]
    (root / "pyproject.toml").write_text(f'[tool.helpers]\nnot_tests = ["{pattern}"]\n')
    assert lost(root) == []


def test_what_the_directory_s_norecursedirs_and_a_linked_tests_directory_say_counts(root: Path) -> None:
    add(root, "d/test/build/test_a.py", "d/test/away/test_c.py", "d/suite/test_b.py")
    setting(root / "d", 'tests = ["test", "alias"]\n\n[tool.pytest.ini_options]\nnorecursedirs = "away"\n')
    (root / "d" / "alias").symlink_to("suite")
    assert lost(root) == ["d/test/away/test_c.py"]


@pytest.mark.parametrize("place", ["test/away", "test/build", "test/build/test_a.py"])
def test_a_place_that_pytest_does_not_enter_by_itself_is_reached_where_tests_names_it(root: Path, place: str) -> None:
    add(root, "d/test/build/test_a.py", "d/test/away/test_c.py")
    setting(
        root / "d", f'tests = ["test", "{place}"]\n\n[tool.pytest.ini_options]\nnorecursedirs = ["away", "build"]\n'
    )
    assert not [name for name in lost(root) if name.startswith(f"d/{place}")] and len(lost(root)) == 1


@pytest.mark.parametrize(
    "options, found",
    [
        ("--ignore=test/away", ["d/test/away/test_c.py"]),
        ("-q --ignore ./test/away/test_c.py -x", ["d/test/away/test_c.py"]),
        ("--ignore-glob=*/[a]way/*", ["d/test/away/test_c.py"]),
        ("--ignore=test --ignore=other -k away", []),
    ],
)
def test_a_file_that_addopts_ignores_is_lost(root: Path, options: str, found: list[str]) -> None:
    add(root, "d/test/away/test_c.py")
    setting(root / "d", f'\n[tool.pytest.ini_options]\naddopts = "{options}"\n')
    assert lost(root) == found


def test_a_part_of_the_repo_is_asked_for_its_own_tests(root: Path) -> None:
    add(root, "infra/test_a.py", "d/pkg/test_b.py")
    assert lost(root, "d") == ["d/pkg/test_b.py"]
    assert lost(root, ".") == ["d/pkg/test_b.py", "infra/test_a.py"]
    assert lost(root, "d/inner") == []


@pytest.mark.parametrize("how", ["", "--strict-tests", "strict_tests = true"])
@pytest.mark.parametrize("words", [[], ["--dir", "infra/.."], ["--affected", "HEAD", "--allow-empty"]])
def test_a_plan_names_lost_tests_and_refuses_them_where_that_is_asked_for(
    root: Path, how: str, words: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(root)
    add(root, *(f"infra/test_{number}.py" for number in range(5)))
    if "=" in how:
        (root / "pyproject.toml").write_text(f"[tool.helpers]\n{how}\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "x")
    asked = ["--list", "--json", "plan.json", *words, *([how] if how.startswith("--") else [])]
    assert cli.main(asked, root) == (4 if how else 0)
    told = capsys.readouterr().err
    kind = "refused" if how else "note"
    assert f"{kind}: 5 test files never run" in told and "infra/test_2.py and 2 more" in told
    assert told.count("infra/test_0.py") == 1 and "fix: invoke dir_check --all" in told
    assert json.loads(Path("plan.json").read_text())["lost_tests"] == [f"infra/test_{n}.py" for n in range(5)]


def test_dir_check_names_each_lost_test_with_the_setting_that_helps(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    add(root, "infra/test/test_a.py", "d/pkg/test_b.py")
    git(root, "add", "--all")
    (finding,) = check.check(root, root / "d", agreed)
    assert finding.text(root).startswith("d/pkg/test_b.py:1: is a test file that never runs")
    assert 'add "pkg" to tests in [tool.helpers] of d/pyproject.toml' in finding.fix
    assert check.main(directory="", every=True, cwd=root, requirements=agreed) == 2
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].startswith("d/pkg/test_b.py:1:")
    assert lines[1].startswith("infra/test/test_a.py:1:") and "invoke dir_create infra/test --from" in lines[1]
    (root / "infra" / "setup.py").touch()
    check.main(directory="", every=True, cwd=root, requirements=agreed)
    assert "invoke dir_create infra --from infra;" in capsys.readouterr().out
    setting(root / "d", 'tests = ["test", "pkg"]\n')
    config.forget()
    assert check.main(directory="d", every=False, cwd=root, requirements=agreed) == 0
