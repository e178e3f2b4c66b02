"""`repo_init` on real git repos; only the lock of a first runnable dir, which needs the network, is made up."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import config, discover, proc, pyproject
from helpers.errors import ConfigError, HelpersError, PolicyError, UsageError
from helpers.model import sync_lock
from helpers.repos import init, shared_files, sync
from helpers.repos.stated_path import StatedPath
from helpers.test.conftest import ROOT
from helpers.test.dirs_fixtures import DOORS
from helpers.test.unit_fixtures import forget, git, make_repo

pytestmark = pytest.mark.slow

SHIMS = ["dev_scripts/setenv.sh", "invoke.yaml", "main_pytest.py", "tasks.py"]
SETTINGS = [".gitattributes", ".gitignore", "dev_scripts/sync.lock", "pyproject.toml"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty repo that has helpers."""
    forget()
    path = make_repo(tmp_path / "a repo")
    (path / "helpers").symlink_to(shared_files.PACKAGE)
    return path


def files(root: Path) -> dict[str, bytes]:
    """Return the files of a repo, apart from helpers and git's."""
    found = {path.relative_to(root).as_posix(): path for path in root.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes() for name, path in sorted(found.items()) if not name.startswith((".git/", "helpers"))
    }


def told(*answers: str) -> Callable[[str], str]:
    """A user who gives these answers, and no more."""
    left = list(answers)
    return lambda question: left.pop(0)


def test_the_templates_are_the_shims_of_this_repo() -> None:
    assert [file.path for file in init._shims(ROOT, StatedPath())] == SHIMS
    for name in SHIMS:
        template = shared_files.PACKAGE / "templates" / "super_repo" / name
        assert template.read_bytes() == (ROOT / name).read_bytes()
        assert os.access(template, os.X_OK) == os.access(ROOT / name, os.X_OK)
    for common in shared_files.wanted(ROOT):
        assert (ROOT / common.path).read_bytes() == common.content


def test_an_empty_repo_gets_eight_files_and_a_second_time_changes_nothing(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert init.main(cwd=root) == 0
    made = files(root)
    assert sorted(made) == sorted([*SETTINGS, *SHIMS])
    assert os.access(root / "main_pytest.py", os.X_OK)
    assert made["pyproject.toml"].startswith(b'[tool.helpers]\nregistry = ""')
    printed = capsys.readouterr().out
    assert [line.split()[0] for line in printed.splitlines()[:-1]] == ["add"] * 8
    assert printed.splitlines()[-1] == "next: source dev_scripts/setenv.sh && invoke dir_create NAME"
    before = (root / "tasks.py").stat().st_mtime_ns
    assert init.main(cwd=root) == 0
    captured = capsys.readouterr()
    assert "is there already" in captured.err
    assert captured.out.count("\n") == 1
    assert files(root) == made
    assert (root / "tasks.py").stat().st_mtime_ns == before


def test_what_is_there_is_extended_and_the_lines_are_shown(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / ".gitignore").write_bytes(b"*.log\n/.pytest_cache")
    (root / "pyproject.toml").write_text('[project]\nname = "old"\n\n[tool.black]\nline-length = 99\n')
    assert init.main(cwd=root, registry="127.0.0.1:5000/team") == 0
    assert (root / ".gitignore").read_bytes() == b"*.log\n/.pytest_cache\n__pycache__/\n"
    assert (root / "pyproject.toml").read_text() == '[project]\nname = "old"\n\n[tool.black]\nline-length = 99\n'
    assert pyproject.settings_table(root) == {"registry": "127.0.0.1:5000/team"}
    assert not discover.lost_marks(root)
    printed = capsys.readouterr().out.splitlines()
    assert "extend   .gitignore" in printed
    assert "  +__pycache__/" in printed
    assert not [line for line in printed if line.startswith("  -") and not line.startswith("  ---")]


def test_a_file_of_the_users_is_shown_and_kept_and_then_nothing_is_changed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "tasks.py").write_text("# mine\n")
    before = files(root)
    with pytest.raises(PolicyError, match=r"tasks\.py: of yours") as caught:
        init.main(cwd=root)
    assert caught.value.exit_code == 4
    assert "--overwrite" in str(caught.value.fix)
    assert "  -# mine" in capsys.readouterr().out
    assert files(root) == before
    assert init.main(cwd=root, overwrite=True) == 0
    assert "yours is kept as tasks.py.orig" in capsys.readouterr().out
    assert files(root)["tasks.py"] == (ROOT / "tasks.py").read_bytes()
    assert files(root)["tasks.py.orig"] == b"# mine\n"
    (root / "tasks.py").write_text("# mine again\n")
    (root / "dev_scripts" / "sync.lock").unlink()  # with a record the file would be sync_update's job
    assert init.main(cwd=root, overwrite=True) == 0
    assert "yours is kept as tasks.py.orig.2" in capsys.readouterr().out
    assert (files(root)["tasks.py.orig"], files(root)["tasks.py.orig.2"]) == (b"# mine\n", b"# mine again\n")


