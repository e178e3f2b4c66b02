"""A hostile file is the CONFIG fault of its directory, in every command; answers about further directories stay."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import checkout_file, config, discover
from helpers.dirs import check, listing
from helpers.driver import plan
from helpers.driver.container import pytest_arguments
from helpers.errors import USAGE, ConfigError
from helpers.images import commands, lock_source
from helpers.model.settings import Settings
from helpers.model.stage import Stage
from helpers.test.dirs_fixtures import agreed, root, sound
from helpers.test.unit_fixtures import cache, forget, git

__all__ = ["cache", "root"]

# These tests start processes, and there are many of them.
pytestmark = pytest.mark.slow

SECRET = "the-password-of-the-caller"


def huge(file: Path) -> None:
    file.touch()
    os.truncate(file, 1 << 40)


FILES = ("pyproject.toml", "changelog.txt", "poetry.lock", "devops/Dockerfile")
KINDS: dict[str, Callable[[Path], object]] = {
    "link out": lambda file: file.symlink_to(file.parents[3] / "secret"),
    "relative link out": lambda file: file.symlink_to(os.path.relpath(file.parents[3] / "secret", file.parent)),
    "device": lambda file: file.symlink_to("/dev/zero"),
    "link into .git": lambda file: file.symlink_to(file.parents[1] / ".git" / "config"),
    "link to nothing": lambda file: file.symlink_to("nothing"),
    "FIFO": os.mkfifo,
    "directory": os.mkdir,
    "huge": huge,
    "mark": lambda file: file.write_bytes(b"\xef\xbb\xbf# x\n"),
    "bytes": lambda file: file.write_bytes(b"# x\xff\n"),
}
TEXTS = {
    "nested": f"x = {'[' * 500}{']' * 500}\n",
    "dotted": f"{'a.' * 5_000}a = 1\n",
    "integer": f"x = {'9' * 9_000}\n",
    "integer of a setting": f"[tool.helpers]\npids = 0x{'f' * 9_000}\n",
    "syntax": "x =\n",
    "tables": "project = 1\n",
    "misspelt": '[project]\nname = "bad"\nrequires-python = ">=3.11"\n[tool.helper]\ntests = ["tests"]\n',
    "misspelt above": "[tools.helpers]\ntests = ['tests']\n",
    "at the top": "[helpers]\ntests = ['tests']\n",
}


def never(path: Path) -> Path:
    """Fail the test when a lock is compared with a `pyproject.toml` that cannot be read."""
    assert path.name == "good", "poetry.lock is not to blame"
    return path / "poetry.lock"


@pytest.fixture
def bad(root: Path, cache: Path) -> Path:
    (root.parent / "secret").write_text(SECRET)
    sound(root, "good")
    return sound(root, "bad")


def assert_one_fault_of_its_own(root: Path, capsys: pytest.CaptureFixture[str], cause: str) -> None:
    forget()
    every = discover.runnable_paths(root)
    assert [path.name for path in every] == ["bad", "good"]
    wrong, right = plan.make(root, every, every, "fast").dirs
    assert right.runnable and not right.error
    assert isinstance(wrong.error, ConfigError) and wrong.error.exit_code == USAGE
    assert [(row.directory, bool(row.error)) for row in listing.rows(root)] == [("bad", True), ("good", False)]
    chains, codes = commands._chains(every, config.loader(root, every), Stage.LOCAL)
    assert ([chain[-1].key for chain in chains], max(codes)) == (["good"], USAGE)
    said = f"{wrong.error} {capsys.readouterr()}"
    compared = never if cause == "pyproject.toml" else agreed
    assert check.main(directory="", every=True, cwd=root, requirements=compared) == USAGE
    out = capsys.readouterr().out
    assert len(out.splitlines()) == 1 and out.startswith(f"bad/{cause}:"), out
    assert SECRET not in said + out and len(said) < 3_000


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("file", FILES)
def test_a_hostile_file_is_one_fault_of_its_directory(
    root: Path, bad: Path, capsys: pytest.CaptureFixture[str], file: str, kind: str
) -> None:
    (bad / file).unlink(missing_ok=True)
    KINDS[kind](bad / file)
    assert_one_fault_of_its_own(root, capsys, file)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_settings_that_cannot_be_read_are_one_fault_of_their_directory(
    root: Path, bad: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    shutil.move(bad / "test", bad / "tests")
    (bad / "pyproject.toml").write_text(text)
    assert_one_fault_of_its_own(root, capsys, "pyproject.toml")


@pytest.mark.parametrize("name", ["devops", "."])
def test_a_directory_in_whose_place_a_link_leads_out_is_one_fault(
    root: Path, bad: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    git(root, "add", "--all")
    shutil.move(bad / name, root.parent / "outside")
    (bad / name).symlink_to(root.parent / "outside")
    if name == "devops":
        assert_one_fault_of_its_own(root, capsys, name)
        return
    every = discover.runnable_paths(root)
    wrong = plan.make(root, every, every, "fast").dirs[0]
    assert isinstance(wrong.error, ConfigError) and "leads out" in wrong.error.what


def test_tests_behind_a_link_out_of_the_repo_are_one_finding(
    root: Path, bad: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.move(bad / "test", root.parent / "outside")
    (bad / "test").symlink_to(root.parent / "outside")
    assert check.main(directory="", every=True, cwd=root, requirements=agreed) == USAGE
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("bad/test:1: is a link that leads out of the repo")
    with pytest.raises(ConfigError, match="leads out"):
        pytest_arguments(config.load(root, bad, ()), Path("/results"), ())


def test_a_lock_with_a_version_of_poetry_that_is_no_number_ends_no_run(bad: Path) -> None:
    lock = bad / "poetry.lock"
    lock.write_text(f"# by Poetry {'9' * 9_000}.1\n{lock.read_text()}")
    lock_source.check(bad)


def test_nobody_looks_for_tests_in_a_directory_outside_the_repo(bad: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(bad / "test")
    (bad / "test").symlink_to("/")
    monkeypatch.setattr(check, "test_files", lambda *_: pytest.fail("it looked"))
    assert list(check._paths(bad, Settings(), ())) == []
    outside = Settings(tests=("/",))
    (finding,) = check._paths(bad, outside, ())
    assert "tests: '/' leads out" in finding.what


def test_a_wrong_file_of_the_root_is_one_finding(root: Path, bad: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "pyproject.toml").symlink_to("/dev/zero")
    assert check.main(directory="", every=True, cwd=root, requirements=agreed) == USAGE
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("pyproject.toml:1: is a link that leads out")


def test_nothing_is_written_through_a_link_out_of_the_repo(root: Path, bad: Path) -> None:
    outside = root.parent / "secret"
    for name in ("poetry.lock", ".poetry.lock.new", "devops/base.lock"):
        (bad / name).unlink(missing_ok=True)
        (bad / name).symlink_to(outside)
    for name in ("poetry.lock", "devops/base.lock"):
        with pytest.raises(ConfigError, match="leads out"):
            checkout_file.write(bad / name, b"overwritten")
    assert outside.read_text() == SECRET
