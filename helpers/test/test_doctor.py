"""`invoke doctor`: facts to findings as tables, and the real thing against the live engine and without one."""

from __future__ import annotations

import dataclasses
import http.server
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from helpers.doctor import engine, examine, machine, network, toolchain
from helpers.doctor.engine import Access, Engine
from helpers.doctor.finding import INSTALL, MISSING, OK, WARN, Check, Finding, masked
from helpers.doctor.machine import Assembler, Emulation
from helpers.doctor.network import Answer, Bundle
from helpers.doctor.toolchain import ThinEnv
from helpers.engine import argv, ownership
from helpers.errors import InfrastructureError
from helpers.model.image import LABEL_OWNER, OURS

TOP = Path(__file__).resolve().parents[2]
RUNS = Engine("28.0", "26.1", "", {"buildx": "0.13", "compose": "2.26"}, "driver-type io.containerd.snapshotter.v1")
DOWN = dataclasses.replace(RUNS, server="", store="", reason="Cannot connect. Is the daemon running?")
CLOSED = dataclasses.replace(DOWN, access=Access(exists=True, writable=False, user="ann"))
LOST = dataclasses.replace(
    DOWN, access=Access("unix:///gone.sock", False, False, by="DOCKER_HOST", value="unix:///gone.sock", undo="unset D")
)
ENTRY = "enabled\ninterpreter /usr/libexec/qemu\nflags: {flags}\noffset 0\n"
URL = "https://index.example/simple"