def test_nothing_is_asked_when_a_file_is_in_the_way_or_an_option_is_given(root: Path) -> None:
    (root / "invoke.yaml").write_text("run:\n  echo: true\n")
    with pytest.raises(PolicyError):
        init.main(cwd=root, ask=told())
    (root / "invoke.yaml").unlink()
    assert init.main(cwd=root, ask=told(), name="hello", doors=DOORS) == 0


def test_tasks_of_the_users_own_below_the_shim_are_as_they_should_be(root: Path) -> None:
    text = (ROOT / "tasks.py").read_text() + "namespace.add_task(mine)\n"
    (root / "tasks.py").write_text(text)
    assert init.main(cwd=root) == 0
    assert (root / "tasks.py").read_text() == text
    assert sync.status(as_json=False, check=True, cwd=root) == 0


def test_links_give_way_to_shims_by_overwrite_and_are_kept(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = tmp_path / "older"
    older.mkdir()
    for name in ("tasks.py", "setenv.sh"):
        (older / name).write_text("mine\n")
    (root / "tasks.py").symlink_to(older / "tasks.py")
    (root / "main_pytest.py").symlink_to("../nowhere/main_pytest.py")
    (root / "dev_scripts").symlink_to(older)
    with pytest.raises(PolicyError, match="is a link") as caught:
        init.main(cwd=root)
    assert "--overwrite" in str(caught.value.fix)
    assert init.main(cwd=root, overwrite=True, dry_run=True) == 0
    assert (root / "dev_scripts").is_symlink() and not (root / "invoke.yaml").exists()
    capsys.readouterr()
    assert init.main(cwd=root, overwrite=True) == 0
    assert f"(yours, a link to {older}, is kept as dev_scripts.orig)" in capsys.readouterr().out
    for name in SHIMS:
        assert (root / name).read_bytes() == (ROOT / name).read_bytes()
    assert os.readlink(root / "main_pytest.py.orig") == "../nowhere/main_pytest.py"
    assert sorted(path.name for path in older.iterdir()) == ["setenv.sh", "tasks.py"]
    assert (older / "tasks.py").read_text() == "mine\n"
    assert init.main(cwd=root) == 0


def test_line_ends_of_the_users_files_stay(root: Path) -> None:
    before = {".gitignore": b"*.log\r\nout", "pyproject.toml": b'[project]\r\nname = "mine"\r\n[tool.helpers]\r\n'}
    for name, content in before.items():
        (root / name).write_bytes(content)
    assert init.main(cwd=root, registry="one.example") == 0
    for name, content in before.items():
        after = (root / name).read_bytes()
        assert after.startswith(content) and after.count(b"\n") == after.count(b"\r\n") > 3
    forget()
    assert config.settings_of(root).registry == "one.example"


def test_what_was_merged_once_is_left_to_sync_update(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init.main(cwd=root) == 0
    assert sync.status(as_json=False, check=True, cwd=root) == 0
    (root / "invoke.yaml").write_text("run:\n  echo: true\n")
    recorded = shared_files.recorded(root)
    older = {**recorded, "invoke.yaml": sync_lock.Merged("0" * 40, recorded["invoke.yaml"].result)}
    (root / sync_lock.PATH).write_text(sync_lock.text(older))
    before = files(root)
    assert init.main(cwd=root, overwrite=True) == 0
    assert files(root) == before
    assert "invoke sync_update merges them" in capsys.readouterr().err


def test_what_will_surprise_later_is_said(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / ".gitignore").write_text("*.py\n")
    (root / "devops").mkdir()
    (root / "changelog.txt").write_text("# Changes\n")
    assert init.main(cwd=root) == 0
    told = capsys.readouterr().err
    assert "helpers/ is no submodule here" in told
    assert f"git ignores main_pytest.py, tasks.py; fix: git -C '{root}' add -f main_pytest.py tasks.py" in told
    assert "the root is a runnable dir" in told


def test_a_dry_run_shows_all_and_changes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init.main(cwd=root, name="hello", dry_run=True, ask=told()) == 0
    captured = capsys.readouterr()
    assert captured.out.count("add  ") == 8
    assert "it would make hello" in captured.err
    assert files(root) == {}


@pytest.mark.parametrize(
    ("link", "overwrite"),
    [("tasks.py", False), ("dev_scripts", False), (".gitignore", True), ("pyproject.toml", True)],
)
def test_nothing_is_written_through_a_link(root: Path, tmp_path: Path, link: str, overwrite: bool) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("x")
    (root / link).symlink_to(outside if link == "dev_scripts" else outside / "file")
    before = files(root)
    with pytest.raises(PolicyError, match="is a link"):
        init.main(cwd=root, overwrite=overwrite)
    assert files(root) == before
    assert os.listdir(outside) == ["file"]
    assert (outside / "file").read_text() == "x"


def test_a_file_where_a_directory_belongs_is_said(root: Path) -> None:
    (root / "dev_scripts").write_text("")
    with pytest.raises(PolicyError, match="where a directory belongs"):
        init.main(cwd=root)


def test_what_is_not_given_is_asked_once(root: Path) -> None:
    ask = told("runnable_dirs/hello", "3.13", "registry.example/team")
    assert init.main(cwd=root, ask=ask, doors=DOORS) == 0
    assert config.settings_of(root).registry == "registry.example/team"
    project = config.read_pyproject(root / "runnable_dirs" / "hello")
    assert project["project"]["requires-python"] == ">=3.13,<3.14"
    assert project["tool"]["helpers"]["base"] == "archive:trixie"
    assert discover.runnable_paths(root) == [root / "runnable_dirs" / "hello"]
    assert init.main(cwd=root, ask=told()) == 0


def test_a_bad_answer_is_told_and_asked_again(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ask = told("../hello", "hello", "2.7", "3.12", "team", "registry.example:5000/team")
    assert init.main(cwd=root, ask=ask, doors=DOORS) == 0
    err = capsys.readouterr().err
    assert [word in err for word in ("'../hello'", "'2.7'", "HOST[:PORT][/PATH]")] == [True, True, True], err
    assert config.settings_of(root).registry == "registry.example:5000/team"
    assert discover.runnable_paths(root) == [root / "hello"]


def test_no_answer_is_an_answer_that_is_kept(root: Path) -> None:
    assert init.main(cwd=root, ask=told("", "")) == 0
    assert init.main(cwd=root, ask=told("")) == 0
    assert sorted(files(root)) == sorted([*SETTINGS, *SHIMS])


def end_of_input(question: str) -> str:
    raise EOFError


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"registry": "no such/Registry"}, ConfigError),
        ({"name": "../hello"}, UsageError),
        ({"name": "helpers/hello"}, UsageError),
        ({"name": "hello", "python": "2.7"}, UsageError),
        ({"name": ".git/hello"}, UsageError),
        ({"python": "3.13"}, UsageError),
        ({"registry": "team"}, ConfigError),
        ({"registry": "-x:1"}, ConfigError),
        ({"ask": end_of_input}, UsageError),
    ],
)
def test_bad_input_is_said_before_anything_is_changed(
    root: Path, options: dict[str, str], error: type[HelpersError]
) -> None:
    with pytest.raises(error):
        init.main(cwd=root, doors=DOORS, **options)  # type: ignore[arg-type]
    assert files(root) == {}


