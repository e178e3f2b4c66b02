"""`repo_roll_forward --push` is killed at random moments, and given again: it ends right, and nothing is lost."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers.errors import INFRASTRUCTURE, OK
from helpers.repo import changing, history
from helpers.test import fleet
from helpers.test.fleet import Fleet, commit, git, one, pristine, user

__all__ = ["one", "pristine", "user"]
pytestmark = [pytest.mark.slow, pytest.mark.host, pytest.mark.usefixtures("user")]

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "invoke", "--search-root", str(ROOT), "repo_roll_forward", "--push"]
ROUNDS, KILLS = 4, 5
SHARED = ("apps/one/libs/shared", "apps/two/libs/shared")
MOVING = {"moved": "moved", "my docs": "docs", "plots": "plots", "tools": "tools"}
SUPER_REPOS = ("shared", "one", "two", "top")


def start(many: Fleet) -> subprocess.Popen[bytes]:
    """Start the command, in a process group of its own."""
    return subprocess.Popen(
        COMMAND, cwd=many.top, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def kill_at(many: Fleet, seconds: float) -> float | None:
    """Start the command and kill its process group after that time; return how long it took if it ended before."""
    process = start(many)
    begin = time.monotonic()
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return None
    return time.monotonic() - begin


def unfinished(many: Fleet) -> dict[str, str]:
    """Return what is not committed, or on no remote, and must stay."""
    docs, data = many.at("my docs"), many.at("data")
    with changing.hand(many.top):  # the git that was running when its parent was killed has ended now
        pass
    return {
        "docs": git(docs, "status", "--porcelain=v1") + git(docs, "diff") + git(docs, "diff", "--cached"),
        "new": (docs / "new dir" / "new.txt").read_text(),
        "data": git(data, "rev-parse", "HEAD", "main"),
        "staged pin": git(many.top, "ls-files", "--stage", "data"),
        "top": (many.top / "mine.txt").read_text() + git(many.top, "diff", "--cached", "--", "mine.txt"),
    }


def newest(many: Fleet, name: str) -> str:
    return git(many.remotes / f"{name}.git", "rev-parse", "main").strip()


def grow(many: Fleet) -> dict[str, str]:
    """Give remotes a new commit each; return the newest commits of those of the super-repos."""
    for name in ("deep", *MOVING.values()):
        work = many.home / f"work of {name}"
        commit(work, "other.txt")
        git(work, "push", "--quiet", "origin", "HEAD:main")
    return {name: newest(many, name) for name in SUPER_REPOS}


def check(many: Fleet, before: dict[str, str]) -> None:
    """Check that all that can move has moved, once, and is pushed."""
    pins = history.pins_of(many.top, "HEAD")
    assert {path: pins[path] for path in MOVING} == {path: newest(many, name) for path, name in MOVING.items()}
    assert {many.head(path) for path in SHARED} == {newest(many, "shared")}
    assert {many.head(f"{path}/vendor/deep") for path in SHARED} == {newest(many, "deep")}
    for path, name in ((".", "top"), ("apps/one", "one"), ("apps/two", "two"), *((path, "shared") for path in SHARED)):
        assert many.head(path) == newest(many, name)
        # One commit, on top of what was there: nothing was forced, and nothing was done twice.
        assert many.head(path, "HEAD~1") == before[name]
        staged = git(many.at(path), "diff", "--name-only", "--cached").split()
        assert staged == (["data", "mine.txt"] if path == "." else [])
    left = [file for file in (many.top / ".git").rglob("*") if file.name in ("index.lock", "helpers.index")]
    assert left == []


def test_it_ends_right_after_20_kills_at_random_moments_and_nothing_is_lost(tmp_path: Path) -> None:
    many = fleet.troubled(tmp_path / "fleet")
    (many.top / "mine.txt").write_text("mine")
    git(many.top, "add", "mine.txt")
    started = time.monotonic()
    assert start(many).wait(60) == INFRASTRUCTURE  # one remote gives no access
    longest = time.monotonic() - started
    here, seed = unfinished(many), random.randrange(2**32)
    chance, hits = random.Random(seed), 0
    for number in range(ROUNDS):
        before, within = grow(many), longest
        for kill in range(KILLS):
            ended = kill_at(many, chance.uniform(0.2, within))
            hits += ended is None
            # There is less left to do, or the machine is less busy than it was: a later moment is too late again.
            within = min(within, ended or within)
            longest = longest if kill else within
            assert unfinished(many) == here, f"seed {seed}, round {number}"
        assert start(many).wait(60) == INFRASTRUCTURE
        check(many, before)
        assert unfinished(many) == here, f"seed {seed}, round {number}"
    assert hits > ROUNDS * KILLS / 2, f"most kills came too late, with seed {seed}"


def test_a_kill_in_the_middle_of_a_checkout_leaves_no_half_of_it(one: Fleet, user: Path) -> None:
    begun = user / "begun"
    slow = f"sh -c ': > {begun}; sleep 0.7; cat'"
    (user / "attributes").write_text("file.txt filter=slow\n")
    git(one.top, "config", "--file", str(user / "gitconfig"), "core.attributesFile", str(user / "attributes"))
    git(one.top, "config", "--file", str(user / "gitconfig"), "filter.slow.smudge", slow)
    made = one.push("tools")
    process = start(one)
    while not begun.exists() and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    # The next one waits until git has ended what it began.
    assert start(one).wait(60) == OK
    assert (one.head("tools"), newest(one, "top")) == (made, one.head("."))
    assert git(one.top, "status", "--porcelain") == git(one.at("tools"), "status", "--porcelain") == ""
