from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import proc
from helpers.errors import InfrastructureError

# These tests start processes, and there are many of them.
pytestmark = pytest.mark.slow


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-S", "-c", code, *arguments]


def alive(process: int) -> bool:
    try:
        state = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].split()[0]
    except OSError:
        return False
    return state not in (b"Z", b"X")


def gone(process: int, seconds: float = 5) -> bool:
    end = time.monotonic() + seconds
    while alive(process) and time.monotonic() < end:
        time.sleep(0.02)
    return not alive(process)


def test_a_process_that_ended_is_its_code_and_what_it_printed() -> None:
    code = "import sys; sys.stdout.write(sys.stdin.read() + sys.argv[1]); sys.stderr.write('one\\ntwo\\n'); sys.exit(3)"
    done = proc.run(python(code, "$(id) 'x'\n"), stdin="in ")
    assert (done.code, done.stdout, done.stderr, done.reason) == (3, "in $(id) 'x'\n", "one\ntwo\n", "two")


def test_the_reason_is_the_last_words_or_the_code() -> None:
    assert proc.Completed((), 1, "said on stdout\n", " \n").reason == "said on stdout"
    assert proc.Completed((), -9, "", "").reason == "exit code -9"


def test_bytes_that_are_not_utf8_do_not_stop_us() -> None:
    assert proc.run(python("import os; os.write(1, b'a\\xffb')")).stdout == "a\ufffdb"


def test_cwd_and_the_whole_environment_are_what_was_asked_for(tmp_path: Path) -> None:
    code = "import os; print(os.getcwd(), os.environ.get('A'), os.environ.get('HOME'))"
    assert proc.run(python(code), cwd=tmp_path, env={"A": "1"}).stdout == f"{tmp_path.resolve()} 1 None\n"


def test_a_program_that_is_not_there_is_infrastructure(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    for program, why in (
        ("no-such-program", "no such file or directory"),
        (str(tmp_path / "plain"), "permission denied"),
    ):
        with pytest.raises(InfrastructureError, match=f"cannot run '{program}': {why}"):
            proc.run([program])
        with pytest.raises(InfrastructureError, match="cannot run"):
            proc.Child([program])


def test_a_process_that_takes_too_long_is_killed() -> None:
    with pytest.raises(InfrastructureError, match=r"gave no answer within 0\.2 s"):
        proc.run(["sleep", "60"], timeout=0.2)


def test_a_child_runs_in_a_session_of_its_own_and_its_streams_are_one() -> None:
    child = proc.Child(python("import os, sys; print(os.getsid(0) == os.getpid(), flush=True); sys.stderr.write('e')"))
    assert child.output.read() == b"True\ne"
    assert child.wait(5) == 0


def test_killing_a_child_kills_what_it_started() -> None:
    code = "import subprocess; p = subprocess.Popen(['sleep', '60']); print(p.pid, flush=True); p.wait()"
    child = proc.Child(python(code))
    below = int(child.output.readline())
    assert child.wait(0.01) is None and child.poll() is None
    child.kill()
    assert child.wait(5) == -signal.SIGKILL
    assert gone(below)
    child.kill()
    child.terminate()


def test_writing_to_a_child_that_reads_no_more_is_no_error() -> None:
    child = proc.Child(["true"])
    assert child.wait(5) == 0
    child.write(b"x")
    child.close_input()
    child.write(b"x")


def test_replacing_this_process_keeps_its_id_and_hands_on_the_exit_code() -> None:
    code = "import os\nfrom helpers import proc\nprint(os.getpid(), end=' ')\n"
    code += "proc.replace(['sh', '-c', 'echo $$; exit 7'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False)
    before, after = done.stdout.split()
    assert before == after and done.returncode == 7


def test_the_end_of_a_child_is_seen_at_once() -> None:
    child = proc.Child(["sleep", "0.2"])
    with child.watched() as end:
        assert end is not None and select.select([end], [], [], 5)[0]
    assert child.poll() == 0


def test_this_test_leaves_no_child_behind() -> None:
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_commands_run_together_and_the_one_that_hangs_is_ended_with_all_it_started(tmp_path: Path) -> None:
    script = f"sleep 50 & echo $! > '{tmp_path}/id'; wait"
    commands = [("sh", "-c", "echo no >&2; exit 3"), ("sh", "-c", script), ("sh", "-c", "read x < /dev/tty"), ("true",)]
    start = time.monotonic()
    ended = proc.together(commands, cwd=tmp_path, env=os.environ, seconds=1, at_once=2)
    assert time.monotonic() - start < 5
    assert [done.argv for done in ended] == commands
    assert (ended[0].code, ended[0].reason) == (3, "no")
    assert (ended[1].code, ended[1].reason) == (-9, "gave no answer within 1 s")
    assert ended[2].code > 0 and ended[3].code == 0
    assert gone(int((tmp_path / "id").read_text()))


@pytest.mark.parametrize("size, kept", [(200_000, 200_000), (3_000_000, 1 << 20)])
def test_a_command_that_prints_more_than_a_pipe_holds_is_not_waited_for(tmp_path: Path, size: int, kept: int) -> None:
    command = python(f"import sys; sys.stderr.write('first' + 'x' * {size - 5}); sys.exit(3)")
    start = time.monotonic()
    ended = proc.together([command], cwd=tmp_path, env=os.environ, seconds=30)[0]
    assert ended.code == 3 and time.monotonic() - start < 15
    assert ended.stderr.startswith("first") and len(ended.stderr) == kept


def test_programs_start_where_no_checkout_has_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert proc.run(["pwd"]).stdout == "/\n"
    assert proc.run(["pwd"], cwd=tmp_path).stdout == f"{tmp_path}\n"
    child = proc.Child(["pwd"])
    assert (child.output.read(), child.wait(5)) == (b"/\n", 0)
    with (tmp_path / "kept").open("w") as kept:
        done = proc.finish(["pwd"], env={**os.environ}, keep=kept.fileno(), tell=lambda: None)
    assert done.stdout == "/\n"