def test_another_registry_than_the_one_that_is_set_is_refused(root: Path) -> None:
    assert init.main(cwd=root, ask=told("", "")) == 0
    assert init.main(cwd=root, registry="one.example") == 0
    forget()
    assert config.settings_of(root).registry == "one.example"
    assert init.main(cwd=root, registry="one.example") == 0
    with pytest.raises(UsageError, match=r"registry = 'one\.example' is set already"):
        init.main(cwd=root, registry="two.example")


def test_settings_that_a_line_can_not_be_added_to_are_left_to_the_user(root: Path) -> None:
    (root / "pyproject.toml").write_text("[tool]\nhelpers.env = []\n")
    with pytest.raises(ConfigError, match="is not TOML") as caught:
        init.main(cwd=root, registry="one.example")
    assert 'registry = "one.example"' in str(caught.value.fix)
    assert list(files(root)) == ["pyproject.toml"]


def test_a_first_runnable_dir_that_is_there_is_left_alone(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert init.main(cwd=root, name="hello", doors=DOORS) == 0
    made = files(root)
    assert init.main(cwd=root, name="hello", doors=DOORS) == 0
    assert files(root) == made
    assert "hello is a runnable dir already" in capsys.readouterr().err


@pytest.mark.parametrize("project", [True, False])
def test_directory_with_content_is_no_first_runnable_dir_and_says_what_comes_first(root: Path, project: bool) -> None:
    (root / "app").mkdir()
    (root / "app" / ("pyproject.toml" if project else "app.py")).touch()
    before = files(root)
    with pytest.raises(UsageError, match="--name app is a directory with content") as caught:
        init.main(cwd=root, name="app", doors=DOORS)
    app = shlex.quote(str(root / "app"))
    first = "" if project else "write its pyproject.toml, then "
    command = f"{first}source dev_scripts/setenv.sh && invoke dir_create {app} --from {app}"
    assert caught.value.fix == f"another name, or leave out --name, then: {command}"
    assert files(root) == before


def test_the_code_at_the_root_can_be_the_first_runnable_dir(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = '[project]\nname = "mine"\nrequires-python = ">=3.11,<3.12"\n'
    (root / "pyproject.toml").write_text(project)
    (root / "test_mine.py").write_text("def test_it(): pass\n")
    assert init.main(cwd=root, name=".", registry="one.example", doors=DOORS) == 0
    forget()
    settings = config.settings_of(root)
    assert (settings.registry, settings.tests) == ("one.example", ("test_mine.py",))
    assert (root / "changelog.txt").read_text().startswith("# mine-0.1.0\n")
    assert discover.runnable_paths(root) == [root]
    assert (root / "pyproject.toml").read_text().startswith(project)
    assert init.main(cwd=root, name=".", doors=DOORS) == 0
    assert ". is a runnable dir already" in capsys.readouterr().err


def test_it_works_from_below_the_root_and_nowhere_else(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "docs").mkdir()
    assert init.main(cwd=root / "docs") == 0
    assert (root / "tasks.py").exists()
    then = "source dev_scripts/setenv.sh && invoke dir_create NAME"
    assert capsys.readouterr().out.endswith(f"next: cd '{root}' && {then}\n")
    other = make_repo(tmp_path / "other")
    with pytest.raises(UsageError, match="does not have this helpers"):
        init.main(cwd=other)
    assert files(other) == {}


def test_the_root_of_an_old_repo_with_a_changelog_is_not_half_a_runnable_dir(root: Path) -> None:
    (root / "changelog.txt").write_text("2019: first\n")
    assert init.main(cwd=root, registry="one.example") == 0
    assert discover.runnable_paths(root) == []
    (root / "pyproject.toml").write_text('[tool.helpers]\nregistry = ""\nsync = [\n    ".editorconfig",  # it\n]\n')
    assert discover.runnable_paths(root) == []
    (root / "pyproject.toml").write_text('[tool.helpers]\nregistry = "one.example"\nbase = "archive:bookworm"\n')
    assert discover.runnable_paths(root) == [root]


def test_a_kill_between_two_files_leaves_what_the_next_call_completes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        written = init._write

        def write(root: Path, file: init.File) -> None:
            if file.path == "main_pytest.py":
                raise KeyboardInterrupt
            written(root, file)

        patch.setattr(init, "_write", write)
        with pytest.raises(KeyboardInterrupt):
            init.main(cwd=root)
    assert 0 < len(files(root)) < 7
    assert init.main(cwd=root) == 0
    assert sorted(files(root)) == sorted([*SETTINGS, *SHIMS])


@pytest.mark.host
def test_it_starts_from_a_bare_python_in_a_repo_without_tasks(tmp_path: Path) -> None:
    root = make_repo(tmp_path / "a repo")
    (root / "helpers").symlink_to(shared_files.PACKAGE)
    script = [sys.executable, "helpers/thin_env/bootstrap.py", "init"]
    helped = subprocess.run([*script, "--help"], cwd=root, capture_output=True, encoding="utf-8")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert "--registry" in helped.stdout
    assert files(root) == {}
    wrong = subprocess.run([*script, "--nosuch"], cwd=root, capture_output=True, encoding="utf-8")
    assert wrong.returncode == 2
    for word, code in (("inti", 2), ("--help", 0)):
        other = subprocess.run([*script[:2], word], cwd=root, capture_output=True, encoding="utf-8")
        assert (other.returncode, other.stdout) == (code, "")
        assert "bootstrap.py init" in other.stderr
    done = subprocess.run(script, cwd=root, capture_output=True, encoding="utf-8", stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert sorted(files(root)) == sorted([*SETTINGS, *SHIMS])
    git(root, "add", ".gitignore", *SHIMS)
    assert proc.run([str(root / "main_pytest.py"), "--list"], cwd=root).code == 5