CASES: list[tuple[Any, Any, str, str, str]] = [
    (engine.judge_client, Engine(), MISSING, "on PATH", INSTALL),
    (engine.judge_client, RUNS, OK, "28.0", ""),
    (engine.judge_engine, RUNS, OK, "26.1", ""),
    (engine.judge_engine, Engine(access=Access(exists=False)), MISSING, "`venv`", INSTALL),
    (engine.judge_engine, DOWN, MISSING, "Is the daemon running?", INSTALL),
    (engine.judge_engine, CLOSED, MISSING, "`venv`", "usermod -aG docker"),
    (engine.judge_engine, LOST, MISSING, "DOCKER_HOST names unix:///gone.sock, which does not answer", "unset D"),
    (engine.judge_client, dataclasses.replace(RUNS, access=Access(config_fault="no JSON")), WARN, "cannot read", "mv "),
    (engine.judge_access, RUNS, OK, "answers", ""),
    (engine.judge_access, CLOSED, MISSING, "ann is not in the group docker", "usermod -aG docker"),
    (
        engine.judge_access,
        dataclasses.replace(CLOSED, access=Access("", True, False, True, "ann")),
        MISSING,
        "not yet",
        "newgrp",
    ),
    (engine.judge_access, LOST, WARN, "cannot tell", ""),
    (engine.judge_access, dataclasses.replace(DOWN, access=Access(exists=False)), MISSING, "no engine runs", INSTALL),
    (engine.judge_buildx, RUNS, OK, "0.13", ""),
    (engine.judge_buildx, dataclasses.replace(RUNS, plugins={"compose": "2"}), MISSING, "buildx", INSTALL),
    (engine.judge_buildx, Engine(client="?", reason="no answer"), WARN, "cannot tell", ""),
    (engine.judge_compose, dataclasses.replace(RUNS, plugins={"buildx": "1"}), WARN, "compose", INSTALL),
    (engine.judge_store, RUNS, OK, "several platforms", ""),
    (
        engine.judge_store,
        dataclasses.replace(RUNS, store="Backing Filesystem extfs"),
        WARN,
        "one platform",
        "--switch-store",
    ),
    (engine.judge_store, DOWN, WARN, "cannot tell", ""),
    (engine.judge_disk, dataclasses.replace(RUNS, free=int(9e9)), OK, "9.0 GB", ""),
    (engine.judge_disk, dataclasses.replace(RUNS, free=int(9e8)), MISSING, "0.9 GB", "docker_prune"),
    (engine.judge_disk, dataclasses.replace(RUNS, access=Access(host="tcp://a:1")), OK, "cannot tell", ""),
    (engine.judge_stale, (3, 0), OK, "3 of ours", ""),
    (engine.judge_stale, (3, 2), WARN, "2 of 3", "invoke docker_kill"),
    (machine.judge_emulation, Emulation("x86_64", ENTRY.format(flags="PF")), OK, "arm64", ""),
    (machine.judge_emulation, Emulation("aarch64", ENTRY.format(flags="OCF")), OK, "amd64 by qemu-x86_64", ""),
    (machine.judge_emulation, Emulation("x86_64", ENTRY.format(flags="P")), WARN, "flag F", INSTALL),
    (machine.judge_emulation, Emulation("x86_64", "disabled\nflags: F\n"), WARN, "is disabled", INSTALL),
    (machine.judge_emulation, Emulation("x86_64", ""), WARN, "not registered", INSTALL),
    (machine.judge_emulation, Emulation("riscv64", ""), WARN, "cannot tell", ""),
    (machine.judge_mmdebstrap, Assembler(), OK, "archive:", ""),
    (machine.judge_mmdebstrap, Assembler(there=False), WARN, "not on PATH: `archive:`", INSTALL),
    (machine.judge_mmdebstrap, Assembler(keys=False), WARN, "debian-archive-keyring", INSTALL),
    (machine.judge_mmdebstrap, Assembler(uidmap=False), WARN, "package uidmap", INSTALL),
    (machine.judge_mmdebstrap, Assembler(ranges=False), WARN, "/etc/subuid", "usermod --add-subuids"),
    (machine.judge_mmdebstrap, Assembler(root=True, uidmap=False, ranges=False), OK, "archive:", ""),
    (machine.judge_space, int(5e9), OK, "5.0 GB", ""),
    (machine.judge_space, int(4.9e9), WARN, "4.9 GB", "docker_prune"),
    (machine.judge_space, int(0.99e9), MISSING, "1.0 GB", "docker_prune"),
    (machine.judge_memory, int(2e9), OK, "2.0 GB", ""),
    (machine.judge_memory, int(1.9e9), WARN, "less than", "-j 1"),
    (network.judge_bundles, [], OK, "system's own", ""),
    (network.judge_bundles, [Bundle("PIP_CERT", "/a", "", 9, 150, 1)], OK, "150 certificates, 1", ""),
    (network.judge_bundles, [Bundle("A", "/a", "", 9, 5), Bundle("B", "/b", "gone")], MISSING, "B=/b: gone", "unset B"),
    (network.judge_bundles, [Bundle("A", "/a", "", 512001, 5)], MISSING, "at most 500 kB", "export A="),
    (network.judge_bundles, [Bundle("A", "/a", "", 512000, 5)], OK, "5 certificates", ""),
    (network.judge_bundles, [Bundle("A", "/a", "", 9, 2, 2)], MISSING, "all 2", "export A="),
    (network.judge_index, Answer(URL, 200), OK, URL, ""),
    (network.judge_index, Answer(URL, 401), OK, "answers", ""),
    (network.judge_index, Answer(URL, 503), WARN, "HTTP 503", "invoke doctor"),
    (network.judge_index, Answer(URL, problem="timed out"), WARN, "timed out", "pip config list"),
    (network.judge_index, Answer("https://ann:s3cret@index.example/simple", 200), OK, "https://***@index.example/", ""),
    (network.judge_clock, Answer(URL, 200, drift=-59.0), OK, "within 60 s", ""),
    (network.judge_clock, Answer(URL, 200, drift=-61.0), WARN, "61 s behind", "timedatectl"),
    (network.judge_clock, Answer(URL, 200, drift=3600.0), WARN, "3600 s ahead", "timedatectl"),
    (network.judge_clock, Answer(URL), WARN, "cannot tell", ""),
    (network.judge_clock, Answer("file:///index", 200), OK, "cannot tell", ""),
    (network.judge_proxies, {}, OK, "none", ""),
    (network.judge_proxies, {"https_proxy": "http://***@p:1"}, OK, "https_proxy=http://***@p:1", ""),
    (toolchain.judge_git, "git version 2.31.0", OK, "2.31.0", ""),
    (toolchain.judge_git, "git version 2.30.9", MISSING, "2.30.9 is older than 2.31", "git"),
    (toolchain.judge_git, "git version 2.9.5.windows.1", MISSING, "older", "git"),
    (toolchain.judge_git, "", MISSING, "not on PATH", "git"),
    (toolchain.judge_git, "what?", WARN, "cannot tell", ""),
    (toolchain.judge_python, (3, 10, 0), OK, "3.10.0", ""),
    (toolchain.judge_python, (3, 9, 18), MISSING, "older than 3.10", "HELPERS_PYTHON"),
    (toolchain.judge_thin_env, ThinEnv("/e", True, True), OK, "/e", ""),
    (toolchain.judge_thin_env, ThinEnv("/e", True, False), WARN, "outside", "setenv.sh"),
    (toolchain.judge_thin_env, ThinEnv("/e", False, False), WARN, "not made", "setenv.sh"),
    (toolchain.judge_packages, {"uv": ("1.2", "1.2")}, OK, "uv 1.2", ""),
    (toolchain.judge_packages, {"uv": ("1.2", "1.1"), "invoke": ("3", "3")}, WARN, "uv 1.1, not 1.2", "setenv.sh"),
    (toolchain.judge_packages, {"uv": ("1.2", "")}, WARN, "uv none, not 1.2", "setenv.sh"),
]


