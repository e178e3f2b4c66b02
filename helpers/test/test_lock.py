"""`docker_lock`: what it moves, what it refuses, and what it writes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from helpers.errors import ConfigError
from helpers.images import lock, lock_source
from helpers.images.lock_source import LockSource
from helpers.images.tool_environment import python_of
from helpers.test import package_index
from helpers.test.conftest import ROOT, Scratch, thin_env
from helpers.test.package_index import Index
from helpers.test.unit_fixtures import add_dir, cache, make_repo

__all__ = ["cache"]


@pytest.fixture
def path(tmp_path: Path, cache: Path) -> Path:
    return add_dir(make_repo(tmp_path / "r"), "one")


def test_an_export_of_some_groups_is_kept_beside_that_of_all(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Sequence[str]] = []

    def poetry(source: LockSource, arguments: Sequence[str]) -> str:
        asked.append(arguments)
        return f"{arguments}\n"

    monkeypatch.setattr(lock, "_poetry", poetry)
    files = [lock.requirements(path, groups) for groups in ((), ("main",), ("main", "test"), (), ("main",))]
    assert files[:2] == files[3:] and len(set(files)) == 3
    assert [arguments[1:-2] for arguments in asked] == [["--all-groups"], ["--only", "main"], ["--only", "main,test"]]
    assert "main,test" in files[2].read_text()


# What poetry writes: these start it, in an environment that is fetched when it is not there.


class Locked:
    """A repo with one runnable dir that needs `a` and `b` of an index of its own."""

    def __init__(self, root: Path, index: Index) -> None:
        python_of("poetry")
        self.scratch = Scratch(root)
        self.index = index
        self.add("one")

    def add(self, name: str) -> Path:
        path = self.scratch.add(name, "", image=name, lock=False)
        (path / "pyproject.toml").write_text(WANTS_A_AND_B)
        return path

    def run(self, *arguments: str) -> CompletedProcess[str]:
        url = self.index.url
        done = self.scratch.invoke(
            "docker_lock", *arguments, UV_DEFAULT_INDEX=url, PIP_INDEX_URL=url, no_proxy="127.0.0.1"
        )
        assert "127.0.0.1" not in done.stdout + done.stderr
        return done

    def file(self, name: str = "one") -> Path:
        return self.scratch.root / name / "poetry.lock"


WANTS_A_AND_B = """\
[project]
name = "one"
version = "0"
requires-python = ">=3.11"
dependencies = ["a", "b"]

