"""A fault in files alone is an error of the plan, with the exit code of the run."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from helpers import pyproject
from helpers.driver import cli
from helpers.errors import StaleError
from helpers.images import commands, lock_source
from helpers.model import poetry_lock, python_specifier
from helpers.test.unit_fixtures import add_dir, cache, forget, make_repo

__all__ = ["cache"]


@pytest.fixture
def root(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repo with a sound directory `a`, whose lock is fresh, and a second directory."""
    root = make_repo(tmp_path / "r")
    path = add_dir(root, "a")
    write_lock(path)
    add_dir(root, "b")
    monkeypatch.chdir(root)
    return root


def write_lock(path: Path) -> None:
    forget()
    (path / "poetry.lock").write_text(
        f'[metadata]\ncontent-hash = "{poetry_lock.content_hash(pyproject.read(path))}"\n'
    )


def edit(name: str, old: str, new: str) -> Callable[[Path], None]:
    def act(path: Path) -> None:
        text = (path / name).read_text()
        assert old in text
        (path / name).write_text(text.replace(old, new))

    return act


def setting(line: str) -> Callable[[Path], None]:
    return edit("pyproject.toml", "[tool.helpers]\n", f"[tool.helpers]\n{line}\n")


def python(text: str) -> Callable[[Path], None]:
    def act(path: Path) -> None:
        edit("pyproject.toml", ">=3.11", text)(path)
        write_lock(path)

    return act


def write(name: str, text: str) -> Callable[[Path], None]:
    def act(path: Path) -> None:
        (path / name).write_text(text)

    return act


