"""A package index with a login, on the live engine: locks and builds get the login, and nothing else holds it."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from helpers.engine.tools import uv
from helpers.test import package_index
from helpers.test.conftest import Scratch, docker
from helpers.test.package_index import Index

pytestmark = [pytest.mark.engine, pytest.mark.slow]

PASSWORD = "pass/word@4711"
QUOTED = "pass%2Fword%404711"
TEST = "import privpkg\n\ndef test_it():\n    assert True\n"
BY_NAME: dict[str, dict[str, Any]] = {
    "poetry": {"POETRY_HTTP_BASIC_CORP_EAST_USERNAME": "ann", "POETRY_HTTP_BASIC_CORP_EAST_PASSWORD": PASSWORD},
    "uv": {"UV_INDEX_CORP_EAST_USERNAME": "ann", "UV_INDEX_CORP_EAST_PASSWORD": PASSWORD},
}
POETRY = """
[tool.poetry.dependencies]
privpkg = {{source = "corp-east"}}

[[tool.poetry.source]]
name = "corp-east"
url = "{url}"
priority = "explicit"
"""
UV = """
[tool.uv.sources]
privpkg = {{index = "corp-east"}}

[[tool.uv.index]]
name = "corp-east"
url = "{url}"
explicit = true
"""


@pytest.fixture
def index() -> Iterator[Index]:
    """An index on the address by which containers and builds of the engine reach this machine."""
    (network,) = json.loads(docker("network", "inspect", "bridge"))
    address = network["IPAM"]["Config"][0]["Gateway"]
    with package_index.serve(address, f"ann:{PASSWORD}") as found:
        found.add("privpkg", "1.0", days=10)
        yield found


@pytest.fixture(autouse=True)
def no_logins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep logins and answers of this machine out of the test."""
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))
    monkeypatch.setenv("POETRY_CACHE_DIR", str(tmp_path / "poetry"))


def add(scratch: Scratch, name: str, tables: str, index: Index) -> Path:
    path = scratch.add(name, TEST, image=name, lock=False)
    project = (path / "pyproject.toml").read_text().replace("dependencies = []", 'dependencies = ["privpkg"]')
    (path / "pyproject.toml").write_text(project + tables.format(url=index.url))
    return path


def netrc(home: Path, index: Index, password: str = PASSWORD) -> dict[str, Any]:
    file = home / "netrc"
    host = index.url.partition("://")[2].partition(":")[0]
    file.write_text(f"machine {host} login ann password {password}\n")
    file.chmod(0o600)
    return {"NETRC": str(file)}


def keyring(home: Path) -> dict[str, Any]:
    """Put a program `keyring` with the login on PATH, and ask uv for it."""
    (home / "bin").mkdir()
    program = home / "bin" / "keyring"
    program.write_text(f"#!/bin/sh\ntest \"$1 $2\" = '--mode creds' && printf '%s\\n' ann '{PASSWORD}'\n")
    program.chmod(0o755)
    return {"PATH": f"{home}/bin:{os.environ['PATH']}", "UV_KEYRING_PROVIDER": "subprocess"}


class Arguments:
    """The command lines of all processes of this machine, again and again until the end of the block."""

    def __init__(self) -> None:
        self.seen: set[bytes] = set()
        self._end = Event()
        self._thread = Thread(target=self._look)

    def __enter__(self) -> Arguments:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._end.wait(0.05):
            for process in Path("/proc").glob("[0-9]*"):
                with suppress(OSError):
                    self.seen.add((process / "cmdline").read_bytes())


def holds(data: bytes) -> bool:
    return PASSWORD.encode() in data or QUOTED.encode() in data


def files_with_password(*roots: Path) -> list[Path]:
    files = (file for root in roots for file in root.rglob("*") if file.is_file() and not file.is_symlink())
    return [file for file in files if holds(file.read_bytes())]


def layers_with_password(reference: str) -> list[str]:
    save = ["docker", "save", reference]
    return _of_tar(subprocess.run(save, check=True, capture_output=True).stdout)


