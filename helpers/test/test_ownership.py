from __future__ import annotations

import os
import subprocess
import sys

import pytest

from helpers.engine import ownership

TELL = "from helpers.engine import ownership; print(ownership.this_owner(), flush=True); input()"


def test_we_are_alive_and_a_process_that_ended_is_dead() -> None:
    assert not ownership.is_dead(ownership.this_owner())
    with subprocess.Popen([sys.executable, "-c", TELL], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout and other.stdin
        owner = other.stdout.readline().decode().strip()
        assert not ownership.is_dead(owner)
        other.stdin.write(b"\n")
        other.stdin.flush()
        # Not waited for yet: it is a zombie, or just about to be one.
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert ownership.is_dead(owner)
    assert ownership.is_dead(owner)


def test_another_process_that_got_the_same_number_is_not_the_owner() -> None:
    scope, process, started = ownership.this_owner().rsplit(" ", 2)
    assert ownership.is_dead(f"{scope} {process} {int(started) + 1}")


@pytest.mark.parametrize("field", [0, 1, 2])
def test_an_owner_of_another_boot_namespace_or_user_counts_as_alive(field: int) -> None:
    parts = ownership.this_owner().split(" ")
    parts[field] = "other"
    parts[-1] = "1"
    assert not ownership.is_dead(" ".join(parts))


@pytest.mark.parametrize("owner", ["", "x", "a b c", "  "])
def test_what_is_not_an_owner_counts_as_alive(owner: str) -> None:
    assert not ownership.is_dead(owner)
