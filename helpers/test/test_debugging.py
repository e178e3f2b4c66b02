"""`-- --pdb` takes one directory and a terminal, keeps no verdict, and ends with an exit code of ours."""

from __future__ import annotations

import io
import json
import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from helpers.driver import again, cli, container, debugging, memo
from helpers.driver.failures import Failure
from helpers.driver.options import debugger_option
from helpers.driver.verdict import Status, Verdict
from helpers.engine import argv
from helpers.engine.seam import UnsupportedError
from helpers.errors import BuildError
from helpers.test.fake_engine import PASSES, FakeEngine, Tests
from helpers.test.test_again import SPEC
from helpers.test.test_cli import cache, engine, no_poetry, root
from helpers.test.unit_fixtures import add_dir

__all__ = ["cache", "engine", "no_poetry", "root"]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let standard input and output be a terminal."""
    monkeypatch.setattr(debugging, "has_terminal", lambda: True)


@pytest.mark.parametrize(
    ("words", "option"),
    [
        (["--pdb"], "--pdb"),
        (["-x", "--trace", "test/test_it.py"], "--trace"),
        (["--pdbcls=x:y"], ""),
        (["-k", "pdb"], ""),
        (["--", "--pdb"], ""),
        ([], ""),
    ],
)
def test_option_that_opens_a_debugger_is_recognized(words: list[str], option: str) -> None:
    assert debugger_option(words) == option


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("pytest_code", "code"), [(0, 0), (1, 1), (2, 130), (3, 8), (4, 2), (5, 5), (137, 8), (-9, 8), (125, 8)]
)
def test_exit_code_of_pytest_becomes_one_of_ours(engine: FakeEngine, root: Path, pytest_code: int, code: int) -> None:
    engine._tests = {"a": Tests(None, changes={"code": pytest_code})}
    assert cli.main(["--dir", "a", "--", "--pdb"], root) == code
    assert (engine.calls[0], *engine.calls[-2:]) == ("reap", "test a", "finish")


@pytest.mark.usefixtures("terminal")
def test_end_for_lack_of_memory_is_a_crash(engine: FakeEngine, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine._tests = {"a": Tests(None, changes={"code": 1, "out_of_memory": True})}
    assert cli.main(["--dir", "a", "--", "--pdb"], root) == 8
    assert "memory limit" in capsys.readouterr().err


@pytest.mark.usefixtures("terminal")
def test_debugged_container_has_the_terminal_and_no_runner(
    engine: FakeEngine, root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    engine._tests = {"a": Tests(None)}
    assert cli.main(["--dir", "a", "--", "--pdb"], root) == 0
    spec = engine.specs["a"]
    assert spec.terminal and spec.nonce == "" and spec.env["TERM"]
    assert [Path(word).name for word in spec.argv[:2]] == ["python", "run_pytest.py"]
    assert json.loads(spec.argv[2])["arguments"][-1] == "--pdb"
    engine._tests = {"a": Tests(PASSES)}
    assert cli.main(["--dir", "a", "--no-cache"], root) == 0
    other = engine.specs["a"]
    assert not other.terminal
    assert (spec.mounts, spec.hidden, spec.network, spec.read_only, spec.memory, spec.pids) == (
        *(other.mounts, other.hidden, other.network, other.read_only, other.memory, other.pids),
    )
    assert json.loads(spec.argv[2])["arguments"][-2:] == ["--junitxml=", "--pdb"]
    assert "debugging a: no time limit, and no verdict is kept" in capsys.readouterr().err


@pytest.mark.usefixtures("terminal")
def test_debugged_directory_is_tested_again_afterwards(engine: FakeEngine, root: Path) -> None:
    engine._tests = {"a": Tests(None)}
    assert [cli.main(["--dir", "a", "--", "--pdb"], root) for _ in range(2)] == [0, 0]
    engine._tests = {"a": Tests(PASSES)}
    assert cli.main(["--dir", "a"], root) == 0
    assert engine.calls.count("test a") == 3
    assert not Path(memo.path_of(str(root), ["--dir", "a", "--", "--pdb"])).exists()


@pytest.mark.usefixtures("terminal")
def test_debugger_gets_no_right_that_the_policy_withholds(engine: FakeEngine, root: Path) -> None:
    add_dir(root, "open", 'network = "bridge"')
    assert cli.main(["--policy", "strict", "--dir", "open", "--", "--pdb"], root) == 4
    assert engine.calls == []


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize("fault", [BuildError("no such package"), UnsupportedError("needs services")])
def test_directory_without_an_image_ends_with_the_code_of_the_reason(
    engine: FakeEngine, root: Path, fault: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    engine._there.clear()
    engine._builds = dict.fromkeys(engine._known.values(), fault)
    expected = 3 if isinstance(fault, BuildError) else 5
    assert cli.main(["--dir", "a", "--", "--pdb"], root) == expected
    assert str(fault) in capsys.readouterr().err
    assert engine.calls[-1] == "finish"


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    ("words", "named"), [(["--pdb"], "a"), (["--pdb", "test/test_b.py::test_x"], "b"), (["--trace", "gone.py"], "a")]
)
def test_several_directories_are_refused_with_a_command_for_one(
    root: Path, words: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "b" / "test" / "test_b.py").touch()
    assert cli.main(["--tier", "all", "--", *words], root) == 2
    err = capsys.readouterr().err
    assert f"{words[0]} needs a single directory, and 2 are selected" in err
    assert f"fix: ./main_pytest.py --tier all --dir {named} -- {shlex.join(words)}\n" in err


def test_input_without_a_terminal_is_refused_with_the_command(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    add_dir(root, "a/inner")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert cli.main(["--dir", "a", "--only-this", "--", "--pdb"], root) == 2
    err = capsys.readouterr().err
    assert "--pdb needs a terminal" in err
    assert "fix: in a terminal: ./main_pytest.py --dir a --only-this -- --pdb\n" in err


@pytest.mark.usefixtures("terminal")
@pytest.mark.parametrize(
    "option", ["--watch", "--json=-", "--junit=x", "--html=x", "--coverage", "--shard=1/2", "--collect-only"]
)
def test_option_for_runs_without_a_person_is_refused(
    root: Path, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--", "--pdb", option] if option == "--collect-only" else [option, "--", "--pdb"]
    assert cli.main(["--dir", "a", *words], root) == 2
    err = capsys.readouterr().err
    assert option.partition("=")[0] in err and "fix: " in err


def test_list_ignores_the_debugger(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--list", "--", "--pdb"], root) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_ctrl_p_is_no_key_of_the_client(tmp_path: Path) -> None:
    spec = replace(SPEC, terminal=True)
    command = argv.run(spec, account_files=tmp_path, remove=False)
    assert "ctrl-p" not in command[command.index("--detach-keys") + 1]
    assert "--detach-keys" not in argv.run(SPEC, account_files=tmp_path, remove=False)


@pytest.mark.parametrize(
    ("message", "line", "fix"),
    [
        ("bdb.BdbQuit", "./m --dir a -- t.py::t", "./m --dir a -- t.py::t --pdb"),
        ("bdb.BdbQuit", "./m --dir 'a -- b'", "./m --dir 'a -- b' -- --pdb"),
        (
            "OSError: pytest: reading from stdin while output is captured!  Consider using `-s`.",
            "./m --dir a -- t.py",
            "./m --dir a -- t.py -s --pdb",
        ),
        ("assert 1 == 2", "./m --dir a -- t.py", ""),
    ],
)
def test_failure_that_needs_a_terminal_gets_the_command(message: str, line: str, fix: str) -> None:
    verdict = Verdict("a", Status.FAIL, 1, details=(Failure("u"), Failure("t", message=message)))
    assert again.debugger_hints(verdict, line) == ((f"fix: {fix}",) if fix else ())


def test_container_on_a_terminal_keeps_all_but_the_runner() -> None:
    spec = replace(SPEC, argv=("python", "runner.py", "--results", "r", "python", "run_pytest.py", "{}"))
    changed = container.on_terminal(spec)
    assert changed.argv == ("python", "run_pytest.py", "{}")
    assert replace(changed, argv=spec.argv, env=spec.env, terminal=False) == spec