def _of_tar(data: bytes) -> list[str]:
    """Return the files of an archive, and of the archives in it, with the password."""
    found: list[str] = []
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for item in archive.getmembers():
            file = archive.extractfile(item) if item.isfile() else None
            content = file.read() if file else b""
            found += [item.name] if holds(content) else []
            if len(content) > 1024:
                with suppress(tarfile.TarError):
                    found += _of_tar(content)
    return found


def image_of(scratch: Scratch, name: str) -> str:
    names = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    return next(one for one in names if one.startswith(f"{scratch.prefix}-{name}:inputs"))


def passes(scratch: Scratch, name: str, engine: str, login: dict[str, Any]) -> str:
    """Run the tests of a directory, which pass, and return all that was printed and kept of the run."""
    done = scratch.run("--engine", engine, "--dir", name, **login)
    said = done.stdout + done.stderr
    assert done.of(name) == ("PASS", 0), said
    logs = Path(re.findall(r"logs in (\S+)", said)[-1])
    assert files_with_password(logs, logs.parent.parent / "requirements", logs.parent.parent / "scratch") == []
    return said


@pytest.mark.parametrize("spelling", BY_NAME)
def test_login_by_name_locks_and_builds_and_stays_nowhere(scratch: Scratch, index: Index, spelling: str) -> None:
    path, login = add(scratch, "d", POETRY, index), BY_NAME[spelling]
    with Arguments() as arguments:
        locked = scratch.invoke("docker_lock", "--dir", "d", **login)
        assert locked.returncode == 0, locked.stderr
        said = [locked.stdout, locked.stderr, *(passes(scratch, "d", one, login) for one in ("docker", "venv"))]
        checked = scratch.invoke("docker_lock", "--check", "--cooldown", "5", "--dir", "d", **login)
        assert checked.returncode == 0, checked.stderr
        old = scratch.invoke("docker_lock", "--check", "--cooldown", "15", "--dir", "d", **login)
        assert old.returncode == 1 and "privpkg-1.0-py3-none-any.whl: uploaded 10.0 days ago" in old.stderr, old.stderr
    said += [checked.stderr, old.stderr]
    assert not any(holds(text.encode()) for text in said) and "privpkg" in (path / "poetry.lock").read_text()
    assert len(arguments.seen) > 20 and not any(map(holds, arguments.seen))
    assert files_with_password(scratch.root) == []
    reference = image_of(scratch, "d")
    assert layers_with_password(reference) == []
    assert not holds((docker("history", "--no-trunc", reference) + docker("image", "inspect", reference)).encode())


def test_index_of_a_uv_lock_is_asked_with_the_login_of_each_place(
    scratch: Scratch, index: Index, tmp_path: Path
) -> None:
    path = add(scratch, "d", UV, index)
    logins = (BY_NAME["poetry"], netrc(tmp_path, index), keyring(tmp_path))
    for number, login in enumerate(logins):
        # The builder answers from its cache for a version that it has installed.
        index.add("privpkg", f"1.{number}", days=10)
        command = [str(uv()), "lock", "--quiet", "--upgrade-package", "privpkg"]
        subprocess.run(command, cwd=path, env={**os.environ, **BY_NAME["uv"]}, check=True)
        for engine in ("docker", "venv"):
            index.asked.clear()
            passes(scratch, "d", engine, login)
            assert f"/files/privpkg-1.{number}-py3-none-any.whl" in index.asked


@pytest.mark.parametrize("named", [False, True])
def test_index_of_the_machine_with_a_login_in_its_url_or_by_name_locks_and_builds(
    scratch: Scratch, index: Index, named: bool
) -> None:
    path = add(scratch, "d", "", index)
    login: dict[str, Any] = {"UV_INDEX": f"corp-east={index.url}", **BY_NAME["uv"]}
    if not named:
        login = {"UV_INDEX": index.url.replace("://", f"://ann:{QUOTED}@")}
    # Poetry has one index of the machine: the lock is of uv.
    subprocess.run([str(uv()), "lock", "--quiet"], cwd=path, env={**os.environ, **login}, check=True)
    assert not holds((path / "uv.lock").read_bytes())
    for engine in ("docker", "venv"):
        passes(scratch, "d", engine, login)