@pytest.mark.parametrize(("judge", "facts", "mark", "detail", "fix"), CASES)
def test_facts_are_judged(judge: Any, facts: Any, mark: str, detail: str, fix: str) -> None:
    found = judge(facts)
    assert found[0] == mark and detail in found[1], found
    assert fix in found[2] and bool(fix) == bool(found[2]), found


def test_every_check_of_the_table_has_a_case_and_a_name_of_its_own() -> None:
    judged = {judge for judge, *_ in CASES}
    assert [check.what for check in examine.ALL if check.judge not in judged] == []
    names = [check.what for check in examine.ALL]
    assert len(set(names)) == len(names)


def test_the_answer_of_a_client_without_engine_holds_plugins_and_the_reason() -> None:
    client = {"Version": "28.2", "Plugins": [{"Name": "buildx", "Version": "0.13"}]}
    info = {"ServerVersion": "", "DriverStatus": None, "ClientInfo": client, "ServerErrors": ["permission denied"]}
    found = engine.read_info(info, "", Access())
    assert (found.client, found.server, found.reason) == ("28.2", "", "permission denied")
    assert found.plugins == {"buildx": "0.13"} and found.store == ""


def test_ranges_of_ids_are_the_user_s_own_and_by_name(tmp_path: Path) -> None:
    file = tmp_path / "subuid"
    assert not machine.has_range(file, "ann")
    file.write_text("anna:100000:65536\n1000:165536:65536\n")
    assert not machine.has_range(file, "ann")
    file.write_text("anna:100000:65536\nann:165536:65536\n")
    assert machine.has_range(file, "ann")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://index.example/simple", "https://index.example/simple"),
        ("https://ann:pw@index.example/simple", "https://***@index.example/simple"),
        ("https://ann:p@/w?x@index.example/simple", "https://***@index.example/simple"),
        ("ann:pw@proxy:3128", "***@proxy:3128"),
        ("https://index.example/simple?token=abc", "https://index.example/simple?***"),
        ("at unix:///a.sock. Is it running? yes", "at unix:///a.sock. Is it running? yes"),
    ],
)
def test_credentials_in_urls_are_masked(text: str, shown: str) -> None:
    assert masked(text) == shown


@pytest.mark.slow
def test_a_check_that_fails_or_hangs_does_not_stop_the_others() -> None:
    def broken() -> int:
        raise InfrastructureError("no way to https://ann:pw@h/", fix="do this")

    def bug() -> int:
        raise KeyError("x")

    def hangs() -> int:
        time.sleep(30)
        return 1

    def fine(_: int) -> tuple[str, str, str]:
        return OK, "fine", ""

    def judge_bug(_: int) -> tuple[str, str, str]:
        raise ZeroDivisionError("oops")

    checks = [Check("a", broken, fine), Check("b", bug, fine), Check("c", hangs, fine), Check("d", lambda: 1, fine)]
    start = time.monotonic()
    found = examine.examine([*checks, Check("e", lambda: 1, judge_bug)], seconds=0.5)
    assert time.monotonic() - start < 5
    assert [item.mark for item in found] == [WARN, WARN, WARN, OK, WARN]
    assert found[0] == Finding(WARN, "a", "cannot tell: no way to https://***@h/", "do this")
    assert found[2].detail == "cannot tell: no answer within 0.5 s"
    assert found[4].detail == "cannot tell: oops"


