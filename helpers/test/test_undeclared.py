from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from helpers import config, discover, proc
from helpers.driver import undeclared
from helpers.driver.failures import Failure
from helpers.driver.verdict import Status, Verdict
from helpers.test.unit_fixtures import add_dir, cache, make_repo

__all__ = ["cache"]

FAILED = Verdict("dirs/a", Status.FAIL, 1, "test_it", hints=("hint: no network", undeclared.GENERAL))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repo with the directories `dirs/a` and `dirs/b`, and files that belong to neither."""
    root = make_repo(tmp_path / "r")
    add_dir(root, "dirs/a", 'uses = ["../b/used.txt"]')
    add_dir(root, "dirs/b")
    for name in ("dirs/b/data.txt", "dirs/b/used.txt", "dirs/b/src/inner/x.py", "dirs/b/mod.py", "top.py", "docs/a b"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def told(root: Path, message: str, *, verdict: Verdict = FAILED, printed: str = "") -> tuple[str, ...]:
    every = discover.runnable_paths(root)
    details = (Failure("t", message=message),) if message else ()
    given = replace(verdict, details=details, output=printed)
    return undeclared.explained(given, config.load(root, root / "dirs" / "a", every)).hints


@pytest.mark.parametrize(
    ("message", "says"),
    [
        ("FileNotFoundError: [Errno 2] No such file or directory: '{root}/dirs/b/data.txt'", "reads dirs/b/data.txt"),
        ("FileNotFoundError: [Errno 2] No such file or directory: '../b/data.txt'", "reads dirs/b/data.txt"),
        ('E   FileNotFoundError: [Errno 2] No such file or directory: "../../docs/a b"', "reads docs/a b"),
        ("cat: ../b/data.txt: No such file or directory", "reads dirs/b/data.txt"),
        ("python: can't open file '{root}/top.py': [Errno 2] No such file or directory", "reads top.py"),
        ("ModuleNotFoundError: No module named 'mod'", "imports dirs/b/mod.py"),
        ("ModuleNotFoundError: No module named 'inner.x'", "imports dirs/b/src/inner"),
        ("ModuleNotFoundError: No module named 'b'", "imports dirs/b"),
        ("ModuleNotFoundError: No module named 'top'", "imports top.py"),
    ],
)
def test_a_path_that_is_looked_for_in_vain_is_named_with_the_setting(root: Path, message: str, says: str) -> None:
    path = says.partition(" ")[2]
    setting = "../b" if says.startswith("imports dirs/b") else f"../../{path}".replace("../../dirs/", "../")
    found = f'hint: a test {says}, which its container does not see: uses = ["{setting}"]'
    # It takes the place of what is said of any file that is missing, and of nothing else.
    assert told(root, message.format(root=root)) == (found, "hint: no network")


@pytest.mark.parametrize(
    "message",
    [
        "FileNotFoundError: [Errno 2] No such file or directory: '../b/none.txt'",
        "FileNotFoundError: [Errno 2] No such file or directory: '../b/used.txt'",
        "FileNotFoundError: [Errno 2] No such file or directory: 'pyproject.toml'",
        "FileNotFoundError: [Errno 2] No such file or directory: '/etc/passwd'",
        f"FileNotFoundError: [Errno 2] No such file or directory: '../b/{'x' * 5000}'",
        "assert 'dirs/b/data.txt' == '../b/data.txt'",
        "ModuleNotFoundError: No module named '_tkinter'",
        "ModuleNotFoundError: No module named 'own.part'",
    ],
)
def test_what_is_not_there_or_is_seen_is_not_named(root: Path, message: str) -> None:
    (root / "dirs" / "a" / "own.py").touch()
    assert told(root, message) == FAILED.hints


def test_module_that_no_package_brings_is_named_with_the_command_that_locks_it(root: Path) -> None:
    hint = told(root, "ModuleNotFoundError: No module named 'humanize.time'")[0]
    assert hint.startswith("hint: a test imports humanize, which no package in its lock brings: ")
    assert hint.endswith(", then: invoke docker_lock")


@pytest.mark.parametrize(
    ("message", "named"),
    [
        ("KeyError: 'HELPERS_TEST_TOKEN'", True),
        ("assert os.environ.get('HELPERS_TEST_TOKEN')\nE   AssertionError", True),
        ('>       token = os.getenv("HELPERS_TEST_TOKEN")', True),
        ("assert None\nE  +  where None = <function getenv at 0x7f1a>('HELPERS_TEST_TOKEN')", True),
        ("self = environ({'HELPERS_TEST_TOKEN': ''})", False),
        ("KeyError: 'HELPERS_TEST_TOKEN_2'", False),
        ("assert 'HELPERS_TEST_TOKEN' in names", False),
        ("KeyError: 'HOME'", False),
        ("os.environ['PATH'] is short", False),
    ],
)
def test_a_variable_of_this_machine_that_a_test_misses_is_named_with_the_setting(
    root: Path, message: str, named: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HELPERS_TEST_TOKEN", "secret")
    found = told(root, f"{message}\n{message}")
    wanted = (
        "hint: a test reads the variable HELPERS_TEST_TOKEN of this machine, which its container is not given: "
        'env = ["HELPERS_TEST_TOKEN"]'
    )
    assert found == ((wanted, *FAILED.hints) if named else FAILED.hints)
    given = config.load(root, add_dir(root, "dirs/c", 'env = ["HELPERS_TEST_TOKEN"]'), ())
    failed = replace(FAILED, details=(Failure("t", message=message),))
    assert undeclared.explained(failed, given).hints == FAILED.hints


@pytest.mark.parametrize(
    ("message", "says"),
    [
        (
            "FileNotFoundError: [Errno 2] No such file or directory: 'less'",
            "starts less, which the package less brings",
        ),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'ps'", "starts ps, which the package procps brings"),
        ("/bin/sh: 1: git: not found", "starts git, which the package git brings"),
        ("bash: line 1: dot: command not found", "starts dot, which the package graphviz brings"),
        ("/usr/bin/env: \u2018node\u2019: No such file", "starts node, which the package nodejs brings"),
        ("locale.Error: unsupported locale setting", "sets a locale, which the package locales-all brings"),
    ],
)
def test_missing_program_is_named_with_its_package(root: Path, message: str, says: str) -> None:
    package = says.split()[-2]
    assert told(root, message)[0] == f'hint: a test {says}: system_packages = ["{package}"]'


@pytest.mark.parametrize(
    "message",
    [
        "No such file or directory: 'less.txt'",
        "No such file or directory: '/usr/bin/less'",
        "/opt/git: not found",
        "E   KeyError: 'less'",
        "page less: found",
    ],
)
def test_other_words_name_no_package(root: Path, message: str) -> None:
    assert not any("system_packages = " in hint for hint in told(root, message))


def test_file_with_the_name_of_a_program_names_no_package(root: Path) -> None:
    (root / "dirs" / "a" / "less").touch()
    message = "FileNotFoundError: [Errno 2] No such file or directory: 'less'"
    assert not any("system_packages = " in hint for hint in told(root, message))


@pytest.mark.parametrize("settings", ['env = ["TEST_TOKEN=x"]', 'env_file = "vars"'])
def test_variable_that_a_directory_sets_is_not_missed(
    root: Path, settings: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_TOKEN", "secret")
    path = add_dir(root, "dirs/c", settings)
    (path / "vars").write_text("TEST_TOKEN=y\n")
    failed = replace(FAILED, details=(Failure("t", message="assert os.environ['TEST_TOKEN'] == 'z'"),))
    assert undeclared.explained(failed, config.load(root, path, ())).hints == FAILED.hints


def test_where_no_test_ran_what_was_printed_tells_and_what_passed_tells_nothing(root: Path) -> None:
    said = "ImportError while loading conftest\nE   ModuleNotFoundError: No module named 'mod'\n"
    crashed = Verdict("dirs/a", Status.CRASH, 8, "ended with exit code 4 and without a verdict")
    assert 'uses = ["../b"]' in told(root, "", verdict=crashed, printed=said)[0]
    assert told(root, "", verdict=Verdict("dirs/a", Status.PASS, 0), printed=said) == ()


def test_each_path_that_a_test_looks_for_in_vain_is_named_once(root: Path) -> None:
    missing = "FileNotFoundError: [Errno 2] No such file or directory: '../b/data.txt'\n"
    found = told(root, f"{missing}{missing}ModuleNotFoundError: No module named 'top'")
    assert [text.split(",")[0] for text in found] == [
        "hint: a test reads dirs/b/data.txt",
        "hint: a test imports top.py",
        "hint: no network",
    ]


def test_a_runnable_dir_inside_another_is_not_seen_either(root: Path) -> None:
    add_dir(root, "dirs/a/below")
    (root / "dirs/a/below/data.txt").touch()
    message = "FileNotFoundError: [Errno 2] No such file or directory: 'below/data.txt'"
    assert 'uses = ["below/data.txt"]' in told(root, message)[0]


def test_a_long_line_without_blanks_takes_no_time() -> None:
    # In a process of its own, which can be ended: the search itself can not.
    code = (
        "from helpers.driver import undeclared\n"
        "line = 'x' * 250_000 + ': cat: data.txt: No such file or directory'\n"
        "print(list(undeclared._names(line)))\n"
    )
    root = Path(__file__).resolve().parents[2]
    done = proc.run([sys.executable, "-c", code], cwd=root, timeout=20.0)
    assert (done.code, done.stdout.strip()) == (0, "['data.txt']")