def test_only_index_of_the_machine_with_a_login_locks(scratch: Scratch, index: Index, tmp_path: Path) -> None:
    path = add(scratch, "d", "", index)
    project = path / "pyproject.toml"
    project.write_text(project.read_text().replace('"pytest>=9,<10"', ""))
    url = index.url.replace("://", f"://ann:{QUOTED}@")
    logins: list[dict[str, Any]] = [
        {"UV_DEFAULT_INDEX": url},
        {"UV_DEFAULT_INDEX": index.url, **netrc(tmp_path, index)},
    ]
    for login in logins:
        (path / "poetry.lock").unlink(missing_ok=True)
        done = scratch.invoke("docker_lock", "--dir", "d", **login)
        assert done.returncode == 0 and not holds(done.stderr.encode()), done.stderr
        assert index.url not in (path / "poetry.lock").read_text()
    wrong = scratch.invoke("docker_lock", "--dir", "d", UV_DEFAULT_INDEX=url.replace("4711", "4712"))
    assert wrong.returncode == 0, wrong.stderr  # nothing to ask
    (path / "poetry.lock").unlink()
    wrong = scratch.invoke("docker_lock", "--dir", "d", UV_DEFAULT_INDEX=url.replace("4711", "4712"))
    assert wrong.returncode == 2 and "4712" not in wrong.stderr
    assert "the package index of this machine refuses the login of its URL" in wrong.stderr, wrong.stderr


def test_lock_in_a_container_gets_the_login_without_an_argument(scratch: Scratch, index: Index) -> None:
    path = add(scratch, "d", POETRY, index)
    source = scratch.root / "x"
    source.mkdir()
    (source / "setup.py").write_text("from setuptools import setup\nsetup(name='x', version='1')\n")
    project = path / "pyproject.toml"
    project.write_text(project.read_text() + '\n[tool.poetry.group.near.dependencies]\nx = {path = "../x"}\n')
    with Arguments() as arguments:
        done = scratch.invoke("docker_lock", "--dir", "d", **BY_NAME["uv"])
    assert done.returncode == 0 and "locking in a container" in done.stderr, done.stderr
    assert "privpkg" in (path / "poetry.lock").read_text() and not any(map(holds, arguments.seen))


def test_prod_image_holds_the_package_and_no_password(scratch: Scratch, index: Index) -> None:
    path = add(scratch, "d", POETRY, index)
    (path / "d.py").write_text("import privpkg\n")
    assert scratch.invoke("docker_lock", "--dir", "d", **BY_NAME["uv"]).returncode == 0
    scratch.git("add", "--all")
    done = scratch.invoke("docker_build", "--stage", "prod", "--dir", "d", **BY_NAME["uv"])
    assert done.returncode == 0, done.stderr
    names = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    made = [one for one in names if one.startswith(f"{scratch.prefix}-d:")]
    assert made and [layers_with_password(one) for one in made] == [[] for _ in made]
    assert not holds((done.stdout + done.stderr).encode())


WRONG = {"UV_INDEX_CORP_EAST_USERNAME": "ann", "UV_INDEX_CORP_EAST_PASSWORD": "wr0ng-4711"}
NAMED = "export UV_INDEX_CORP_EAST_USERNAME=USER UV_INDEX_CORP_EAST_PASSWORD=PASSWORD"


@pytest.mark.parametrize("login, words", [({}, "needs a login"), (WRONG, "refuses the login of UV_INDEX_CORP_EAST_")])
def test_missing_or_wrong_password_is_one_error_with_the_variable_to_set(
    scratch: Scratch, index: Index, login: dict[str, Any], words: str
) -> None:
    add(scratch, "d", POETRY, index)
    refused = scratch.invoke("docker_lock", "--dir", "d", **login)
    assert refused.returncode == 2, refused.stderr
    locked = scratch.invoke("docker_lock", "--dir", "d", **BY_NAME["uv"])
    assert locked.returncode == 0, locked.stderr
    said = [refused.stderr]
    for engine in ("docker", "venv"):
        done = scratch.run("--engine", engine, **login)
        assert done.of("d") == ("CONFIG", 2), done.stdout + done.stderr
        said.append(done.stdout + done.stderr)
    for text in said:
        assert f"the package index 'corp-east' {words}" in text and NAMED in text, text
        assert "wr0ng" not in text and "Traceback" not in text
