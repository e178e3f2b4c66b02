"""A directory that does not pass ends with the command line that runs just that again, and one without us."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.driver import again
from helpers.driver.container import INSIDE
from helpers.driver.report.words import commands, verdict_line
from helpers.driver.verdict import Status, Verdict
from helpers.engine.docker import DockerEngine
from helpers.engine.specs import Mount, RunSpec
from helpers.engine.venv import VenvEngine
from helpers.host import User
from helpers.test.fake_engine import FakeEngine, as_engine

FAKE = as_engine(FakeEngine({}))
SPEC = RunSpec(
    name="n",
    image="sha256:1",
    argv=("python", "order"),
    cwd=Path("/repo/a b"),
    user=User(7, 8, "me"),
    mounts=(
        Mount(Path("/repo/a b")),
        Mount(INSIDE),
        Mount(Path("/results"), read_only=False),
        Mount(Path("/repo/lib")),
    ),
    env={"PYTHONPATH": "/repo/a b"},
    network="none",
    memory="1g",
    pids=9,
    read_only=True,
    labels={"l": "v"},
)
FAIL = Verdict("a b", Status.FAIL, 1, failures=("test/test_it.py::test_it[x y]", "test/test_it.py::test_b"))


@pytest.fixture(autouse=True)
def in_the_repo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getcwd", lambda: "/repo")


def test_just_what_failed_is_run_again_with_what_the_run_began_with() -> None:
    ours, bare = again.lines(FAIL, ["./main_pytest.py", "--tier", "all"], FAKE, SPEC, ["-x"])
    ids = "'test/test_it.py::test_it[x y]' test/test_it.py::test_b -x"
    assert ours == f"./main_pytest.py --tier all --dir 'a b' -- {ids}"
    assert bare == f"fake sha256:1 '/repo/a b' /repo/lib python -m pytest -o cache_dir=/tmp/pytest-cache {ids}"


@pytest.mark.parametrize(
    ("arguments", "test", "wanted"),
    [
        (["../lib/test"], "test_x.py::test_a", "../lib/test/test_x.py::test_a"),
        (["../lib/test"], "deep/test_y.py::test_a[a::b]", "../lib/test/deep/test_y.py::test_a[a::b]"),
        (["-x", "../lib"], "test/test_x.py::test_a", "../lib/test/test_x.py::test_a -x"),
        (["../lib/test/test_x.py"], "::test_a", "../lib/test/test_x.py::test_a"),
        (["../lib/test/test_x.py::test_a"], "::test_a", "../lib/test/test_x.py::test_a"),
        (["test", "../lib/test"], "test/test_z.py::test_a", "test/test_z.py::test_a"),
        (["../lib/test"], "test_x.py: could not be imported", "../lib/test/test_x.py"),
        (["../lib/test/test_x.py"], ": could not be imported", "../lib/test/test_x.py"),
        (["-m", "engine or host"], "test/test_z.py::test_a", "test/test_z.py::test_a -m 'engine or host'"),
        (["--run-slow", "test", "-m", "test", "-n2"], "test/test_z.py::t", "test/test_z.py::t --run-slow -m test -n2"),
        (["--at", "home", "-x", "test", "--", "-k"], "test/test_z.py::t", "test/test_z.py::t --at home -x"),
        (["--pyargs", "pkg"], "test/test_z.py::t", "test/test_z.py::t"),
        (["--pyargs", "pkg"], "gone/test_x.py::test_a", "--pyargs pkg"),
    ],
)
def test_tests_are_run_again_by_a_path_that_exists_with_the_options_of_the_run(
    tmp_path: Path, arguments: list[str], test: str, wanted: str
) -> None:
    for name in ("lib/test/test_x.py", "lib/test/deep/test_y.py", "a b/test/test_z.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    spec = replace(SPEC, cwd=tmp_path / "a b")
    ours, bare = again.lines(replace(FAIL, failures=(test,)), ["./main_pytest.py"], FAKE, spec, arguments)
    assert shlex.split(ours)[4:] == shlex.split(wanted) and bare.endswith(shlex.join(shlex.split(wanted)))


def test_a_file_that_can_not_be_imported_is_run_again_by_its_name() -> None:
    verdict = replace(FAIL, failures=("test/test_new.py: could not be imported",))
    ours, bare = again.lines(verdict, ["./main_pytest.py"], FAKE, SPEC, [])
    assert ours.endswith(" -- test/test_new.py") and bare.endswith(" test/test_new.py")


def test_a_test_that_hung_is_run_again_alone() -> None:
    verdict = Verdict("a b", Status.TIMEOUT, 7, running=("test/test_it.py::test_a",))
    assert again.lines(verdict, ["./main_pytest.py"], FAKE, SPEC, [])[0].endswith(" -- test/test_it.py::test_a")


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict("a b", Status.CRASH, 8),
        Verdict("a b", Status.TIMEOUT, 7),
        replace(FAIL, failures=tuple(f"t{number}" for number in range(21))),
    ],
)
def test_what_names_no_few_tests_is_run_again_as_it_was(verdict: Verdict) -> None:
    ours, bare = again.lines(verdict, ["./main_pytest.py"], FAKE, SPEC, ["-k", "it"])
    assert ours == "./main_pytest.py --dir 'a b' -- -k it" and bare.endswith(" -k it")
    assert again.lines(verdict, ["./main_pytest.py"], FAKE, SPEC, [])[0] == "./main_pytest.py --dir 'a b'"


def test_name_that_begins_with_a_dash_is_no_option() -> None:
    failed = replace(FAIL, failures=("-k/test_it.py::test_a", "--co.py"))
    ours, bare = again.lines(failed, ["./main_pytest.py"], FAKE, replace(SPEC, cwd=Path("/repo/-x")), [])
    assert ours == "./main_pytest.py --dir ./-x -- ./-k/test_it.py::test_a ./--co.py"
    assert bare.endswith(" ./-k/test_it.py::test_a ./--co.py")


@pytest.mark.parametrize("text", ["\x1b]0;title\x07", "\u202e", "\x9b2J", "a\rb\nc"])
def test_name_of_a_running_test_steers_no_terminal(text: str) -> None:
    name = f"t.py::test_a[{text}]"
    verdict = Verdict("a", Status.TIMEOUT, 7, f"did not end; {name} was running", running=(name,))
    found = again.lines(verdict, ["./main_pytest.py"], FAKE, SPEC, [])
    shown = commands(replace(verdict, again=tuple(found)), verbose=True)
    for line in (verdict_line(verdict, sys.stderr), *shown):
        assert line.isprintable()


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.FAIL, Status.CRASH, Status.TIMEOUT}, key=str))
def test_what_ran_well_or_not_at_all_has_no_such_line(status: Status) -> None:
    assert again.lines(Verdict("a", status, 0), ["./main_pytest.py"], FAKE, SPEC, []) == []


def test_docker_and_venv_say_how_it_is_done_without_us() -> None:
    docker = DockerEngine.by_hand(DockerEngine.__new__(DockerEngine), SPEC, ["python", "-m", "pytest"])
    line = " ".join(docker)
    assert line.startswith("docker run --rm --init --user 7:8 --cap-drop ALL")
    assert line.endswith("--entrypoint python sha256:1 -m pytest")
    assert "--network none" in line and "--memory 1g" in line and "--read-only" in line and "--name" not in line
    for more in ({"services": Path("/repo/compose.yaml")}, {"docker": "child"}):
        assert DockerEngine.by_hand(DockerEngine.__new__(DockerEngine), replace(SPEC, **more), ["python"]) == []
    venv = VenvEngine().by_hand(replace(SPEC, image="/venv"), ["python", "-m", "pytest"])
    assert venv == ["env", "--chdir", "/repo/a b", "PYTHONPATH=/repo/a b", "/venv/bin/python", "-m", "pytest"]
    venv = VenvEngine().by_hand(replace(SPEC, image="/venv", values={"A": "b c"}), ["python"])
    assert venv == ["env", "--chdir", "/repo/a b", "PYTHONPATH=/repo/a b", "A=b c", "/venv/bin/python"]
    assert VenvEngine().by_hand(replace(SPEC, image="/venv", file_values={"A": "secret"}), ["python"]) == []


@pytest.mark.parametrize(
    ("root", "wanted"),
    [("/repo", "./main_pytest.py"), ("/repo/a/b", "/repo/a/b/main_pytest.py"), ("/", "../main_pytest.py")],
)
def test_the_program_is_named_from_where_the_user_is(root: str, wanted: str) -> None:
    assert again.program(Path(root)) == wanted