[tool.poetry]
package-mode = false
"""


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Locked]:
    with package_index.serve() as index:
        index.add("a", "1.0", days=100, requires=["c"])
        index.add("b", "1.0", days=100)
        index.add("c", "1.0", days=100)
        found = Locked(tmp_path / "repo", index)
        assert found.run("--dir", "one").returncode == 0
        yield found


def news(index: Index, days: float | None = 3) -> None:
    """Upload a new version of everything."""
    for name, requires in (("a", ["c"]), ("b", []), ("c", [])):
        index.add(name, "1.1", days=days, requires=requires)


@pytest.mark.host
@pytest.mark.slow
def test_a_lock_moves_nothing_that_need_not_and_upgrade_moves_one(locked: Locked) -> None:
    first = locked.file().read_bytes()
    assert b"127.0.0.1" not in first
    news(locked.index)
    again = locked.run("--dir", "one")
    assert (again.returncode, again.stdout, locked.file().read_bytes()) == (0, "", first)
    moved = locked.run("--dir", "one", "--upgrade", "A")
    assert (moved.returncode, moved.stdout) == (0, "a  1.0 -> 1.1\n")
    both = locked.run("--all", "--upgrade", "b,c")
    assert (both.returncode, both.stdout) == (0, "b  1.0 -> 1.1\nc  1.0 -> 1.1\n")
    for where in (["--all"], ["--dir", "one", "--upgrade", "a"]):
        unknown = locked.run(*where, "--upgrade", "nobody")
        assert unknown.returncode == 2 and "--upgrade 'nobody' is not in its lock" in unknown.stderr


@pytest.mark.host
@pytest.mark.slow
def test_a_lock_from_nothing_is_the_same_bytes_twice(locked: Locked) -> None:
    first = locked.file().read_bytes()
    locked.file().unlink()
    done = locked.run("--dir", "one")
    assert done.stdout == "a  (new) -> 1.0\nb  (new) -> 1.0\nc  (new) -> 1.0\n"
    assert locked.file().read_bytes() == first


@pytest.mark.host
@pytest.mark.slow
def test_check_names_every_drift_and_writes_nothing(locked: Locked) -> None:
    assert locked.run("--check", "--all").returncode == 0
    shutil.copytree(locked.scratch.root / "one", locked.scratch.root / "two")
    locked.add("three")
    project = locked.scratch.root / "one" / "pyproject.toml"
    project.write_text(project.read_text().replace('"a", "b"', '"a"'))
    before = locked.file().read_bytes()
    done = locked.run("--check", "--all")
    assert done.returncode == 1
    assert re.search(r"one: poetry.lock does not match pyproject.toml", done.stderr)
    assert re.search(r"three: has no poetry.lock", done.stderr)
    assert re.search(r"two/poetry.lock is that of its pyproject.toml", done.stderr)
    assert locked.file().read_bytes() == before
    assert locked.run("--dir", "one").stdout == "b  1.0 -> (gone)\n"
    assert locked.run("--check", "--dir", "one").returncode == 0


@pytest.mark.host
@pytest.mark.slow
def test_a_cooldown_leaves_the_lock_as_it_was(locked: Locked) -> None:
    before = locked.file().read_bytes()
    news(locked.index)
    refused = locked.run("--dir", "one", "--upgrade", "a", "--cooldown", "7")
    assert refused.returncode == 4, refused.stderr
    assert "a-1.1-py3-none-any.whl: uploaded 3.0 days ago" in refused.stderr
    assert "b-" not in refused.stderr
    assert locked.file().read_bytes() == before
    assert locked.run("--dir", "one", "--upgrade", "a", "--cooldown", "2").returncode == 0
    assert locked.run("--dir", "one", "--check", "--cooldown", "2").returncode == 0
    assert locked.run("--dir", "one", "--check", "--cooldown", "7").returncode == 1


@pytest.mark.host
@pytest.mark.slow
def test_a_yanked_release_is_named_by_lock_check_and_dir_check_and_refused_by_a_flag(locked: Locked) -> None:
    before = locked.file().read_bytes()
    locked.index.yanked["a-1.0-py3-none-any.whl"] = "leaks"
    for options, code in (
        ((), 0),
        (("--check",), 0),
        (("--check", "--cooldown", "1"), 0),
        (("--check", "--no-yanked"), 1),
    ):
        done = locked.run("--dir", "one", *options)
        assert done.returncode == code and "a 1.0 is yanked: leaks" in done.stderr, done.stderr
    checked = locked.scratch.invoke("dir_check", "--dir", "one")
    assert "a 1.0 is yanked: leaks (the index was asked on" in checked.stderr
    refused = locked.run("--dir", "one", "--no-yanked")
    assert refused.returncode == 4 and locked.file().read_bytes() == before, refused.stderr
    news(locked.index)
    # The fix in the refusal.
    assert locked.run("--dir", "one", "--no-yanked", "--upgrade", "a").returncode == 0


@pytest.mark.host
@pytest.mark.slow
def test_a_cooldown_refuses_a_first_lock_whose_ages_nobody_knows(locked: Locked) -> None:
    locked.file().unlink()
    locked.index.add("b", "1.0", days=None)
    done = locked.run("--dir", "one", "--cooldown", "1")
    assert done.returncode == 4
    assert "b-1.0-py3-none-any.whl: the index does not say when it was uploaded" in done.stderr
    assert not locked.file().exists()


@pytest.mark.host
@pytest.mark.slow
@pytest.mark.parametrize("options", [("--check", "--upgrade", "a"), ("--cooldown", "-1")])
def test_options_that_make_no_sense_are_bad_usage(locked: Locked, options: tuple[str, ...]) -> None:
    assert locked.run("--dir", "one", *options).returncode == 2


@pytest.mark.host
@pytest.mark.slow
def test_several_locks_are_exported_at_once_as_they_are_one_by_one(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("forecast", "intake", "drifted")]
    for path, source in zip(paths, ("forecast", "intake", "intake"), strict=True):
        path.mkdir()
        shutil.copy(ROOT / "runnable_dirs" / source / "poetry.lock", path)
        text = (ROOT / "runnable_dirs" / source / "pyproject.toml").read_text()
        (path / "pyproject.toml").write_text(f"# {tmp_path}\n{text}")
    drifted = paths[2] / "pyproject.toml"
    drifted.write_text(drifted.read_text().replace("dependencies = [", 'dependencies = ["attrs", '))
    wanted: list[tuple[Path, tuple[str, ...]]] = [(paths[0], ()), (paths[1], ("main",)), (paths[2], ())]
    lock.export_all([*wanted, (tmp_path / "nowhere", ())])
    sources = [(lock_source.of(path), groups) for path, groups in wanted]
    files = [lock._exported(source, lock._selection(source, groups)) for source, groups in sources]
    assert [file.exists() for file in files] == [True, True, False]
    assert not list(files[0].parent.glob(f"{files[2].name}*"))
    one_by_one = []
    for item, file in zip(wanted[:2], files, strict=False):
        at_once = file.read_text()
        file.unlink()
        one_by_one.append(lock.requirements(*item).read_text() == at_once != "")
        file.unlink()
    assert one_by_one == [True, True]
    with pytest.raises(ConfigError, match="does not match"):
        lock.requirements(*wanted[2])


@pytest.mark.host
@pytest.mark.slow
def test_the_fix_for_conflict_markers_locks_again_during_the_merge(locked: Locked) -> None:
    scratch, file = locked.scratch, locked.file()
    scratch.git("add", "--all")
    scratch.git("commit", "--quiet", "--message", "base")
    news(locked.index)
    scratch.git("checkout", "--quiet", "-b", "theirs")
    for branch, name in (("theirs", "a"), ("main", "b")):
        scratch.git("checkout", "--quiet", branch)
        assert locked.run("--dir", "one", "--upgrade", name).returncode == 0
        # Both sides change the same line of the lock.
        file.write_text(file.read_text().replace("# This", f"# {branch}: this", 1))
        scratch.git("commit", "--quiet", "--all", "--message", branch)
    with pytest.raises(subprocess.CalledProcessError):
        scratch.git("merge", "theirs")
    refused = locked.run("--dir", "one")
    fix = re.search(
        r"fix: (git checkout --ours one/poetry\.lock && invoke docker_lock --dir one)$", refused.stderr, re.M
    )
    assert refused.returncode == 2 and fix, refused.stderr
    url = locked.index.url
    subprocess.run(
        ["sh", "-c", fix[1]],
        cwd=scratch.root,
        env={
            **os.environ,
            "PATH": f"{thin_env()}/bin:{os.environ['PATH']}",
            "UV_DEFAULT_INDEX": url,
            "no_proxy": "127.0.0.1",
        },
        check=True,
    )
    assert locked.run("--dir", "one", "--check").returncode == 0
    assert 'version = "1.1"' in file.read_text() and "<<<<<<<" not in file.read_text()
