"""Tracked test files that pytest does not collect are named; other files are not."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from helpers import pyproject
from helpers.dirs.lost_tests import LostTests
from helpers.driver import uncollected
from helpers.driver.verdict import Status, Verdict
from helpers.engine.specs import RunSpec
from helpers.test.fake_engine import FAILS, PASSES, Tests
from helpers.test.test_run_pytest import follow
from helpers.test.unit_fixtures import add_dir, cache, git, no_poetry
from helpers.test.verdict_scene import Scene, scene

__all__ = ["cache", "no_poetry", "scene"]
# These tests start git and pytest.
pytestmark = pytest.mark.slow

SETTINGS = "\n[tool.pytest.ini_options]\n"
TAKES_NONE = """
import pytest
@pytest.hookimpl({})
def pytest_collect_file(file_path):
    {}
    if file_path.name == "test_more.py":
        return []
    return result
"""
WAYS: dict[str, dict[str, str]] = {
    "a_path_in_addopts": {"pyproject.toml": f'{SETTINGS}addopts = "-q test/test_it.py"\n'},
    "collect_ignore": {"conftest.py": 'collect_ignore = ["test/test_more.py"]\n'},
    "collect_ignore_glob": {"test/conftest.py": 'collect_ignore_glob = ["*_more.py"]\n'},
    "a_hook_that_ignores": {
        "conftest.py": "def pytest_ignore_collect(collection_path):\n    return collection_path.match('*more.py')\n"
    },
    "a_hook_around_others": {"conftest.py": TAKES_NONE.format("wrapper=True", "result = yield")},
    "two_workers": {
        "conftest.py": 'collect_ignore = ["test/test_more.py"]\n',
        "pyproject.toml": f'{SETTINGS}addopts = "-n 2"\n',
    },
}
SKIPS = 'import pytest\npytest.skip("not here", allow_module_level=True)\n'
OWN_COLLECTOR = """
import pytest
class Own(pytest.Item):
    def runtest(self): pass
class Folder(pytest.Directory):
    def collect(self):
        for name in ("test_it.py", "test_more.py"):
            yield Own.from_parent(self, name=name, path=self.path / name)
def pytest_collect_directory(path, parent):
    return Folder.from_parent(parent, path=path) if path.name == "test" else None
