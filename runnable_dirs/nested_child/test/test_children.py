"""Containers on an engine that runs inside the one that these tests are in."""

import io
import os
import subprocess
import tarfile

import pytest

BUSYBOX = "/bin/busybox"


def docker(*arguments: str, data: bytes = b"") -> str:
    """Return what the docker client prints."""
    done = subprocess.run(["docker", *arguments], input=data, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def one_file(name: str, path: str) -> bytes:
    """Return a tar archive that holds the file `path` as `name`."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(os.path.realpath(path), name)
    return archive.getvalue()


@pytest.fixture(scope="module")
def image() -> str:
    """An image of one program, made from this container's own files: no registry is needed."""
    return docker("import", "-", "tiny:1", data=one_file("bin/busybox", BUSYBOX))


def test_a_container_runs_on_the_engine_inside(image: str) -> None:
    assert docker("run", "--rm", image, BUSYBOX, "echo", "hello from within") == "hello from within"


def test_the_engine_inside_has_its_own_images_and_no_other_containers(image: str) -> None:
    assert docker("images", "--format", "{{.Repository}}:{{.Tag}}") == "tiny:1"
    assert docker("ps", "--all", "--quiet") == ""


def test_two_containers_find_each_other_on_a_network(image: str) -> None:
    docker("network", "create", "pair")
    try:
        serve = f"echo found | {BUSYBOX} nc -l -p 7"
        docker("run", "--detach", "--network", "pair", "--name", "server", image, BUSYBOX, "sh", "-c", serve)
        ask = f"for i in 1 2 3 4 5 6 7 8 9; do {BUSYBOX} nc server 7 && break; {BUSYBOX} sleep 0.2; done"
        assert docker("run", "--rm", "--network", "pair", image, BUSYBOX, "sh", "-c", ask) == "found"
    finally:
        docker("rm", "--force", "server")
        docker("network", "rm", "pair")


def test_the_tests_themselves_are_the_caller_and_have_no_rights() -> None:
    with open("/proc/self/status") as file:
        status = dict(line.split(":\t", 1) for line in file)
    assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"
