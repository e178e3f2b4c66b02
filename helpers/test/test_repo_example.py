"""`repo_example` with real git: its layout, the states of its repos, and what a failure leaves."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from helpers import discover
from helpers.errors import InfrastructureError, PolicyError, UsageError
from helpers.images import lock_source
from helpers.repo import remotes
from helpers.repo.creating import Origins
from helpers.repos import example, status
from helpers.test.unit_fixtures import forget

pytestmark = pytest.mark.slow

IDENTITY = "[user]\n\tname = t\n\temail = t@example.invalid\n"
ALLOWED = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.file.allow", "GIT_CONFIG_VALUE_0": "always"}


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The configuration of a user with an identity, whose git refuses paths as URLs of submodules."""
    file = tmp_path / "gitconfig"
    file.write_text(IDENTITY)
    for name, value in {"GIT_CONFIG_GLOBAL": str(file), "GIT_CONFIG_NOSYSTEM": "1"}.items():
        monkeypatch.setenv(name, value)
    for name in ALLOWED:
        monkeypatch.delenv(name, raising=False)
    remotes.local_allowed.cache_clear()
    forget()
    return file


def git(cwd: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=cwd, check=True, capture_output=True, encoding="utf-8").stdout


def test_example_holds_origins_and_a_clean_super_repo(config: Path, tmp_path: Path) -> None:
    top = tmp_path / "an example 100%41"
    assert example.main(str(top), cwd=tmp_path) == 0
    names = sorted(path.name for path in (top / "origins").iterdir())
    assert names == ["helpers.git", "lib.git", "sales.git", "shop.git", "stock.git"]
    shop = top / "shop"
    assert git(shop, "status", "--porcelain", "--branch") == "## main...origin/main\n"
    assert git(shop, "ls-remote", "origin", "refs/heads/main").split()[0] == git(shop, "rev-parse", "HEAD").strip()
    assert [path.name for path in (shop / "payroll").iterdir()] == []
    assert discover.runnable_paths(shop) == discover.runnable_paths(shop / "lib") == []
    runnable = [path for name in ("sales", "stock") for path in discover.runnable_paths(shop / name)]
    assert runnable == [shop / "sales" / "orders", shop / "stock" / "shelves"]
    for path in runnable:
        lock_source.check(path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["an example 100%41", "gitconfig"]
    assert config.read_text() == IDENTITY


def test_status_of_the_example_names_the_repo_without_access(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    example.main("example", cwd=tmp_path)
    capsys.readouterr()
    for name, value in ALLOWED.items():
        monkeypatch.setenv(name, value)
    remotes.local_allowed.cache_clear()
    status.main(as_json=True, check=False, offline=False, cwd=tmp_path / "example" / "shop")
    remotes.local_allowed.cache_clear()
    states = {
        repo["path"]: [one["state"] for one in repo["states"]] for repo in json.loads(capsys.readouterr().out)["repos"]
    }
    assert states.pop("payroll") == ["no access"]
    assert states == {path: [] for path in (".", "helpers", "lib", "sales", "stock")}


@pytest.mark.parametrize(
    ("step", "fault"), [("super_repo", InfrastructureError("disk full")), ("take_away", KeyboardInterrupt())]
)
def test_failure_leaves_nothing_that_a_second_call_would_meet(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, fault: BaseException
) -> None:
    def fail(*_: object) -> None:
        raise fault

    (place := tmp_path / "place").mkdir()
    monkeypatch.setattr(Origins, step, fail)
    with pytest.raises(type(fault)):
        example.main("new/example", cwd=place)
    assert list(place.iterdir()) == []


def test_directory_with_content_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for name in ("file", "."):
        with pytest.raises(UsageError, match="has content"):
            example.main(name, cwd=tmp_path)
    assert example.main("empty", dry_run=True, cwd=tmp_path) == 0
    assert list((tmp_path / "empty").iterdir()) == []


def test_user_without_a_name_gets_the_command_that_sets_it(config: Path, tmp_path: Path) -> None:
    config.write_text("[user]\n\tuseConfigOnly = true\n")
    with pytest.raises(PolicyError, match="does not know who commits") as caught:
        example.main("example", cwd=tmp_path)
    assert "git config --global user.name" in (caught.value.fix or "")
    assert [path.name for path in tmp_path.iterdir()] == ["gitconfig"]
