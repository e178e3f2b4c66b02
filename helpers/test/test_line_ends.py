"""Line ends of a checkout: the same bytes with `core.autocrlf=true`, for helpers and for new repos."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from helpers import config
from helpers.images.recipe import image_chain
from helpers.model.stage import BUILD_STAGES
from helpers.repos import init, shared_files
from helpers.test.conftest import ROOT
from helpers.test.unit_fixtures import add_dir, cache, forget, git, make_repo, no_poetry

__all__ = ["cache", "no_poetry"]

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


def test_checkout_with_autocrlf_has_the_same_images(tmp_path: Path, no_poetry: Path) -> None:
    root = make_repo(tmp_path / "one")
    (root / ".gitattributes").write_bytes(COMMON)
    path = add_dir(root, "d", 'code = ["code"]\nentrypoint = ["sh"]')
    (path / "code").mkdir()
    (path / "code" / "run.sh").write_text("#!/bin/sh\necho ok\n")
    (path / "devops" / "Dockerfile").write_text("ARG BASE\nFROM ${BASE}\n")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "first")
    clone = tmp_path / "two"
    git(tmp_path, "-c", "core.autocrlf=true", "clone", "--quiet", str(root), str(clone))
    names = [image_names(root), image_names(clone)]
    assert names[0] == names[1] and len(names[0]) == 4
    (clone / "d" / "code" / "run.sh").write_bytes(b"#!/bin/sh\r\necho ok\r\n")
    assert image_names(clone) != names[0]


def image_names(root: Path) -> list[str]:
    forget()
    load = config.loader(root)
    return [image.reference for stage in BUILD_STAGES for image in image_chain(load(root / "d"), load, stage)]


@pytest.mark.parametrize("shell", ["bash", pytest.param("zsh", marks=pytest.mark.host)])
def test_setenv_of_an_older_checkout_with_autocrlf_names_the_fix(tmp_path: Path, shell: str) -> None:
    root = make_repo(tmp_path / "it is")
    (root / "dev_scripts").mkdir()
    shutil.copy2(ROOT / "dev_scripts" / "setenv.sh", root / "dev_scripts")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "first")
    clone = tmp_path / "two words"
    git(tmp_path, "clone", "--quiet", "--config", "core.autocrlf=true", str(root), str(clone))
    command = [shell, "-f" if shell == "zsh" else "--norc", "-euc", "source 'two words/dev_scripts/setenv.sh'"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert done.returncode == 2 and done.stderr.count("\n") == 1 and "(CRLF)" in done.stderr, done.stderr
    subprocess.run([shell, "-c", done.stderr.partition("fix: ")[2]], cwd=tmp_path, check=True)
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert "CRLF" not in done.stderr and "helpers is empty" in done.stderr


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
