"""Each option that a directory gives its containers has its effect in a real one."""

from __future__ import annotations

import socket
from contextlib import suppress
from urllib.request import urlopen

import pytest

from helpers.test.conftest import Scratch, start, thin_env, until

pytestmark = pytest.mark.engine

SHM_AND_OWN_NAME = """
import os
import socket

def test_shared_memory_is_as_large_as_the_memory():
    with open("/dev/shm/filled", "wb") as file:
        file.write(bytes(100 << 20))

def test_own_name_has_an_address():
    assert socket.gethostbyname(socket.gethostname()) == "127.0.0.1"
"""
OPTIONS = """
import os
import resource
import socket

def limits(name):
    return resource.getrlimit(getattr(resource, "RLIMIT_" + name))

def test_shared_memory():
    found = os.statvfs("/dev/shm")
    assert found.f_frsize * found.f_blocks == 32 << 20

def test_cores():
    places = ("/sys/fs/cgroup/cpu.max", "/sys/fs/cgroup/cpu/cpu.cfs_quota_us")
    assert [open(place).read().split()[0] for place in places if os.path.exists(place)] == ["50000"]

def test_limits_of_a_process():
    assert (limits("NOFILE"), limits("CORE")) == ((100, 200), (0, 0))

def test_names():
    assert socket.gethostname() == "box.test"
    assert socket.gethostbyname("box.test") == "127.0.0.1"
    assert socket.gethostbyname("db.test") == "127.0.0.7"
"""
SET = """\
shm_size = "32m"
cpus = 0.5
ulimits = ["nofile=100:200", "core=0"]
hostname = "box.test"
extra_hosts = ["db.test:127.0.0.7"]
"""


def test_options_have_their_effect_in_a_container_of_tests_and_of_a_person(scratch: Scratch) -> None:
    scratch.add("plain", SHM_AND_OWN_NAME, image="plain", settings='memory = "512m"\n')
    path = scratch.add("set", OPTIONS, image="set", settings=SET)
    tested = scratch.run("--engine", "docker")
    assert (tested.of("plain"), tested.of("set")) == (("PASS", 0), ("PASS", 0))
    assert "weaker" not in tested.stderr
    # A shell is on a network, where the engine itself gives its name an address.
    looks = "import os, resource, socket; print(socket.gethostname(), socket.gethostbyname('db.test'), "
    looks += "resource.getrlimit(resource.RLIMIT_NOFILE), os.statvfs('/dev/shm').f_blocks * 4096 >> 20)"
    looks += "; socket.gethostbyname(socket.gethostname())"
    shell = scratch.invoke("docker_cmd", "--", "python", "-c", looks, cwd=path)
    assert (shell.stdout, shell.returncode) == ("box.test 127.0.0.7 (100, 200) 32\n", 0)


def test_names_that_an_engine_without_containers_cannot_give_are_a_skip(scratch: Scratch) -> None:
    for name in ("hostname", "extra_hosts"):
        setting = next(line for line in SET.splitlines() if line.startswith(name))
        scratch.add(name, OPTIONS, image=name.replace("_", "-"), settings=f"{setting}\n")
    scratch.add("limits", "def test_it(): pass\n", image="limits", settings='cpus = 1\nulimits = ["core=0"]\n')
    found = scratch.run("--engine", "venv")
    assert [found.of(name)[0] for name in ("hostname", "extra_hosts", "limits")] == ["SKIP", "SKIP", "PASS"]
    assert "needs host names of its own" in found.verdicts["hostname"]["why"]


VARIABLES = """
import os

def test_variables():
    assert os.environ["MODE"] == "a b=c"
    assert (os.environ["LANG"], os.environ["EMPTY"]) == ("C", "")
    assert (os.environ["LOGNAME"], os.environ["TOLD"]) == ("somebody", "x y")
"""
ENV = """env = ["MODE=a b=c", "LANG=C", "EMPTY="]
env_file = "../.env"
"""