MORE = 'dependencies = ["attrs"]\nrequires-python'
GROUP = '[dependency-groups]\nx = ["a"]\n\n[tool.poetry]'
FAULTS: dict[str, tuple[Callable[[Path], Any], int, str]] = {
    "uses": (setting('uses = ["../nothere"]'), 2, "uses: '../nothere' does not exist"),
    "uses outside": (setting('uses = ["../../.."]'), 2, "uses: '../../..' leads out of"),
    "writable": (setting('writable = ["out"]'), 2, "writable: 'out' does not exist"),
    "writable outside": (setting('writable = ["../b"]'), 2, "writable: '../b' leads out of"),
    "tests": (setting('tests = ["test", "gone"]'), 2, "tests: 'gone' does not exist"),
    "tests outside": (setting('tests = ["test", "../b/test"]'), 2, "tests: '../b/test' leads out of"),
    "no tests": (setting('tests = ["gone"]'), 5, "no tests: gone does not exist"),
    "python": (python(">=3.12"), 2, "requires-python '>=3.12' does not allow Python 3.11"),
    "lock": (
        edit("pyproject.toml", "requires-python", 'dependencies = ["attrs"]\nrequires-python'),
        2,
        "does not match",
    ),
    "groups": (
        edit("pyproject.toml", "[tool.poetry]", '[dependency-groups]\nx = ["a"]\n\n[tool.poetry]'),
        2,
        "does not match",
    ),
    "lock with words for a hash": (write("poetry.lock", '[metadata]\ncontent-hash = "zzz"\n'), 2, "does not match"),
    "lock with an empty hash": (write("poetry.lock", '[metadata]\ncontent-hash = ""\n'), 2, "does not match"),
    "lock in another style": (write("poetry.lock", "[metadata]\n  content-hash='0'\n"), 2, "does not match"),
    "no lock": (lambda path: (path / "poetry.lock").unlink(), 2, "has no poetry.lock"),
    "lock of garbage": (write("poetry.lock", "garbage\n"), 2, "is not TOML"),
    "lock of other TOML": (write("poetry.lock", "x = 1\n"), 2, "has no content-hash"),
    "empty lock": (write("poetry.lock", ""), 2, "has no content-hash"),
    "lock without a table": (write("poetry.lock", 'metadata = "x"\n'), 2, "has no content-hash"),
    "Dockerfile": (write("devops/Dockerfile", "RUN true\n"), 2, "has no FROM"),
    "frontend": (write("devops/Dockerfile", "# syntax=127.0.0.1:1/x\nFROM a\n"), 2, "names the frontend"),
    "name": (write("changelog.txt", "# image-71beeff9-0.1.0\n- 2026-01-02\n- x\n"), 2, "is used by a and b"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_plan_that_is_only_printed_ends_as_the_run_would(
    root: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    act, code, says = FAULTS[name]
    assert cli.main(["--list"], root) == 0
    act(root / "a")
    forget()
    assert cli.main(["--list"], root) == code
    row = next(line for line in capsys.readouterr().out.splitlines()[::-1] if line.startswith("a "))
    assert "error: " in row and says in row and "fix: " in row
    if "is used by" not in says:
        assert cli.main(["--dir", "a", "--engine", "venv"], root) == code
        assert says in capsys.readouterr().out
    assert cli.main(["--list", "--dir", "b", "--only-this"], root) == 0


@pytest.mark.parametrize("name", ["c\rd", "c\r\nd", "it's\r", "\r/in"])
@pytest.mark.parametrize("used", [False, True])
def test_path_with_a_carriage_return_is_refused_with_a_fix_that_works(
    root: Path, name: str, used: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    if used:
        (root / name).mkdir(parents=True)
        setting(f"uses = [{json.dumps(f'../{name}')}]")(root / "a")
    else:
        write_lock(add_dir(root, name))
    forget()
    assert cli.main(["--list"], root) == 2
    said = capsys.readouterr().out
    assert said.count("the path holds a carriage return") == 1 and "\nb  " in said
    fix = said.partition("fix: ")[2].partition("\n")[0]
    subprocess.run(["bash", "-c", fix], check=True)
    forget()
    assert cli.main(["--list"], root) == 2 * used
    assert "\r" not in capsys.readouterr().out and not any("\r" in str(path) for path in root.rglob("*"))


def test_tests_that_are_named_need_no_directory_of_tests_and_an_empty_run_can_be_allowed(root: Path) -> None:
    setting('tests = ["gone"]')(root / "a")
    for words, code in ((["--allow-empty"], 0), (["--", "test/test_it.py"], 0), ([], 5)):
        forget()
        assert cli.main(["--list", *words], root) == code


@pytest.mark.parametrize(
    ("requires", "allowed"),
    [
        (">=3.11", [11, 12, 13]),
        (">=3.11,<3.13", [11, 12]),
        (">3.11", [11, 12, 13]),
        ("<3.12", [9, 11]),
        ("<3.12.1", [9, 11, 12]),
        ("<3.12.0", [9, 11]),
        ("<=3.12", [9, 11]),
        ("==3.11.*", [11]),
        ("==3.12", []),
        ("~=3.11", [11, 12, 13]),
        ("~=3.11.2", [11]),
        (">=3.9,!=3.11.*", [9, 12, 13]),
        (">=2.7,<4", [9, 11, 12, 13]),
        ("==3.*", [9, 11, 12, 13]),
        ("<3", []),
        (">=3.12 , < 3.13", [12]),
        ("", [9, 11, 12, 13]),
        ("whatever", [9, 11, 12, 13]),
    ],
)
def test_a_python_is_allowed_as_pep_440_says(requires: str, allowed: list[int]) -> None:
    assert [minor for minor in (9, 11, 12, 13) if python_specifier.allows(requires, minor)] == allowed


def test_a_dockerfile_of_its_own_may_bring_another_python(root: Path) -> None:
    python(">=3.12")(root / "a")
    (root / "a" / "devops" / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    forget()
    assert cli.main(["--list"], root) == 0


@pytest.mark.parametrize("made_by", ["1.8.0", "2.2.1", "2.3.0"])
def test_a_lock_of_an_older_poetry_is_fresh_without_groups(made_by: str) -> None:
    project = {"project": {"dependencies": ["a"]}, "dependency-groups": {"test": ["b"]}}
    head = f"# This file is automatically @generated by Poetry {made_by} and should not be changed by hand.\n"
    old = f'{head}[metadata]\ncontent-hash = "{poetry_lock.content_hash(project, groups=False)}"\n'
    assert poetry_lock.is_stale(old, project) is (made_by == "2.3.0")


def test_every_lock_of_this_repo_is_fresh_and_stale_after_an_edit() -> None:
    top = Path(__file__).resolve().parent / "data"
    for path in (file.parent for file in top.rglob("poetry.lock")):
        file = path / "project.toml"
        text, project = (path / "poetry.lock").read_text(), pyproject.checked(file.read_text(), file)
        assert not poetry_lock.is_stale(text, project)
        edited = {**project, "project": {**project["project"], "dependencies": ["attrs"]}}
        assert poetry_lock.is_stale(text, edited)


PACKAGE = '[[package]]\nname = "{}"\nversion = "1"\n'
NEEDS = "[package.dependencies]\nCerti_Fi = {}\n"


@pytest.mark.parametrize(
    ("project", "lock", "found"),
    [
        ({}, PACKAGE.format("requests") + NEEDS.format('">=1"'), [("requests", "Certi_Fi")]),
        (
            {},
            PACKAGE.format("requests") + NEEDS.format('{version = ">=1", extras = ["x"]}'),
            [("requests", "Certi_Fi")],
        ),
        ({}, PACKAGE.format("requests") + NEEDS.format('{version = ">=1", markers = "os_name == \'nt\'"}'), []),
        ({}, PACKAGE.format("requests") + NEEDS.format('{version = ">=1", optional = true}'), []),
        ({}, PACKAGE.format("requests") + NEEDS.format('[{version = "1", markers = "x"}]'), []),
        ({}, PACKAGE.format("requests") + NEEDS.format('">=1"') + PACKAGE.format("certi-fi"), []),
        ({"project": {"dependencies": ["requests>=2"]}}, PACKAGE.format("other"), [("pyproject.toml", "requests")]),
        ({"project": {"dependencies": ["requests>=2 ; os_name == 'nt'"]}}, PACKAGE.format("other"), []),
        ({"dependency-groups": {"test": ["pytest", {"include-group": "x"}]}}, "", [("pyproject.toml", "pytest")]),
        ({"project": {"name": "own", "dependencies": ["own[fast]"]}}, PACKAGE.format("other"), []),
    ],
)
def test_lock_without_a_dependency_has_a_hole(project: dict[str, Any], lock: str, found: list[tuple[str, str]]) -> None:
    data = pyproject.parse_toml(lock, Path("poetry.lock"))
    assert list(poetry_lock.holes(data, project)) == found


def test_lock_with_a_hole_is_refused_with_the_command_that_mends_it(root: Path) -> None:
    lock = root / "a" / "poetry.lock"
    lock.write_text(PACKAGE.format("requests") + NEEDS.format('">=1"') + "\n" + lock.read_text())
    forget()
    with pytest.raises(StaleError, match="lacks 'Certi_Fi', which 'requests' needs") as caught:
        lock_source.check(root / "a")
    assert str(caught.value.fix).startswith("invoke docker_lock --dir ")


def test_stale_lock_is_named_before_a_base_is_built(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{root}/no-engine.sock")
    file = root / "a" / "pyproject.toml"
    file.write_text(f'{file.read_text()}\n[dependency-groups]\nnew = ["iniconfig"]\n')
    forget()
    assert commands.build(str(root / "a"), everything=False) == 2
    assert "poetry.lock does not match pyproject.toml" in capsys.readouterr().err
