"""A git dependency by ssh, on the live engine: this machine fetches its commit, and no build gets a key or an agent."""

from __future__ import annotations

import getpass
import http.server
import os
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from helpers.engine.tools import uv
from helpers.test.conftest import Scratch, docker, until
from helpers.test.server_fixtures import basic
from helpers.test.unit_fixtures import git

PASSWORD = "pass-4711-word"
pytestmark = [
    pytest.mark.engine,
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("sshd", path="/usr/sbin:/usr/bin"), reason="needs the package openssh-server"),
]

PACKAGE = """\
[build-system]
requires = ["setuptools>=77"]
build-backend = "setuptools.build_meta"

[project]
name = "gitpkg"
version = "1.2"

[tool.setuptools]
packages = ["gitpkg"]
package-data = {gitpkg = ["kept.txt"]}
"""
TEST = """\
import gitpkg
from importlib.metadata import version
from pathlib import Path

def test_it():
    assert (version("gitpkg"), gitpkg.X) == ("1.2", 1)
    assert (Path(gitpkg.__file__).parent / "kept.txt").read_text() == "$Format:%H$"
"""


@dataclass
class Server:
    """A real ssh server with one repository, whose second commit is not wanted.

    Arguments:
        url: of the repository.
        commit: the wanted commit.
        env: an agent with the key, and the server's host key.
    """

    url: str
    commit: str
    env: dict[str, Any]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@pytest.fixture
