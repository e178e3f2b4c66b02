"""What `sync_update` leaves alone: links, files outside, bytes it can not read, and all of them when one fails."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from helpers.errors import ConfigError, HelpersError, InfrastructureError, PolicyError, UsageError
from helpers.model import sync_lock
from helpers.model.blob import blob_id
from helpers.repos import shared_files
from helpers.repos.shared_files import Write
from helpers.test.helpers_repo import (
    EDITORCONFIG,
    SHIM,
    TEXT,
    HelpersRepo,
    everything,
    in_order,
    states,
    status,
    update,
)
from helpers.test.unit_fixtures import git

pytestmark = pytest.mark.slow


@pytest.fixture
def repo(tmp_path: Path) -> HelpersRepo:
    """A super-repo whose common files are in order."""
    return in_order(tmp_path)


@pytest.mark.parametrize("fails", ["the second file", "the record"])
def test_when_one_file_can_not_be_written_none_is_changed(
    repo: HelpersRepo, monkeypatch: pytest.MonkeyPatch, fails: str
) -> None:
    repo.template(EDITORCONFIG, TEXT + "last\n")
    repo.template(SHIM, repo.read(SHIM) + "# last\n")
    repo.edit(EDITORCONFIG, "line 1\n", "line 1 of mine\n")
    repo.edit(SHIM, "import os\n", "import os  # mine\n")
    repo.publish("second")
    repo.upgrade()
    (repo.root / "invoke.yaml").unlink()
    before = everything(repo.root)
    replace, breaks = os.replace, str(repo.root / (SHIM if fails == "the second file" else sync_lock.PATH))

    def refuse(source: str, target: str) -> None:
        if str(target) == breaks:
            monkeypatch.setattr(os, "replace", replace)
            raise PermissionError(13, "no", breaks)
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(PermissionError):
        update(repo)
    assert everything(repo.root) == before
    assert update(repo) == 0
    assert repo.read(SHIM).endswith("# last\n")


def test_directories_that_were_made_in_vain_are_gone(tmp_path: Path) -> None:
    writes = [Write("a/b/c.txt", None, b"x")]
    with pytest.raises(KeyError), shared_files.written(tmp_path, writes):
        assert (tmp_path / "a/b/c.txt").read_bytes() == b"x"
        raise KeyError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("link", [EDITORCONFIG, "dev_scripts", sync_lock.PATH])
def test_no_link_is_followed(repo: HelpersRepo, tmp_path: Path, link: str) -> None:
    outside = tmp_path / "outside"
    (repo.root / link).rename(outside)
    (repo.root / link).symlink_to(outside)
    repo.template(EDITORCONFIG, "new\n")
    repo.publish("second")
    repo.upgrade()
    before = everything(repo.root), everything(outside), outside.is_dir() or outside.read_bytes()
    with pytest.raises(PolicyError, match="is a link"):
        update(repo)
    assert (everything(repo.root), everything(outside), outside.is_dir() or outside.read_bytes()) == before


def test_a_template_that_history_does_not_have_is_said_with_the_command_that_fetches_it(repo: HelpersRepo) -> None:
    repo.edit(EDITORCONFIG, "line 1\n", "mine\n")
    repo.template(EDITORCONFIG, TEXT + "last\n")
    repo.publish("second")
    git(repo.root, "submodule", "deinit", "--quiet", "--force", "helpers")
    (repo.root / ".git" / "modules" / "helpers").rename(repo.root.parent / "old")
    url = f"file://{repo.remote}"
    git(repo.root, "clone", "--quiet", "--depth", "1", url, "helpers")
    before = everything(repo.root)
    with pytest.raises(InfrastructureError, match="is not in the history of helpers") as caught:
        update(repo)
    assert "fetch --unshallow" in str(caught.value.fix) and "--theirs .editorconfig" in str(caught.value.fix)
    assert everything(repo.root) == before
    git(repo.package, "fetch", "--quiet", "--unshallow")
    assert update(repo) == 0


@pytest.mark.parametrize("text", ["nonsense\n", "a.txt  12  34\n", "<<<<<<< HEAD\n", "x  --help  conflict\n"])
def test_a_record_that_is_spoiled_is_said_with_its_line(repo: HelpersRepo, text: str) -> None:
    repo.write(sync_lock.PATH, repo.read(sync_lock.PATH) + text)
    with pytest.raises(ConfigError) as caught:
        status(repo)
    assert caught.value.where == f"{sync_lock.PATH}:7"
    assert f"git checkout HEAD -- {sync_lock.PATH}" in str(caught.value.fix)


def test_the_record_is_sorted_and_reads_back() -> None:
    one, two = sync_lock.Merged("a" * 40, "b" * 40), sync_lock.Merged("c" * 64, sync_lock.CONFLICT)
    text = sync_lock.text({"z": one, "a/b": two})
    assert text.splitlines()[1:] == [f"a/b  {'c' * 64}  conflict", f"z  {'a' * 40}  {'b' * 40}"]
    assert sync_lock.parse(text, "x") == {"z": one, "a/b": two}
    assert blob_id(b"") == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391"


@pytest.mark.parametrize("content", ["caf\u00e9\n".encode("latin-1") + TEXT.encode(), b"\0" + TEXT.encode()])
def test_bytes_that_are_no_utf8_survive_and_what_is_no_text_is_refused(repo: HelpersRepo, content: bytes) -> None:
    (repo.root / EDITORCONFIG).write_bytes(content)
    repo.template(EDITORCONFIG, TEXT + "last\n")
    repo.publish("second")
    repo.upgrade()
    if b"\0" in content:
        with pytest.raises(HelpersError, match="is no text"):
            update(repo)
        assert (repo.root / EDITORCONFIG).read_bytes() == content
    else:
        assert update(repo) == 0
        assert (repo.root / EDITORCONFIG).read_bytes() == content + b"last\n"


def test_a_record_of_a_file_outside_leads_nobody_there(repo: HelpersRepo, capsys: pytest.CaptureFixture[str]) -> None:
    outside = repo.root.parent / "outside.txt"
    outside.write_text("<<<<<<< \n>>>>>>> \n")
    line = f"../outside.txt  {'0' * 40}  {'0' * 40}\n"
    repo.write(sync_lock.PATH, repo.read(sync_lock.PATH) + line)
    assert states(repo, capsys) == {"../outside.txt": "not listed"}
    with pytest.raises(UsageError):
        update(repo, "../outside.txt")
    assert update(repo) == 0
    assert outside.read_text() == "<<<<<<< \n>>>>>>> \n"
    assert line not in repo.read(sync_lock.PATH)


def test_what_a_process_left_that_was_killed_as_it_wrote_is_removed_and_nothing_else(repo: HelpersRepo) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    names = {f"..editorconfig-helpers-{ended.pid}-x": False, f"..editorconfig-helpers-{os.getpid()}-x": True}
    names |= {"..editorconfig-helpers-mine": True, ".editorconfig-mine": True}
    for name in names:
        repo.write(name, "half\n")
    (repo.root / EDITORCONFIG).unlink()
    update(repo)
    assert (repo.root / EDITORCONFIG).is_file()
    assert {name: (repo.root / name).exists() for name in names} == names
