from __future__ import annotations

import json
import os
import signal
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import discover, repo
from helpers.driver import cli, options
from helpers.driver import plan as planner
from helpers.engine import choose as choosing
from helpers.engine import client
from helpers.engine.specs import ImageSpec, RunSpec
from helpers.errors import InfrastructureError, UsageError
from helpers.model.image import LABEL_TITLE, LABEL_VERSION, Base, BaseKind
from helpers.test.fake_engine import COLLECTS_NOTHING, FAILS, PASSES, SKIPS, FakeEngine, Tests
from helpers.test.unit_fixtures import add_dir, cache, make_repo, no_poetry

# These tests start processes, and there are many of them.
pytestmark = pytest.mark.slow

__all__ = ["cache", "no_poetry"]

OPTIONS = (
    "--dir",
    "--tier",
    "-j",
    "--jobs",
    "--engine",
    "--list",
    "--json",
    "--junit",
    "--exitfirst",
    "--timeout",
    "--stage",
)


@pytest.fixture
def root(tmp_path: Path, no_poetry: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A repo with the runnable dirs `a` and `b`, in which the command is given; signals are as before afterwards."""
    root = make_repo(tmp_path / "r")
    add_dir(root, "a")
    add_dir(root, "b")
    (root / "theirs" / "deep").mkdir(parents=True)
    (root / "theirs" / "requirements.txt").touch()
    monkeypatch.chdir(root)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield root
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def engine(root: Path, monkeypatch: pytest.MonkeyPatch) -> FakeEngine:
    """An engine that has all images; a test says what the tests of `a` and `b` do."""
    every = discover.runnable_paths(root)
    images = planner.make(root, every, every, "fast").images
    fake = FakeEngine(images, has=tuple(images))
    monkeypatch.setattr(choosing, "choose", lambda name: fake)
    return fake


def test_help_names_every_option_and_every_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(["--help"])
    out = capsys.readouterr().out
    assert caught.value.code == 0
    known = {name for action in options.build_parser()._actions for name in action.option_strings}
    assert known >= {*OPTIONS, "--allow-empty"}
    assert [name for name in known if name not in out] == []
    assert "-- PYTEST_ARGUMENT" in out
    for code in (0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 70, 130, 143):
        assert f"\n  {code:>3}  " in out


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("--afected", "--affected"),
        ("--jnuit=x.xml", "--junit"),
        ("-k", "-- -k, if it is meant for pytest"),
        (".", "--dir ."),
    ],
)
def test_a_word_that_is_no_option_gets_the_nearest_one(
    root: Path, word: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        cli.main([word], root)
    assert capsys.readouterr().err.strip().endswith(f"did you mean: main_pytest.py {hint}")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--no-such"],
        ["--tie", "fast"],
        ["--tier", "quick"],
        ["-j", "0"],
        ["--jobs", "x"],
        ["--timeout", "-1"],
        ["--stage", "prod"],
        ["stray"],
    ],
)
def test_a_wrong_command_line_is_exit_2(root: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        cli.main(arguments, root)
    assert caught.value.code == 2
    assert "main_pytest.py: error: " in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments, code, says",
    [
        (["--dir", "../.."], 2, "leads out of the repo"),
        (["--dir", "nowhere"], 2, "is not a directory"),
        (["--dir", "a", "--stage", "dev", "--engine", "venv"], 2, "--engine venv has no images"),
        (["--dir", "a/test"], 5, "has none below it"),
        (["--dir", "a/test"], 5, "fix: --dir a -- test"),
        (["--dir", "theirs/deep"], 5, "fix: invoke dir_create theirs --from theirs"),
        (["--dir", "a/test", "--allow-empty"], 0, "has none below it"),
        (["--list", "--dir", "a", "--json", "no/such/file"], 2, "cannot write"),
        (["--dir", "a", "--json", "no/such/file"], 2, "cannot write"),
        (["--dir", "a", "--", "--collect-only"], 2, "docker_cmd -- pytest --collect-only"),
        (["--dir", "a", "--allow-empty", "--", "-q", "-V"], 2, "with -V pytest runs no test"),
        (["--dir", "a", "--", "--cache-show=*"], 2, "a run in which no test ran is never green"),
    ],
)
def test_the_exit_code_says_what_was_wrong(
    root: Path, arguments: list[str], code: int, says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(arguments, root) == code
    out, err = capsys.readouterr()
    assert says in err and "Traceback" not in err and out == ""


@pytest.mark.parametrize("names, code", [(["a"], 0), (["a", "bad"], 2), (["bad"], 2)])
def test_a_list_names_what_is_wrong_and_ends_with_its_code(
    root: Path, names: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    add_dir(root, "bad", "tiemout = 1")
    assert cli.main(["--list", *(f"--dir={name}" for name in names)], root) == code
    out, err = capsys.readouterr()
    lines = {line.split()[0]: line for line in out.splitlines()[1:]}
    assert list(lines) == names and err == ""
    assert [name for name in names if "did you mean 'timeout'?" in lines[name]] == [
        name for name in names if name == "bad"
    ]


def test_a_run_of_nothing_that_is_allowed_writes_empty_reports_and_asks_no_engine(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(choosing, "choose", lambda name: pytest.fail("an engine was asked for"))
    nothing = ["--dir", "a/test", "--allow-empty"]
    assert cli.main([*nothing, "--json", "r.json", "--junit", "r.xml"], root) == 0
    report = json.loads((root / "r.json").read_text())
    assert (report["exit_code"], report["directories"], report["interrupted"]) == (0, [], False)
    junit = ET.parse(root / "r.xml").getroot()
    assert (junit.tag, list(junit)) == ("testsuites", [])
    assert cli.main([*nothing, "--list", "--json", "-"], root) == 0
    assert json.loads(capsys.readouterr().out)["directories"] == []


def test_the_repo_s_files_are_asked_for_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def listed(top: Path, *patterns: str) -> dict[str, bool]:
        asked.append(patterns)
        return original(top, *patterns)

    original = repo.listed
    monkeypatch.setattr(repo, "listed", listed)
    monkeypatch.setattr(repo, "files", listed)
    assert cli.main(["--list", "--dir", "a", "--dir", "b"], root) == 0
    assert len(asked) == 1


def test_what_stands_behind_pytest_s_own_two_dashes_is_no_option(engine: FakeEngine, root: Path) -> None:
    engine._tests = {"a": Tests(PASSES)}
    assert cli.main(["--dir", "a", "--", "-x", "--", "--help"], root) == 0


def test_the_plan_as_json_is_the_plan_that_is_listed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--list"], root) == 0
    text = capsys.readouterr().out
    assert cli.main(["--list", "--json", "-"], root) == 0
    data = json.loads(capsys.readouterr().out)
    rows = [line.split() for line in text.splitlines()[1:]]
    assert rows == [
        [
            item["directory"],
            item["version"],
            item["base"],
            item["python"],
            item["network"],
            *" <- ".join(item["builds"]).split(),
        ]
        for item in data["directories"]
    ]
    assert cli.main(["--list", "--json", "plan.json"], root) == 0
    assert json.loads((root / "plan.json").read_text()) == data
    assert capsys.readouterr().out == text


def test_listing_asks_no_engine(root: Path, monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setattr(choosing, "choose", lambda name: pytest.fail("an engine was asked for"))
    assert cli.main(["--list"], root) == 0
    assert [path.name for path in cache.iterdir()] == ["parsed"]


Both = tuple[Tests, Tests]


@pytest.mark.parametrize(
    "both, options, code",
    [
        ((Tests(PASSES), Tests(PASSES)), [], 0),
        ((Tests(PASSES), Tests(FAILS)), [], 1),
        ((Tests(PASSES), Tests(COLLECTS_NOTHING)), [], 5),
        ((Tests(PASSES), Tests(COLLECTS_NOTHING)), ["--allow-empty"], 0),
        ((Tests(SKIPS), Tests(COLLECTS_NOTHING)), [], 5),
        ((Tests(SKIPS), Tests(COLLECTS_NOTHING)), ["--allow-empty"], 0),
        ((Tests(FAILS), Tests(None)), [], 8),
        ((Tests(FAILS), Tests(PASSES, changes={"timed_out": True})), [], 7),
        ((Tests(None), Tests(PASSES, changes={"image": "id other"})), [], 4),
    ],
)
def test_the_worst_directory_decides_the_exit_code(
    engine: FakeEngine, root: Path, both: Both, options: list[str], code: int
) -> None:
    engine._tests = dict(zip("ab", both, strict=True))
    assert cli.main(["--json", "report.json", *options], root) == code
    assert json.loads((root / "report.json").read_text())["exit_code"] == code


def test_a_run_prints_its_table_and_writes_both_reports(
    engine: FakeEngine, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine._tests = {"a": Tests(PASSES), "b": Tests(FAILS)}
    assert cli.main(["--json", "r.json", "--junit", "r.xml", "-j", "1"], root) == 1
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == "1 passed, 1 failed, 0 skipped"
    assert "FAIL b" in err and "test_it.py::test_it" in err
    assert [item["verdict"] for item in json.loads((root / "r.json").read_text())["directories"]] == ["PASS", "FAIL"]
    assert 'name="a"' in (root / "r.xml").read_text()
    assert engine.calls[0] == "reap"


def test_json_on_standard_output_is_all_that_stands_there(
    engine: FakeEngine, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine._tests = {"a": Tests(PASSES)}
    assert cli.main(["--dir", "a", "--json", "-"], root) == 0
    assert json.loads(capsys.readouterr().out)["engine"] == "fake"


def test_what_stands_behind_two_dashes_is_pytest_s(engine: FakeEngine, root: Path) -> None:
    engine._tests = {"a": Tests(PASSES)}
    assert cli.main(["--dir", "a", "--tier", "all", "--", "--list", "-k", "x or y", "--", "z"], root) == 0
    order = json.loads(engine.specs["a"].argv[-1])
    assert order["tier"] == "all"
    assert order["arguments"][-5:] == ["--list", "-k", "x or y", "--", "z"]


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stops_the_run_and_says_so(
    engine: FakeEngine, root: Path, number: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def hit(spec: RunSpec) -> None:
        results = Path(json.loads(spec.argv[-1])["results"])
        (results / "progress").write_text("collected 5\npassed\nfailed\nnone\npassed\nskip")
        os.kill(os.getpid(), number)
        time.sleep(0.5)

    engine._tests = {"a": Tests(None, hit, {"stopped": True})}
    assert cli.main(["-j", "1", "--json", "r.json"], root) == code
    out = capsys.readouterr().out
    assert "INTERRUPTED: this report is partial" in out
    assert out.splitlines()[-1] == "2 passed, 1 failed, 0 skipped"
    report = json.loads((root / "r.json").read_text())
    assert report["interrupted"] and {item["exit_code"] for item in report["directories"]} == {code}


def test_a_signal_that_came_too_late_to_stop_anything_still_decides_the_exit_code(
    engine: FakeEngine, root: Path
) -> None:
    engine._tests = {"a": Tests(PASSES, lambda spec: os.kill(os.getpid(), signal.SIGTERM))}
    assert cli.main(["--dir", "a", "--json", "r.json"], root) == 143
    report = json.loads((root / "r.json").read_text())
    assert (report["interrupted"], report["directories"][0]["verdict"]) == (True, "PASS")


def test_an_engine_that_is_asked_for_by_name_and_not_there_is_infrastructure(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def choose(name: str) -> FakeEngine:
        raise InfrastructureError(f"no {name}", fix="install it")

    monkeypatch.setattr(choosing, "choose", choose)
    assert cli.main(["--engine", "docker"], root) == 6
    assert "no docker" in capsys.readouterr().err


def test_a_bug_of_ours_is_exit_70(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(choosing, "choose", lambda name: 1 / 0)
    assert cli.main([], root) == 70
    assert "this is a bug in helpers: ZeroDivisionError" in capsys.readouterr().err


def test_a_tier_task_runs_the_enclosing_directory_with_arguments_of_pytest(
    engine: FakeEngine, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine._tests = {"a": Tests(PASSES)}
    monkeypatch.chdir(root / "a" / "test")
    assert cli.run_tier("slow", "", "venv", "local", ["-k", "x y"]) == 0
    order = json.loads(engine.specs["a"].argv[-1])
    assert (order["tier"], order["arguments"][-2:]) == ("slow", ["-k", "x y"])


@pytest.mark.parametrize("name", ["a/test", "nosuch", "a/changelog.txt", "."])
def test_a_slip_in_dir_does_not_act_on_the_directory_that_encloses_it(root: Path, name: str) -> None:
    with pytest.raises(UsageError, match="--dir"):
        cli.run_tier("fast", str(root / name), "venv", "local", "")


def test_a_list_of_the_stage_dev_asks_no_engine_and_names_what_the_image_must_be(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    add_dir(root, "c", image="cee", version="1.10.3")
    monkeypatch.setattr(choosing, "choose", lambda name: pytest.fail("an engine was asked for"))
    assert cli.main(["--list", "--dir", "c", "--stage", "dev", "--json", "-"], root) == 0
    assert json.loads(capsys.readouterr().out)["directories"][0]["builds"] == ["cee:dev-1.10.*"]


@pytest.mark.parametrize(
    "tags, code, why",
    [
        (["dev-1.10.1", "dev-1.10.0", "dev", "dev-1.1.9", "prod-1.10.9", "local-x-1.10.9"], 0, ""),
        (["dev-1.9.0", "dev-1.11.0"], 4, "needs a released image cee-1.10.*, and the engine has 1.11.0, 1.9.0"),
        ([], 4, "and the engine has none; fix: invoke docker_pull --dir "),
    ],
)
def test_the_tests_run_in_the_newest_released_image_that_fits(
    root: Path, monkeypatch: pytest.MonkeyPatch, tags: list[str], code: int, why: str
) -> None:
    add_dir(root, "c", image="cee", version="1.10.3")
    labels = {LABEL_TITLE: "cee", LABEL_VERSION: "1.10.1"}
    monkeypatch.setattr(client, "tags", lambda repository: tags)
    monkeypatch.setattr(client, "find_image", lambda reference: client.Image("id c", labels, ()))
    spec = ImageSpec("c", "cee:dev-1.10.1", "", Base(BaseKind.IMAGE, "x"))
    fake = FakeEngine({"c": spec}, has=["c"], tests={"c": Tests(PASSES)})
    monkeypatch.setattr(choosing, "choose", lambda name: fake)
    assert cli.main(["--dir", "c", "--stage", "dev", "--json", "r.json"], root) == code
    (verdict,) = json.loads((root / "r.json").read_text())["directories"]
    assert why in verdict["why"] and bool(why) == bool(verdict["why"])
    assert not [call for call in fake.calls if call.startswith("build")]
    if not code:
        assert fake.specs["c"].image_says == {"HELPERS_INSIDE": "cee-1.10.1"}
