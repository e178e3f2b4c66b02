from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from helpers import config, storage
from helpers.containers import prune
from helpers.images.recipe import image_chain
from helpers.test.unit_fixtures import add_dir, cache, make_repo

__all__ = ["cache"]

NOW = time.time()
MONTH_AGO = NOW - 30 * 86400
LONG_AGO = NOW - 40 * 86400
USE = """
import sys, time
from helpers import storage
storage.use(sys.argv[1], sys.argv[2])
print(1, flush=True)
time.sleep(60)
"""


def make(path: Path, *, used: float | None, made: float = LONG_AGO) -> Path:
    """Make something in the cache: a file where its name has a suffix, otherwise a directory with a file."""
    file = path if path.suffix in (".tar", ".log") else path / "file"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * 10000)
    os.utime(path, (made, made))
    if used is not None:
        mark = path.parents[1] / "used" / path.parent.name / path.name
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        os.utime(mark, (used, used))
    return path


def make_env(cache: Path, name: str, *, used: float) -> Path:
    """Make an environment as the thin environment's installer does: a directory and a link to it."""
    real = make(cache / "envs" / f"{name}.abc", used=None)
    link = real.with_name(name)
    link.symlink_to(real.name)
    mark = cache / "used" / "envs" / name
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    os.utime(mark, (used, used))
    return link


def pruned(before: float = MONTH_AGO, needed: frozenset[str] = frozenset(), *, dry_run: bool = False) -> set[str]:
    return {item.name for item in prune.prune_cache(set(needed), before, dry_run=dry_run)}


def names(path: Path) -> set[str]:
    return {item.name for item in path.iterdir()}


@pytest.mark.parametrize(
    "kind, name",
    [
        ("venvs", "a%inputs-1"),
        ("archives", "s-1.tar"),
        ("tools", "uv-1"),
        ("layers", "1-2.json"),
        ("layouts", "1"),
    ],
)
def test_what_was_not_used_for_a_month_goes_with_its_mark(cache: Path, kind: str, name: str) -> None:
    make(cache / kind / name, used=LONG_AGO)
    make(cache / kind / f"new-{name}", used=NOW)
    make(cache / kind / f"unmarked-{name}", used=None, made=NOW)
    assert pruned() == {f"{kind}/{name}"}
    assert names(cache / kind) == {f"new-{name}", f"unmarked-{name}"}
    assert names(cache / "used" / kind) == {f"new-{name}"}


def test_what_has_no_mark_is_as_old_as_it_was_made(cache: Path) -> None:
    make(cache / "venvs" / "old", used=None)
    assert pruned() == {"venvs/old"}


def test_what_a_process_uses_stays_however_old_it_is(cache: Path) -> None:
    make(cache / "venvs" / "a", used=LONG_AGO)
    with subprocess.Popen([sys.executable, "-c", USE, "venvs", "a"], stdout=subprocess.PIPE) as user:
        assert user.stdout and user.stdout.readline() == b"1\n"
        assert pruned(time.time() + 60) == set()
        user.kill()
    assert pruned() == set(), "its use has been marked"
    assert pruned(time.time() + 60) == {"venvs/a"}


def test_a_use_lasts_over_a_change_of_program(cache: Path) -> None:
    become = "import os, sys\nfrom helpers import storage\nstorage.use('images', 'a:1')\nos.execvp('cat', ['cat'])"
    with subprocess.Popen(
        [sys.executable, "-c", become], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
    ) as user:
        assert user.stdin and user.stdout
        user.stdin.write(b"1")
        assert user.stdout.read(1) == b"1"
        with storage.claimed("images", "a:1") as used:
            assert used is None
        user.stdin.close()
        user.wait()
    with storage.claimed("images", "a:1") as used:
        assert used