"""
# Files of a directory without a lost test; `-> PATH` stands for a symlink.
GOOD: dict[str, dict[str, str]] = {
    "deselects_by_k": {"pyproject.toml": f'{SETTINGS}addopts = "-k test_it"\n'},
    "deselects_in_two_workers": {"pyproject.toml": f'{SETTINGS}addopts = "-k test_it.py -n 2"\n'},
    "of_another_tier": {"test/test_more.py": "import pytest\n@pytest.mark.slow\ndef test_a(): pass\n"},
    "without_a_test": {"test/test_more.py": "x = 1\n"},
    "skips_a_file": {"test/test_more.py": SKIPS},
    "skips_in_a_worker": {"test/test_more.py": SKIPS, "pyproject.toml": f'{SETTINGS}addopts = "-n 1"\n'},
    "links_a_file": {"test/test_more.py": "-> ../code.py", "code.py": "def test_a(): pass\n"},
    "links_a_directory": {
        "pyproject.toml": 'tests = ["test", "alias"]\n',
        "alias": "-> suite",
        "suite/test_a.py": "def test_a(): pass\n",
    },
    "every_name": {
        "pyproject.toml": f'{SETTINGS}python_files = "*.py"\n',
        "test/conftest.py": "",
        "test/sub/__init__.py": "",
    },
    "stepwise": {"pyproject.toml": f'{SETTINGS}addopts = "--last-failed --exitfirst --doctest-modules"\n'},
    "own_collector": {"conftest.py": OWN_COLLECTOR},
    "no_test": {
        "conftest.py": 'collect_ignore = ["test/test_more.py"]\n',
        "pyproject.toml": 'not_tests = ["test/test_more.py"]\n',
    },
    "caf\u00e9 x": {"test/test_\u00fc.py": "def test_a(): pass\n"},
    # pytest stops before it has collected everything.
    "an_import_error": {
        "test/test_more.py": "import no_such_module\n",
        "conftest.py": 'collect_ignore = ["test/test_it.py"]\n',
    },
    "an_early_exit": {
        "conftest.py": 'import pytest\ndef pytest_collectstart():\n    pytest.exit("enough", 0)\n',
    },
}


def runs_pytest(tests: Tests) -> None:
    """Let the tests of a directory run in pytest, and write its verdict."""

    def meanwhile(spec: RunSpec) -> None:
        results = Path(json.loads(spec.argv[-1])["results"])
        command = [sys.executable if word == "python" else word for word in spec.argv]
        _, output = follow(command, spec.cwd, results)
        assert (results / "verdict.json").is_file(), output
        tests.report = json.loads((results / "verdict.json").read_text().splitlines()[1])

    tests.meanwhile = meanwhile


def add(scene: Scene, every: Mapping[str, Mapping[str, str]]) -> None:
    """Add runnable dirs, each with `test/test_it.py`, `test/test_more.py` and its own files, and commit them."""
    scene.monkeypatch.setenv("TMPDIR", str(scene.root.parent))  # for the cache of pytest
    for name, files in every.items():
        path = add_dir(scene.root, f"w/{name}")
        for file, text in {"test/test_more.py": "def test_more(): pass\n", **files}.items():
            (path / file).parent.mkdir(exist_ok=True)
            if text.startswith("-> "):
                (path / file).symlink_to(text[3:])
            else:
                before = (path / file).read_text() if file == "pyproject.toml" else ""
                (path / file).write_text(before + text)
        scene.tests[f"w/{name}"] = Tests()
        runs_pytest(scene.tests[f"w/{name}"])
    git(scene.root, "add", "--all")
    git(scene.root, "commit", "--quiet", "--message", "more")


def lost(scene: Scene, *words: str, code: int = 0, ran: bool = True) -> Any:
    where = [] if "--dir" in words else ["--dir", "w"]
    end, tested = scene.run("--json", "r.tmp", *where, *words)
    data = json.loads(Path("r.tmp").read_text())
    assert (end, bool(tested)) == (code, ran), data
    return data["lost_tests"]


def test_a_file_that_pytest_does_not_collect_is_lost_also_in_a_cached_run(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    add(scene, WAYS)
    files = sorted(f"w/{name}/test/test_more.py" for name in WAYS)
    for ran in (True, False):
        assert lost(scene, ran=ran) == files
        told = capsys.readouterr().err
        assert f"note: {len(WAYS)} test files never run: {files[0]}, " in told
        assert "why: pytest did not collect them; fix: " in told
        assert 'not_tests = ["test/test_more.py"] in [tool.helpers] of w/a_hook_around_others/pyproject.toml' in told
    assert lost(scene, "--strict-tests", code=4, ran=False) == files
    assert f"refused: {len(WAYS)} test files never run" in capsys.readouterr().err


def test_a_file_that_pytest_collects_is_not_lost(scene: Scene) -> None:
    add(scene, GOOD)
    assert lost(scene, code=1) == []
    reports = {name: scene.tests[f"w/{name}"].report or {} for name in GOOD}
    assert [name for name, report in reports.items() if report["files"] is None] == ["an_import_error", "an_early_exit"]


def test_a_file_outside_of_tests_that_pytest_collects_is_not_lost(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    file, text = "pkg/test_a.py", "def test_a(): pass\n"
    add(scene, {"adds": {"pyproject.toml": f'{SETTINGS}addopts = "test pkg"\n', file: text}, "does_not": {file: text}})
    assert lost(scene, "--strict-tests", code=4) == ["w/does_not/pkg/test_a.py"]
    assert "note: not lost, because pytest collected it" in capsys.readouterr().err
    assert lost(scene, "--strict-tests", "--dir", "w/adds", "--only-this", ran=False) == []


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ([], True),
        (["-v", "-n", "auto", "--tb=short", "-rA"], True),
        (["-n4", "--dist", "loadfile"], True),
        (["test/test_it.py"], False),
        (["-v", "test"], False),
        (["-k", "it"], False),
        (["-m", "slow"], False),
        (["--lf"], False),
        (["-x"], False),
        (["--ignore=test/test_it.py"], False),
        (["-p", "plugin"], False),
        (["-v\0x"], False),
    ],
)
def test_only_a_run_of_all_files_tells_of_lost_files(scene: Scene, words: list[str], found: bool) -> None:
    scene.tests["a"].report = {**PASSES, "files": []}
    scene.run("--dir", "a", "--json", "r.tmp", "--", *words)
    assert json.loads(Path("r.tmp").read_text())["lost_tests"] == (["a/test/test_it.py"] if found else [])


@pytest.mark.parametrize("files", [None, "text", [1], {"a": 1}])
def test_a_report_without_sound_files_tells_of_no_lost_file(scene: Scene, files: object) -> None:
    scene.tests["a"].report = {**FAILS, "files": files}
    assert scene.run("--dir", "a", "--strict-tests")[0] == 1


def test_the_fix_for_a_file_with_a_hostile_name_is_one_line_of_toml(tmp_path: Path) -> None:
    name = 'test_"[a]\n\x1b.py'
    (tmp_path / name).write_text("")
    found = uncollected.find(tmp_path, LostTests(reached={".": [name]}), [Verdict(".", Status.PASS, 0, files=())])
    setting = found.fix.partition("if it is no test, ")[2].partition(" in [tool")[0]
    assert found.fix.isprintable() and pyproject.parse_toml(setting, tmp_path)["not_tests"] == ['test_"[[]a]\n\x1b.py']


def test_a_file_of_one_directory_that_another_directory_collects_is_not_lost(tmp_path: Path) -> None:
    def found(*verdicts: tuple[str, Sequence[str]]) -> tuple[str, ...]:
        known = [Verdict(name, Status.PASS, 0, files=tuple(files)) for name, files in verdicts]
        plan = LostTests(reached={"a": ["a/test/test_a.py"], "b": ["b/test_gone.py"]})
        return uncollected.find(tmp_path, plan, known).files

    (tmp_path / "a" / "test").mkdir(parents=True)
    (tmp_path / "a" / "test" / "test_a.py").write_text("")
    assert found(("a", []), ("b", [])) == ("a/test/test_a.py",)
    assert found(("a", []), ("b", ["../a/test/test_a.py"])) == ()
    assert found(("b", [])) == ()
