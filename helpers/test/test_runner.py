from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import inside
from helpers.test.test_proc import gone

# Every test here starts processes and waits for them.
pytestmark = pytest.mark.slow

RUNNER = Path(inside.__file__).with_name("runner.py")
DEAF = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
# A daemon: out of its parent's session and group, and its parent is gone.
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    daemon = os.fork()
    if daemon == 0:
        os.close(1)
        time.sleep(60)
    # Told by its parent: the command may end, and the daemon with it, before the daemon has said a word.
    print(daemon, flush=True)
    os._exit(0)
os.wait()
"""


def start(*command: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-I", "-S", str(RUNNER), *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-S", "-c", code)


def line_of(process: subprocess.Popen[bytes]) -> str:
    assert process.stdout
    return process.stdout.readline().decode().strip()


def end_of(process: subprocess.Popen[bytes]) -> int:
    with process:
        return process.wait(10)


@pytest.mark.parametrize("code", [0, 1, 5, 255])
def test_the_exit_code_is_the_command_s(code: int) -> None:
    with start(*python(f"import os; os._exit({code})")) as process:
        assert process.wait(10) == code


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM])
def test_the_exit_code_of_a_signal_is_128_and_its_number(number: signal.Signals) -> None:
    with start(*python(f"import os; os.kill(os.getpid(), {int(number)})")) as process:
        assert process.wait(10) == 128 + number


def test_a_command_that_ignores_sigterm_dies_with_its_driver() -> None:
    process = start(*python(DEAF))
    assert line_of(process) == "ready"
    assert process.stdin
    process.stdin.close()
    assert end_of(process) == 137


def test_the_byte_t_asks_the_command_to_terminate() -> None:
    # A handler could miss a signal that comes right before it sleeps.
    waits = "signal.pthread_sigmask(signal.SIG_BLOCK, {15}); print(1, flush=True); signal.sigwait({15}); sys.exit(9)"
    process = start(*python(f"import signal, sys; {waits}"))
    assert line_of(process) == "1"
    assert process.stdin
    process.stdin.write(b"t")
    process.stdin.flush()
    assert end_of(process) == 9


def test_other_bytes_mean_nothing() -> None:
    process = start(*python("import time; print(1, flush=True); time.sleep(0.3)"))
    assert line_of(process) == "1"
    assert process.stdin
    process.stdin.write(b"x\n")
    process.stdin.flush()
    assert end_of(process) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux gives orphans to a chosen parent")
@pytest.mark.parametrize("rest, code", [("", 0), ("time.sleep(60)", 137)])
def test_a_daemon_ends_with_the_command_or_with_the_driver(rest: str, code: int) -> None:
    process = start(*python(DAEMON + rest))
    daemon = int(line_of(process))
    if rest:
        assert process.stdin
        process.stdin.close()
    assert end_of(process) == code
    assert gone(daemon)


def test_listener_that_takes_the_exit_code_first_still_ends_all_others() -> None:
    # The kernel decides the order of two threads. Here one thread takes the exit code while the second thread looks for
    # processes.
    late = f"""
import os, sys, time
sys.path.insert(0, {str(RUNNER.parent)!r})
import runner
waits, looks = os.waitpid, runner.descendants
def waitpid(process, options):
    while process > 0 and os.path.exists(f"/proc/{{process}}"):
        time.sleep(0.01)
    time.sleep(0.1)
    return waits(process, options)
def descendants(of):
    time.sleep(0.3)
    return looks(of)
os.waitpid, runner.descendants = waitpid, descendants
os._exit(runner.main(sys.argv[1:]))
"""
    argv = [sys.executable, "-I", "-S", "-c", late, *python(f"{DAEMON}\nos.read(os.pipe()[0], 1)")]
    process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    daemon = int(line_of(process))
    assert process.stdin
    process.stdin.close()
    assert end_of(process) == 137
    assert gone(daemon, 5)


def test_the_command_reads_nothing_from_the_driver() -> None:
    process = start(*python("import sys; print(repr(sys.stdin.read()))"))
    assert line_of(process) == "''"
    assert end_of(process) == 0


def test_a_command_that_is_not_there_has_the_exit_code_of_a_shell() -> None:
    assert end_of(start("there-is-no-such-program")) == 127


def test_what_python_ignores_the_command_does_not() -> None:
    process = start("sh", "-c", "kill -PIPE $$; echo lived")
    assert end_of(process) == 128 + signal.SIGPIPE


def test_descendants_are_all_processes_below_whatever_their_names() -> None:
    from helpers.inside import runner

    code = "import ctypes, subprocess; ctypes.CDLL(None).prctl(15, b'a) b (', 0, 0, 0)\n"
    code += "p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    with subprocess.Popen(python(code), stdout=subprocess.PIPE, start_new_session=True) as child:
        below = int(line_of(child))
        try:
            assert {child.pid, below} <= runner.descendants(os.getpid())
            assert runner.descendants(below) == set()
        finally:
            os.killpg(child.pid, signal.SIGKILL)


def on_terminal(code: str) -> tuple[subprocess.Popen[bytes], int]:
    """Start a command that reads a terminal; return the process and the keyboard of that terminal."""
    keyboard, terminal = os.openpty()
    command = [sys.executable, "-I", "-S", str(RUNNER), "--terminal", str(terminal), *python(code)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, pass_fds=(terminal,))
    os.close(terminal)
    return process, keyboard


def test_command_on_a_terminal_reads_the_terminal_in_the_session_of_the_caller() -> None:
    process, keyboard = on_terminal("import os; print(input(), os.getsid(0), os.isatty(0))")
    os.write(keyboard, b"typed\n")
    assert line_of(process) == f"typed {os.getsid(0)} True"
    end_of(process)
    os.close(keyboard)


def test_ctrl_c_on_a_terminal_is_for_the_command_alone() -> None:
    code = "import signal; print(signal.getsignal(2) is signal.default_int_handler, flush=True); input()"
    process, keyboard = on_terminal(code)
    assert line_of(process) == "True"
    os.kill(process.pid, signal.SIGINT)
    os.write(keyboard, b"\n")
    assert end_of(process) == 0
    os.close(keyboard)


def test_command_on_a_terminal_ends_with_its_driver() -> None:
    process, keyboard = on_terminal(f"import os\n{DAEMON}\nprint(os.getpid(), flush=True); input()")
    daemon, command = int(line_of(process)), int(line_of(process))
    assert process.stdin
    process.stdin.close()
    assert end_of(process) == 128 + signal.SIGKILL
    assert gone(daemon) and gone(command)
    os.close(keyboard)
