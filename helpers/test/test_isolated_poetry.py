"""Poetry runs on copies, away from the checkout, with the same output as in place, and without a build backend."""

from __future__ import annotations

import os
import secrets
import subprocess
from pathlib import Path

import pytest

from helpers.errors import ConfigError, InfrastructureError
from helpers.images import isolated_poetry, lock
from helpers.images.tool_environment import python_of
from helpers.test.package_index import Index
from helpers.test.test_index_files import index
from helpers.test.test_lock import WANTS_A_AND_B
from helpers.test.unit_fixtures import add_dir, make_repo

__all__ = ["index"]


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


@pytest.mark.host
@pytest.mark.slow
def test_a_lock_with_path_dependencies_is_that_of_poetry_in_place(tmp_path: Path, index: Index) -> None:
    # Poetry keeps the data of a package in the user's cache, by name: the name is new in each run.
    needle = f"needle{secrets.token_hex(4)}"
    index.add(needle, "1.0", days=10)
    near = {
        "poetry": f'[tool.poetry]\nname = "near"\nversion = "1"\n[tool.poetry.dependencies]\n{needle} = "*"\n',
        "flit": f'[project]\nname = "far"\nversion = "2"\ndependencies = ["{needle}"]\n'
        '[build-system]\nrequires = ["x"]\n',
    }
    (tmp_path / ".git").mkdir()
    for name, text in near.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "pyproject.toml").write_text(text)
    path = tmp_path / "one"
    path.mkdir()
    needs = (
        '[tool.poetry.group.x.dependencies]\nnear = {path = "../poetry", develop = true}\nfar = {path = "../flit"}\n'
    )
    # Poetry does not read the file of a license.
    text = WANTS_A_AND_B.replace('["a", "b"]', f'["{needle}"]\nlicense = {{file = "/dev/zero"}}') + needs
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
    # Projects of the repo are no packages of an index: images get their wheels.
    assert "file://" not in exported and f"{needle}==1.0" in exported


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
