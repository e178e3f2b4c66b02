from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers import checkout_file
from helpers.errors import ConfigError
from helpers.test.unit_fixtures import make_repo

SECRET = "the-password-of-the-caller"


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Path]:
    checkout_file.forget()
    root = make_repo(tmp_path / "home" / "r")
    (tmp_path / "home" / "secret").write_text(SECRET)
    (tmp_path / "home" / "folder").mkdir()
    (tmp_path / "home" / "folder" / "f").write_text(SECRET)
    (root / "d").mkdir()
    (root / "in").write_text("inside")
    (root / ".git" / "f").write_text(SECRET)
    yield root
    checkout_file.forget()


def link(path: Path, target: str) -> Path:
    path.symlink_to(target)
    return path


def refused(path: Path, what: str) -> ConfigError:
    """Read, probe and write `path`; assert three refusals, an unchanged target and no content in a message."""
    before = path.read_bytes() if path.is_file() and os.path.getsize(path) < 100 else b""
    for act in (
        checkout_file.read,
        checkout_file.read_if_there,
        checkout_file.read_text,
        checkout_file.is_there,
        lambda file: checkout_file.write(file, b"overwritten"),
    ):
        with pytest.raises(ConfigError, match=what) as caught:
            act(path)
        assert SECRET not in str(caught.value)
    assert not before or path.read_bytes() == before
    return caught.value


@pytest.mark.parametrize(
    ("target", "what"),
    [
        ("{home}/secret", "leads out of the repo"),
        ("../../secret", "leads out of the repo"),
        ("../../r/in", "leads out of the repo"),
        ("/proc/self/environ", "leads out of the repo"),
        ("/proc/self/cwd/in", "leads out of the repo"),
        ("/dev/zero", "leads out of the repo"),
        ("../loop", "leads out of the repo"),
        ("../.git/f", "link into .git"),
        ("../.GIT/f", "link into .git"),
        ("x", "in a circle"),
        ("../nothing", "does not exist"),
        ("../d", "is a directory, not a regular file"),
        ("{home}/r/../secret", "leads out of the repo"),
    ],
)
def test_a_link_is_refused_unread_unless_it_stays_inside_the_repo(root: Path, target: str, what: str) -> None:
    link(root / "loop", "../folder/f")
    path = link(root / "d" / "x", target.format(home=root.parent))
    error = refused(path, what)
    if "leads out" in what:
        assert error.where in (str(path), str(root / "loop"))


@pytest.mark.parametrize("target", ["../in", "../d/../in", "{home}/r/in", "../other"])
def test_a_link_that_stays_inside_the_repo_is_followed(root: Path, target: str) -> None:
    link(root / "other", "in")
    path = link(root / "d" / "x", target.format(home=root.parent))
    assert checkout_file.read(path) == b"inside"
    checkout_file.write(path, b"new")
    assert path.is_symlink() and (root / "in").read_bytes() == b"new"


@pytest.mark.parametrize("target", ["{home}/folder", "../folder", ".git"])
@pytest.mark.parametrize("git", [False, True], ids=["plain target", "target is a checkout"])
def test_a_directory_that_is_a_link_out_of_the_repo_is_refused(root: Path, target: str, git: bool) -> None:
    if git:
        (root.parent / "folder" / ".git").mkdir()
    path = link(root / "e", target.format(home=root.parent))
    assert refused(path / "f", "is a link (that leads out|into)").where == str(path)
    with pytest.raises(ConfigError, match="is a link"):
        checkout_file.check_directory(path)
    with pytest.raises(ConfigError, match="is a link"):
        checkout_file.write(path / "new", b"x")
    assert not (root.parent / "folder" / "new").exists()
    checkout_file.check_directory(root / "d")


def test_a_repo_around_the_checkout_permits_nothing(root: Path) -> None:
    (root.parent / ".git").mkdir()  # such as the home directory
    refused(link(root / "d" / "x", "../../secret"), "leads out of the repo")


def test_what_is_no_regular_file_is_refused_without_a_wait(root: Path) -> None:
    os.mkfifo(root / "d" / "fifo")
    (root / "d" / "directory").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.getcwd()
        os.chdir(root / "d")  # the path of a socket is short
        listener.bind("socket")
        os.chdir(here)
        for kind in ("FIFO", "directory", "socket"):
            refused(root / "d" / kind.lower(), f"is a {kind}, not a regular file")


@pytest.mark.parametrize(("name", "most"), [("pyproject.toml", 1 << 20), ("poetry.lock", 16 << 20)])
def test_a_file_is_read_up_to_the_limit_of_its_kind(root: Path, name: str, most: int) -> None:
    path = root / "d" / name
    path.write_bytes(b"")
    os.truncate(path, most)
    assert len(checkout_file.read(path)) == most
    for size in (most + 1, 1 << 40):
        os.truncate(path, size)
        with pytest.raises(ConfigError, match="is larger than"):
            checkout_file.read(path)


def test_a_missing_file_is_none_or_an_error(root: Path) -> None:
    for path in (root / "d" / "no", root / "no" / "no", root / "in" / "no"):
        assert checkout_file.read_if_there(path) is None
        assert checkout_file.read_text_if_there(path) is None
        assert not checkout_file.is_there(path)
        with pytest.raises(ConfigError, match="is missing"):
            checkout_file.read(path)
    checkout_file.write(root / "d" / "no", b"made")
    assert (root / "d" / "no").read_bytes() == b"made"


@pytest.mark.parametrize(
    ("content", "what"), [(b"\xef\xbb\xbfa", "byte order mark"), (b"\xff\xfea\0", "UTF-8"), (b"ok\n\xe9", "UTF-8")]
)
def test_text_that_is_not_plain_utf_8_is_named_and_the_fix_for_a_mark_works(
    root: Path, content: bytes, what: str
) -> None:
    path = root / "d" / "it's"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=what) as caught:
        checkout_file.read_text(path)
    assert str(caught.value.where).startswith(f"{path}:")
    if "mark" in what:
        assert os.system((caught.value.fix or "").partition("  (")[0]) == 0
        assert checkout_file.read_text(path) == "a"
