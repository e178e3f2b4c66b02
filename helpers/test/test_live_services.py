"""Services beside tests and shells: healthy before, private meanwhile, gone after, however it ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.storage import digest
from helpers.test.conftest import Scratch, docker, start, thin_env, until

pytestmark = pytest.mark.engine

# A server that takes a moment before it answers, on a volume of its own.
WEB = """\
services:
  web:
    image: ${HELPERS_IMAGE}
    command: sh -c "sleep 0.5; echo serving; exec python -m http.server 8000 --directory /srv"
    expose: ["8000"]
    ports: ["8000:8000"]
    volumes: ["data:/srv"]
    healthcheck:
      test: python -c "import socket; socket.create_connection(('127.0.0.1', 8000))"
      interval: 100ms
      retries: 100
volumes:
  data:
"""
ASKS = """
import os, socket, urllib.request
import pytest
URL = f"http://{os.environ['WEB_HOST']}:{os.environ['WEB_PORT']}/"
def test_it_answers():
    assert urllib.request.urlopen(URL, timeout=5).status == 200
def test_this_machine_does_not():
    gateway = socket.gethostbyname(os.environ["WEB_HOST"]).rpartition(".")[0] + ".1"
    with pytest.raises(OSError) as caught:
        socket.create_connection((gateway, 9), timeout=1)
    # A port that nobody listens on is refused by a machine that is there.
    assert not isinstance(caught.value, ConnectionRefusedError)
def test_the_rest_of_the_world_does_not():
    with pytest.raises(OSError):
        socket.create_connection(("192.0.2.1", 80), timeout=1)
"""
# A service that writes to this machine as root, by a directory of the host as volume.
TAKES_HOST = """\
services:
  evil: {image: "${HELPERS_IMAGE}", user: "0:0", command: "sh -c 'id > /host/mark; sleep 30'", volumes: ["root:/host"]}
volumes: {root: {driver: local, driver_opts: {type: none, o: bind, device: DIRECTORY}}}
"""
# A service with a variable of this machine outside of the settings: read now, and again at its start.
GIVES_TOKEN = """\
    environment: [SECRET_TOKEN, "LATER=$${SECRET_TOKEN}"]
"""
ASKS_FOR_TOKEN = (
    ASKS
    + """
def test_the_service_has_no_token():
    page = urllib.request.urlopen(URL + "env", timeout=5).read().decode()
    assert "LATER=" in page and "very-secret" not in page
"""
)
SLEEPS = "import time\ndef test_long():\n    time.sleep(600)\n"
PASSES = "def test_it():\n    assert True\n"
NEVER_HEALTHY = WEB.replace("retries: 100", "retries: 1000").replace("sleep 0.5", "sleep 600")


def with_job(compose: str) -> str:
    """Return `compose` with a job that must have ended well before the server starts, as a database's migrations do."""
    job = "  job: {image: '${HELPERS_IMAGE}', command: sleep 0.1}\n"
    needs = "    depends_on: {job: {condition: service_completed_successfully}}\n"
    return compose.replace("services:\n", f"services:\n{job}").replace("    command: sh", f"{needs}    command: sh")


def with_migration(compose: str, *, awaited: bool) -> str:
    """Return `compose` with a job that runs once the server is healthy; if `awaited`, the tests wait for its end."""
    image = "image: '${HELPERS_IMAGE}'"
    job = f"  job: {{{image}, command: sleep 0.1, depends_on: {{web: {{condition: service_healthy}}}}}}\n"
    done = "{job: {condition: service_completed_successfully}}"
    stays = f"  migrated: {{{image}, command: sleep infinity, depends_on: {done}}}\n" if awaited else ""
    return compose.replace("services:\n", f"services:\n{job}{stays}")


def with_build(compose: str, line: str) -> str:
    """Return `compose` with an image that is built for the server, on the directory's own."""
    recipe = f"{{dockerfile_inline: 'FROM ${{HELPERS_IMAGE}}\n\n      {line}'}}"
    return compose.replace("image: ${HELPERS_IMAGE}", f"build: {recipe}")


def add(scratch: Scratch, name: str, test: str, compose: str, settings: str = "") -> None:
    """Make a runnable dir with services; all of them are on one image."""
    path = scratch.add(name, test, image=name, settings=settings)
    (path / "devops" / "compose.yaml").write_text(compose)


def services(scratch: Scratch) -> list[str]:
    """Return the services of the repo that run."""
    ours = ["--filter", f"label=helpers.root={scratch.root}", "--filter", "label=com.docker.compose.service"]
    return docker("ps", *ours, "--format", "{{.Names}}").split()