def test_checks_with_the_same_facts_gather_them_once() -> None:
    calls = []

    def gather() -> int:
        calls.append(1)
        return 1

    def fine(_: int) -> tuple[str, str, str]:
        return OK, "", ""

    assert len(examine.examine([Check("a", gather, fine), Check("b", gather, fine)])) == 2
    assert len(calls) == 1


def test_only_what_is_missing_ends_in_6_and_each_finding_is_one_line() -> None:
    warn, missing = Finding(WARN, "a", "two\nlines", "do"), Finding(MISSING, "bb", "gone", "get")
    assert examine.exit_code([warn]) == 0
    assert examine.exit_code([warn, missing]) == 6
    assert examine.lines([warn, missing]) == ["warn     a   two\\nlines  fix: do", "missing  bb  gone  fix: get"]


def test_a_bundle_is_read_as_pem(tmp_path: Path) -> None:
    empty, gone = tmp_path / "empty.pem", tmp_path / "gone.pem"
    empty.write_text("-----BEGIN NOTHING-----\n")
    assert network.read_bundle("A", str(empty)).problem == "holds no certificate in PEM form"
    assert network.read_bundle("A", str(gone)).problem == "no such file or directory"
    assert network.read_bundle("A", str(tmp_path)).problem == "is a directory"


@contextmanager
def _server(status: int, date: str) -> Iterator[tuple[str, list[str]]]:
    seen: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            seen.append(str(self.headers.get("Authorization")))
            self.send_response_only(status)
            self.send_header("Date", date)
            self.end_headers()

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield f"http://ann:pw@127.0.0.1:{server.server_port}/simple/", seen
        server.shutdown()


@pytest.mark.slow
@pytest.mark.parametrize("status", [200, 403, 500])
def test_the_index_is_asked_without_credentials_and_its_date_gives_the_drift(status: int) -> None:
    with _server(status, "Mon, 01 Jan 2024 00:00:00 GMT") as (url, seen):
        answer = network.ask(url)
    assert (answer.status, seen) == (status, ["None"])
    assert answer.drift is not None and answer.drift > 60 * 86400
    assert network.judge_clock(answer)[0] == WARN


@pytest.mark.slow
def test_an_index_that_does_not_answer_is_told_without_credentials() -> None:
    with _server(200, "") as (url, _):
        pass
    answer = network.ask(url)
    assert answer.status == 0 and "refused" in answer.problem.lower()
    assert "pw" not in network.judge_index(answer)[1]
    assert "pw" not in network.judge_index(network.ask("nonsense://ann:pw@h/"))[1]


def _doctor(**environ: str) -> tuple[int, dict[str, dict[str, str]], float]:
    env = {name: value for name, value in os.environ.items() if name != "DOCKER_HOST"} | environ
    script = "import sys; from helpers.doctor.examine import report; sys.exit(report(as_json=True))"
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=TOP, env=env, capture_output=True, encoding="utf-8", check=False, timeout=30
    )
    assert done.stdout, done.stderr
    answer = json.loads(done.stdout)
    assert answer["exit_code"] == done.returncode
    return done.returncode, {row["what"]: row for row in answer["findings"]}, time.monotonic() - start


@pytest.mark.engine
def test_a_machine_with_a_live_engine_has_all_that_is_needed() -> None:
    code, found, seconds = _doctor()
    assert code == 0 and seconds < 8, found
    assert {found[name]["mark"] for name in ("client", "engine", "access", "buildx")} == {OK}


