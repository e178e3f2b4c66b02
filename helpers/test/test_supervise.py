from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from helpers.engine import supervise as supervising
from helpers.engine.seam import Control, Stop
from helpers.engine.supervise import Ended, Log, Rung, supervise
from helpers.proc import Child
from helpers.test.conftest import ROOT

# Every test here starts processes and waits for them.
pytestmark = pytest.mark.slow

DEAF = (
    "import signal, time\nfor number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, signal.SIG_IGN)\n"
    "print('deaf', flush=True)\ntime.sleep(60)"
)


def child_of(code: str) -> Child:
    return Child([sys.executable, "-S", "-c", code])


def follow(
    code: str, tmp_path: Path, *, timeout: float = 30, control: Control | None = None, grace: Sequence[float] = (0.2, 5)
) -> Ended:
    child = child_of(code)
    ladder: list[Rung] = [(child.terminate, grace[0]), (child.kill, grace[1])]
    return supervise(child, tmp_path / "logs" / "a.log", timeout, control or Control(), ladder)


def test_a_child_that_ends_by_itself_is_its_code_and_output(tmp_path: Path) -> None:
    ended = follow("import sys; print('out', flush=True); sys.stderr.write('err'); sys.exit(5)", tmp_path)
    assert (ended.code, ended.output, ended.timed_out, ended.stopped) == (5, "out\nerr", False, False)
    assert (tmp_path / "logs" / "a.log").read_text() == "out\nerr"


def test_a_child_that_is_deaf_to_sigterm_is_killed_at_its_deadline(tmp_path: Path) -> None:
    ended = follow(DEAF, tmp_path, timeout=0.4)
    assert (ended.code, ended.timed_out, ended.stopped) == (-signal.SIGKILL, True, False)
    assert 0.5 < ended.seconds < 5


def test_a_child_that_obeys_is_not_killed(tmp_path: Path) -> None:
    ended = follow("import time; time.sleep(60)", tmp_path, timeout=0.2, grace=(30, 5))
    assert (ended.code, ended.timed_out) == (-signal.SIGTERM, True)


@pytest.mark.parametrize("level, code", [(Stop.POLITELY, -signal.SIGTERM), (Stop.NOW, -signal.SIGKILL)])
def test_the_user_stops_a_child_with_or_without_the_mildest_rung(tmp_path: Path, level: Stop, code: int) -> None:
    control = Control()
    threading.Timer(0.3, control.stop, (level, 130)).start()
    ended = follow("import time; time.sleep(60)", tmp_path, control=control, grace=(30, 5))
    assert (ended.code, ended.stopped, ended.timed_out) == (code, True, False)
    assert ended.seconds < 5


def test_a_second_and_harder_stop_does_not_wait_for_the_grace_of_the_first(tmp_path: Path) -> None:
    control = Control()
    threading.Timer(0.3, control.stop, (Stop.POLITELY, 130)).start()
    threading.Timer(0.6, control.stop, (Stop.NOW, 130)).start()
    ended = follow(DEAF, tmp_path, control=control, grace=(30, 5))
    assert ended.code == -signal.SIGKILL and ended.seconds < 5


def test_a_process_that_holds_the_pipe_open_is_not_waited_for(tmp_path: Path) -> None:
    code = "import os, subprocess; subprocess.Popen(['sleep', '5'], start_new_session=True); print('bye', flush=True)"
    start = time.monotonic()
    assert follow(code, tmp_path).output == "bye\n"
    assert time.monotonic() - start < 3


def test_a_child_that_closes_its_output_is_still_followed_to_its_end(tmp_path: Path) -> None:
    ended = follow("import os, time; os.close(1); os.close(2); time.sleep(0.4); os._exit(4)", tmp_path)
    assert ended.code == 4 and ended.seconds > 0.3


def test_a_log_keeps_head_and_end_of_any_amount_of_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "_HEAD_BYTES", 100)
    monkeypatch.setattr(supervising, "_TAIL_BYTES", 50)
    log = Log(tmp_path / "a.log")
    for number in range(100):
        log.write(b"%09d\n" % number)
    end = log.close()
    text = (tmp_path / "a.log").read_text()
    assert text.startswith("000000000\n") and text.endswith("000000099\n")
    assert end.endswith("000000099\n") and len(end) == 50
    assert "bytes left out" in text and len(text) < 300


def test_who_looks_at_a_log_sees_all_that_came_so_far(tmp_path: Path) -> None:
    log = Log(tmp_path / "a.log")
    log.write(b"collected 2 items\n")
    assert (tmp_path / "a.log").read_bytes() == b"collected 2 items\n"
    log.close()


def test_a_short_log_is_whole_and_bad_bytes_are_replaced_only_in_the_answer(tmp_path: Path) -> None:
    log = Log(tmp_path / "a.log")
    log.write(b"a\xff")
    assert log.close() == "a\ufffd"
    assert (tmp_path / "a.log").read_bytes() == b"a\xff"


def test_a_milder_stop_does_not_take_back_a_harder_one_and_the_first_code_stays() -> None:
    control = Control()
    assert (control.level, control.exit_code) == (Stop.NO, 0)
    control.stop(Stop.NOW, 130)
    control.stop(Stop.POLITELY, 143)
    assert (control.level, control.exit_code) == (Stop.NOW, 130)


STOPPED_DRIVER = """
import sys
from pathlib import Path
from helpers.engine.seam import Control
from helpers.engine.supervise import supervise
from helpers.proc import Child, run
child = Child([sys.executable, "-c", sys.argv[2]])
print("begun", flush=True)
ended = supervise(child, Path(sys.argv[1]), 2.0, Control(), [(child.kill, 5.0)])
print(ended.code, ended.timed_out, ended.seconds < 3)
"""


@pytest.mark.parametrize(
    ("code", "says"),
    [("import time; time.sleep(1); print('done')", "0 False True"), ("import time; time.sleep(60)", "-9 True True")],
)
def test_time_while_the_driver_is_stopped_does_not_count(tmp_path: Path, code: str, says: str) -> None:
    argv = [sys.executable, "-c", STOPPED_DRIVER, str(tmp_path / "log"), code]
    driver = subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, encoding="utf-8")
    assert driver.stdout and driver.stdout.readline() == "begun\n"
    driver.send_signal(signal.SIGSTOP)
    time.sleep(3)
    driver.send_signal(signal.SIGCONT)
    assert driver.communicate(timeout=30)[0].strip() == says
