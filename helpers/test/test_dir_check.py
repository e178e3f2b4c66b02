"""`dir_check` on real git repos: every fault is found, with its line and what to do."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import config
from helpers.dirs import check, listing
from helpers.errors import ConfigError, InfrastructureError
from helpers.model import system_lock
from helpers.model.system_lock import SystemLock
from helpers.test.dirs_fixtures import agreed, findings, root, sound
from helpers.test.unit_fixtures import git, make_repo

__all__ = ["root"]

# These tests start processes, and there are many of them.
pytestmark = pytest.mark.slow


def test_a_sound_directory_has_no_finding(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = sound(root, "runnable_dirs/forecast")
    assert check.main(directory="", every=False, cwd=path / "test", requirements=agreed) == 0
    assert capsys.readouterr().out == "nothing wrong with runnable_dirs/forecast\n"


def test_system_packages_that_nobody_locked_are_a_note_and_no_fault(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = sound(root, "runnable_dirs/forecast")
    settings('system_packages = ["graphviz"]')(path)
    assert check.main(directory="", every=False, cwd=path, requirements=agreed) == 0
    assert "note: .: no devops/system-packages.lock" in capsys.readouterr().err
    lock = SystemLock("archive:bookworm", ("graphviz",))
    (path / system_lock.NAME).write_text(lock.text())
    assert check.main(directory="", every=False, cwd=path, requirements=agreed) == 0
    assert capsys.readouterr().err == ""
    (path / system_lock.NAME).write_text(lock.text().replace("graphviz", "gcc"))
    assert findings(root, path)[0].startswith("devops/system-packages.lock:1: is not the lock of system_packages")


def test_directory_of_a_submodule_may_name_code_of_its_sibling(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sales = make_repo(root.parent / "sales")
    settings('python_path = ["../../lib"]')(sound(sales, "orders"))
    for name, repo in {"sales": sales, "lib": make_repo(root.parent / "lib")}.items():
        git(repo, "add", "--all")
        git(repo, "commit", "--quiet", "--allow-empty", "--message", name)
        git(root, "submodule", "--quiet", "add", str(repo), name)
    orders = root / "sales" / "orders"
    for cwd, directory in ((root, "sales/orders"), (orders, "")):
        assert check.main(directory=directory, every=False, cwd=cwd, requirements=agreed) == 0, capsys.readouterr().out
    replace("pyproject.toml", "../../lib", "../../..")(orders)
    config.forget()
    assert check.main(directory="sales/orders", every=False, cwd=root, requirements=agreed) == 2
    assert "python_path: '../../..' leads out of the repo" in capsys.readouterr().out


def replace(file: str, old: str, new: str) -> Callable[[Path], None]:
    def act(path: Path) -> None:
        text = (path / file).read_text()
        assert old in text
        (path / file).write_text(text.replace(old, new))

    return act


def settings(line: str) -> Callable[[Path], None]:
    return replace("pyproject.toml", 'base = "archive:bookworm"\n', f'base = "archive:bookworm"\n{line}\n')


def unlink(name: str) -> Callable[[Path], None]:
    return lambda path: (path / name).unlink()


FAULTS: list[tuple[str, Callable[[Path], object], str]] = [
    ("no devops", lambda path: shutil.rmtree(path / "devops"), r"devops:1: is missing"),
    ("no changelog", unlink("changelog.txt"), r"changelog\.txt:1: is missing"),
    ("no pyproject", unlink("pyproject.toml"), r"pyproject\.toml:1: is missing"),
    ("no lock", unlink("poetry.lock"), r"poetry\.lock:1: is missing; fix: invoke docker_lock"),
    ("date", replace("changelog.txt", "2024-05-06", "06.05.2024"), r"changelog\.txt:2: expected a date"),
    ("version", replace("changelog.txt", "0.1.0", "0.1"), r"changelog\.txt:1: '0\.1' is not a version"),
    ("toml", replace("pyproject.toml", "[project]", "[project"), r"pyproject\.toml:1: is not TOML"),
    ("name", replace("pyproject.toml", 'name = "forecast"\n', ""), r"pyproject\.toml:1: \[project\] has no name"),
    (
        "no python",
        replace("pyproject.toml", 'requires-python = ">=3.11,<3.12"\n', ""),
        r":1: \[project\] has no requires",
    ),
    (
        "python",
        replace("pyproject.toml", ">=3.11,<3.12", ">=3.13"),
        r"pyproject\.toml:3: .*does not allow Python 3\.11",
    ),
    ("old python", replace("pyproject.toml", ">=3.11,<3.12", ">=3.9,<3.11"), r"toml:3: .*does not allow Python 3\.11"),
    ("package", replace("pyproject.toml", "= false", "= true"), r"pyproject\.toml:7: .*package-mode is not false"),
    ("unknown", settings("sytem_packages = []"), r"toml:11: .*'sytem_packages'; fix: did you mean 'system_packages'"),
    ("type", settings('pids = "many"'), r"pyproject\.toml:11: .*pids must be a whole number"),
    ("uses", settings('uses = ["../gone"]'), r"pyproject\.toml:11: uses: '\.\./gone' does not exist"),
    ("uses out", settings('uses = ["../../.."]'), r"pyproject\.toml:11: uses: .*leads out of the repo"),
    ("writable out", settings('writable = ["../x"]'), r"pyproject\.toml:11: writable: .*leads out of the directory"),
    ("tests", settings('tests = ["checks"]'), r"pyproject\.toml:11: tests: 'checks' does not exist"),
    ("no test", unlink("test/test_it.py"), r"test:1: no test file in test"),
    (
        "base",
        replace("pyproject.toml", "archive:bookworm", "dir:../none"),
        r"pyproject\.toml:10: base 'dir:\.\./none' does not exist",
    ),
    ("circle", replace("pyproject.toml", "archive:bookworm", "dir:."), r"in a circle"),
    ("no pytest", replace("poetry.lock", '"pytest"', '"other"'), r"poetry\.lock:1: pytest is not in the lock"),
    (
        "lock",
        replace("poetry.lock", "[metadata]", "<<<<<<"),
        r"poetry\.lock:\d+: is not TOML: .*; fix: rm .*poetry\.lock.* && ",
    ),
    ("merge", replace("poetry.lock", "[metadata]", "<<<<<<< HEAD"), r"poetry\.lock:\d+: has conflict markers \("),
    (
        "compose",
        lambda path: (path / "devops" / "compose.yml").touch(),
        r"devops/compose\.yml:1: is not read: services are those of compose\.yaml",
    ),
    (
        "services",
        lambda path: (path / "devops" / "compose.yaml").write_text("services: {db: {runtime: x}}"),
        r"devops/compose\.yaml:1: services: db: runtime is not allowed: .*; fix: remove the key 'runtime'",
    ),
    ("own tasks", lambda path: (path / "tasks.py").touch(), r"tasks\.py:1: belongs to the root"),
    ("link", lambda path: (path / "data").symlink_to("/etc"), r"data:1: is a link that leads out of the repo"),
    (
        "bytes",
        lambda path: (path / "changelog.txt").write_bytes(b"# a-1.0.0\n- \xff"),
        r"changelog\.txt:2: is not UTF-8",
    ),
]


@pytest.mark.parametrize(("act", "pattern"), [fault[1:] for fault in FAULTS], ids=[fault[0] for fault in FAULTS])
def test_each_fault_is_found_with_its_line(root: Path, act: Callable[[Path], object], pattern: str) -> None:
    path = sound(root, "runnable_dirs/forecast")
    act(path)
    found = findings(root, path)
    assert len([text for text in found if re.search(pattern, text)]) == 1, found
    assert all(re.match(r"[^:]+:\d+: .+; fix: .+", text) for text in found)


def test_build_system_of_a_wrong_form_is_a_finding(root: Path) -> None:
    path = sound(root, "runnable_dirs/forecast")
    with (path / "pyproject.toml").open("a") as file:
        file.write('\n[build-system]\nrequires = "setuptools"\nbuild-backend = "setuptools.build_meta"\n')
    config.forget()
    (found,) = findings(root, path)
    assert re.match(
        r"pyproject.toml:1\d: \[build-system\] requires must be a list, not 'setuptools'; fix: write", found
    )


def test_all_findings_are_told_at_once(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = sound(root, "runnable_dirs/forecast", 'pids = 1\nmemory = "lots"\nuses = ["../gone"]\n')
    (path / "changelog.txt").write_text("# forecast-0.2\n- 2024-01-01\n- a\n# forecast-0.1.0\n- soon\n- b\n")
    (path / "main_pytest.py").touch()
    assert check.main(directory=str(path), every=False, cwd=root, requirements=agreed) == 2
    lines = capsys.readouterr().out.splitlines()
    where = [line.split(": ")[0].removeprefix("runnable_dirs/forecast/") for line in lines]
    assert where == [
        *("changelog.txt:1", "changelog.txt:5", "pyproject.toml:11", "pyproject.toml:12", "pyproject.toml:13"),
        "main_pytest.py:1",
    ]


def test_a_secret_in_an_own_dockerfile_is_a_finding_unless_it_is_allowed(root: Path) -> None:
    path = sound(root, "runnable_dirs/forecast")
    (path / "devops" / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\nENV A=1 \\\n  API_TOKEN=hunter2\n")
    (found,) = findings(root, path)
    assert found.startswith("devops/Dockerfile:4: ENV API_TOKEN stays in the image") and "hunter2" not in found
    settings('prod_allows = ["ENV API_*"]')(path)
    config.forget()
    assert findings(root, path) == []


def test_token_in_a_fixed_variable_is_a_finding_and_shared_memory_is_measured_by_its_own_limit(root: Path) -> None:
    path = sound(root, "forecast")
    settings(f'shm_size = "3g"\nmemory = "4g"\nenv = ["PASSWORD=test", "X=ghp_{"a1" * 18}"]')(path)
    (found,) = findings(root, path)
    assert "env: X holds a token of GitHub" in found and "ghp_" not in found
    path = sound(root, "backcast")
    settings('shm_size = "5g"\nmemory = "4g"\nenv_file = "../none"')(path)
    (found, other) = findings(root, path)
    assert "at most memory (4g)" in found and "env_file: '../none' does not exist" in other


def test_the_order_of_all_entries_is_checked(root: Path) -> None:
    path = sound(root, "forecast")
    entries = [("0.1.0", "2024-01-01"), ("0.2.0", "2024-01-02"), ("0.3.0", "2023-01-01")]
    (path / "changelog.txt").write_text("".join(f"# forecast-{v}\n- {d}\n- text\n" for v, d in entries))
    assert [text.split(" ")[0] for text in findings(root, path)] == ["changelog.txt:4:", "changelog.txt:7:"]


def test_a_stale_lock_is_a_finding_and_an_unreachable_index_is_not_our_fault(root: Path) -> None:
    path = sound(root, "forecast")

    def stale(path: Path) -> Path:
        raise ConfigError("poetry.lock does not match pyproject.toml", where=path, fix="invoke docker_lock")

    def unreachable(path: Path) -> Path:

        raise InfrastructureError("the package index gave no answer", fix="invoke doctor")

    assert [finding.exit_code for finding in check.check(root, path, stale)] == [2]
    assert check.main(directory="forecast", every=False, cwd=root, requirements=unreachable) == 6


def test_two_directories_with_one_image_name_are_both_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound(root, "one/forecast")
    sound(root, "two/forecast")
    assert check.main(directory="", every=True, cwd=root, requirements=agreed) == 2
    out = capsys.readouterr().out
    assert len(re.findall("the image 'forecast' is the one of", out)) == 2


def test_all_finds_directories_that_lack_what_would_make_them_one(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound(root, "sound")
    shutil.rmtree(sound(root, "without") / "devops")
    (sound(root, "silent") / "changelog.txt").unlink()
    assert check.main(directory="", every=True, cwd=root, requirements=agreed) == 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(";")[0] for line in lines] == [
        "silent/changelog.txt:1: is missing",
        "without/devops:1: is missing",
    ]


def test_a_directory_that_git_ignores_is_told(root: Path) -> None:
    path = sound(root, "forecast")
    (root / ".gitignore").write_text("forecast/\n")
    assert "ignored by git" in findings(root, path)[0]


def test_a_directory_answers_for_itself_and_not_for_those_inside_it(root: Path) -> None:
    outer, inner = sound(root, "outer"), sound(root, "outer/test/inner")
    (inner / "link").symlink_to("/etc")
    (outer / "test" / "test_it.py").unlink()
    texts = findings(root, outer)
    assert len(texts) == 1
    assert "no test file in test" in texts[0]
    assert [row.test_files for row in listing.rows(root)] == [0, 1]


def test_pytest_may_come_from_the_image_below(root: Path) -> None:
    sound(root, "below")
    path = sound(root, "above")
    replace("pyproject.toml", "archive:bookworm", "dir:../below")(path)
    replace("poetry.lock", '"pytest"', '"other"')(path)
    assert findings(root, path) == []