@pytest.fixture
def container() -> Iterator[str]:
    """A container of ours, never started, whose owner is this process."""
    labels = ["--label", f"{OURS}=run", "--label", f"{LABEL_OWNER}={ownership.this_owner()}"]
    image = _docker("import", "-", stdin=bytes(10240))  # an archive without files
    name = _docker("create", *labels, image, "/nothing")
    yield name
    _docker("rm", name)
    _docker("image", "rm", image)


def _docker(*arguments: str, stdin: bytes = b"") -> str:
    return subprocess.run(["docker", *arguments], input=stdin, check=True, capture_output=True).stdout.decode().strip()


@pytest.mark.engine
def test_a_container_whose_owner_lives_is_not_taken_for_one_that_was_left(container: str) -> None:
    total, dead = engine.gather_stale()
    listed = [json.loads(line) for line in _docker(*argv.list_containers()[1:]).splitlines()]
    owned = [row["owner"] for row in listed if container.startswith(row["id"])]
    assert owned == [ownership.this_owner()] and total > dead


@pytest.mark.slow
def test_an_engine_that_is_not_there_is_missing(tmp_path: Path) -> None:
    code, found, seconds = _doctor(DOCKER_HOST=f"unix://{tmp_path}/gone.sock", PATH="/usr/local/bin:/usr/bin:/bin")
    assert code == 6 and seconds < 10, found
    assert found["engine"]["mark"] == MISSING
    assert found["engine"]["detail"].startswith(f"DOCKER_HOST names unix://{tmp_path}/gone.sock, which does not answer")
    assert found["engine"]["fix"] == "unset DOCKER_HOST"
    others = [found[name] for name in ("access", "image store", "containers")]
    assert [(row["mark"], row["fix"]) for row in others] == [(WARN, "")] * 3


@pytest.mark.parametrize(
    ("variables", "by", "value", "undo"),
    [
        ({"DOCKER_HOST": "tcp://h:1"}, "DOCKER_HOST", "tcp://h:1", "unset DOCKER_HOST"),
        ({"DOCKER_CONTEXT": "far"}, "DOCKER_CONTEXT", "far", "unset DOCKER_CONTEXT"),
        ({"DOCKER_HOST": "ssh://h", "DOCKER_CONTEXT": "far"}, "DOCKER_HOST", "ssh://h", "unset DOCKER_HOST"),
        ({}, "the current docker context", "mine", "docker context use default"),
    ],
)
def test_setting_that_leads_the_client_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], by: str, value: str, undo: str
) -> None:
    (tmp_path / "config.json").write_text('{"currentContext": "mine"}')
    for name in ("DOCKER_HOST", "DOCKER_CONTEXT"):
        monkeypatch.delenv(name, raising=False)
    for name, text in {"DOCKER_CONFIG": str(tmp_path), **variables}.items():
        monkeypatch.setenv(name, text)
    access = engine.look_at_access()
    assert (access.by, access.value, access.undo, access.config_fault) == (by, value, undo, "")
    for broken in ("{", "[]", "[" * 100_000):
        (tmp_path / "config.json").write_text(broken)
        assert engine.look_at_access().config_fault


@pytest.mark.slow
def test_a_machine_without_docker_says_that_venv_works_and_how_to_get_an_engine(tmp_path: Path) -> None:
    code, found, _ = _doctor(PATH=str(tmp_path))
    assert code == 6
    assert found["client"] == {"mark": MISSING, "what": "client", "detail": "no docker client on PATH", "fix": INSTALL}
    assert "main_pytest.py still works by the embedded engine `venv`" in found["engine"]["detail"]
    assert (found["git"]["mark"], found["git"]["detail"]) == (MISSING, "not on PATH")


@pytest.mark.slow
def test_a_client_that_hangs_is_not_waited_for(tmp_path: Path) -> None:
    client = tmp_path / "docker"
    # Its child keeps the pipe open when the client itself is killed.
    client.write_text("#!/bin/sh\nsleep 15\n")
    client.chmod(0o755)
    code, found, seconds = _doctor(PATH=f"{tmp_path}:/usr/bin:/bin")
    assert code == 6 and seconds < 10, found
    assert "no answer" in found["engine"]["detail"]
