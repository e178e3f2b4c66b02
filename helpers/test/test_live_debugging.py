"""A debugger in a test has the terminal of the caller: on the engine and in an environment of this machine."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pexpect
import pytest

from helpers.test.conftest import Scratch, until

pytestmark = pytest.mark.engine

STOPS = """
    def test_one():
        answer = 40
        breakpoint()
        assert answer == 40

    def test_two():
        assert True
    """
SLEEPS = """
    import subprocess, sys, time

    def test_one():
        subprocess.Popen([sys.executable, "-c", "import time; time.sleep(617)"], start_new_session=True)
        print("asleep")
        time.sleep(618)
    """
ENGINES = pytest.mark.parametrize("engine", ["docker", "venv"])
PROMPT = r"\(Pdb\) "


def debug(scratch: Scratch, engine: str, *arguments: str, cwd: Path | None = None) -> pexpect.spawn:
    """Start a debugging session of the directory `tool` at a terminal."""
    argv = scratch.driver("--cached", "--engine", engine, "--dir", "tool", "--", *(arguments or ("--pdb",)))
    env = {**os.environ, "TERM": "dumb"}
    return pexpect.spawn(
        argv[0], argv[1:], cwd=str(cwd or scratch.root), env=env, encoding="utf-8", timeout=90, dimensions=(40, 200)
    )


def ended(child: pexpect.spawn) -> int:
    """Return the exit code of a session that ends."""
    child.expect(pexpect.EOF)
    child.close()
    assert child.signalstatus is None
    return int(child.exitstatus)


def sleepers() -> str:
    """Return the processes of this machine that sleep as the tests of `SLEEPS` do, in containers too."""
    done = subprocess.run(["pgrep", "-f", r"time\.sleep\(61[7]\)"], capture_output=True, encoding="utf-8", check=False)
    return done.stdout


@ENGINES
def test_debugger_of_a_test_reads_the_terminal(scratch: Scratch, engine: str) -> None:
    scratch.add("tool", STOPS, image="tool")
    child = debug(scratch, engine)
    child.expect("helpers: debugging tool: no time limit, and no verdict is kept")
    child.expect(PROMPT)
    child.sendline("p answer+2")
    child.expect(r"\n42\r\n")
    child.sendline("c")
    child.expect("2 passed")
    assert "junit.xml" not in str(child.before)
    assert ended(child) == 0
    assert scratch.leftovers() == []


@ENGINES
@pytest.mark.parametrize(
    ("test", "keys", "code"),
    [
        ("def test_it(): assert 40 == 42", "c", 1),
        ("def test_it(): assert 40 == 42", "q", 130),
        ("import pytest\ndef test_it():\n    breakpoint()\n    pytest.skip()", "c", 5),
    ],
)
def test_end_of_a_session_is_the_exit_code(scratch: Scratch, engine: str, test: str, keys: str, code: int) -> None:
    scratch.add("tool", test, image="tool")
    child = debug(scratch, engine)
    child.expect(PROMPT)
    child.sendline(keys)
    assert ended(child) == code


@ENGINES
def test_trace_stops_at_the_start_of_a_test(scratch: Scratch, engine: str) -> None:
    scratch.add("tool", STOPS, image="tool")
    child = debug(scratch, engine, "--trace", "test/test_it.py::test_two")
    child.expect(r"-> assert True\r\n\(Pdb\) ")
    child.sendline("c")
    assert ended(child) == 0


@ENGINES
def test_ctrl_c_stops_the_test_at_a_prompt_and_leaves_nothing(scratch: Scratch, engine: str) -> None:
    scratch.add("tool", SLEEPS, image="tool")
    child = debug(scratch, engine, "--pdb", "-s")
    child.expect("asleep")
    assert sleepers()
    child.sendintr()
    child.expect("KeyboardInterrupt")
    child.expect(PROMPT)
    child.sendline("q")
    assert ended(child) == 130
    until(lambda: not sleepers(), 5)
    assert scratch.leftovers() == []


def test_ctrl_z_and_ctrl_p_in_a_container_stop_and_detach_nothing(scratch: Scratch) -> None:
    scratch.add("tool", STOPS, image="tool")
    child = debug(scratch, "docker")
    child.expect(PROMPT)
    child.sendcontrol("z")
    child.sendcontrol("p")
    child.sendcontrol("q")
    child.sendline("")
    child.sendline("p answer+2")
    child.expect(r"\n42\r\n")
    child.sendline("c")
    assert ended(child) == 0


@ENGINES
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_killed_session_leaves_nothing(scratch: Scratch, engine: str, number: signal.Signals) -> None:
    scratch.add("tool", SLEEPS, image="tool")
    child = debug(scratch, engine, "--pdb", "-s")
    child.expect("asleep")
    until(sleepers, 5)
    os.kill(child.pid, number)
    until(lambda: not sleepers() and not scratch.leftovers(), 15)
    child.expect(pexpect.EOF)
    child.close()
    assert (child.exitstatus, child.signalstatus) == ((143, None) if number == signal.SIGTERM else (None, number))


@ENGINES
def test_terminal_is_set_back_when_a_session_is_killed(scratch: Scratch, engine: str) -> None:
    scratch.add("tool", STOPS, image="tool")
    child = debug(scratch, engine)
    child.expect(PROMPT)
    until(lambda: not child.getecho(), 5)
    os.kill(child.pid, signal.SIGTERM)
    child.expect(pexpect.EOF)
    assert child.getecho()
    assert ended(child) == 143


def test_session_has_the_isolation_of_a_run(scratch: Scratch) -> None:
    test = """
        import os, socket
        def test_it():
            seen = [name for name in ("changelog.txt", "../main_pytest.py") if os.path.exists(name)]
            writes = os.access(".", os.W_OK)
            nets = [name for _, name in socket.if_nameindex()]
            breakpoint()
        """
    scratch.add("tool", test, image="tool", settings='env = ["OF_THE_HOST"]\n')
    os.environ["OF_THE_HOST"] = "x"
    try:
        child = debug(scratch, "docker")
    finally:
        del os.environ["OF_THE_HOST"]
    child.expect(r"helpers: weaker: env = \[OF_THE_HOST\]")
    child.expect(PROMPT)
    child.sendline("p seen, writes, nets")
    child.expect_exact("(['changelog.txt'], False, ['lo'])")
    child.sendline("c")
    assert ended(child) == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("breakpoint()", "--pdb"),
        ("import pdb; pdb.set_trace()", "--pdb"),
        ("import pdb; pdb.Pdb().set_trace()", "-s --pdb"),
        ("input()", "-s --pdb"),
    ],
)
@ENGINES
def test_debugger_without_a_terminal_names_the_command_that_has_one(
    scratch: Scratch, engine: str, line: str, words: str
) -> None:
    scratch.add("tool", f"def test_it():\n    {line}\n", image="tool")
    result = scratch.run("--engine", engine, "--dir", "tool")
    assert result.of("tool") == ("FAIL", 1), result.stderr
    fix = f"fix: ./main_pytest.py --engine {engine} --dir tool -- test/test_it.py::test_it {words}"
    assert fix in result.stdout


def test_container_that_does_not_start_is_a_fault_of_the_engine(scratch: Scratch) -> None:
    scratch.add("tool", STOPS, image="tool", settings='devices = ["/dev/not-there"]\n')
    argv = scratch.driver("--cached", "--engine", "docker", "--dir", "tool", "--policy", "devices", "--", "--pdb")
    child = pexpect.spawn(argv[0], argv[1:], cwd=str(scratch.root), encoding="utf-8", timeout=90, dimensions=(40, 200))
    child.expect("/dev/not-there")
    child.expect("did not start the container: what it says is above")
    assert ended(child) == 6
    assert scratch.leftovers() == []
