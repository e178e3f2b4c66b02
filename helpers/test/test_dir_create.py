"""`dir_create` on real git repos; only the lock, which needs the network, is made up."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import discover
from helpers.dirs import create, names, project_text
from helpers.errors import ConfigError, InfrastructureError, UsageError
from helpers.test.conftest import ROOT
from helpers.test.dirs_fixtures import agreed, make_lock, new, root, sound, tree
from helpers.test.unit_fixtures import git

__all__ = ["root"]

# These tests start processes, and there are many of them.
pytestmark = pytest.mark.slow


def no_registry(path: Path) -> str:
    raise InfrastructureError("no registry answers")


def test_a_new_runnable_dir_is_whole_and_checked(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert new(root, "Sales-Forecast") == 0
    path = root / "runnable_dirs" / "Sales-Forecast"
    assert sorted(tree(path)) == [
        "README.md",
        "changelog.txt",
        "devops/.gitkeep",
        "poetry.lock",
        "pyproject.toml",
        "sales_forecast/__init__.py",
        "sales_forecast/__main__.py",
        "sales_forecast/words.py",
        "test/test_sales_forecast.py",
    ]
    assert re.fullmatch(r"# sales-forecast-0\.1\.0\n- \d{4}-\d\d-\d\d\n- .+\n", (path / "changelog.txt").read_text())
    project = project_text.parse((path / "pyproject.toml").read_text())
    assert project["project"]["requires-python"] == ">=3.11,<3.12"
    assert project["tool"]["helpers"] == {"base": "archive:bookworm"}
    assert "main_pytest.py --dir runnable_dirs/Sales-Forecast" in capsys.readouterr().out
    assert os.listdir(root / "runnable_dirs") == ["Sales-Forecast"], "nothing half-made stays beside it"
    assert path.stat().st_mode & 0o777 == (root / "runnable_dirs").stat().st_mode & 0o777


def test_the_tests_of_a_new_runnable_dir_pass_and_can_fail(root: Path) -> None:
    new(root, "forecast")
    path = root / "runnable_dirs" / "forecast"
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "pyproject.toml", "test"]
    env = {**os.environ, "PYTHONPATH": str(path)}
    assert subprocess.run(argv, cwd=path, env=env, capture_output=True).returncode == 0
    started = subprocess.run(
        [sys.executable, "-m", "forecast"], cwd=path, env=env, input="b a\nb", capture_output=True, text=True
    )
    assert started.stdout == "2 b\n1 a\n"
    code = path / "forecast" / "words.py"
    code.write_text(code.read_text().replace(".lower()", ""))
    assert subprocess.run(argv, cwd=path, env=env, capture_output=True).returncode == 1


@pytest.mark.parametrize(
    ("base", "python", "expected"),
    [
        ("archive:trixie", "", ">=3.13,<3.14"),
        ("image:python:3.12-slim-bookworm", "3.12", ">=3.12,<3.13"),
        ("", "3.11", ">=3.11,<3.12"),
    ],
)
def test_the_python_follows_the_base_unless_named(root: Path, base: str, python: str, expected: str) -> None:
    assert new(root, "forecast", base=base, python=python) == 0
    text = (root / "runnable_dirs" / "forecast" / "pyproject.toml").read_text()
    assert f'requires-python = "{expected}"' in text


@pytest.mark.parametrize(
    ("python", "base"),
    [("3.11", "archive:bookworm"), ("3.13", "archive:trixie"), ("3.12", "image:python:3.12-slim-bookworm")],
)
def test_the_base_follows_the_python_unless_named(root: Path, python: str, base: str) -> None:
    assert new(root, "forecast", python=python) == 0
    text = (root / "runnable_dirs" / "forecast" / "pyproject.toml").read_text()
    assert f'base = "{base}"' in text


def test_a_new_directory_whose_base_can_not_be_recorded_is_told_how(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    doors = create.Doors(lock=make_lock, requirements=agreed, record=no_registry)
    assert create.main("forecast", base="image:python:3.12", python="3.12", cwd=root, doors=doors) == 2
    captured = capsys.readouterr()
    assert "no registry answers" in captured.err
    assert "fix: invoke docker_bases --update --dir" in captured.out


@pytest.mark.parametrize(
    "options",
    [
        {"python": "3.13", "base": "archive:bookworm"},
        {"python": "2.7"},
        {"python": "3.x"},
        {"base": "bookworm"},
        {"base": "archive:$(x)"},
    ],
)
def test_a_base_or_python_that_can_not_be_is_refused(root: Path, options: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        new(root, "forecast", **options)
    assert os.listdir(root / "runnable_dirs") == []


HOSTILE = [
    ("", "empty"),
    ("--help", "invoke --help dir_create"),
    (" ", "empty"),
    (".", "dir_create . --from ."),
    ("..", "'..'"),
    ("../x", "'..'"),
    ("runnable_dirs/../../x", "'..'"),
    ("/tmp/out-of-the-repo", "out of the repo"),
    ("a b", "a-b"),
    ("$(touch PWNED)", "touch-pwned"),
    ("`id`", "id"),
    ("-rf", "looks like an option"),
    ("a\nb", "a-b"),
    ("a\x1b[31mb", "a-31mb"),
    ("a\0b", "empty"),
    ("café", "cafe"),
    ("模型", "forecast"),
    ("\u212aelvin", "kelvin"),
    (".hidden", "hidden"),
    ("a:b", "a-b"),
    ("a;b", "a-b"),
    ("x" * 101, "101 characters"),
    ("pytest", "my-pytest"),
    ("json", "my-json"),
    ("test", "my-test"),
    ("class", "my-class"),
    ("3d", "my-3d"),
    ("bad parent/forecast", "bad-parent"),
    ("-x/forecast", "looks like an option"),
    ("link/forecast", "out of the repo"),
    ("file/forecast", "is a file"),
    ("other/forecast", "another repo"),
]


@pytest.mark.parametrize(("name", "says"), HOSTILE, ids=[repr(name)[:20] for name, _ in HOSTILE])
def test_a_name_that_is_no_good_is_refused_with_the_reason(root: Path, name: str, says: str) -> None:
    (root / "link").symlink_to(root.parent)
    (root / "file").touch()
    (root / "other").mkdir()
    git(root / "other", "init", "--quiet")
    before = sorted(root.rglob("*")), sorted(root.parent.iterdir())
    with pytest.raises(UsageError) as caught:
        new(root, name)
    assert says in str(caught.value)
    assert "\x1b" not in str(caught.value)
    assert (sorted(root.rglob("*")), sorted(root.parent.iterdir())) == before


@pytest.mark.parametrize(
    ("name", "cwd", "expected"),
    [
        ("forecast", ".", "runnable_dirs/forecast"),
        ("./forecast", ".", "forecast"),
        ("models/forecast", ".", "models/forecast"),
        ("forecast/", "runnable_dirs", "runnable_dirs/forecast"),
        ("a_b.c-d", "runnable_dirs", "runnable_dirs/a_b.c-d"),
    ],
)
def test_where_a_name_leads(root: Path, name: str, cwd: str, expected: str) -> None:
    assert names.place(root, root / cwd, name) == root / expected


def test_what_exists_is_not_overwritten(root: Path) -> None:
    sound(root, "runnable_dirs/forecast")
    (root / "runnable_dirs" / "notes").mkdir()
    (root / "runnable_dirs" / "notes" / "mine.txt").write_text("mine")
    (root / "runnable_dirs" / "afile").write_text("mine")
    before = tree(root / "runnable_dirs")
    for name in ("forecast", "notes", "afile"):
        with pytest.raises(UsageError, match="already"):
            new(root, name)
    assert tree(root / "runnable_dirs") == before


def test_an_image_name_is_not_given_twice(root: Path) -> None:
    sound(root, "elsewhere/forecast")
    with pytest.raises(UsageError, match="elsewhere/forecast"):
        new(root, "runnable_dirs/forecast")


@pytest.mark.parametrize("fault", [ConfigError("no solution"), KeyboardInterrupt(), OSError(28, "disk full")])
def test_a_failing_lock_leaves_nothing_half_made(root: Path, fault: BaseException) -> None:
    def failing(path: Path, named: Path) -> bool:
        raise fault

    with pytest.raises(type(fault)):
        create.main("new/parent/forecast", cwd=root, doors=create.Doors(failing, agreed))
    assert sorted(path.name for path in root.iterdir()) == [".git", "runnable_dirs"]


def test_nobody_finds_a_directory_that_is_being_made(root: Path) -> None:
    seen: list[list[Path]] = []

    def looking(path: Path, named: Path) -> bool:
        assert named == root / "runnable_dirs" / "forecast", "a message names the directory that the user asked for"
        seen.append(discover.runnable_paths(root))
        return make_lock(path, named)

    create.main("forecast", cwd=root, doors=create.Doors(looking, agreed))
    assert seen == [[]]


def test_sigterm_leaves_nothing_half_made(root: Path) -> None:
    script = (
        "import sys, time; from pathlib import Path; from helpers.dirs import create\n"
        "def lock(path, named): print('locking', flush=True); time.sleep(60)\n"
        f"create.main('forecast', cwd=Path({str(root)!r}), doors=create.Doors(lock))\n"
    )
    child = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "locking\n"
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=20) == 143
    child.stdout.close()
    assert os.listdir(root / "runnable_dirs") == []
