"""Honest verdicts: whatever a directory's tests do, it gets the right verdict and the others still run."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from helpers.test.conftest import Result, Scratch, docker, scratch_repo

pytestmark = pytest.mark.engine

PASSES = "def test_it():\n    assert 1 + 1 == 2\n"
RUNS = "test/test_it.py::test_it was running"
# name of the case: (test file, settings, verdict, exit code, a part of the reason)
CASES = {
    "passes": (PASSES, "", "PASS", 0, ""),
    "fails": ("def test_it():\n    assert 1 + 1 == 3\n", "", "FAIL", 1, "test_it.py::test_it"),
    "exits": (
        "import os\ndef test_it():\n    os._exit(0)\n",
        "",
        "CRASH",
        8,
        f"verdict; {RUNS}",
    ),
    "segfaults": (
        "import ctypes\ndef test_it():\n    ctypes.string_at(0)\n",
        "",
        "CRASH",
        8,
        f"(SIGSEGV); {RUNS}",
    ),
    "eats_memory": (
        "def test_it():\n    hog = []\n    while True:\n        hog.append(bytearray(8 << 20))\n",
        'memory = "96m"\n',
        "CRASH",
        8,
        "memory limit",
    ),
    "child_eats_memory": (
        """
        import subprocess, sys
        def test_it():
            hog = "x = []\\nwhile True: x.append(bytearray(8 << 20))"
            assert subprocess.run([sys.executable, "-c", hog]).returncode != 0
        """,
        'memory = "96m"\n',
        "CRASH",
        8,
        "memory limit",
    ),
    "hangs": (
        """
        import signal, time
        def test_it():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            time.sleep(600)
        """,
        "timeout = 2\n",
        "TIMEOUT",
        7,
        f"did not end within 2 s; {RUNS}",
    ),
    "forks_a_daemon": (
        """
        import os, time
        def test_it():
            if os.fork() == 0:
                os.setsid()
                if os.fork() == 0:
                    time.sleep(600)
                os._exit(0)
        """,
        "",
        "PASS",
        0,
        "",
    ),
    "forks_into_pytest": (
        """
        import os
        def test_it():
            if os.fork() == 0:
                raise AssertionError("only in the child")
            assert os.wait()[1] != 0
        """,
        "",
        "PASS",
        0,
        "",
    ),
    "prints_a_lot": (
        "def test_it():\n    for _ in range(100):\n        print('x' * (1 << 20))\n    assert 0\n",
        "",
        "FAIL",
        1,
        "",
    ),
    "prints_garbage": (
        "import os\ndef test_it(capfd):\n"
        "    with capfd.disabled():\n        os.write(1, bytes(range(128, 256)) * 9)\n    assert 0\n",
        "",
        "FAIL",
        1,
        "",
    ),
    "does_not_import": (
        "import there_is_no_such_module\ndef test_it():\n    pass\n",
        "",
        "FAIL",
        1,
        "could not be imported",
    ),
    "collects_nothing": ("def helper():\n    pass\n", "", "EMPTY", 5, "no test"),
    "skips_all": (
        "import pytest\ndef test_it():\n    pytest.skip('never')\n",
        "",
        "EMPTY",
        5,
        "every test was skipped",
    ),
    "does_not_build": (PASSES, 'system_packages = ["there-is-no-such-package"]\n', "BUILD", 3, "did not build"),
    "wrong_setting": (PASSES, 'bass = "archive:bookworm"\n', "CONFIG", 2, "did you mean 'base'"),
}


@dataclass
class Everything:
    """The one run in which all cases are directories of one repo: none may disturb another."""

    scratch: Scratch
    result: Result
    junit: Path

    @property
    def verdicts(self) -> dict[str, dict[str, Any]]:
        """The verdict on each directory."""
        return self.result.verdicts


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Everything]:
    """Run all cases."""
    home = tmp_path_factory.mktemp("verdicts")
    with scratch_repo(home / "repo") as scratch:
        for name, (test, settings, *_) in CASES.items():
            scratch.add(name, test, settings=settings, image=name.replace("_", "-"))
        result = scratch.run("--engine", "docker", "-j", "4", "--junit", str(home / "junit.xml"))
        yield Everything(scratch, result, home / "junit.xml")


@pytest.mark.parametrize("name", CASES)
def test_a_directory_gets_the_verdict_that_it_earned(name: str, everything: Everything) -> None:
    _, _, verdict, code, why = CASES[name]
    item = everything.verdicts[name]
    assert (item["verdict"], item["exit_code"]) == (verdict, code), item
    assert why in item["why"]


def test_the_worst_directory_decides_the_exit_code_and_all_are_in_the_table(everything: Everything) -> None:
    result = everything.result
    assert result.code == 2  # bad configuration stands above a failed build, a crash and the rest
    for name in CASES:
        assert f"\n{name} " in result.stdout
    assert result.report["exit_code"] == 2


def test_nothing_is_left_in_the_engine(everything: Everything) -> None:
    assert everything.scratch.containers() == []


def test_the_image_in_the_report_is_the_digest_that_the_engine_knows(everything: Everything) -> None:
    digest = everything.verdicts["passes"]["image"]
    assert docker("image", "inspect", "--format", "{{.Id}}", digest).strip() == digest


def test_the_log_of_a_hundred_megabytes_is_kept_small(everything: Everything) -> None:
    log = Path(everything.verdicts["prints_a_lot"]["log"])
    assert log.stat().st_size < 20 << 20
    assert b"bytes left out" in log.read_bytes()


def test_junit_names_every_directory_and_counts_a_crash_as_an_error(everything: Everything) -> None:
    suites = {suite.get("name"): suite for suite in ET.parse(everything.junit).getroot()}
    assert set(suites) == set(CASES)
    assert suites["exits"].find("testcase/error") is not None
    assert suites["passes"].get("tests") == "1"


def test_a_missing_lock_is_named_with_the_command_that_makes_it(scratch: Scratch) -> None:
    scratch.add("unlocked", PASSES, lock=False)
    result = scratch.run("--engine", "docker")
    assert result.of("unlocked") == ("CONFIG", 2)
    assert "docker_lock" in result.verdicts["unlocked"]["why"]


def test_no_directory_at_all_is_never_green(scratch: Scratch) -> None:
    result = scratch.run("--engine", "docker")
    assert result.code == 5
    assert "dir_create" in result.stderr
    assert scratch.run("--engine", "docker", "--allow-empty").code == 0


def test_no_test_is_never_green_unless_allowed(scratch: Scratch) -> None:
    scratch.add("empty", "")
    assert scratch.run("--engine", "docker").code == 5
    assert scratch.run("--engine", "docker", "--allow-empty").code == 0


def test_a_test_sees_its_own_directory_read_only_and_neither_network_nor_others(scratch: Scratch) -> None:
    scratch.add("neighbour", PASSES, image="neighbour")
    scratch.add(
        "limits",
        """
        import os, pathlib, socket, pytest
        here = pathlib.Path(__file__).parents[1]
        def test_read_only():
            with pytest.raises(OSError, match="Read-only"):
                (here / "new").write_text("x")
            with pytest.raises(OSError):
                pathlib.Path("/etc/new").write_text("x")
        def test_no_network():
            with pytest.raises(OSError):
                socket.create_connection(("192.0.2.1", 80), timeout=2)
            assert os.listdir("/sys/class/net") == ["lo"]
        def test_no_neighbour():
            assert {item.name for item in here.parent.iterdir() if item.is_dir()} == {here.name, "helpers"}
        def test_no_capability_and_no_socket():
            status = pathlib.Path("/proc/self/status").read_text()
            assert "CapEff:\\t0000000000000000" in status
            assert "NoNewPrivs:\\t1" in status
            assert not os.path.exists("/var/run/docker.sock")
        def test_home_and_tmp_are_writable(tmp_path):
            pathlib.Path.home().joinpath("x").write_text("x")
            tmp_path.joinpath("x").write_text("x")
        def test_of_the_hosts_variables_only_the_named_ones_are_here():
            assert "SECRET_OF_HOST" not in os.environ
            assert os.environ["NAMED_OF_HOST"] == "two words"
        """,
        image="limits",
        settings='env = ["NAMED_OF_HOST"]\n',
    )
    result = scratch.run("--engine", "docker", SECRET_OF_HOST="1", NAMED_OF_HOST="two words")
    assert result.of("limits") == ("PASS", 0), result.stderr


def test_a_failure_by_a_limit_hints_at_the_setting_and_the_setting_lifts_it(scratch: Scratch) -> None:
    writes = "import pathlib\ndef test_it():\n    (pathlib.Path(__file__).parents[1] / 'out' / 'x').write_text('x')\n"
    path = scratch.add("writer", writes)
    (path / "out").mkdir()
    result = scratch.run("--engine", "docker")
    assert result.of("writer") == ("FAIL", 1)
    assert "`writable`" in result.verdicts["writer"]["why"]
    with (path / "pyproject.toml").open("a") as file:
        file.write('writable = ["out"]\n')
    assert scratch.run("--engine", "docker").of("writer") == ("PASS", 0)
    assert (path / "out" / "x").read_text() == "x"


def test_tiers_select_tests_by_their_marker(scratch: Scratch) -> None:
    test = """
    import pytest
    def test_fast(): pass
    @pytest.mark.slow
    def test_slow(): pass
    @pytest.mark.superslow
    def test_superslow(): pass
    """
    scratch.add("tiers", test)
    counts = {tier: scratch.run("--tier", tier).verdicts["tiers"]["passed"] for tier in ("fast", "slow", "all")}
    assert counts == {"fast": 1, "slow": 1, "all": 3}


def test_a_layered_image_holds_what_its_base_holds(scratch: Scratch) -> None:
    scratch.add("low", PASSES, image="low")
    test = "import subprocess\ndef test_it():\n    assert subprocess.run(['git', '--version']).returncode == 0\n"
    path = scratch.add("high", test, image="high")
    text = (path / "pyproject.toml").read_text().replace('"archive:bookworm"', '"dir:../low"')
    (path / "pyproject.toml").write_text(text)
    result = scratch.run("--dir", "high")
    assert result.of("high") == ("PASS", 0), result.stderr
    assert list(result.verdicts) == ["high"]
