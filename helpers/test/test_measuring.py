"""Coverage: what pytest is told, what is kept of its report, and how several are joined."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from helpers import discover
from helpers.driver import measuring, merge
from helpers.driver import plan as planner
from helpers.driver.events import Ran
from helpers.driver.export import result_data
from helpers.driver.measuring import File, Measured, joined, measured, missed
from helpers.driver.report.coverage import CoverageTable, print_coverage
from helpers.driver.verdict import Status, Verdict
from helpers.inside import helpers_verdict
from helpers.test.unit_fixtures import add_dir, cache, forget, make_repo, no_poetry

__all__ = ["cache", "no_poetry"]
RESULTS = Path("/r")
REPORT = "--cov-report=json:/r/coverage.json"


def of(lines: str, missing: str = "", **changes: Any) -> str:
    """Return what is kept of one file, `/d/a.py`."""
    files = {"/d/a.py": [lines, missing, *changes.pop("branches", [])]}
    return json.dumps({"fail_under": 0, "files": files, **changes})


def wrote(results: Path, files: dict[str, Any]) -> None:
    (results / "coverage.json").write_text(json.dumps({"files": files}))


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("", "", ["--cov={path}", REPORT]),
        ("pyproject.toml", '[tool.coverage.run]\nsource = ["x"]', ["--cov", REPORT]),
        ("pyproject.toml", '[tool.coverage.run]\nsource_pkgs = ["x"]', ["--cov", REPORT]),
        ("pyproject.toml", "[tool.coverage.run]\nbranch = true", ["--cov={path}", REPORT]),
        ("pyproject.toml", "[tool]\ncoverage = 3", ["--cov={path}", REPORT]),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "-q --cov=x"', [REPORT]),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = ["--cov"]', [REPORT]),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "--cov-config=c.ini"', ["--cov", REPORT]),
        ("pyproject.toml", '[tool.pytest.ini_options]\naddopts = "--cov-fail-under=80"', ["--cov={path}", REPORT]),
        (".coveragerc", "[run]\nsource = x", ["--cov", REPORT]),
        (".coveragerc", "[run]\nbranch = true", ["--cov={path}", REPORT]),
        ("setup.cfg", "[coverage:run]\nsource = x", ["--cov", REPORT]),
        ("tox.ini", "[coverage:run]\nsource = x", ["--cov", REPORT]),
        ("setup.cfg", "nonsense", ["--cov={path}", REPORT]),
    ],
)
def test_settings_of_the_directory_say_what_is_measured_and_without_them_all_of_it_is(
    tmp_path: Path, cache: Path, name: str, text: str, told: list[str]
) -> None:
    forget()
    if name:
        (tmp_path / name).write_text(text)
    assert measuring.arguments(tmp_path, RESULTS) == [word.format(path=tmp_path) for word in told]


def test_a_directory_without_pytest_cov_in_its_lock_is_an_error_of_its_own_with_the_command_that_helps(
    tmp_path: Path, no_poetry: Path
) -> None:
    root = make_repo(tmp_path / "r")
    for name, lock in (("a", 'name = "pytest-cov"\n'), ("b", 'name = "x"\n'), ("c", 'name = "pytest_cov"\n')):
        (add_dir(root, name) / "poetry.lock").write_text(f'[[package]]\nversion = "1"\n{lock}')
    every = discover.runnable_paths(root)
    plan = planner.make(root, every, every, "fast")
    checked = measuring.checked(plan)
    assert [item.name for item in checked.dirs] == ["a", "b", "c"]
    assert [item.name for item in checked.dirs if item.error] == ["b"]
    (error,) = (item.error for item in checked.dirs if item.error)
    assert error.exit_code == 2 and "pytest-cov is not in the lock" in error.summary
    assert str(error.fix).endswith("then: invoke docker_lock --all")
    gone = {step.key for step in plan.steps} - {step.key for step in checked.steps}
    assert "test b" in gone and len(gone) == 2


def test_what_the_tests_noted_is_kept_short_and_whole(tmp_path: Path) -> None:
    chance = random.Random(3)
    lines = sorted(chance.sample(range(1, 400), 200))
    one = {"executed_lines": lines[:150], "missing_lines": lines[150:], "excluded_lines": [1000]}
    other = {**one, "executed_branches": [[1, 2], [3, -1]], "missing_branches": [[1, 4]]}
    wrote(tmp_path, {"a.py": one, "../other/b.py": other, "/outside/c.py": one})
    text = measuring.found(Path("/r/d"), tmp_path, {"fail_under": 80.5}, Path("/r"))
    found = measured(text)
    assert found and found.fail_under == 80.5
    plain = File(frozenset(lines[:150]), frozenset(lines[150:]))
    assert found.files["d/a.py"] == plain
    branches = frozenset({(1, 2), (3, -1)}), frozenset({(1, 4)})
    assert found.files["/outside/c.py"] == plain and len(found.files) == 3
    assert found.files["other/b.py"] == File(plain.ran, plain.missing, *branches)
    wrote(tmp_path, {"a.py": {"executed_lines": list(range(1, 9000)), "missing_lines": []}})
    assert len(measuring.found(Path("/d"), tmp_path, None, Path("/d"))) < 80


@pytest.mark.parametrize("text", ["", "[]", "{", '{"files": 3}', '{"files": {"a.py": {}}}'])
def test_a_report_that_can_not_be_read_is_nothing_measured(tmp_path: Path, text: str) -> None:
    assert measuring.found(tmp_path, tmp_path, None, tmp_path) == ""
    (tmp_path / "coverage.json").write_text(text)
    assert measuring.found(tmp_path, tmp_path, None, tmp_path) == ""


@pytest.mark.parametrize(
    "text",
    [
        '{"files": {"a.py": ["1-99999999999", ""]}, "fail_under": 0}',
        "",
        "[]",
        "{",
        "{}",
        '{"files": {"a": ["x", ""]}, "fail_under": 0}',
        '{"files": {}}',
    ],
)
def test_what_was_kept_and_can_not_be_read_is_nothing_measured(text: str) -> None:
    assert measured(text) is None


def total(*texts: str) -> Measured:
    return joined(found for text in texts if (found := measured(text)))


def test_a_line_that_ran_in_one_container_ran() -> None:
    all_of_it = total(of("1-3", "4-6"), of("4,6", "1-3,5"), of("1", "2-6"))
    assert (all_of_it.statements, all_of_it.missed, round(all_of_it.percent, 2)) == (6, 1, 83.33)
    assert all_of_it.files["/d/a.py"] == File(frozenset({1, 2, 3, 4, 6}), frozenset({5}))


def test_branches_count_as_lines_do_also_beside_a_container_that_noted_none() -> None:
    with_branches = of("1-2", "3", branches=[[[1, 2]], [[1, 3]]])
    assert total(with_branches).percent == pytest.approx(100 * 3 / 5)
    assert total(with_branches, of("1,3", "2")).percent == pytest.approx(100 * 4 / 5)
    assert total(with_branches, of("1,3", "2", branches=[[[1, 3]], [[1, 2]]])).percent == 100.0
    assert Measured().percent == 100.0


def test_the_table_has_a_line_for_each_directory_and_one_for_all(capsys: pytest.CaptureFixture[str]) -> None:
    nearly = of("1-9999", "10000", fail_under=90)
    kept = {"one": of("1-3", "4"), "two": nearly, "none": ""}
    print_coverage([Verdict(name, Status.PASS, 0, coverage=text) for name, text in kept.items()])
    *lines, reason = capsys.readouterr().out.splitlines()
    assert reason.startswith("nothing measured in none (PASS): pytest-cov noted no line")
    assert [line.split() for line in lines] == [
        ["directory", "lines", "missed", "branches", "covered", "fail_under"],
        ["one", "4", "1", "-", "75.00", "%", "-"],
        ["two", "10000", "1", "-", "99.99", "%", "90", "%"],
        ["none", "-", "-", "-", "nothing", "measured", "-"],
        ["TOTAL", "10000", "1", "-", "99.99", "%", "-"],
    ]


def test_reason_why_nothing_was_measured_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    statuses = [Status.BUILD, Status.TIMEOUT, Status.PASS, Status.FAIL]
    verdicts = [Verdict(status.name.lower(), status, 0) for status in statuses]
    print_coverage([*verdicts, Verdict("no-files", Status.PASS, 0, coverage='{"fail_under": 0, "files": {}}')])
    table, _, said = capsys.readouterr().out.partition("TOTAL")
    assert table.count("nothing measured") == 5
    _, early, late = said.splitlines()
    assert early == "nothing measured in build (BUILD), timeout (TIMEOUT): the tests did not run to their end"
    assert late.startswith("nothing measured in pass (PASS), fail (FAIL), no-files (PASS): pytest-cov noted no line")
    print_coverage([Verdict(str(number), Status.SKIP, 0) for number in range(12)])
    assert "9 (SKIP) and 2 more: the tests" in capsys.readouterr().out


def test_what_did_not_run_is_named_by_file_with_branches_of_lines_that_ran() -> None:
    text = json.dumps(
        {
            "fail_under": 0,
            "files": {
                "b.py": ["1-3,8", "4-6,9", [[1, 2]], [[3, 9], [3, -1], [4, 5]]],
                "all.py": ["1-3", "", [[1, 2]], []],
                "a.py": ["", "1"],
                "long.py": ["", ",".join(map(str, range(1, 9999, 2)))],
            },
        }
    )
    found = measured(text)
    assert found
    *short, (name, places) = missed(found)
    assert short == [("a.py", "1"), ("b.py", "4-6,9,3->exit,3->9")]
    assert name == "long.py" and len(places) == 2003 and places.endswith("...")


def test_the_lines_are_named_of_a_directory_that_has_too_few_and_with_verbose_of_all(
    capsys: pytest.CaptureFixture[str],
) -> None:
    kept = {"low": of("1-3", "4", fail_under=90), "high": of("1-9", "10", fail_under=90), "free": of("1", "2")}
    verdicts = [Verdict(name, Status.PASS, 0, coverage=text) for name, text in kept.items()]
    told = {}
    for verbose in (False, True):
        CoverageTable(verbose=verbose, safe=str.upper).end(Ran(verdicts))
        lines = capsys.readouterr().out.splitlines()
        told[verbose] = lines[: next(at for at, line in enumerate(lines) if line.startswith("directory"))]
    low = ["NOT REACHED BY THE TESTS OF LOW:", "  /D/A.PY: 4"]
    assert told[False] == low
    high, free = (
        [f"NOT REACHED BY THE TESTS OF {name}:", f"  /D/A.PY: {line}"] for name, line in (("HIGH", 10), ("FREE", 2))
    )
    assert told[True] == [*low, *high, *free]


def test_of_very_many_files_some_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    text = json.dumps({"fail_under": 90, "files": {f"{number:03}.py": ["", "1"] for number in range(60)}})
    print_coverage([Verdict("d", Status.PASS, 0, coverage=text)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[50:52] == ["  049.py: 1", "  and 10 more files: --json and --html have them"]


def test_a_result_holds_what_report_merge_joins() -> None:
    verdict = Verdict("d", Status.PASS, 0, coverage=of("1-3", "4"))
    (data,) = result_data([verdict], exit_code=0, interrupted=False, engine="docker")["directories"]
    assert data["coverage"]["percent"] == 75.0
    assert measured(merge.verdict_of(json.loads(json.dumps(data))).coverage) == measured(verdict.coverage)


class Options:
    def __init__(self, wanted: float | None) -> None:
        self.cov_fail_under = wanted


class Plugin:
    """Stands for pytest-cov's plugin, of which the two fields are read."""

    def __init__(self, wanted: float | None, got: float | None) -> None:
        self.options = Options(wanted)
        self.cov_total = got


@pytest.mark.parametrize(
    ("plugin", "said"),
    [
        (None, {}),
        (Plugin(None, 50.0), {}),
        (Plugin(0, 50.0), {}),
        (Plugin(90, None), {}),
        (Plugin(90, 90.0), {"fail_under": 90, "coverage_low": ""}),
        (Plugin(92.5, 55.5555), {"fail_under": 92.5, "coverage_low": "coverage is 55.56 %, below fail_under = 92.5"}),
    ],
)
def test_the_plugin_says_which_share_was_demanded_and_not_reached(plugin: object, said: dict[str, Any]) -> None:
    assert helpers_verdict.coverage(plugin) == said
