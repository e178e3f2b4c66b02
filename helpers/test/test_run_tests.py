"""`dev_scripts/run_tests.sh` on machines made of stub commands: what it needs is there, or it ends."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from helpers.test.stub_machine import Machine, machine

__all__ = ["machine"]

# Every test here starts processes and waits for them.
pytestmark = pytest.mark.slow

INSTALL = "env DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends chromium"
UPDATE = "apt-get -qq update"
KNOWN = "apt-cache policy chromium|||  Candidate: 1"
UNKNOWN = "apt-cache policy chromium|||  Candidate: (none)"


@pytest.fixture
def checkout(machine: Machine) -> Machine:
    """A machine that has all but a browser, and a checkout in which every command passes."""
    machine.script = machine.write("r/dev_scripts/run_tests.sh", "")
    shutil.copy(Path(__file__).resolve().parents[2] / "dev_scripts" / "run_tests.sh", machine.script)
    for name in ("r/dev_scripts/install_engine.sh", "r/main_pytest.py"):
        (machine.root / name).symlink_to(machine.path / "stub")
    machine.have(commands="zsh fish docker-registry dirname env")
    machine.environ = {"HOME": str(machine.path)}
    machine.rules = f"dirname *|||{machine.script.parent}\ninstall_engine.sh |||\nmain_pytest.py *|||\n"
    return machine


@pytest.mark.parametrize(
    ("rules", "code", "ran"),
    [
        ([f"{UPDATE}|||", KNOWN, f"{INSTALL}||*chromium|"], 0, [UPDATE, INSTALL]),
        ([f"{UPDATE}|||", KNOWN, f"{INSTALL}||!100|"], 6, [UPDATE, INSTALL]),
        ([f"{UPDATE}||!100|", KNOWN, f"{INSTALL}|||"], 6, [UPDATE]),
        ([f"{UPDATE}|||", UNKNOWN], 0, [UPDATE]),
    ],
)
def test_a_browser_that_apt_has_is_there_before_anything_is_tested(
    checkout: Machine, rules: list[str], code: int, ran: list[str]
) -> None:
    checkout.rules += "".join(f"{rule}\n" for rule in rules)
    done = checkout.run()
    assert done.returncode == code, done.stderr
    assert checkout.done("apt-get", "env") == ran
    assert len(checkout.done("main_pytest.py")) == (0 if code else 4)
    assert ("is not tried in a browser" in done.stderr) is (UNKNOWN in rules)


def test_a_browser_that_is_there_is_not_installed_and_a_run_that_fails_is_seen(checkout: Machine) -> None:
    checkout.have(commands="chromium")
    assert checkout.run().returncode == 0 and checkout.done("apt-", "env") == []
    checkout.rules = checkout.rules.replace("main_pytest.py *", "main_pytest.py --engine venv||!1|\nmain_pytest.py *")
    assert checkout.run().returncode == 1 and len(checkout.done("main_pytest.py")) == 8


def test_without_apt_the_tests_run_without_a_browser(checkout: Machine) -> None:
    for name in ("apt-get", "apt-cache"):
        (checkout.path / "bin" / name).unlink()
    done = checkout.run()
    assert done.returncode == 0 and "is not tried in a browser" in done.stderr and checkout.done("env") == []