@pytest.mark.parametrize("engine", ["docker", "venv"])
def test_variables_with_a_value_are_those_of_tests_and_of_a_person(scratch: Scratch, engine: str) -> None:
    path = scratch.add("set", VARIABLES, image="set", settings=ENV)
    (scratch.root / ".env").write_text("LOGNAME=somebody\nTOLD='x y'\n")
    (scratch.root / ".gitignore").write_text(".env\n")
    found = scratch.run("--engine", engine, MODE="of the host")
    assert found.of("set") == ("PASS", 0), found.stdout
    # No variable of the host comes in, so a strict policy refuses nothing and the verdict is kept.
    assert "weaker" not in found.stderr
    if engine == "docker":
        # No verdict is kept of a repo that is younger than 2 s.
        until(lambda: "cached" in scratch.run("--engine", "docker", "--policy", "strict", "--cached").stdout, 30)
        shell = scratch.invoke("docker_cmd", "--", "printenv", "MODE", "TOLD", cwd=path)
        assert shell.stdout == "a b=c\nx y\n"
        (scratch.root / ".env").write_text("LOGNAME=somebody\nTOLD=other\n")
        changed = scratch.run("--engine", "docker", "--cached")
        assert changed.of("set") == ("FAIL", 1)
        assert not any("other" in line for line in changed.stderr.splitlines() if line.startswith("without helpers"))


def test_published_port_of_a_container_answers_on_this_machine(scratch: Scratch) -> None:
    path = scratch.add("served", "def test_it(): pass\n", image="served")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    assert scratch.invoke("docker_build", cwd=path).returncode == 0
    argv = ["docker_cmd", "--publish", f"{port}:80", "--", "python", "-m", "http.server", "--directory", "/etc", "80"]
    server = start([str(thin_env() / "bin" / "invoke"), *argv], path)
    try:

        def answers() -> bool:
            with suppress(OSError):
                return bool(urlopen(f"http://127.0.0.1:{port}/hostname", timeout=5).status == 200)
            return False

        until(answers, 60)
    finally:
        server.terminate()
        said = server.communicate(timeout=30)[1]
    assert f"127.0.0.1:{port} leads to port 80 of the container" in said
    until(lambda: scratch.leftovers() == [], 10)


DEVICES = """
import os
import socket

def test_device():
    os.close(os.open("/dev/fuse", os.O_RDONLY))

def test_address_of_the_machine():
    assert socket.gethostbyname("machine.test").count(".") == 3
"""
GIVEN = 'devices = ["/dev/fuse:rw"]\nextra_hosts = ["machine.test:host-gateway"]\n'


def test_devices_need_a_grant_and_are_printed_as_weaker(scratch: Scratch) -> None:
    path = scratch.add("given", DEVICES, image="given", settings=GIVEN)
    scratch.add("gone", "def test_it(): pass\n", image="gone", settings='devices = ["/dev/helpers-none"]\n')
    refused = scratch.run("--engine", "docker")
    assert (refused.of("given"), refused.of("gone")) == (("REFUSED", 4), ("REFUSED", 4))
    found = scratch.run("--engine", "docker", "--policy", "default,devices")
    assert found.of("given") == ("PASS", 0), found.stdout + found.stderr
    for line in ("devices = [/dev/fuse:rw]", "extra_hosts = [machine.test:host-gateway]"):
        assert f"weaker given: {line}" in found.stderr
    assert found.of("gone") == ("CONFIG", 2)
    assert "this machine has no device /dev/helpers-none, which devices asks for" in found.verdicts["gone"]["why"]
    shell = scratch.invoke("docker_cmd", "--", "test", "-c", "/dev/fuse", cwd=path, HELPERS_POLICY="default,devices")
    assert shell.returncode == 0 and "weaker: devices = [/dev/fuse:rw]" in shell.stderr
