"""Helpers at another path than `helpers`: what states the path, and what follows it. Real git, no engine."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

import pytest

from helpers import discover, toolchain_path
from helpers.dirs import check, project_tests
from helpers.errors import PolicyError, UsageError
from helpers.repos import init, own_version, shared_files, sync
from helpers.repos.shared_files import PACKAGE
from helpers.repos.stated_path import StatedPath
from helpers.test.helpers_repo import HelpersRepo, status, update
from helpers.test.unit_fixtures import add_dir, forget, git, make_repo

pytestmark = pytest.mark.slow

ELSEWHERE = StatedPath("tools/helpers", "tools/helpers/helpers")
SHIMS = ("tasks.py", "main_pytest.py", "dev_scripts/setenv.sh")
PRE_COMMIT, RUFF = ".pre-commit-config.yaml", "ruff.toml"


def template(path: str) -> bytes:
    """Return a template as it is in helpers."""
    folder = "shared" if path in (PRE_COMMIT, RUFF) else "super_repo"
    return (PACKAGE / "templates" / folder / path).read_bytes()


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("tasks.py", b'for end in ("/tools", "/tools/helpers")]'),
        ("tasks.py", b"error: tools/helpers/ is empty; fix: git submodule update --init tools/helpers\\n"),
        ("main_pytest.py", b'for end in ("/tools", "/tools/helpers")]'),
        ("main_pytest.py", b"error: tools/helpers/ is empty; fix: git submodule update --init tools/helpers\\n"),
        ("dev_scripts/setenv.sh", b"\\local place=tools/helpers file "),
        (PRE_COMMIT, b"entry: python3 tools/helpers/helpers/thin_env/bootstrap.py "),
        (RUFF, b'extend-exclude = ["tools/helpers"]'),
    ],
)
def test_common_files_state_the_path_of_helpers(path: str, line: bytes) -> None:
    text = template(path)
    assert line not in text and line in ELSEWHERE.put_into(text)
    assert StatedPath().put_into(ELSEWHERE.put_into(text)) == text


@pytest.mark.parametrize("path", [*SHIMS, PRE_COMMIT, RUFF])
def test_usual_path_leaves_each_template_as_it_is(path: str) -> None:
    assert StatedPath().put_into(template(path)) == template(path)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("tools/helpers", "tools/helpers"),
        ("a/b.c/d-e_f/helpers", "a/b.c/d-e_f/helpers"),
        *((wrong, "helpers") for wrong in ("/etc/helpers", "../helpers", "a/../helpers", "vendor/h", "a//helpers", "")),
    ],
)
def test_path_is_read_from_the_shim_if_it_is_a_path_of_helpers(tmp_path: Path, path: str, expected: str) -> None:
    text = template("tasks.py").replace(b"--init helpers", f"--init {path}".encode())
    (tmp_path / "tasks.py").write_bytes(text + b"namespace.add_task(mine)\n")
    assert toolchain_path.stated(tmp_path) == expected


def test_repo_without_the_shim_has_the_usual_path(tmp_path: Path) -> None:
    assert toolchain_path.stated(tmp_path) == "helpers"
    (tmp_path / "tasks.py").mkdir()
    assert toolchain_path.stated(tmp_path) == "helpers"


@pytest.fixture(params=["the sub-repo alone", "the whole repo"])
def repo(request: pytest.FixtureRequest, tmp_path: Path) -> HelpersRepo:
    """A super-repo with the templates of helpers at `tools/helpers`, for each form of the submodule."""
    return HelpersRepo(tmp_path, whole=request.param == "the whole repo", path="tools/helpers")


def written(repo: HelpersRepo, stated: StatedPath) -> list[init.File]:
    """Do as `init` does for helpers at a path; return the files that changed."""
    forget()
    files = [file for file in init.plan(repo.root, None, stated) if file.before != file.after]
    for file in files:
        init._write(repo.root, file)
    return files


def test_helpers_is_found_where_it_lies(repo: HelpersRepo) -> None:
    (repo.root / "tasks.py").unlink()
    found = shared_files.lies_at(repo.root, repo.package)
    assert found == StatedPath("tools/helpers", repo.package.relative_to(repo.root).as_posix())
    assert {file.path for file in written(repo, found)} >= set(SHIMS)
    assert shared_files.super_repo(repo.root / "tools", repo.package) == repo.root
    for path in SHIMS:
        assert (repo.root / path).read_bytes() == found.put_into(template(path))
    assert written(repo, found) == []


def test_helpers_moves_with_its_common_files_and_keeps_lines_of_the_user(repo: HelpersRepo) -> None:
    here = shared_files.lies_at(repo.root, repo.package)
    repo.settings(f'sync = ["{RUFF}", "{PRE_COMMIT}"]')
    written(repo, here)
    assert update(repo) == 0
    repo.write("tasks.py", repo.read("tasks.py") + "mine = 1\n")
    repo.commit("common files")
    (repo.root / "vendor" / "one").mkdir(parents=True)
    git(repo.root, "mv", "tools/helpers", "vendor/one/helpers")
    package = repo.root / "vendor" / "one" / "helpers" / repo.prefix
    with pytest.raises(UsageError, match="is not a repo whose directory tools/helpers/ is this helpers") as caught:
        shared_files.super_repo(repo.root, package)
    assert shlex.split(str(caught.value.fix)) == ["python3", f"{package}/thin_env/bootstrap.py", "init"]
    there = shared_files.lies_at(repo.root, package)
    changed = written(repo, there)
    assert {file.path for file in changed} == {*SHIMS, PRE_COMMIT, RUFF}
    assert not [file for file in changed if file.differs], "none is replaced, so none needs --overwrite"
    for path in (*SHIMS, PRE_COMMIT, RUFF):
        assert repo.read(path).removesuffix("mine = 1\n").encode() == there.put_into(template(path))
    assert repo.read("tasks.py").endswith("\nmine = 1\n")
    assert sync.status(as_json=False, check=True, cwd=repo.root, package=package) == 0


@pytest.mark.parametrize("path", ["vendor/h", "my tools/helpers", "werkzeug/größe/helpers"])
def test_helpers_at_a_path_that_it_cannot_have_is_refused_with_a_move_that_works(tmp_path: Path, path: str) -> None:
    made = HelpersRepo(tmp_path, whole=True)
    (made.root / path).parent.mkdir(parents=True)
    git(made.root, "mv", "helpers", path)
    with pytest.raises(UsageError, match="helpers cannot lie at ") as caught:
        shared_files.lies_at(made.root, made.root / path / "helpers")
    subprocess.run(["sh", "-c", str(caught.value.fix)], check=True, cwd=tmp_path)
    moved = made.root / "tools" / "helpers" / "helpers"
    assert shared_files.lies_at(made.root, moved) == StatedPath("tools/helpers", "tools/helpers/helpers")


def test_helpers_below_the_package_helpers_of_the_team_is_found(tmp_path: Path) -> None:
    made = HelpersRepo(tmp_path)
    git(made.root, "mv", "helpers", "moved")
    (made.root / "helpers").mkdir()
    git(made.root, "mv", "moved", "helpers/helpers")
    found = shared_files.lies_at(made.root, made.root / "helpers" / "helpers")
    assert found == StatedPath("helpers/helpers", "helpers/helpers")


def test_edit_of_a_common_file_is_merged_with_a_newer_template(tmp_path: Path) -> None:
    made = HelpersRepo(tmp_path, path="tools/helpers")
    made.settings(f'sync = ["{RUFF}"]')
    assert update(made) == 0
    made.commit("common files")
    assert status(made) == 0
    made.edit(RUFF, "line-length = 120", "line-length = 99")
    made.template(RUFF, template(RUFF).decode() + 'extend-select = ["UP"]\n')
    made.publish("second")
    git(made.root / made.path, "fetch", "--quiet", "origin")
    git(made.root / made.path, "checkout", "--quiet", "origin/main")
    assert update(made) == 0
    assert "line-length = 99" in made.read(RUFF) and made.read(RUFF).endswith('extend-select = ["UP"]\n')
    assert 'extend-exclude = ["tools/helpers"]' in made.read(RUFF)
    assert status(made, check=False) == 0


def test_unedited_common_file_is_replaced_even_if_its_template_is_not_in_the_history(tmp_path: Path) -> None:
    made = HelpersRepo(tmp_path, path="tools/helpers")
    made.settings(f'sync = ["{RUFF}"]')
    assert update(made) == 0
    made.template(RUFF, template(RUFF).decode().replace("120", "100"))
    git(made.remote, "checkout", "--quiet", "--orphan", "fresh")
    made.publish("without history")
    git(made.root / made.path, "fetch", "--quiet", "origin", "fresh")
    git(made.root / made.path, "checkout", "--quiet", "FETCH_HEAD")
    assert update(made) == 0
    assert made.read(RUFF).encode() == made_of(made, RUFF)


def made_of(repo: HelpersRepo, path: str) -> bytes:
    stated = shared_files.lies_at(repo.root, repo.package)
    return stated.put_into((repo.package / "templates" / "shared" / path).read_bytes())


def test_version_of_helpers_is_compared_at_any_path(tmp_path: Path) -> None:
    made = HelpersRepo(tmp_path, path="tools/helpers")
    (made.package / "changelog.txt").write_text("# helpers-0.3.1\n- 2026-11-21\n- it\n")
    made.settings('helpers = ">=0.4,<1"')
    with pytest.raises(PolicyError) as caught:
        own_version.check(made.package)
    assert "repo_roll_forward --only tools/helpers" in str(caught.value.fix)
    made.settings('helpers = "<0.3"')
    with pytest.raises(PolicyError) as caught:
        own_version.check(made.package)
    assert "submodule update tools/helpers" in str(caught.value.fix)


def test_root_with_tests_does_not_hold_helpers_elsewhere(tmp_path: Path) -> None:
    made = HelpersRepo(tmp_path, path="tools/helpers")
    nested = discover.nested_in(made.root, made.root, [])
    assert nested == (made.root / "tools" / "helpers",)
    assert discover.nested_in(made.root, made.root / "tools", []) == nested
    assert discover.nested_in(made.root, made.root / "app", []) == ()
    assert discover.nested_in(made.root, made.root, [], ["tools/helpers/test"]) == ()


def test_package_helpers_of_a_runnable_dir_is_no_finding(tmp_path: Path) -> None:
    forget()
    root = make_repo(tmp_path / "r")
    path = add_dir(root, "a")
    (path / "helpers").mkdir()
    (path / "helpers" / "__init__.py").write_text("")
    assert list(check._leftovers(root, path, [path])) == []
    (path / "helpers" / "thin_env").mkdir()
    assert [item.file for item in check._leftovers(root, path, [path])] == [path / "helpers" / "thin_env"]


def test_tests_of_a_package_helpers_of_the_team_are_tests_of_the_root(tmp_path: Path) -> None:
    made = HelpersRepo(tmp_path, path="tools/helpers")
    for name in ("helpers/test_words.py", "app/test_app.py"):
        made.write(name, "")
    made.commit("code")
    assert {item.value for item in project_tests.find(made.root)} == {"."}, (
        "without helpers a project is all of its files"
    )
    (made.package / "thin_env").mkdir()
    (made.package / "thin_env" / "bootstrap.py").write_text("")
    assert toolchain_path.places(made.root) == (made.package,)
    assert {item.value for item in project_tests.find(made.root)} == {"helpers", "app"}