def server(open_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("POETRY_CACHE_DIR", str(open_path / "poetry"))
    source = open_path / "source"
    for name, text in {
        "py/pyproject.toml": PACKAGE,
        "py/gitpkg/__init__.py": "X = 1\n",
        "py/gitpkg/kept.txt": "$Format:%H$",
        ".gitattributes": "kept.txt export-ignore export-subst\n",
    }.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    git(source, "init", "--quiet", "--initial-branch", "main")
    git(source, "add", "--all")
    git(source, "commit", "--quiet", "--message", "wanted")
    git(source, "tag", "v1")
    commit = git(source, "rev-parse", "HEAD").strip()
    (source / "py" / "gitpkg" / "__init__.py").write_text("X = 2\n")
    git(source, "commit", "--quiet", "--all", "--message", "later")
    git(open_path, "clone", "--quiet", "--bare", "source", "dep.git")
    for name in ("host", "key"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", open_path / name], check=True)
    port, name = free_port(), getpass.getuser()
    (open_path / "authorized").write_text((open_path / "key.pub").read_text())
    words = (open_path / "host.pub").read_text().split()[:2]
    (open_path / "known").write_text(f"[127.0.0.1]:{port} {' '.join(words)}\n")
    (open_path / "sshd.conf").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {open_path}/host\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {open_path}/authorized\nPasswordAuthentication no\nPermitRootLogin prohibit-password\n"
    )
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    sshd, sock = shutil.which("sshd", path="/usr/sbin:/usr/bin") or "", str(open_path / "agent")
    started = [
        subprocess.Popen([sshd, "-D", "-e", "-f", str(open_path / "sshd.conf")], stderr=subprocess.DEVNULL),
        subprocess.Popen(["ssh-agent", "-D", "-a", sock], stdout=subprocess.DEVNULL),
    ]
    try:
        until(lambda: os.path.exists(sock), 10)
        env = {
            "SSH_AUTH_SOCK": sock,
            "GIT_SSH_COMMAND": f"ssh -F none -o UserKnownHostsFile={open_path}/known -o StrictHostKeyChecking=yes",
        }
        subprocess.run(["ssh-add", "-q", open_path / "key"], env={**os.environ, **env}, check=True)
        (open_path / "key").unlink()
        yield Server(f"ssh://{name}@127.0.0.1:{port}{open_path}/dep.git", commit, env)
    finally:
        for process in started:
            process.terminate()
            process.wait()


@pytest.fixture
def https(server: Server, open_path: Path) -> Iterator[Server]:
    """The same repository by https, with a login and a certificate of its own."""
    port, wanted = free_port(), f"Basic {basic('ann', PASSWORD)}"
    key, certificate, bundle = (open_path / name for name in ("tls.key", "tls.pem", "bundle.pem"))
    words: list[Any] = [
        "-subj",
        "/CN=localhost",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
        "-days",
        "2",
        "-keyout",
        key,
    ]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *words, "-out", certificate]
    subprocess.run(command, check=True, capture_output=True)
    usual = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile or ""
    bundle.write_text(certificate.read_text() + (Path(usual).read_text() if Path(usual).is_file() else ""))
    git(open_path / "dep.git", "update-server-info")

    class Handler(http.server.SimpleHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") == wanted:
                return super().do_GET()
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="git"')
            self.send_header("Content-Length", "0")
            return self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    handler = partial(Handler, directory=str(open_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", port), handler) as found:
        found.socket = context.wrap_socket(found.socket, server_side=True)
        threading.Thread(target=found.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        # curl, in git, reads netrc of the home only.
        env = {"HOME": str(open_path), "SSL_CERT_FILE": str(bundle), "GIT_SSL_CAINFO": str(bundle)}
        env |= {"no_proxy": "127.0.0.1", "SSH_AUTH_SOCK": ""}
        yield Server(f"https://127.0.0.1:{port}/dep.git", server.commit, env)
        found.shutdown()


def add(scratch: Scratch, name: str, server: Server, more: str = "") -> Path:
    path = scratch.add(name, TEST, image=name, lock=False)
    project = (path / "pyproject.toml").read_text()
    needs = f"gitpkg @ git+{server.url}@{server.commit}#subdirectory=py" if not more else "gitpkg"
    (path / "pyproject.toml").write_text(project.replace("dependencies = []", f'dependencies = ["{needs}"]') + more)
    return path


def check_runs(scratch: Scratch, name: str, server: Server) -> None:
    without = scratch.run("--engine", "venv", "--dir", name, **{**server.env, "SSH_AUTH_SOCK": ""})
    assert without.of(name) == ("INFRA", 6), without.stdout + without.stderr
    assert f"the commit {server.commit[:12]} of a git dependency cannot be fetched" in without.stderr
    for engine in ("docker", "venv"):
        done = scratch.run("--engine", engine, "--dir", name, **server.env)
        assert done.of(name) == ("PASS", 0), done.stdout + done.stderr


def test_git_dependency_by_ssh_locks_and_builds_at_its_commit(scratch: Scratch, server: Server) -> None:
    path = add(scratch, "d", server)
    closed = scratch.invoke("docker_lock", "--dir", "d", **{**server.env, "SSH_AUTH_SOCK": ""})
    assert closed.returncode == 6 and "a git dependency cannot be fetched: " in closed.stderr, closed.stderr
    assert f"fix: git ls-remote {server.url}  (" in closed.stderr
    locked = scratch.invoke("docker_lock", "--dir", "d", **server.env)
    assert locked.returncode == 0, locked.stderr
    assert server.commit in (path / "poetry.lock").read_text()
    check_runs(scratch, "d", server)
    names = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}").split()
    reference = next(one for one in names if one.startswith(f"{scratch.prefix}-d:inputs"))
    history = docker("history", "--no-trunc", reference)
    assert server.env["SSH_AUTH_SOCK"] not in history and "ssh" not in history
    # An image on this one has the package, and does not fetch it again.
    top = scratch.add("top", TEST, image="top", settings="", lock=False)
    project = (top / "pyproject.toml").read_text().replace("archive:bookworm", "dir:../d")
    (top / "pyproject.toml").write_text(project)
    for command in (("docker_lock", "--dir", "top"), ("docker_build", "--dir", "top")):
        done = scratch.invoke(*command, **{**server.env, "SSH_AUTH_SOCK": ""})
        assert done.returncode == 0, done.stderr


def test_git_dependency_of_a_uv_lock_builds_at_its_commit(scratch: Scratch, server: Server) -> None:
    table = f'\n[tool.uv.sources]\ngitpkg = {{git = "{server.url}", tag = "v1", subdirectory = "py"}}\n'
    path = add(scratch, "u", server, table)
    subprocess.run([str(uv()), "lock", "--quiet"], cwd=path, env={**os.environ, **server.env}, check=True)
    assert server.commit in (path / "uv.lock").read_text()
    check_runs(scratch, "u", server)


LOGINS = {
    ".netrc": f"machine 127.0.0.1 login ann password {PASSWORD}\n",
    ".gitconfig": f'[credential]\nhelper = "!f() {{ echo username=ann; echo password={PASSWORD}; }}; f"\n',
}


@pytest.mark.parametrize("place", LOGINS)
def test_git_dependency_by_https_locks_and_builds_with_the_login_of_git(
    scratch: Scratch, https: Server, open_path: Path, place: str
) -> None:
    path = add(scratch, "h", https)
    closed = scratch.invoke("docker_lock", "--dir", "h", **https.env)
    assert closed.returncode == 6 and f"fix: git ls-remote {https.url}  (" in closed.stderr, closed.stderr
    (open_path / place).write_text(LOGINS[place])
    locked = scratch.invoke("docker_lock", "--dir", "h", **https.env)
    assert locked.returncode == 0, locked.stderr
    done = scratch.run("--engine", "docker", "--dir", "h", **https.env)
    assert done.of("h") == ("PASS", 0), done.stdout + done.stderr
    said = (locked.stderr, done.stdout, done.stderr, (path / "poetry.lock").read_text())
    assert not any(PASSWORD in text for text in said)
