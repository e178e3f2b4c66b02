"""Line ends of a checkout: the same bytes with `core.autocrlf=true`, for helpers and for new repos."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from helpers.repos import init, shared_files
from helpers.test.conftest import ROOT
from helpers.test.unit_fixtures import git, make_repo

COMMON = (ROOT / "helpers" / "templates" / "shared" / ".gitattributes").read_bytes()
FILES = {
    "run.sh": b"#!/bin/sh\necho ok\n",
    "d/devops/Dockerfile": b"FROM x\n",
    "d/poetry.lock": b"a = 1\n",
    "d/changelog.txt": b"# d-1.0.0\n",
    "d/data.bin": b"\0\r\n\n",
}


def committed(root: Path) -> Path:
    for name, content in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    (root / "run.sh").chmod(0o755)
    git(root, "add", "--all")
    git(root, "-c", "user.name=t", "-c", "user.email=t@example.invalid", "commit", "--quiet", "-m", "first")
    return root


def test_checkout_with_autocrlf_has_the_same_bytes(tmp_path: Path) -> None:
    root = make_repo(tmp_path / "one")
    (root / ".gitattributes").write_bytes(COMMON)
    committed(root)
    clone = tmp_path / "two"
    git(tmp_path, "-c", "core.autocrlf=true", "clone", "--quiet", str(root), str(clone))
    assert {name: (clone / name).read_bytes() for name in FILES} == FILES
    assert subprocess.run([clone / "run.sh"], capture_output=True, encoding="utf-8").stdout == "ok\n"
    assert git(clone, "status", "--porcelain") == ""


@pytest.mark.parametrize("place", ["helpers", "."])
def test_helpers_and_this_repo_have_the_common_line_ends(place: str) -> None:
    assert (ROOT / place / ".gitattributes").read_bytes() == COMMON


@pytest.mark.parametrize("own", [None, b"*.png binary\n"])
def test_init_adds_line_ends_and_leaves_those_of_the_user(tmp_path: Path, own: bytes | None) -> None:
    root = make_repo(tmp_path / "r")
    (root / "helpers").symlink_to(shared_files.PACKAGE)
    if own:
        (root / ".gitattributes").write_bytes(own)
    for _ in range(2):
        assert init.main(cwd=root) == 0
        assert (root / ".gitattributes").read_bytes() == (own or COMMON)
