"""However a run is ended, it says so, leaves nothing of ours behind, and touches nothing that is not ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.storage import cache_dir
from helpers.test.conftest import Scratch, docker, start, thin_env, until

pytestmark = pytest.mark.engine

SLEEPS = "import time\ndef test_quick():\n    assert True\ndef test_long():\n    time.sleep(600)\n"
STUBBORN = (
    "import signal, time\ndef test_it():\n    signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
    "    signal.signal(signal.SIGINT, signal.SIG_IGN)\n    time.sleep(600)\n"
)


class Running:
    """A driver that is running the tests of a scratch repo."""

    def __init__(self, scratch: Scratch, *arguments: str) -> None:
        self.scratch = scratch
        self.report_file = scratch.root.parent / f"report-{time.monotonic_ns()}.json"
        self.process = start(scratch.driver("--engine", "docker", *arguments, json_file=self.report_file), scratch.root)

    def wait_until_testing(self, count: int = 1) -> None:
        """Wait until `count` containers of the repo are running pytest."""
        until(lambda: len(self.busy()) >= count or self.process.poll() is not None, 60)
        assert self.process.poll() is None, self.process.communicate()

    def busy(self) -> list[str]:
        """Return the containers in which pytest has started a test: it has opened the file for its progress."""
        return [name for name in self.scratch.containers() if self._noted(name, "collected")]

    def passed(self) -> list[str]:
        """Return the containers in which a test has passed."""
        return [name for name in self.scratch.containers() if self._noted(name, "passed")]

    @staticmethod
    def _noted(name: str, event: str) -> bool:
        # The driver keeps the results of a container below the name of its run, in the order of the plan.
        run, _, number = name.removeprefix("helpers-").rpartition("-")
        progress = cache_dir() / "runs" / run / number / "results" / "progress"
        return progress.exists() and event in progress.read_text()

    def end(self, number: signal.Signals) -> None:
        """Send a signal to the driver alone, as `kill` does."""
        os.kill(self.process.pid, number)

    def finish(self, seconds: float) -> tuple[int, str, str]:
        """Return exit code, output and error output; fail when it does not end in time."""
        stdout, stderr = self.process.communicate(timeout=seconds)
        return self.process.returncode, stdout, stderr


@pytest.fixture
def running(scratch: Scratch) -> Iterator[Running]:
    """A driver in the middle of a test that takes long, beside one that ignores all polite signals."""
    scratch.add("long", SLEEPS, image="long")
    scratch.add("stubborn", STUBBORN, image="stubborn")
    run = Running(scratch, "-j", "2")
    try:
        run.wait_until_testing(2)
        yield run
    finally:
        run.process.kill()
        run.process.wait()


def test_one_interrupt_ends_with_130_leaves_nothing_and_marks_the_report_as_partial(running: Running) -> None:
    until(running.passed, 30)
    running.end(signal.SIGINT)
    code, stdout, _ = running.finish(15)
    assert code == 130
    assert running.scratch.containers() == []
    assert "INTERRUPTED: this report is partial" in stdout
    assert stdout.splitlines()[-1] == "1 passed, 0 failed, 0 skipped"
    report = json.loads(running.report_file.read_text())
    assert report["interrupted"] is True
    assert {item["verdict"] for item in report["directories"]} == {"STOPPED"}


def test_two_interrupts_end_it_within_two_seconds(running: Running) -> None:
    running.end(signal.SIGINT)
    time.sleep(0.1)
    begin = time.monotonic()
    running.end(signal.SIGINT)
    code, _, _ = running.finish(10)
    assert code == 130
    assert time.monotonic() - begin < 2
    assert running.scratch.containers() == []


def test_sigterm_ends_with_143_and_leaves_nothing(running: Running) -> None:
    running.end(signal.SIGTERM)
    code, _, _ = running.finish(15)
    assert code == 143
    assert running.scratch.containers() == []


def test_sigkill_of_the_driver_ends_its_containers_within_five_seconds(running: Running) -> None:
    running.end(signal.SIGKILL)
    running.process.wait()
    until(lambda: running.scratch.containers() == [], 5)


def test_the_next_run_removes_what_a_dead_driver_left_and_never_somebody_elses(scratch: Scratch) -> None:
    scratch.add("quick", "def test_it():\n    assert True\n")
    image = scratch.run("--engine", "docker").verdicts["quick"]["image"]
    dead = subprocess.Popen(["true"])
    dead.wait()
    scope = _owner_scope()
    root = f"helpers.root={scratch.root}"
    created = {
        "of-dead": f"{scope} {dead.pid} 1",
        "of-living": f"{scope} {os.getpid()} {_start_time(os.getpid())}",
        "of-other-machine": f"00000000-0000-0000-0000-000000000000 pid:[1] 0 {dead.pid} 1",
    }
    for name, owner in created.items():
        labels = ["--label", "helpers.toolchain=run", "--label", f"helpers.owner={owner}", "--label", root]
        docker("create", "--name", f"{scratch.root.parent.name}-{name}", *labels, image, "sleep", "600")
    stranger = docker("create", image, "sleep", "600").strip()
    try:
        assert scratch.run("--engine", "docker").code == 0
        left = {name.rpartition("of-")[2] for name in scratch.containers()}
        assert left == {"living", "other-machine"}
        assert docker("ps", "--all", "--quiet", "--no-trunc", "--filter", f"id={stranger}").strip() == stranger
    finally:
        docker("rm", "--force", stranger, *scratch.containers())


def test_two_runs_on_one_directory_at_once_do_not_disturb_each_other(scratch: Scratch) -> None:
    test = "import time\ndef test_it(tmp_path):\n    (tmp_path / 'x').write_text('x')\n    time.sleep(2)\n"
    scratch.add("shared", test)
    first, second = Running(scratch), Running(scratch)
    ends = [first.finish(90), second.finish(90)]
    assert [code for code, _, _ in ends] == [0, 0], ends


def test_the_embedded_engine_leaves_no_process_either(scratch: Scratch) -> None:
    marker = scratch.root.parent.name
    test = f"""
import subprocess, sys, time
def test_it():
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", "{marker}"], start_new_session=True)
    time.sleep(600)
"""
    scratch.add("long", test)
    process = start(scratch.driver("--engine", "venv"), scratch.root)
    until(lambda: _processes_with(marker), 90)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: not _processes_with(marker), 5)


def test_sigkill_of_a_shell_task_removes_its_container(scratch: Scratch) -> None:
    scratch.add("tool", "def test_it():\n    assert True\n")
    assert scratch.invoke("docker_build", "--dir", "tool").returncode == 0
    invoke = thin_env() / "bin" / "invoke"
    process = start([str(invoke), "docker_cmd", "--dir", "tool", "--", "sleep", "600"], scratch.root)
    until(scratch.containers, 30)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    until(lambda: scratch.containers() == [], 5)


def _processes_with(text: str) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if text in line and "time.sleep(600)" in line and "import time; time" in line:
                found.append(entry.name)
    return found


def _owner_scope() -> str:
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    return f"{boot} {os.readlink('/proc/self/ns/pid')} {os.getuid()}"


def _start_time(process: int) -> str:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[19]