def test_who_comes_while_something_is_removed_waits_and_finds_it_gone(cache: Path) -> None:
    path = make(cache / "venvs" / "a", used=LONG_AGO)
    look = "import os, sys\nfrom helpers import storage\nprint(1, flush=True)\nstorage.use('venvs', 'a')\n"
    look += "print(os.path.exists(sys.argv[1]), flush=True)\ninput()"
    with subprocess.Popen(
        [sys.executable, "-c", look, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as user:
        assert user.stdin and user.stdout
        with storage.claimed("venvs", "a"):
            assert user.stdout.readline() == b"1\n"
            time.sleep(0.2)
            (path / "file").unlink()
            path.rmdir()
            storage.forget("venvs", "a")
        assert user.stdout.readline() == b"False\n"
        # The mark that it holds is the new one, not the one that was removed.
        with storage.claimed("venvs", "a") as used:
            assert used is None
        user.stdin.close()


def test_what_a_maker_has_locked_stays(cache: Path) -> None:
    make(cache / "venvs" / "a", used=LONG_AGO)
    with storage.locked("a.lock"):
        assert pruned() == set()
    assert pruned() == {"venvs/a"}


def test_an_environment_goes_with_the_link_to_it_and_stays_while_a_checkout_has_it_on_path(cache: Path) -> None:
    checkout = make_repo(cache.parent / "checkout")
    old = make_env(cache, "requirements-1", used=LONG_AGO)
    kept = make_env(cache, "requirements-2", used=LONG_AGO)
    for number, (env, root) in enumerate([(old, cache / "gone"), (kept, checkout)]):
        (cache / "checkouts").mkdir(exist_ok=True)
        (cache / "checkouts" / f"{number}").write_text(f"{env}\n{root}\n\n")
    assert pruned() == {"envs/requirements-1"}
    assert names(cache / "envs") == {"requirements-2", "requirements-2.abc"}


def test_what_killed_processes_left_half_made_goes_after_a_day(cache: Path) -> None:
    left = ["archives/s.1.new.tar", "venvs/a.1.new", "venvs/.gone-1", "envs/poetry-1.abc"]
    for name in left:
        make(cache / name, used=None, made=NOW - 2 * 86400)
        make(cache / name.replace("1", "2"), used=None, made=NOW)
    assert pruned() == set(left)
    assert pruned(NOW) == set()


def test_sources_of_a_suite_stay(cache: Path) -> None:
    make(cache / "archives" / "bookworm.sources.list", used=None)
    assert pruned(NOW) == set()


def test_a_run_that_goes_on_and_a_build_of_the_last_hour_stay_when_all_goes(cache: Path) -> None:
    storage.run_directory("going")
    make(cache / "runs" / "over", used=None)
    make(cache / "builds" / "build-1.log", used=None)
    make(cache / "builds" / "build-2.log", used=None, made=NOW - 60)
    assert pruned(time.time() + 60) == {"runs/over", "builds/build-1.log"}


def test_a_dry_run_tells_the_same_and_removes_nothing(cache: Path) -> None:
    make(cache / "venvs" / "a", used=LONG_AGO)
    make(cache / "runs" / "over", used=None)
    before = sorted(str(path) for path in cache.rglob("*") if "lock" not in str(path))
    told = pruned(dry_run=True)
    assert sorted(str(path) for path in cache.rglob("*") if "lock" not in str(path)) == before
    assert pruned() == told == {"venvs/a", "runs/over"}


def test_the_environment_of_an_image_that_is_needed_stays(cache: Path) -> None:
    make(cache / "venvs" / "a%inputs-1", used=LONG_AGO)
    assert pruned(needed=frozenset({"a%inputs-1"})) == set()


def test_what_another_checkout_names_is_needed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = make_repo(cache.parent / "here"), make_repo(cache.parent / "there")
    add_dir(here, "one", 'base = "image:python@sha256:01230123012301230123012301230123"')
    add_dir(
        there,
        "two",
        'base = "image:python@sha256:01230123012301230123012301230123"',
        version="0.2.0",
    )
    (cache / "checkouts").mkdir(parents=True)
    (cache / "checkouts" / "x").write_text(f"/env\n{there}\n\n")
    monkeypatch.chdir(here)
    expected = set()
    for root, name in ((here, "one"), (there, "two")):
        runnable = config.load(root, root / name, ())
        expected.add(image_chain(runnable, lambda path: pytest.fail(str(path)))[-1].reference)
    assert len(expected) == 2 and expected <= prune.needed_images()


def test_the_size_is_what_the_disk_gets_back(cache: Path) -> None:
    path = make(cache / "venvs" / "a", used=LONG_AGO)
    os.link(path / "file", cache / "elsewhere")
    (path / "own").write_bytes(b"x" * 100_000)
    (item,) = prune.prune_cache(set(), MONTH_AGO, dry_run=True)
    assert 100_000 <= item.size < 110_000
    assert prune.total([item]).startswith("1 things of the cache: 0.1 MB; 0 images")
