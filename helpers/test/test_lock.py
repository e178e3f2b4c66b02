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

from helpers import host
from helpers.errors import ConfigError, InfrastructureError, PolicyError
from helpers.images import index_files, isolated_poetry, lock, uploads, yanked
from helpers.images.tool_environment import python_of
from helpers.model.poetry_lock import Pinned
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

    def poetry(path: Path, arguments: Sequence[str]) -> str:
        asked.append(arguments)
        return f"{arguments}\n"

    monkeypatch.setattr(lock, "_poetry", poetry)
    files = [lock.requirements(path, groups) for groups in ((), ("main",), ("main", "test"), (), ("main",))]
    assert files[:2] == files[3:] and len(set(files)) == 3
    assert [arguments[1:-2] for arguments in asked] == [["--all-groups"], ["--only", "main"], ["--only", "main,test"]]
    assert "main,test" in files[2].read_text()


@pytest.mark.parametrize("kind", ["link", "directory", "missing"])
def test_a_lock_that_a_build_backend_replaced_is_not_read(tmp_path: Path, kind: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("password")
    file = tmp_path / "poetry.lock"
    if kind == "link":
        file.symlink_to(secret)
    elif kind == "directory":
        file.mkdir()
    with pytest.raises(ConfigError, match="poetry left no lock") as caught:
        isolated_poetry.written(tmp_path)
    assert "password" not in str(caught.value)


# Ages of files.


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> Iterator[Index]:
    with package_index.serve() as found:
        monkeypatch.setattr(host, "pip_index", lambda: found.url)
        yield found


def refusal(days: int, *packages: Pinned) -> str:
    with pytest.raises(PolicyError) as caught:
        uploads.refuse_younger(packages, days, Path("poetry.lock"))
    assert caught.value.exit_code == 4 and caught.value.where == "poetry.lock"
    return str(caught.value)


@pytest.mark.parametrize("html", [False, True])
def test_a_file_is_refused_until_it_is_old_enough(index: Index, html: bool) -> None:
    index.html = html
    file = index.add("a", "1.0", days=10)
    package = Pinned("a", "1.0", (file,))
    uploads.refuse_younger([package], 9, Path("poetry.lock"))
    said = refusal(11, package)
    assert f"{file}: uploaded 10.0 days ago" in said
    assert "127.0.0.1" not in said


@pytest.mark.parametrize("html", [False, True])
def test_an_unknown_age_is_not_an_old_one(index: Index, html: bool) -> None:
    index.html = html
    file = index.add("a", "1.0", days=None)
    for files in ((file,), ("a-1.0.tar.gz",)):
        assert f"{files[0]}: the index does not say when it was uploaded" in refusal(1, Pinned("a", "1.0", files))
    assert "unknown-1.whl: the index does not say" in refusal(1, Pinned("unknown", "1", ("unknown-1.whl",)))
    assert "b 1.0: comes from git" in refusal(1, Pinned("b", "1.0", (), "git", "https://x.invalid"))


def test_what_lies_in_the_checkout_has_no_age_and_an_index_of_the_project_is_asked_itself(index: Index) -> None:
    file = index.add("a", "1.0", days=10)
    own = index.url
    index.url = "http://127.0.0.1:9/simple"
    uploads.refuse_younger([Pinned("b", "1.0", (), "directory", "../b")], 5, Path("poetry.lock"))
    uploads.refuse_younger([Pinned("a", "1.0", (file,), "legacy", own)], 5, Path("poetry.lock"))


def test_all_young_files_are_counted_and_the_first_are_named(index: Index) -> None:
    packages = [Pinned(f"p{number}", "1", (index.add(f"p{number}", "1", days=1),)) for number in range(12)]
    said = refusal(2, *packages)
    assert "12 of its files" in said and "p9-1-py3" in said and "p10-1-py3" not in said and "and 2 more" in said


# Withdrawn releases.


@pytest.mark.parametrize("html", [False, True])
@pytest.mark.parametrize("reason", ["broken wheel", ""])
def test_a_yanked_release_is_a_note_and_is_refused_on_demand(
    index: Index, cache: Path, capsys: pytest.CaptureFixture[str], html: bool, reason: str
) -> None:
    index.html = html
    package = Pinned("a", "1.0", (index.add("a", "1.0", days=10),))
    sound = Pinned("b", "1.0", (index.add("b", "1.0", days=10),))
    where = Path("/r/d/poetry.lock")
    index.yanked[package.files[0]] = reason
    yanked.tell([package, sound], where, "text")
    line = f"note: {where}: a 1.0 is yanked{f': {reason}' if reason else ''}"
    assert [line in text for text in capsys.readouterr().err.splitlines()] == [True]
    asked, index.asked = index.asked, []
    yanked.tell_remembered(where, "text")
    yanked.tell_remembered(where, "another text")
    said = capsys.readouterr().err
    assert line in said and said.count("note") == 1 and asked and index.asked == []
    with pytest.raises(PolicyError, match="1 of its releases are yanked") as caught:
        yanked.refuse([package, sound], where)
    assert caught.value.exit_code == 4 and str(caught.value.fix).endswith("--upgrade a")
    yanked.refuse([sound], where)


def test_an_index_that_does_not_answer_is_a_note_and_no_sound_answer(
    monkeypatch: pytest.MonkeyPatch, cache: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(host, "pip_index", lambda: "http://u:secret@127.0.0.1:9/simple")
    monkeypatch.setattr(yanked, "PATIENT", index_files.QUICK)
    packages = [Pinned("nobody", "1", ("nobody-1.whl",))]
    yanked.tell(packages, Path("poetry.lock"), "text")
    said = capsys.readouterr().err
    assert "whether its releases are yanked is not known" in said and "secret" not in said and "127.0.0.1" not in said
    with pytest.raises(InfrastructureError):
        yanked.refuse(packages, Path("poetry.lock"))


def test_an_address_in_a_lock_opens_no_file_and_is_asked_on_demand_only(
    index: Index, cache: Path, tmp_path: Path
) -> None:
    page = tmp_path / "a" / "index.html"
    page.parent.mkdir()
    page.write_text('<a href="a-1.whl" data-yanked="read">a</a>')
    yanked.refuse([Pinned("a", "1", ("a-1.whl",), "legacy", f"file://{tmp_path}")], Path("poetry.lock"))
    own = Pinned("a", "2", (index.add("a", "2", days=1),), "legacy", index.url)
    index.yanked[own.files[0]] = "gone"
    yanked.tell([own], Path("poetry.lock"), "text")
    assert index.asked == []
    with pytest.raises(PolicyError):
        yanked.refuse([own], Path("poetry.lock"))


@pytest.mark.slow
def test_an_index_that_does_not_answer_is_a_fault_that_does_not_name_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "pip_index", lambda: "http://u:secret@127.0.0.1:9/simple")
    with pytest.raises(InfrastructureError) as caught:
        uploads.refuse_younger([Pinned("a", "1", ("a-1.whl",))], 1, Path("poetry.lock"))
    assert "127.0.0.1" not in str(caught.value) and "secret" not in str(caught.value)
    assert "Connection refused" in str(caught.value)


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
    assert done.returncode == 2
    assert re.search(r"one: pyproject.toml says something else than poetry.lock", done.stderr)
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
    assert locked.run("--dir", "one", "--check", "--cooldown", "7").returncode == 4


@pytest.mark.host
@pytest.mark.slow
def test_a_yanked_release_is_named_by_lock_check_and_dir_check_and_refused_by_a_flag(locked: Locked) -> None:
    before = locked.file().read_bytes()
    locked.index.yanked["a-1.0-py3-none-any.whl"] = "leaks"
    for options, code in (
        ((), 0),
        (("--check",), 0),
        (("--check", "--cooldown", "1"), 0),
        (("--check", "--no-yanked"), 4),
    ):
        done = locked.run("--dir", "one", *options)
        assert done.returncode == code and "a 1.0 is yanked: leaks" in done.stderr, done.stderr
    checked = locked.scratch.invoke("dir_check", "--dir", "one")
    assert "a 1.0 is yanked: leaks (the index was asked on" in checked.stderr
    refused = locked.run("--dir", "one", "--no-yanked")
    assert refused.returncode == 4 and locked.file().read_bytes() == before, refused.stderr
    news(locked.index)
    # What the refusal says to do.
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
    files = [lock._exported(*item) for item in wanted]
    assert [file.exists() for file in files] == [True, True, False]
    assert not list(files[0].parent.glob(f"{files[2].name}*"))
    one_by_one = []
    for item, file in zip(wanted[:2], files, strict=False):
        at_once = file.read_text()
        file.unlink()
        one_by_one.append(lock.requirements(*item).read_text() == at_once != "")
        file.unlink()
    assert one_by_one == [True, True]
    with pytest.raises(ConfigError, match="something else than"):
        lock.requirements(*wanted[2])


@pytest.mark.host
@pytest.mark.slow
def test_a_lock_with_path_dependencies_is_that_of_poetry_in_place(tmp_path: Path, index: Index) -> None:
    # Poetry keeps in the user's cache what it read of a package, by name.
    index.add("needle", "1.0", days=10)
    near = {
        "poetry": '[tool.poetry]\nname = "near"\nversion = "1"\n[tool.poetry.dependencies]\nneedle = "*"\n',
        "flit": '[project]\nname = "far"\nversion = "2"\ndependencies = ["needle"]\n[build-system]\nrequires = ["x"]\n',
    }
    for name, text in near.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text(text)
    path = tmp_path / "one"
    path.mkdir()
    needs = (
        '[tool.poetry.group.x.dependencies]\nnear = {path = "../poetry", develop = true}\nfar = {path = "../flit"}\n'
    )
    # A license that lies in a file is not read.
    text = WANTS_A_AND_B.replace('["a", "b"]', '["needle"]\nlicense = {file = "/dev/zero"}') + needs
    (path / "pyproject.toml").write_text(text)
    assert lock.lock(path)
    ours = (path / "poetry.lock").read_bytes()
    assert b'url = "../flit"' in ours and b"develop = true" in ours
    (path / "poetry.lock").unlink()
    (path / "pyproject.toml").write_text(text.replace('license = {file = "/dev/zero"}\n', ""))
    subprocess.run(
        [str(python_of("poetry")), "-I", "-m", "poetry", "lock", "--quiet", "--no-interaction"],
        cwd=path,
        env={**os.environ, "POETRY_PYPI_MIRROR_URL": index.url, "no_proxy": "127.0.0.1"},
        check=True,
    )
    assert (path / "poetry.lock").read_bytes() == ours
    exported = lock.requirements(path).read_text()
    assert f"-e file://{tmp_path}/poetry" in exported and f"far @ file://{tmp_path}/flit" in exported


@pytest.mark.host
@pytest.mark.slow
@pytest.mark.parametrize("dynamic", [False, True])
def test_no_build_backend_runs_where_no_engine_answers(
    tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch, dynamic: bool
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody")
    path = add_dir(make_repo(tmp_path / "r"), "one", locked=False)
    source = path.parent / "x"
    source.mkdir()
    (source / "setup.py").write_text(f"open({str(tmp_path / 'MARK')!r}, 'w')\n")
    if dynamic:
        (source / "pyproject.toml").write_text('[project]\nname = "x"\ndynamic = ["version"]\n')
    project = path / "pyproject.toml"
    project.write_text(
        project.read_text().replace("[tool.poetry]", f'dependencies = ["x @ file://{source}"]\n[tool.poetry]', 1)
    )
    with pytest.raises(InfrastructureError, match="cannot lock without a docker engine") as caught:
        lock.lock(path)
    assert str(source) in caught.value.what and caught.value.fix
    assert not (tmp_path / "MARK").exists() and not (path / "poetry.lock").exists()


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
        # Both sides change one line of the lock.
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
