"""What is begun by one program, and goes on in the program that this one becomes."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import proc, spawn
from helpers.test.conftest import open_files

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("end", ["os._exit(0)", "os.kill(os.getpid(), 9)", "proc.replace(['true'])"])
def test_what_must_happen_after_our_death_happens_however_we_end(end: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = (
        f"import os, pathlib\nfrom helpers import proc, spawn\nspawn.after_death(pathlib.Path({str(mark)!r}).touch)\n"
    )
    code += f"print(pathlib.Path({str(mark)!r}).exists(), flush=True)\n" + end
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False, timeout=5)
    assert done.stdout == "False\n", "it may not happen while we live"
    deadline = time.monotonic() + 5
    while not mark.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert mark.exists()


def test_what_is_called_off_does_not_happen_and_its_process_ends(tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    code = "import os, pathlib\nfrom helpers import spawn\n"
    code += f"spawn.call_off(spawn.after_death(pathlib.Path({str(mark)!r}).touch))\nos.wait()\nprint('ended')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False, timeout=5)
    assert done.stdout == "ended\n" and not mark.exists()


def test_nothing_of_ours_is_held_open_by_what_waits_for_our_death(tmp_path: Path) -> None:
    code = "import os\nfrom helpers import spawn\nread, write = os.pipe()\nos.set_inheritable(write, True)\n"
    code += "guard = spawn.after_death(lambda: None)\nos.close(write)\nprint(os.read(read, 1))\nspawn.call_off(guard)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False, timeout=5)
    assert done.stdout == "b''\n"


def test_what_was_begun_is_followed_as_every_child() -> None:
    child = proc.Child.adopted(*spawn.begin(["sh", "-c", "read word; echo $word; echo error >&2; exit 7"]))
    assert child.wait(0.05) is None
    child.write(b"told\n")
    with child.watched() as end:
        assert end is not None
        assert child.wait(5) == 7
    assert child.output.read() == b"told\nerror\n"
    assert child.poll() == 7
    child.kill()
    child.close_input()
    child.output.close()


def test_what_was_begun_can_be_killed_with_all_that_it_started() -> None:
    child = proc.Child.adopted(*spawn.begin(["sh", "-c", "sleep 60 & wait"]))
    child.kill()
    assert child.wait(5) == -9
    assert child.output.read() == b""
    child.close_input()
    child.output.close()


def test_it_holds_none_of_our_files_open() -> None:
    read, write = os.pipe()
    os.set_inheritable(write, True)
    child = proc.Child.adopted(*spawn.begin(["sleep", "60"]))
    os.close(write)
    assert os.read(read, 1) == b""
    os.close(read)
    child.kill()
    child.wait(5)
    child.close_input()
    child.output.close()


def test_a_program_that_is_not_there_leaves_nothing_open() -> None:
    before = open_files()
    with pytest.raises(FileNotFoundError):
        spawn.begin(["/nonexistent/program"])
    assert not open_files() - before


def test_what_goes_on_beside_us_is_tried_until_it_succeeds_also_in_a_program_that_we_become(tmp_path: Path) -> None:
    code = f"import os, pathlib\nfrom helpers import proc, spawn\nmark = pathlib.Path({str(tmp_path / 'mark')!r})\n"
    code += "spawn.beside(lambda: mark.exists() and print('there', flush=True) is None, 0.01)\n"
    code += f"proc.replace(['sh', '-c', 'echo begun; touch {tmp_path}/mark; sleep 0.5; echo ended'])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, encoding="utf-8", check=False, timeout=5)
    assert done.stdout == "begun\nthere\nended\n"


def test_what_goes_on_beside_us_ends_with_us(tmp_path: Path) -> None:
    code = "import os\nfrom helpers import spawn\nspawn.beside(lambda: False, 0.01)\nos.kill(os.getpid(), 9)"
    # It holds our output open, so this returns only when it has ended.
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False, timeout=5)
    assert done.returncode == -9