def test_each_verdict_says_what_became_of_the_services_and_nothing_is_left(
    scratch: Scratch, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(scratch, "works", ASKS, WEB)
    add(scratch, "fails", "def test_it():\n    assert False\n", WEB)
    add(scratch, "ends", PASSES, WEB.replace("exec python", "exit 3; python"))
    add(scratch, "sick", PASSES, WEB.replace("8000))", "1))").replace("retries: 100", "retries: 3"))
    add(scratch, "missing", PASSES, WEB.replace("${HELPERS_IMAGE}", "localhost:1/no/such:image"))
    add(scratch, "wrong", PASSES, WEB.replace("expose:", "exposes:"))
    add(scratch, "unset", PASSES, WEB.replace("${HELPERS_IMAGE}", "${NO_SUCH_VARIABLE}"))
    add(scratch, "job", ASKS, with_job(WEB))
    add(scratch, "migration", ASKS, with_migration(WEB, awaited=True))
    add(scratch, "nobody", PASSES, with_migration(WEB, awaited=False))
    add(scratch, "built", ASKS, with_build(WEB, "RUN echo built"))
    chosen = with_build(WEB, "RUN true").replace("'FROM", "'# syntax=127.0.0.1:1/x\n\n      FROM")
    add(scratch, "frontend", PASSES, chosen)
    add(scratch, "unbuilt", PASSES, with_build(WEB, "RUN exit 7"))
    add(scratch, "shared", PASSES, WEB.replace("  data:\n", "  data: {external: true}\n"))
    add(scratch, "strong", ASKS, WEB.replace("expose:", "privileged: true\n    expose:"))
    add(scratch, "host", PASSES, TAKES_HOST.replace("DIRECTORY", str(scratch.root)))
    tells = WEB.replace("echo serving;", "echo serving; env > /srv/env;").replace(
        "    expose", f"{GIVES_TOKEN}    expose"
    )
    add(scratch, "token", ASKS_FOR_TOKEN, tells)
    monkeypatch.setenv("SECRET_TOKEN", "very-secret")
    result = scratch.run("--engine", "docker")
    expected = {
        "works": ("PASS", 0, ""),
        "fails": ("FAIL", 1, "test_it"),
        "ends": ("CONFIG", 2, "service web ended with exit code 3; it printed last: serving"),
        "sick": ("INFRA", 6, "service web did not become healthy; it printed last: serving"),
        "missing": ("INFRA", 6, "the image localhost:1/no/such:image could not be fetched"),
        "wrong": ("CONFIG", 2, "exposes"),
        "unset": ("CONFIG", 2, "uses the variable NO_SUCH_VARIABLE, which is not set"),
        "shared": ("CONFIG", 2, "volumes: data is external"),
        "job": ("PASS", 0, ""),
        "migration": ("PASS", 0, ""),
        "nobody": ("CONFIG", 2, "service job ended with exit code 0"),
        "built": ("PASS", 0, ""),
        "frontend": ("CONFIG", 2, "names the frontend '127.0.0.1:1/x'"),
        "unbuilt": ("BUILD", 3, "the image of a service did not build"),
        "strong": ("REFUSED", 4, "service-capabilities (service web: privileged)"),
        "host": ("CONFIG", 2, "volumes: root: driver_opts is not allowed"),
        "token": ("PASS", 0, ""),
    }
    assert {name: result.of(name) for name in expected} == {name: item[:2] for name, item in expected.items()}
    for name, (_, _, says) in expected.items():
        assert says in result.verdicts[name]["why"], name
    assert any("job: {condition: service_completed_successfully}" in fix for fix in result.verdicts["nobody"]["hints"])
    assert "weaker works" not in result.stderr
    assert not (scratch.root / "mark").exists()
    assert scratch.leftovers() == []
    docker("image", "rm", f"helpers-service-{digest(str(scratch.root / 'built/devops/compose.yaml'), 'web')[:16]}")
    log = Path(result.verdicts["fails"]["log"]).with_name("services.log").read_text()
    assert "----- service web: Up" in log and "serving" in log


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("compose", [WEB, NEVER_HEALTHY], ids=["while testing", "while starting"])
def test_a_signal_ends_the_services_too(scratch: Scratch, number: signal.Signals, code: int, compose: str) -> None:
    add(scratch, "long", SLEEPS, compose)
    process = start(scratch.driver("--engine", "docker"), scratch.root)
    until(lambda: services(scratch) or process.poll() is not None, 90)
    os.kill(process.pid, number)
    stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == code, stdout + stderr
    assert scratch.leftovers() == []


def test_services_have_limits_and_end_soon_after_two_interrupts(scratch: Scratch) -> None:
    add(scratch, "long", SLEEPS, WEB)
    process = start(scratch.driver("--engine", "docker"), scratch.root)
    until(lambda: len(scratch.containers()) == 2 or process.poll() is not None, 90)
    told = json.loads(docker("inspect", "--format", "{{json .HostConfig}}", *services(scratch)))
    assert told["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "2", "max-size": "16m"}}
    assert told["Memory"] == 2 << 30 and told["PidsLimit"] == 1024
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.1)
    os.kill(process.pid, signal.SIGINT)
    process.communicate(timeout=5)
    assert process.returncode == 130
    until(lambda: not scratch.leftovers(), 10)


@pytest.mark.parametrize("compose", [WEB, NEVER_HEALTHY], ids=["while testing", "while starting"])
def test_sigkill_of_the_driver_ends_the_services_within_ten_seconds(scratch: Scratch, compose: str) -> None:
    add(scratch, "long", SLEEPS, compose)
    process = start(scratch.driver("--engine", "docker"), scratch.root)
    until(lambda: services(scratch), 90)
    process.kill()
    process.communicate()
    until(lambda: not scratch.leftovers(), 10)


def test_sigkill_in_the_moment_in_which_services_are_made_leaves_none(scratch: Scratch) -> None:
    add(scratch, "long", SLEEPS, WEB)
    assert scratch.invoke("docker_build", "--dir", "long").returncode == 0
    first_signs: dict[str, Callable[[], object]] = {
        "network": lambda: docker("network", "ls", "--quiet", "--filter", f"label=helpers.root={scratch.root}"),
        "container": scratch.containers,
    }
    for name, sign in first_signs.items():
        process = start(scratch.driver("--engine", "docker"), scratch.root)
        until(sign, 30)
        process.kill()
        process.communicate()
        until(lambda: not scratch.leftovers(), 10)
        # What the engine was just making when its maker died would be there by now.
        time.sleep(2)
        assert scratch.leftovers() == [], name


def test_what_a_dead_run_left_is_removed_by_the_next_one_and_what_a_living_one_has_stays(scratch: Scratch) -> None:
    scratch.add("quick", PASSES)
    dead = subprocess.Popen(["true"])
    dead.wait()
    scope = f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')} 0"
    alive = Path(f"/proc/{os.getpid()}/stat").read_text().rpartition(")")[2].split()[19]
    owners = {"of-dead": f"{scope} {dead.pid} 1", "of-living": f"{scope} {os.getpid()} {alive}"}
    made = []
    for name, owner in owners.items():
        labels = ["--label", "helpers.toolchain=run", "--label", f"helpers.owner={owner}"]
        labels += ["--label", f"helpers.root={scratch.root}"]
        made.append(f"{scratch.prefix}-{name}")
        docker("network", "create", *labels, made[-1])
        docker("volume", "create", *labels, made[-1])
    docker("network", "create", f"{scratch.prefix}-stranger")
    try:
        assert scratch.run("--engine", "docker").code == 0
        assert scratch.leftovers() == [f"{scratch.prefix}-of-living"] * 2
        assert scratch.invoke("docker_kill").returncode == 0
        assert scratch.leftovers() == []
        assert f"{scratch.prefix}-stranger" in docker("network", "ls")
    finally:
        docker("network", "rm", f"{scratch.prefix}-stranger")


def test_two_runs_of_one_directory_at_once_have_services_of_their_own(scratch: Scratch) -> None:
    test = """
    import os, time, urllib.request
    def test_it():
        time.sleep(2)
        assert urllib.request.urlopen(f"http://{os.environ['WEB_HOST']}:8000/", timeout=5).status == 200
    """
    add(scratch, "twice", test, WEB.replace("expose:", "container_name: the-web\n    expose:"))
    assert scratch.invoke("docker_build", "--dir", "twice").returncode == 0
    runs = [start(scratch.driver("--engine", "docker"), scratch.root) for _ in range(2)]
    until(lambda: len(services(scratch)) == 2, 30)
    ended = [(run.communicate(timeout=90), run.returncode) for run in runs]
    assert [code for _, code in ended] == [0, 0], ended
    assert scratch.leftovers() == []


def test_a_shell_has_services_that_this_machine_can_reach_at_a_free_port(scratch: Scratch) -> None:
    add(scratch, "tool", PASSES, WEB)
    code = "import os; print(os.environ['WEB_HOST'], os.environ['WEB_PORT'])"
    done = scratch.invoke("docker_cmd", "--dir", "tool", "--", "python", "-c", code)
    assert (done.returncode, done.stdout) == (0, "web 8000\n"), done.stderr
    assert "service web:8000 (on this machine 127.0.0.1:" in done.stderr
    until(lambda: not scratch.leftovers(), 10)


def test_sigkill_of_a_shell_ends_its_services(scratch: Scratch) -> None:
    add(scratch, "tool", PASSES, WEB)
    assert scratch.invoke("docker_build", "--dir", "tool").returncode == 0
    invoke = str(thin_env() / "bin" / "invoke")
    for sign in (lambda: services(scratch), lambda: len(scratch.containers()) == 2):
        process = start([invoke, "docker_cmd", "--dir", "tool", "--", "sleep", "600"], scratch.root)
        until(sign, 30)
        process.kill()
        process.communicate()
        until(lambda: not scratch.leftovers(), 10)


def test_without_containers_there_are_no_services_and_no_verdict(scratch: Scratch) -> None:
    add(scratch, "web", ASKS, WEB)
    add(scratch, "nested", PASSES, "services: {}\n", 'docker = "child"\n')
    (scratch.root / "nested" / "devops" / "compose.yaml").unlink()
    (scratch.root / "nested" / "devops" / ".gitkeep").touch()
    result = scratch.run("--engine", "venv")
    assert (result.of("web"), result.of("nested")) == (("SKIP", 0), ("SKIP", 0))
    assert "needs services (devops/compose.yaml)" in result.verdicts["web"]["why"]
    assert 'starts containers (docker = "child")' in result.verdicts["nested"]["why"]
