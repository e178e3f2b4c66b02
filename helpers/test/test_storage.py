from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers import storage
from helpers.errors import InfrastructureError, LockHeldError
from helpers.test.unit_fixtures import cache

__all__ = ["cache"]

HOLD = """
import time
from helpers import storage
with storage.locked("a.lock"):
    print(1, flush=True)
    time.sleep(60)
"""


def test_parts_of_a_digest_do_not_flow_into_each_other() -> None:
    parts = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), ("", "abc"), ("2:ab", "c")]
    assert len({storage.digest(*part) for part in parts}) == len(parts)
    assert storage.digest("a", b"b") == storage.digest(b"a", "b")
    assert len(storage.digest()) == 64


LEAVE = """
import time
from helpers import storage
with storage.scratch() as path:
    (path / "secret").touch()
    print(path, flush=True)
    time.sleep(60)
"""


def test_a_scratch_directory_is_private_and_goes_also_after_its_process_was_killed(cache: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", LEAVE], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout
        theirs = Path(other.stdout.readline().strip())
        with storage.scratch() as ours:
            assert ours.parent.stat().st_mode & 0o777 == 0o700
            assert (theirs / "secret").exists()
        other.kill()
    assert (theirs / "secret").exists()
    with storage.scratch() as ours:
        assert list((cache / "scratch").iterdir()) == [ours.parent]
    assert not list((cache / "scratch").iterdir())


def test_a_file_is_written_once_and_readable_by_others(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    assert storage.write_once(path, "one").read_text() == "one"
    assert storage.write_once(path, "two").read_text() == "one"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [item.name for item in path.parent.iterdir()] == ["file.txt"]


def test_a_lock_that_another_process_holds_is_waited_for_and_free_when_it_is_killed(cache: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE) as holder:
        assert holder.stdout and holder.stdout.readline() == b"1\n"
        with pytest.raises(LockHeldError) as caught, storage.locked("a.lock", timeout=0.1):
            pass
        assert caught.value.where == str(cache / "locks" / "a.lock")
        assert "wait for it" in str(caught.value.fix)
        assert f"the lock is held by process {holder.pid} on " in str(caught.value)
        assert "since 20" in str(caught.value)
        with storage.locked("b.lock", timeout=0.1):
            pass
        holder.kill()
        with storage.locked("a.lock", timeout=5):
            pass
        assert (cache / "locks" / "a.lock").read_text() == ""


def test_of_the_runs_only_old_ones_beyond_the_last_twenty_go(cache: Path) -> None:
    for number in range(25):
        path = cache / "runs" / f"20260101-0000{number:02}-a"
        path.mkdir(parents=True)
    fresh = [storage.run_directory(f"20260102-00000{number}-b") for number in range(3)]
    left = {path.name for path in (cache / "runs").iterdir()}
    assert {path.name for path in fresh} <= left
    assert "20260101-000000-a" not in left and "20260101-000024-a" in left and len(left) == 20


def test_a_run_that_is_still_going_keeps_its_directory_however_old_it_is(cache: Path) -> None:
    going = storage.run_directory("20250101-000000-a")
    for number in range(25):
        (cache / "runs" / f"20260101-0000{number:02}-a").mkdir()
    storage.run_directory("20260102-000000-b")
    assert going.exists() and not (cache / "runs" / "20260101-000000-a").exists()


def test_a_cache_that_can_not_be_written_is_infrastructure(cache: Path) -> None:
    cache.write_text("a file stands where the directory should be")
    with pytest.raises(InfrastructureError, match="cannot write: not a directory"):
        storage.run_directory("x")
